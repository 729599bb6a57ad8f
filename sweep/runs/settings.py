"""Settings: of a subject that is nothing else, and as any subject's are shown, one way on the page and everywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from sweep.runs.cohort import digest_id
from sweep.runs.errors import SettingError, show

# columns of the tables, which no setting of one's own may be called
reserved = (
    *("run", "trial", "configuration", "seed", "engine", "device", "learned", "outcome", "case"),
    *("n_parameters", "n_runs", "n_learned", "n_missing", "success_rate", "ci_low", "ci_high", "ci_method", "verdict"),
    *("p_reliable", "p_unreliable", "e_reliable", "e_unreliable"),
)


@dataclass(frozen=True)
class Settings:
    """A subject that is nothing but its settings: those of somebody's own function or program.

    `canonical`: the settings as JSON with sorted keys, so that equal ones are equal.
    """

    canonical: str
    n_parameters: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Settings by name. Raises `SettingError` for a value that is no number, word, truth, null, list or mapping."""
        for name, value in settings.items():
            if name in reserved:
                raise SettingError((name,), "a column of the tables has that name", "allowed: another name")
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError):
                allowed = "allowed: finite numbers, words, true, false, null, lists and mappings of these"
                raise SettingError((name,), f"found {show(value)}", allowed) from None
        return cls(json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False))

    @cached_property
    def values(self) -> dict[str, Any]:
        """The settings, by name."""
        return json.loads(self.canonical)

    @property
    def id(self) -> str:
        """`c` and 12 hex digits of a SHA-256 over the settings."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return digest_id(self.canonical)

    def labels(self) -> dict[str, Any]:
        """Every setting as it stands in the tables, lists and mappings as JSON."""
        return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in self.values.items()}


def title_of(name: str) -> str:
    """A setting's or column's name as words.

    >>> title_of("learning_rate")
    'learning rate'
    """
    return name.replace("_", " ")


def setting_text(value: object) -> str:
    """A setting's value as one would type it, `none` where a subject has none; numbers with at most six digits.

    >>> setting_text(0.01), setting_text(1000), setting_text("adam"), setting_text(True), setting_text(None)
    ('0.01', '1000', 'adam', 'true', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
