"""The study: which configurations to try next. The only module that knows Optuna.

A trial is a point of the experiment. Its place in the order of suggestions, `index`, is an attribute of Optuna's trial;
it decides what is suggested (together with the trials told before), so that a study that was interrupted goes on as it
would have gone on without.
"""

import itertools
import json
import math
import os
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage, get_storage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from sweep.experiment import Choices, Dimension, Experiment, Range, shown_storage, significant
from sweep.model import Configuration
from sweep.vocabulary import SettingError, show

Scalar = None | bool | int | float | str


@dataclass(frozen=True)
class Suggestion:
    """A point to train: `index` in the order of suggestions, and whether its result was told already."""

    index: int
    point: Mapping[str, Any]
    configuration: Configuration
    is_told: bool


@dataclass(frozen=True)
class Result:
    """What training a trial's configuration came to.

    `seeds` `[run]`, rising, and whether they `learned`; `course`: the number of seeds and the success rate at each look
    at them, the last one the result; `n_parameters` of the configuration.
    """

    seeds: npt.NDArray[np.uint32]
    learned: npt.NDArray[np.bool_]
    course: Sequence[tuple[int, float]]
    n_parameters: int

    @property
    def rate(self) -> float:
        """The success rate."""
        return self.course[-1][1]


def _as_choice(value: Any) -> Scalar:
    """A choice as Optuna stores it: scalars as they are, mappings and lists as JSON."""
    is_scalar = value is None or isinstance(value, bool | int | float | str)
    return value if is_scalar else json.dumps(value, sort_keys=True)  # mappings are equal whatever their order


def _as_parameter(dimension: Dimension, distribution: Any, value: Any) -> Scalar:
    """An experiment's value as a parameter of Optuna's trial, rounding undone so that it lies in the distribution."""
    if isinstance(dimension, Choices):
        return _as_choice(value)
    if dimension.step is not None:
        raw = dimension.low + round((value - dimension.low) / dimension.step) * dimension.step
        return min(raw, distribution.high)
    return min(max(value, dimension.low), dimension.high)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(tuple(dict.fromkeys(map(_as_choice, dimension.values))))
    if dimension.is_integer:
        low, step = int(dimension.low), int(dimension.step or 1)
        last = low + (dimension.n_steps - 1) * step if dimension.step else int(dimension.high)
        return IntDistribution(low, last, log=dimension.log, step=step)
    if dimension.step is None:
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    with warnings.catch_warnings():  # Optuna cuts the end back to the last step, in decimals, and says so
        warnings.simplefilter("ignore")
        end = dimension.low + (dimension.n_steps - 0.5) * dimension.step
        return FloatDistribution(dimension.low, end, step=dimension.step)


def _value(dimension: Dimension, stored: Any) -> Any:
    """The experiment's value for a parameter as Optuna gives it back."""
    if isinstance(dimension, Choices):
        return next(v for v in dimension.values if _same(_as_choice(v), stored))
    return int(stored) if dimension.is_integer else significant(float(stored))


def _same(a: Scalar, b: Scalar) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _at_share(dimension: Dimension, share: float) -> Any:
    """The value at a share in [0, 1) of a dimension, evenly (for a log range: evenly in the logarithm)."""
    if isinstance(dimension, Choices) or dimension.step is not None:
        values = dimension.values if isinstance(dimension, Choices) else dimension.values()
        return values[int(share * len(values))]
    low, high = (dimension.low, dimension.high)
    if dimension.is_integer:
        low, high = low - 0.5, high + 0.5
    if dimension.log:
        x = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        x = low + share * (high - low)
    return int(min(max(round(x), dimension.low), dimension.high)) if dimension.is_integer else significant(x)


def _cut_damaged_tail(journal: Path) -> None:
    """Cut a journal back to its last entry before damage: Optuna would glue its next one to a torn line.

    Entries are appended, so that what a crash leaves behind is at the end. Trials that are cut off are asked for again.
    A file that does not begin with an entry is no journal, and stays.
    """
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        whole = 0
        for line in file:
            if not line.endswith(b"\n") or (whole and not _is_entry(line)):
                file.truncate(whole)
                return
            whole += len(line)


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


class Journal(BaseJournalBackend):
    """A journal file that is brought to disk when it is asked to be, not with every entry.

    An entry costs milliseconds when it waits for the disk, and a trial has a dozen. The rows are durable on their own
    before the study is told, so a study whose last entries are lost with the power asks for the same trials again.
    There is no lock: whole lines are appended by one call each, and a lock would outlive a process that is killed.
    """

    def __init__(self, path: Path) -> None:
        _cut_damaged_tail(path)
        self._path = path
        self._file = JournalFileBackend(str(path))

    def __str__(self) -> str:
        return str(self._path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on."""
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, one line each."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._path.open("ab") as file:
            file.write(lines.encode())

    def sync(self) -> None:
        """Wait until all entries are on disk."""
        with self._path.open("ab") as file:
            os.fsync(file.fileno())


class Search:
    """An experiment's study in a storage: a journal file, or an Optuna URL."""

    def __init__(self, experiment: Experiment, storage: Path | str, name: str) -> None:
        """Open or create the study `name`; trials that a killed process left without a result are given up or kept.

        A trial in flight is kept where it was suggested completely, since its rows may be on disk already.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._experiment = experiment
        self._dimensions = experiment.dimensions()
        self._distributions: dict[str, BaseDistribution] = {k: _distribution(d) for k, d in self._dimensions.items()}
        self._distributions["seed"] = CategoricalDistribution((experiment.seeds.label(),))
        directions: list[Any] = ["maximize" if o == "success_rate" else "minimize" for o in experiment.study.objective]
        self._storage = str(storage)
        self._journal = Journal(storage) if isinstance(storage, Path) else None
        opened = _open_study(self._journal or str(storage), name, directions)
        self._networks = _Networks(opened, experiment) if experiment.study.trial == "run" else None
        # with a trial for each network, the trials of configurations live in memory: every suggestion can be made again
        self._study = optuna.create_study(directions=directions) if self._networks else opened
        self._in_flight: dict[int, FrozenTrial] = {}
        self._known = self._take_over()
        self._values = {i: t.values for i, t in self._known.items() if t.state == TrialState.COMPLETE}
        self._model = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(0))
        self._modelled: dict[int, optuna.Trial] = {}

    def _take_over(self) -> dict[int, FrozenTrial]:
        while any(t.state == TrialState.WAITING for t in self._study.get_trials(deepcopy=False)):
            self._study.tell(self._study.ask(), state=TrialState.FAIL)
        known: dict[int, FrozenTrial] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if "index" in trial.user_attrs and trial.state in (TrialState.COMPLETE, TrialState.RUNNING):
                known[trial.user_attrs["index"]] = trial
            elif trial.state == TrialState.RUNNING:
                self._study.tell(trial.number, state=TrialState.FAIL)
        return known

    def rounds(self, n_at_once: int = 1) -> Iterator[range]:
        """The indices of the trials of each round.

        Rounds are joined to at least `n_at_once` trials where what is suggested does not depend on earlier results.
        """
        n, size = self._experiment.n_trials, self._experiment.study.trials_per_round
        if self._experiment.study.sampler != "tpe":
            size *= max(1, math.ceil(n_at_once / size))
        for first in range(0, n, size):
            yield range(first, min(first + size, n))

    def ask(self, indices: range) -> list[Suggestion]:
        """The points of a round: those stored already, the others as the sampler suggests them.

        Raises `SettingError` where the storage, a database, is gone.
        """
        with _lost_storage(self._storage):
            suggestions = self._ask(indices)
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if trial.user_attrs.get("index") in indices:
                    self._in_flight[trial.user_attrs["index"]] = trial
            return suggestions

    def _ask(self, indices: range) -> list[Suggestion]:
        fixed = self._fixed_points(indices)
        if self._experiment.study.sampler != "tpe":
            return [self._stored(i) if i in self._known else self._suggest(i, fixed.get(i)) for i in indices]
        for i in sorted(i for i in self._modelled if i < indices.start):
            if i in self._values:
                self._model.tell(self._modelled.pop(i), self._values[i])
            else:
                self._model.tell(self._modelled.pop(i), state=TrialState.FAIL)
        return [self._suggest_by_model(i) for i in indices]

    def _stored(self, index: int) -> Suggestion:
        trial = self._known[index]
        point = self._point(trial.params)
        is_told = trial.state == TrialState.COMPLETE
        return Suggestion(index, point, self._experiment.configuration(point), is_told)

    def _point(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {k: _value(d, parameters[k]) for k, d in self._dimensions.items()}
        except (LookupError, StopIteration, ValueError, TypeError):
            found = f"a trial of the study has values that the experiment does not: {show(dict(parameters))}"
            raise SettingError(("study", "storage"), found, "allowed: the study as the sweep left it") from None

    def _fixed_points(self, indices: range) -> dict[int, dict[str, Any]]:
        """The points that do not depend on earlier trials: the grid's and the quasi-random ones."""
        if self._experiment.study.sampler == "grid":
            return dict(
                zip(indices, itertools.islice(self._experiment.grid(), indices.start, indices.stop), strict=True)
            )
        if self._experiment.study.sampler == "qmc" and self._dimensions:
            from scipy.stats import qmc

            sobol = qmc.Sobol(len(self._dimensions), scramble=True, rng=self._experiment.study.seed)
            if indices.start:
                sobol.fast_forward(indices.start)
            shares = [sobol.random(1)[0] for _ in indices]
            return {
                i: {k: _at_share(d, x) for (k, d), x in zip(self._dimensions.items(), share, strict=True)}
                for i, share in zip(indices, shares, strict=True)
            }
        return {}

    def _seed(self, index: int) -> int:
        return int(np.random.SeedSequence([self._experiment.study.seed, index]).generate_state(1)[0])

    def _suggest_by_model(self, index: int) -> Suggestion:
        """What TPE suggests by the rounds before: all of their results, and none of this round.

        It is asked in memory, where the trials are those that an uninterrupted study would have had by then.
        """
        if index in self._known:
            self._model.sampler = optuna.samplers.RandomSampler(0)
            self._model.enqueue_trial(self._known[index].params)
        else:
            self._model.sampler = optuna.samplers.TPESampler(seed=self._seed(index))
        self._modelled[index] = self._model.ask(self._distributions)
        if index in self._known:
            return self._stored(index)
        return self._suggest(index, self._modelled[index].params)

    def _suggest(self, index: int, point: Mapping[str, Any] | None) -> Suggestion:
        """A new trial at a point; where there is none, at one that is drawn at random.

        It is stored by one operation, with all that belongs to it: an operation for each parameter and attribute would
        cost ten times as much.
        """
        if point is None:
            parameters = self._drawn(index)
        else:
            parameters = {k: _as_parameter(d, self._distributions[k], point[k]) for k, d in self._dimensions.items()}
            parameters["seed"] = self._experiment.seeds.label()
        point = self._point(parameters)
        configuration = self._experiment.configuration(point)
        seeds = self._experiment.seeds.seeds()
        attributes = {
            "configuration": configuration.id,
            "first_seed": int(seeds[0]),
            "n_seeds": len(seeds),
            "index": index,
        }
        self._study.add_trial(
            optuna.create_trial(
                state=TrialState.RUNNING, params=parameters, distributions=self._distributions, user_attrs=attributes
            )
        )
        return Suggestion(index, point, configuration, is_told=False)

    def _drawn(self, index: int) -> dict[str, Any]:
        """The parameters of a trial that is drawn at random, by an Optuna study in memory."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self._seed(index)))
        return study.ask(self._distributions).params

    def tell(self, suggestion: Suggestion, result: Result) -> None:
        """Store a trial's result. Raises `SettingError` where the storage, a database, is gone."""
        with _lost_storage(self._storage):
            self._tell(suggestion, result)

    def _tell(self, suggestion: Suggestion, result: Result) -> None:
        values = _values(self._experiment, result.rate, result.n_parameters)
        trial_id = self._in_flight.pop(suggestion.index)._trial_id  # pyright: ignore[reportPrivateUsage]
        trial = optuna.Trial(self._study, trial_id)
        before = self._known.get(suggestion.index)
        for n_runs, rate in result.course if len(values) == 1 else ():  # Optuna has these for one objective only
            if before is None or n_runs not in before.intermediate_values:  # it has where a process was killed here
                trial.report(rate, step=n_runs)
        if len(result.seeds) != trial.user_attrs["n_seeds"]:
            trial.set_user_attr("n_seeds", len(result.seeds))
        self._study.tell(trial, values)
        self._values[suggestion.index] = values
        if self._networks is not None:
            self._networks.add(suggestion, trial, result)

    def leave_open(self, suggestion: Suggestion) -> None:
        """Store no result of a trial whose runs are not all there: the study asks for it again when it is next run."""
        self._in_flight.pop(suggestion.index)

    def sync(self) -> None:
        """Wait until the study is on disk, where it is a journal."""
        if self._journal is not None:
            self._journal.sync()


def _values(experiment: Experiment, rate: float, n_parameters: int) -> list[float]:
    """The values of a trial, in the order of the objectives."""
    return [rate if o == "success_rate" else float(n_parameters) for o in experiment.study.objective]


class _Networks:
    """A study with a trial for each network: its value is 1 where it learned, its seed is a parameter."""

    def __init__(self, study: optuna.Study, experiment: Experiment) -> None:
        self._study = study
        self._experiment = experiment
        first, last = int(experiment.seeds.seeds()[0]), int(experiment.seeds.seeds()[-1])
        self._seed = IntDistribution(first, last)
        trials = study.get_trials(deepcopy=False)
        self._known = {(t.user_attrs.get("index"), t.params.get("seed")) for t in trials}

    def add(self, suggestion: Suggestion, trial: optuna.Trial, result: Result) -> None:
        """Store the networks of a configuration that are not stored yet."""
        parameters = {k: v for k, v in trial.params.items() if k != "seed"}
        distributions = {k: v for k, v in trial.distributions.items() if k != "seed"} | {"seed": self._seed}
        attributes = {"configuration": trial.user_attrs["configuration"], "index": suggestion.index}
        for seed, learned in zip(result.seeds.tolist(), result.learned.tolist(), strict=True):
            if (suggestion.index, seed) in self._known:
                continue
            network = optuna.trial.create_trial(
                params=parameters | {"seed": seed},
                distributions=distributions,
                values=_values(self._experiment, float(learned), result.n_parameters),
                user_attrs=attributes,
            )
            self._study.add_trial(network)


def importances(
    points: Sequence[Mapping[str, Any]], rates: Sequence[float], ranges: Mapping[str, Range]
) -> dict[str, float] | None:
    """Optuna's importances of the parameters of these points: its default, PED-ANOVA; they sum to 1.

    How much the distribution of each parameter differs between the tenth of points with the highest rates (and those
    that tie with it) and all; `ranges` are treated as such, every other parameter as a choice. None where they are not
    defined: under two points, or so many ties that the tenth is everything. Source: Watanabe, Bansal, Hutter,
    "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces", IJCAI 2023.
    """
    n_top = math.ceil(len(rates) / 10)
    if len(rates) < 2 or min(rates) >= sorted(rates)[-n_top]:
        return None
    choices = {k: tuple(dict.fromkeys(_as_choice(p[k]) for p in points)) for k in points[0] if k not in ranges}
    distributions: dict[str, BaseDistribution] = {
        k: _distribution(ranges[k]) if k in ranges else CategoricalDistribution(choices[k]) for k in points[0]
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    for point, rate in zip(points, rates, strict=True):
        parameters = {
            k: _as_parameter(ranges[k], distributions[k], v) if k in ranges else _as_choice(v) for k, v in point.items()
        }
        study.add_trial(optuna.create_trial(params=parameters, distributions=distributions, value=rate))
    return optuna.importance.get_param_importances(study)


# what a damaged journal may raise while Optuna plays it back
_damages = (ValueError, LookupError, TypeError, AttributeError, AssertionError)


def _refusals(storage: Path | Journal | str) -> tuple[type[Exception], ...]:
    """What opening or reading a storage may raise. SQLAlchemy, slow to import, is asked for its own only where used."""
    known = (StorageInternalError, ImportError, *_damages)
    if not isinstance(storage, str):
        return known
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError, *known)


def _open_study(storage: Journal | str, name: str, directions: list[Any]) -> optuna.Study:
    """The study of this name; opening one that exists writes nothing. `SettingError` where the storage refuses."""
    sampler = optuna.samplers.RandomSampler(0)  # never asked: every suggestion brings its own
    try:
        opened = JournalStorage(storage) if isinstance(storage, Journal) else get_storage(storage)
        if name in optuna.get_all_study_names(opened):
            return optuna.load_study(storage=opened, study_name=name, sampler=sampler)
        return optuna.create_study(storage=opened, study_name=name, directions=directions, sampler=sampler)
    except _refusals(storage) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise SettingError(
            ("study", "storage"),
            f"{shown_storage(str(storage))} cannot be used: {reason}",
            "allowed: journal, or a URL that Optuna can open",
        ) from None


@contextmanager
def _lost_storage(storage: str) -> Generator[None]:
    """Turn what Optuna raises when a database goes away in the middle of a sweep into a `SettingError`."""
    if "://" not in storage:
        yield
        return
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        message = f"{shown_storage(storage)} is lost: {reason}"
        raise SettingError(("study", "storage"), message, "the same command goes on when it is there again") from None


# reading a study without an effect on it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredTrial:
    """A trial as the study has it: its place in the order of suggestions, the point, the id of the configuration there.

    seeds: the first and how many; values: what was told, None where nothing was.
    """

    index: int
    point: Mapping[str, Any]
    configuration: str
    seeds: tuple[int, int]
    values: tuple[float, ...] | None


class _ReadOnlyJournal(BaseJournalBackend):
    """A journal file that is only read; a torn last line is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on."""
        return JournalFileBackend(str(self._path)).read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refuse."""
        raise PermissionError(f"{self._path}: opened to be read")


def stored_trials(experiment: Experiment, storage: Path | str, name: str) -> list[StoredTrial]:
    """The trials of the study `name` that were suggested completely and not given up, in the order of suggestions.

    Reads only. Raises `SettingError` where there is no such study, or one that cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    dimensions = experiment.dimensions()
    place = ("study", "storage")
    file = storage if isinstance(storage, Path) else Path(storage.partition(":///")[2])
    if (isinstance(storage, Path) or storage.startswith("sqlite:///")) and not file.exists():
        raise SettingError(place, f"no file {file}", "allowed: the study that the sweep left")
    try:
        opened = JournalStorage(_ReadOnlyJournal(storage)) if isinstance(storage, Path) else get_storage(storage)
        study = optuna.load_study(storage=opened, study_name=name, sampler=optuna.samplers.RandomSampler(0))
        states = (TrialState.COMPLETE, TrialState.RUNNING)
        kept = [t for t in study.get_trials(deepcopy=False, states=states) if "index" in t.user_attrs]
        block: dict[str, Any] = {}
        if experiment.study.trial == "run":  # a trial for each network: one of each suggestion says what it was
            kept = list({t.user_attrs["index"]: t for t in kept}.values())
            block = {"first_seed": experiment.seeds.seeds()[0], "n_seeds": len(experiment.seeds)}
        found = [
            StoredTrial(
                index=int(t.user_attrs["index"]),
                point={k: _value(d, t.params[k]) for k, d in dimensions.items()},
                configuration=str(t.user_attrs["configuration"]),
                seeds=(int({**block, **t.user_attrs}["first_seed"]), int({**block, **t.user_attrs}["n_seeds"])),
                values=None if t.state != TrialState.COMPLETE else tuple(t.values),
            )
            for t in kept
        ]
    except (*_refusals(storage), StopIteration) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        message = f"{shown_storage(str(storage))} cannot be read: {reason}"
        raise SettingError(place, message, "allowed: the study of this sweep") from None
    return sorted(found, key=lambda t: t.index)
