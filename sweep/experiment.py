"""An experiment: which configurations to train under which seeds, how to search them, what counts as reliable.

Values only; the rules that span several fields live here. The YAML file is read elsewhere.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sweep.model import Configuration, coupled, defaults, hyperparameters, numeric, resolve
from sweep.reliability import Target
from sweep.vocabulary import SettingError, did_you_mean, show

samplers = ("grid", "random", "qmc", "tpe")
trial_kinds = ("configuration", "run")
objectives = ("success_rate", "n_parameters")
max_checked = 2_000
max_sampled = 20_000
max_steps = 1_000_000
end_of_seeds = 2**32

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Choices:
    """A hyperparameter's choices, in file order: at least one."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: in steps, or (without step) any, evenly or evenly in the logarithm.

    An experiment turns its ranges into the type of their hyperparameter, whole numbers or floats.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise SettingError((), f"from {self.low:g} to {self.high:g}", "allowed: finite numbers, low not above high")
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise SettingError(("step",), f"found {self.step:g}", "allowed: a number above 0")
        if self.log and self.step is not None:
            raise SettingError(("log",), "log together with step", "allowed: one of the two")
        if self.log and self.low <= 0:
            raise SettingError(("low",), f"found {self.low:g} in a range with log", "allowed: a number above 0")
        if self.step is not None and (self.high - self.low) / self.step >= max_steps:
            raise SettingError(
                ("step",), f"found {self.step:g}: too many values", f"allowed: at most {max_steps:,} values"
            )

    @property
    def is_integer(self) -> bool:
        """Whether every number is a whole one by type."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step) if x is not None)

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends as they are used: floats rounded to 6 significant digits."""
        return (self.low, self.high) if self.is_integer else (significant(self.low), significant(self.high))

    def of_type(self, wanted: type[int] | type[float]) -> Self:
        """Turn the numbers into another type; `SettingError` where a fraction would be lost."""
        numbers = {"low": self.low, "high": self.high, "step": self.step}
        for key, x in numbers.items():
            if x is not None and wanted(x) != x:
                raise SettingError((key,), f"found {x:g}", "allowed: a whole number")
        return replace(self, **{key: None if x is None else wanted(x) for key, x in numbers.items()})

    @property
    def n_steps(self) -> int:
        """How many values a range with a step has; 0 for one without."""
        return 0 if self.step is None else int(math.floor((self.high - self.low) / self.step + 1e-9)) + 1

    def values(self) -> tuple[Any, ...]:
        """The values of a range with a step: whole numbers, or floats rounded to 6 significant digits."""
        if self.step is None:
            raise ValueError("a range without a step has no list of values")
        if self.is_integer:
            return tuple(int(self.low + i * self.step) for i in range(self.n_steps))
        return tuple(significant(self.low + i * self.step) for i in range(self.n_steps))


def significant(x: float) -> float:
    """`x` rounded to 6 significant digits."""
    return float(f"{x:.6g}")


Dimension = Choices | Range


@dataclass(frozen=True)
class SeedBlock:
    """The seeds that each configuration is trained under: `first`, `first + 1`, ... or a list, in rising order.

    Unlike all others they are crossed with everything and never optimised. With `up_to`, `count` is where each
    configuration begins, and those whose verdict is open get more, `up_to` at most.
    """

    first: int = 0
    count: int = 64
    listed: tuple[int, ...] | None = None
    up_to: int | None = None

    def __post_init__(self) -> None:
        if self.listed is None:
            if self.up_to is not None and self.up_to <= self.count:
                raise SettingError(("up_to",), f"found {self.up_to}", f"allowed: more than count, {self.count}")
            if not (0 <= self.first and self.count >= 1 and self.first + (self.up_to or self.count) <= end_of_seeds):
                found = f"{self.up_to or self.count} seeds from {self.first}"
                raise SettingError((), found, "allowed: at least one seed, all from 0 to 2^32 - 1")
            return
        if not self.listed:
            raise SettingError((), "no seeds", "allowed: at least one")
        known: set[int] = set()
        for i, seed in enumerate(self.listed):
            if not 0 <= seed < end_of_seeds:
                raise SettingError((i,), f"found {seed}", "allowed: a seed from 0 to 2^32 - 1")
            if seed in known:
                raise SettingError((i,), f"found {seed} twice", "allowed: each seed once")
            known.add(seed)
        object.__setattr__(self, "listed", tuple(sorted(self.listed)))

    def seeds(self) -> npt.NDArray[np.uint32]:
        """The seeds in rising order, all that a configuration may get: uint32 `[seed]`."""
        if self.listed is not None:
            return np.array(self.listed, np.uint32)
        return np.arange(self.first, self.first + len(self), dtype=np.uint64).astype(np.uint32)

    def fresh(self, n: int) -> npt.NDArray[np.uint32]:
        """`n` seeds that are not among these: the first after the largest, going round at 2^32."""
        used = set(self.seeds().tolist())
        after = (s % 2**32 for s in itertools.count(max(used) + 1))
        return np.array(list(itertools.islice((s for s in after if s not in used), n)), np.uint32)

    def __len__(self) -> int:
        """The most seeds that a configuration may get."""
        return len(self.listed) if self.listed is not None else self.up_to or self.count

    def amount(self) -> str:
        """How many seeds a configuration gets, in words: `64`, or `16 to 1,024`."""
        return f"{len(self):,}" if self.up_to is None else f"{self.count:,} to {self.up_to:,}"

    def label(self) -> str:
        """`0..63` for a block, `0..15 to 0..1023` for one that may grow, `3 7 21` for a list."""
        if self.listed is not None:
            return " ".join(map(str, self.listed))
        label = f"{self.first}..{self.first + self.count - 1}"
        return label if self.up_to is None else f"{label} to {self.first}..{self.first + self.up_to - 1}"


def shown_storage(storage: str) -> str:
    """A study's storage as it may be shown, and as it is compared: a URL without its password.

    >>> shown_storage("postgresql+psycopg2://ann:secret@db.example.org/studies?sslmode=require")
    'postgresql+psycopg2://ann:***@db.example.org/studies?sslmode=require'
    >>> shown_storage("mysql://db/studies?user=ann&password=secret")
    'mysql://db/studies?user=ann&password=***'
    """
    without = re.sub(r"://([^/?#:@]*):[^@]*@", r"://\1:***@", storage)
    return re.sub(r"([?&](?:password|passwd|pwd)=)[^&]*", r"\1***", without, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Study:
    """How configurations are chosen. `trials`: how many to ask for, None for the whole grid.

    `trial`: what a trial of Optuna's study is, a `configuration`, its value the success rate; or a `run`, one network,
    the seed a parameter and the value 1 where it learned. Either way the same networks are trained.
    """

    sampler: str = "grid"
    trials: int | None = None
    seed: int = 0
    objective: tuple[str, ...] = ("success_rate",)
    trials_per_round: int = 32
    storage: str = "journal"
    trial: str = "configuration"

    def __post_init__(self) -> None:
        if self.trial not in trial_kinds:
            raise SettingError(("trial",), f"found {show(self.trial)}", did_you_mean(self.trial, trial_kinds))
        if self.sampler not in samplers:
            raise SettingError(("sampler",), f"no such sampler: {self.sampler}", did_you_mean(self.sampler, samplers))
        if self.storage != "journal" and "://" not in self.storage:
            allowed = "allowed: journal (a file in the results folder), or a storage URL of Optuna, sqlite:///study.db"
            raise SettingError(("storage",), f"found {show(self.storage)}", allowed)
        if self.sampler != "grid" and self.trials is None:
            raise SettingError(
                ("trials",), f"none given for the sampler {self.sampler}", "allowed: a whole number from 1 up"
            )
        if self.objective not in (("success_rate",), ("success_rate", "n_parameters")):
            raise SettingError(
                ("objective",),
                f"found {show(self.objective)}",
                "allowed: success_rate, or [success_rate, n_parameters]",
            )


@dataclass(frozen=True)
class Experiment:
    """What is fixed, what varies (in file order), which cases are laid over, under which seeds.

    Raises `SettingError` for settings that contradict each other.
    """

    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    vary: Mapping[str, Dimension] = field(default_factory=dict[str, Dimension])
    cases: tuple[Mapping[str, Any], ...] = ()
    seeds: SeedBlock = SeedBlock()
    study: Study = Study()
    reliability: Target = Target()

    def __post_init__(self) -> None:
        for place, names in self._places():
            for name in names:
                if name == "seed" and place[0] == "cases":
                    raise SettingError(
                        (*place, name), "seeds are the same for every case", "allowed: under fixed or vary"
                    )
                if name not in defaults:
                    allowed = did_you_mean(name, (*hyperparameters, "seed"))
                    raise SettingError((*place, name), "no such hyperparameter", allowed)
        vary = {name: self._checked(name, dimension) for name, dimension in self.vary.items()}
        object.__setattr__(self, "vary", vary)
        if self._n_sample_points() > max_sampled:
            found = f"more than {max_sampled:,} settings to check"
            allowed = "allowed: fewer cases or choices; a range with a step may have a million values"
            raise SettingError(("cases",) if self.cases else ("vary",), found, allowed)
        for point in self.sample_points():
            self._resolve_at_home(point)

    def _n_sample_points(self) -> int:
        """How many points `sample_points` gives, at most."""
        if 0 < (self.n_points or 0) <= max_checked:
            return max_checked
        sizes = {k: len(d.values) if isinstance(d, Choices) else 2 for k, d in self.vary.items()}
        n_pairs = sum(sizes[one] * sizes[other] for one, other in coupled if one in sizes and other in sizes)
        return max(1, len(self.cases)) * (1 + sum(sizes.values()) + n_pairs)

    def _places(self) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        yield ("fixed",), self.fixed
        yield ("vary",), self.vary
        for i, case in enumerate(self.cases):
            yield ("cases", i), case

    def _checked(self, name: str, dimension: Dimension) -> Dimension:
        """A dimension, a range in the type of its hyperparameter."""
        if name in self.fixed:
            raise SettingError(("vary", name), "also under fixed", "allowed: one place for a hyperparameter")
        for i, case in enumerate(self.cases):
            if name in case:
                raise SettingError(("cases", i, name), "also under vary", "allowed: one place for a hyperparameter")
        if isinstance(dimension, Choices):
            if not dimension.values:
                raise SettingError(("vary", name), "no choices", "allowed: a list of at least one")
            return dimension
        if name not in numeric:
            found = f"a range for {name}, which is no number"
            raise SettingError(("vary", name), found, "allowed: a list of choices")
        if dimension.step is None and self.study.sampler == "grid":
            allowed = "allowed: a step, a list of choices, or another sampler"
            raise SettingError(("vary", name), "a range without a step under the sampler grid", allowed)
        try:
            return dimension.of_type(numeric[name])
        except SettingError as error:
            raise SettingError(("vary", name, *error.place), error.found, error.allowed) from None

    def dimensions(self) -> dict[str, Dimension]:
        """What a point chooses: `case` first where there are cases, then the varied hyperparameters in file order."""
        cases = {"case": Choices(tuple(range(len(self.cases))))} if self.cases else {}
        return {**cases, **self.vary}

    def settings(self, point: Point) -> dict[str, Any]:
        """The settings at a point: what is fixed, the case laid over it, the varied values."""
        case = self.cases[point["case"]] if self.cases else dict[str, Any]()
        return {**self.fixed, **case, **{k: v for k, v in point.items() if k != "case"}}

    def configuration(self, point: Point) -> Configuration:
        """The resolved configuration at a point."""
        return resolve(self.settings(point))

    @property
    def n_points(self) -> int | None:
        """How many points the grid has; None where a range has no step."""
        sizes = [len(d.values) if isinstance(d, Choices) else d.n_steps for d in self.dimensions().values()]
        return math.prod(sizes) if all(sizes) else None

    @property
    def n_trials(self) -> int:
        """How many points the study asks for."""
        wanted = self.study.trials
        if self.study.sampler == "grid":
            n = self.n_points or 0
            return n if wanted is None else min(wanted, n)
        return wanted or 0

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every point of the product, in file order: the last dimension changes fastest."""
        dimensions = self.dimensions()
        values = [d.values if isinstance(d, Choices) else d.values() for d in dimensions.values()]
        for chosen in itertools.product(*values):
            yield dict(zip(dimensions, chosen, strict=True))

    def sample_points(self) -> Iterator[dict[str, Any]]:
        """The points whose settings are checked before anything runs: all of a small grid, else each value once.

        With each value go the values of the hyperparameters that it may contradict, and the cases.
        """
        if 0 < (self.n_points or 0) <= max_checked:
            yield from self.grid()
            return
        ends = {k: d.values if isinstance(d, Choices) else d.ends for k, d in self.vary.items()}
        for i in range(max(1, len(self.cases))):
            first = {**({"case": i} if self.cases else {}), **{k: values[0] for k, values in ends.items()}}
            yield first
            for name, values in ends.items():
                yield from ({**first, name: value} for value in values)
            for one, other in coupled:
                if one in ends and other in ends:
                    pairs = itertools.product(ends[one], ends[other])
                    yield from ({**first, one: a, other: b} for a, b in pairs)

    def _resolve_at_home(self, point: Point) -> None:
        """Resolve a point; a `SettingError` gets the place in the file where its hyperparameter stands."""
        try:
            self.configuration(point)
        except SettingError as error:
            home = self._home(str(error.place[0]), point)
            raise SettingError((*home, *error.place[1:]), error.found, error.allowed) from None

    def _home(self, name: str, point: Point) -> tuple[str | int, ...]:
        """The place in the file of a hyperparameter's value at a point."""
        if name not in point:
            in_case = self.cases and name in self.cases[point["case"]]
            return ("cases", point["case"], name) if in_case else ("fixed", name)
        dimension, value = self.vary[name], point[name]
        if isinstance(dimension, Choices):
            return ("vary", name, next(i for i, x in enumerate(dimension.values) if x is value))
        return ("vary", name, *(k for k, end in zip(("low", "high"), dimension.ends, strict=True) if end == value))[:3]
