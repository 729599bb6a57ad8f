"""The templates of the pages."""

from typing import Any

from sweep.report.methods import percent


def environment() -> Any:
    """Where templates are found; what they insert is escaped, and a name that is not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("sweep.report", "template"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    found.filters["percent"] = percent
    return found
