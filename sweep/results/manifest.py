"""The manifest of a results folder: how it was made, what vouches for its files, what broke. A field is a key of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from sweep.experiment.regular_files import read_regular
from sweep.experiment.subjects import kinds
from sweep.results.files import ResultsError
from sweep.runs.cohort import Broken
from sweep.runs.errors import show

largest = 2**63  # of its numbers
longest = 1 << 26  # bytes; every run that broke is named


@dataclass(frozen=True)
class Confirmation:
    """The configuration that the answer names, trained again on fresh seeds: those from `first_seed` on.

    The rate is that of these seeds alone, with its interval; six decimals, as in the tables.
    """

    configuration: str
    first_seed: int
    n_runs: int
    n_learned: int
    success_rate: float
    ci_low: float
    ci_high: float
    ci_method: str
    verdict: str


@dataclass(frozen=True)
class BrokenRuns:
    """The runs of a configuration, by name, that ended with the same traceback."""

    configuration: str
    runs: tuple[str, ...]
    traceback: str


@dataclass(frozen=True)
class Timings:
    """Where the seconds of the last execution went."""

    training: float
    tables: float
    other: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a folder says of itself; what it does not say is empty or None.

    `files`: SHA-256 by name. `machine`: the system, and how the executor trained. `subject`: what its runs are of, see
    `sweep.experiment.subjects`. The counts are a sweep's, as are `broken`, `confirmation`, `settled` (smaller
    configurations, on fresh seeds) and `timings_seconds`. `floors`: of the loss, each with its name, for models that a
    function builds.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    subject: str = "network"
    engine: str = ""
    device: str = ""
    programs: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    configurations: int | None = None
    repeated_suggestions: int | None = None
    runs_planned: int | None = None
    runs_missing: int | None = None
    broken: tuple[BrokenRuns, ...] = ()
    confirmation: Confirmation | None = None
    settled: tuple[Confirmation, ...] = ()
    timings_seconds: Timings | None = None
    floors: tuple[tuple[float, str], ...] | None = None

    def __post_init__(self) -> None:
        if self.subject not in kinds:
            raise ValueError(f"subject: found {show(self.subject)}, expected one of {', '.join(kinds)}")

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the configurations that the answer names."""
        settled = (c.configuration for c in self.settled if c.verdict == "reliable")
        return (*(() if self.confirmation is None else (self.confirmation.configuration,)), *settled)

    def to_json(self) -> str:
        """The manifest as a text: what it says, and of a sweep also that nothing broke or was confirmed."""
        is_sweep, of_sweep = self.runs_planned is not None, ("broken", "confirmation")
        said = {
            name: value
            for name, value in asdict(self).items()
            if (is_sweep if name in of_sweep else value not in (None, "", {}, (), "network"))
        }
        return json.dumps(said, indent=2, allow_nan=False) + "\n"


def broken_runs(broken: Iterable[Broken]) -> tuple[BrokenRuns, ...]:
    """What broke, in the order of first appearance: the runs of one configuration and traceback together."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for b in broken:
        seeds.setdefault((b.configuration, b.traceback), []).extend(b.seeds)
    return tuple(
        BrokenRuns(identity, tuple(f"{identity}-{seed}" for seed in sorted(own)), traceback)
        for (identity, traceback), own in seeds.items()
    )


def read(path: Path) -> Manifest:
    """The manifest in a file; keys that it does not know say nothing. Raises `ResultsError` for a damaged one."""
    try:
        content = json.loads(read_regular(path, longest))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: found {type(content).__name__}, expected a mapping")
    try:
        found: Manifest = _record(Manifest, cast(dict[str, Any], content))
        for name in found.files:
            if not _is_inside(PurePath(name)) or not name.isprintable():
                raise ValueError(f"files: found {show(name)}, expected the name of a file in the folder")
        return found
    except ValueError as error:
        raise ResultsError(f"{path}: {error}") from None


def _is_inside(path: PurePath) -> bool:
    return bool(path.name) and not path.is_absolute() and ".." not in path.parts


_words = {str: "a text", int: "a whole number", float: "a number", tuple: "a list"}


def _record(kind: Any, content: Mapping[str, Any], place: tuple[str, ...] = ()) -> Any:
    """A mapping of a JSON text as a value of the class `kind`, whose fields without a default it must have."""
    types = get_type_hints(kind)
    missing = [f.name for f in fields(kind) if f.name not in content and f.default is f.default_factory is MISSING]
    if missing:
        raise ValueError(f"{'.'.join((*place, missing[0]))}: missing")
    return kind(**{name: _typed(types[name], content[name], (*place, name)) for name in types if name in content})


def _typed(kind: Any, value: Any, place: tuple[str, ...]) -> Any:
    """A value of a JSON text as a field's type wants it; `ValueError` with its place where it is something else."""
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is UnionType:
        return None if value is None else _typed(inner[0], value, place)
    if origin is tuple and isinstance(value, list):
        items = cast(list[Any], value)
        kinds = inner[:1] * len(items) if inner[-1] is Ellipsis else inner
        if len(items) == len(kinds):
            return tuple(_typed(k, v, (*place, str(i))) for i, (k, v) in enumerate(zip(kinds, items, strict=True)))
    elif isinstance(value, dict) and (origin is Mapping or is_dataclass(kind)):
        content = cast(dict[str, Any], value)
        if is_dataclass(kind):
            return _record(kind, content, place)
        return {key: _typed(inner[1], own, (*place, key)) for key, own in content.items()}
    elif kind in (int, float) and isinstance(value, int | kind) and not isinstance(value, bool):
        if -largest < value < largest:
            return value
    elif kind is Any or (kind is str and isinstance(value, str)):
        return value
    raise ValueError(f"{'.'.join(place)}: found {show(value)}, expected {_words.get(origin, 'a mapping')}")
