"""The templates of the pages."""

from typing import Any

from sweep.report.words import percent
from sweep.runs.outcomes import outcomes_of


def template(name: str) -> Any:
    """A page's template; what it inserts is escaped, and a name that is not given to it is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment: Any = Environment(
        loader=PackageLoader("sweep.report.page", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals["outcomes"] = outcomes_of("network")
    return environment.get_template(name)
