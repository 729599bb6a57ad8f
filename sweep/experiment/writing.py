"""Experiments written as YAML: settings to the text that reads back as them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sweep.runs.errors import visible

# of an experiment: settings by name, or cases one after the other
Sections = Mapping[str, Mapping[str, Any] | Sequence[Any]]
_plain_name = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_no_names = {"null", "true", "false", "yes", "no", "on", "off"}
remark_column = 26


def flow(value: Any) -> str:
    """A value on one line of YAML.

    >>> flow({"name": "sgd", "momentum": 0.9, "nesterov": True}), flow([4, 2]), flow("on")
    ('{name: sgd, momentum: 0.9, nesterov: true}', '[4, 2]', '"on"')
    """
    if isinstance(value, str):
        is_name = _plain_name.fullmatch(value) and value.lower() not in _no_names
        return value if is_name else json.dumps(value)
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, cast(Sequence[Any], value))) + "]"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def study_text(sections: Sections, head: str) -> str:
    """An experiment of these sections, a line for each setting or case; sections without any are left out."""
    lines = [f"# {_comment(head)}"]
    for section, settings in sections.items():
        if isinstance(settings, Mapping):
            listed = [f"  {flow(name)}: {flow(value)}" for name, value in settings.items()]
        else:
            listed = [f"  - {flow(case)}" for case in settings]
        lines += [f"{section}:", *listed] if listed else []
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """A text that stays a comment, whatever a stranger's model was called."""
    return visible(text.replace("\n", " "))


def experiment_text(
    fixed: Mapping[str, Any],
    *,
    n_seeds: int,
    head: str,
    success: str | None = None,
    remarks: Mapping[str, str] | None = None,
) -> str:
    """An experiment of one configuration under `n_seeds` seeds; `remarks` stand behind their hyperparameters.

    success: what counts as learned, where it is not every row right.
    """
    shown = remarks or {}
    lines = [
        f"# {_comment(head)}",
        "",
        "# Hyperparameters that stay; what is named nowhere has Keras's default.",
        "fixed:",
    ]
    for name, value in fixed.items():
        line = f"  {name}: {flow(value)}"
        lines.append(f"{line:{remark_column - 1}} # {_comment(shown[name])}" if name in shown else line)
    reliability = {"target": 0.9, "confidence": 0.95, **({} if success is None else {"success": success})}
    lines += [
        "",
        "# Hyperparameters that vary: every combination is a configuration. To compare widths, move width here,",
        "# width: [2, 4, 8].",
        "vary:",
        f"  seed: {n_seeds}",
        "",
        "# A configuration is reliable when its runs show a success rate of at least the target.",
        f"reliability: {flow(reliability)}",
    ]
    return "\n".join(lines) + "\n"
