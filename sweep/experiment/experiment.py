"""An experiment: which configurations to train under which seeds, how to search them, what counts as reliable.

Values only; the rules that span several fields live here. The YAML file is read elsewhere.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sweep.experiment.dimensions import Choices, Dimension
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.subjects import Kind, kinds
from sweep.networks.configuration import Configuration
from sweep.networks.criterion import check_rows, check_success
from sweep.runs.cohort import Subject
from sweep.runs.errors import SettingError, at, did_you_mean, show
from sweep.runs.limits import Limits
from sweep.runs.success import Success, above_margin
from sweep.statistics.seeds import runs_for_any_rate_looked_at
from sweep.statistics.verdicts import Target, families

samplers = ("grid", "random", "qmc", "tpe")
trial_kinds = ("configuration", "run")
goals = {"success_rate": "high", "n_parameters": "low", "seconds": "low"}  # of objectives that need not say theirs
max_checked = 2_000
max_sampled = 20_000

Point = Mapping[str, Any]


def shown_storage(storage: str) -> str:
    """A study's storage as it may be shown, and as it is compared: a URL without its password.

    >>> shown_storage("postgresql+psycopg2://ann:secret@db.example.org/studies?sslmode=require")
    'postgresql+psycopg2://ann:***@db.example.org/studies?sslmode=require'
    >>> shown_storage("mysql://db/studies?user=ann&password=secret")
    'mysql://db/studies?user=ann&password=***'
    """
    without = re.sub(r"://([^/?#:]*):[^@]*@", r"://\1:***@", storage)
    return re.sub(r"([?&](?:password|passwd|pwd)=)[^&]*", r"\1***", without, flags=re.IGNORECASE)


def without_passwords(text: str, storage: str) -> str:
    """An experiment's text with its URLs as they may be shown, the one of `storage` among them.

    >>> without_passwords("study: {storage: 'mysql://ann:secret@db/x'}", "mysql://ann:secret@db/x")
    "study: {storage: 'mysql://ann:***@db/x'}"
    """
    shown = re.sub(r"\S*://\S*", lambda found: shown_storage(found[0]), text)
    if shown_storage(storage) != storage and shown_storage(storage) not in shown:
        return "# left out: the storage holds a password, written in a way that cannot be hidden here"
    return shown


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
        if re.search(r"://[^:/]*:[^@]*@.*@", self.storage):  # a part of the password would be taken for the host
            found = "a URL with a password and more than one @"
            raise SettingError(("storage",), found, "allowed: one, before the host; %40 for any other")
        if self.sampler != "grid" and self.trials is None:
            raise SettingError(
                ("trials",), f"none given for the sampler {self.sampler}", "allowed: a whole number from 1 up"
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
    subject: str = "network"
    success: Success | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        self._check_objective()
        if self.success is None and self.subject != "network":
            raise SettingError(("reliability", "success"), "found none", "allowed: a criterion, accuracy >= 0.95")
        if self.success is not None and self.subject == "network":
            with at("reliability", "success"):
                check_success(self.success)
        if self.reliability.family not in (None, *families):
            found, allowed = show(self.reliability.family), did_you_mean(self.reliability.family, families)
            raise SettingError(("reliability", "family"), f"found {found}", allowed)
        for place, names in self._places():
            for name in names:
                if name == "seed" and place[0] == "cases":
                    raise SettingError(
                        (*place, name), "seeds are the same for every case", "allowed: under fixed or vary"
                    )
                if self.kind.names is not None and name not in self.kind.names:
                    allowed = did_you_mean(name, (*self.kind.names, "seed"))
                    raise SettingError((*place, name), "no such hyperparameter", allowed)
        vary = {name: self._checked(name, dimension) for name, dimension in self.vary.items()}
        object.__setattr__(self, "vary", vary)
        if self.seeds.until is not None and self.seeds.up_to is None:
            object.__setattr__(self, "seeds", self._seeds_until())
        if self._n_sample_points() > max_sampled:
            found = f"more than {max_sampled:,} settings to check"
            allowed = "allowed: fewer cases or choices; a range with a step may have a million values"
            raise SettingError(("cases",) if self.cases else ("vary",), found, allowed)
        _ = self._resolved  # raises the first mistake
        with at("reliability", "success"):
            for c in self.networks:
                check_rows(self.criterion, c)

    @property
    def criterion(self) -> Success:
        """When a run counts as learned: `success`, by default a margin above that of `reliability`."""
        return above_margin(self.reliability.margin) if self.success is None else self.success

    def _seeds_until(self) -> SeedBlock:
        """The seeds with the most that their half-width can take: whatever they show, the interval is as narrow."""
        half_width, reliability = self.seeds.until or 0.0, self.reliability
        n = self.n_trials if reliability.family == "fwer" else 1
        most = runs_for_any_rate_looked_at(half_width, 1 - (1 - reliability.confidence) / max(1, n))
        with at("vary", "seed"):
            return replace(self.seeds, up_to=max(most, self.seeds.count + 1))

    def _check_objective(self) -> None:
        found, allowed = self.study.objective, "success_rate, or [success_rate, n_parameters]"
        if self.subject == "network":
            is_right = found in (("success_rate",), ("success_rate", "n_parameters"))
        else:
            allowed = "success_rate, seconds, or a number that runs give and its goal, accuracy high; each once"
            names = [name for name, _ in self.objectives]
            is_right = bool(found) and len(set(names)) == len(names) and "n_parameters" not in names
            is_right &= all(name and goal in ("high", "low") for name, goal in self.objectives)
        if not is_right:
            raise SettingError(("study", "objective"), f"found {show(found)}", f"allowed: {allowed}")

    @property
    def objectives(self) -> tuple[tuple[str, str], ...]:
        """What the study looks for: the name of a number, and whether it is to be `high` or `low`.

        Of the number that success compares, the comparison says which.
        """
        known = dict(goals)
        if self.success is not None:
            known[self.success.metric] = "high" if self.success.comparison.startswith(">") else "low"
        named = [(name, name.rpartition(" ")) for name in self.study.objective]
        return tuple((name, known[name]) if name in known else (words[0], words[2]) for name, words in named)

    def _n_sample_points(self) -> int:
        """How many points `sample_points` gives, at most."""
        if self.is_small:
            return max_checked
        sizes = {k: len(d.values) if isinstance(d, Choices) else 2 for k, d in self.vary.items()}
        n_pairs = sum(sizes[one] * sizes[other] for one, other in self.kind.coupled if one in sizes and other in sizes)
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
        types = self.kind.numeric
        if types is not None and name not in types:
            found = f"a range for {name}, which is no number"
            raise SettingError(("vary", name), found, "allowed: a list of choices")
        if dimension.step is None and self.study.sampler == "grid":
            allowed = "allowed: a step, a list of choices, or another sampler"
            raise SettingError(("vary", name), "a range without a step under the sampler grid", allowed)
        with at("vary", name):
            return dimension if types is None else dimension.of_type(types[name])

    def dimensions(self) -> dict[str, Dimension]:
        """What a point chooses: `case` first where there are cases, then the varied hyperparameters in file order."""
        cases = {"case": Choices(tuple(range(len(self.cases))))} if self.cases else {}
        return {**cases, **self.vary}

    def settings(self, point: Point) -> dict[str, Any]:
        """The settings at a point: what is fixed, the case laid over it, the varied values."""
        case = self.cases[point["case"]] if self.cases else dict[str, Any]()
        return {**self.fixed, **case, **{k: v for k, v in point.items() if k != "case"}}

    def configuration(self, point: Point) -> Subject:
        """The resolved configuration at a point; one that was checked before is not resolved again."""
        known = self._resolved.get(repr(dict(point)))
        return self.kind.resolve(self.settings(point)) if known is None else known

    @cached_property
    def configurations(self) -> tuple[Subject, ...]:
        """The configurations at `sample_points`, in their order."""
        return tuple(map(self.configuration, self.sample_points()))

    @property
    def networks(self) -> tuple[Configuration, ...]:
        """The configurations at `sample_points` that are networks: all of them, or none."""
        return tuple(c for c in self.configurations if isinstance(c, Configuration))

    @property
    def kind(self) -> Kind:
        """What its subjects may be set to."""
        return kinds[self.subject]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that the file names, in its order."""
        return tuple({**self.fixed, **self.vary, **{name: None for case in self.cases for name in case}})

    @cached_property
    def _resolved(self) -> dict[str, Subject]:
        """The configurations at `sample_points`, each resolved once, by the point's text: 1, 1.0 and true differ there.

        A `SettingError` gets the place in the file where its hyperparameter stands.
        """
        checked: dict[str, Subject] = {}
        for point in self.sample_points():
            key = repr(point)
            if key not in checked:
                try:
                    checked[key] = self.kind.resolve(self.settings(point))
                except SettingError as error:
                    home = self._home(str(error.place[0]), point)
                    raise SettingError((*home, *error.place[1:]), error.found, error.allowed) from None
        return checked

    @property
    def n_points(self) -> int | None:
        """How many points the grid has; None where a range has no step."""
        sizes = [len(d.values) if isinstance(d, Choices) else d.n_steps for d in self.dimensions().values()]
        return math.prod(sizes) if all(sizes) else None

    @property
    def is_small(self) -> bool:
        """Whether the grid is so small that each of its points is checked before anything runs."""
        return 0 < (self.n_points or 0) <= max_checked

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
        if self.is_small:
            yield from self.grid()
            return
        ends = {k: d.values if isinstance(d, Choices) else d.ends for k, d in self.vary.items()}
        for i in range(max(1, len(self.cases))):
            first = {**({"case": i} if self.cases else {}), **{k: values[0] for k, values in ends.items()}}
            yield first
            for name, values in ends.items():
                yield from ({**first, name: value} for value in values)
            for one, other in self.kind.coupled:
                if one in ends and other in ends:
                    pairs = itertools.product(ends[one], ends[other])
                    yield from ({**first, one: a, other: b} for a, b in pairs)

    def _home(self, name: str, point: Point) -> tuple[str | int, ...]:
        """The place in the file of a hyperparameter's value at a point."""
        if name not in point:
            in_case = self.cases and name in self.cases[point["case"]]
            return ("cases", point["case"], name) if in_case else ("fixed", name)
        dimension, value = self.vary[name], point[name]
        if isinstance(dimension, Choices):
            return ("vary", name, next(i for i, x in enumerate(dimension.values) if x is value))
        return ("vary", name, *(k for k, end in zip(("low", "high"), dimension.ends, strict=True) if end == value))[:3]
