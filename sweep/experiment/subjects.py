"""The kinds of subject that an experiment may try: which settings each has, and how a subject is made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.networks.settings import coupled, hyperparameters, numeric, resolve, settings_of
from sweep.runs.cohort import Subject
from sweep.runs.settings import Settings


@dataclass(frozen=True)
class Kind:
    """A kind of subject.

    names: the settings that it has, None for any; numeric: the type that a range takes in each, None for that of its
    own numbers; coupled: pairs of which one's value may forbid the other's; resolve: makes a subject of settings and
    raises `SettingError`; settings_of: the settings that `resolve` makes this subject of.
    """

    names: tuple[str, ...] | None
    numeric: Mapping[str, type[int] | type[float]] | None
    coupled: tuple[tuple[str, str], ...]
    resolve: Callable[[Mapping[str, Any]], Subject]
    settings_of: Callable[[Any], Mapping[str, Any]]


def _values(settings: Settings) -> Mapping[str, Any]:
    return settings.values


networks = Kind(hyperparameters, numeric, coupled, resolve, settings_of)
kinds: Mapping[str, Kind] = {
    "network": networks,
    "settings": Kind(None, None, (), Settings.of, _values),
}
