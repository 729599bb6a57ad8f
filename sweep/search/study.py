"""A study asked and told, trial by trial.

A trial is a point of the experiment. Its place in the order of suggestions, `index`, is an attribute of Optuna's trial;
it decides what is suggested (together with the trials told before), so that a study that was interrupted goes on as it
would have gone on without.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from sweep.experiment.experiment import Experiment
from sweep.runs.cohort import Subject
from sweep.runs.errors import SettingError, show
from sweep.search.parameters import as_parameter, at_share, distribution_of, value_of
from sweep.search.storage import Journal, lost_storage, open_study

# Optuna takes an infinite value, and what its samplers compute of it is none
worst_value = 1e300


@dataclass(frozen=True)
class Suggestion:
    """A point to train: `index` in the order of suggestions, and whether its result was told already."""

    index: int
    point: Mapping[str, Any]
    configuration: Subject
    is_told: bool


@dataclass(frozen=True)
class Result:
    """What training a trial's configuration came to.

    `seeds` `[run]`, rising, and whether they `learned`; `course`: the number of seeds and the success rate at each look
    at them, the last one the result; `n_parameters` of the configuration; `measured` of each run; `told`: what else the
    trial is to say of it, by name.
    """

    seeds: npt.NDArray[np.uint32]
    learned: npt.NDArray[np.bool_]
    course: Sequence[tuple[int, float]]
    n_parameters: int
    measured: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """The success rate."""
        return self.course[-1][1]


class Search:
    """An experiment's study in a storage: a journal file, or an Optuna URL."""

    def __init__(self, experiment: Experiment, storage: Path | str, name: str, title: str = "sweep") -> None:
        """Open or create the study `name`, of this title.

        Trials that a killed process left without a result are given up or kept: a trial in flight is kept where it was
        suggested completely, since its rows may be on disk already.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._experiment = experiment
        self._dimensions = experiment.dimensions()
        self._distributions: dict[str, BaseDistribution] = {k: distribution_of(d) for k, d in self._dimensions.items()}
        self._distributions["seed"] = CategoricalDistribution((experiment.seeds.label(),))
        self._storage = str(storage)
        self._journal = Journal(storage) if isinstance(storage, Path) else None
        opened = open_study(self._journal or str(storage), name, title, experiment.objectives)
        directions = opened.directions
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

    def rounds(self, n_at_once: int = 1, *, are_joined: bool = False) -> Iterator[range]:
        """The indices of the trials of each round; `are_joined`: all of them as one round.

        Rounds are joined to at least `n_at_once` trials where what is suggested does not depend on earlier results.
        """
        n, size = self._experiment.n_trials, self._experiment.study.trials_per_round
        size = max(n, 1) if are_joined else size
        if self._experiment.study.sampler != "tpe":
            size *= max(1, math.ceil(n_at_once / size))
        for first in range(0, n, size):
            yield range(first, min(first + size, n))

    def ask(self, indices: range) -> list[Suggestion]:
        """The points of a round: those stored already, the others as the sampler suggests them.

        Raises `SettingError` where the storage, a database, is gone.
        """
        with lost_storage(self._storage):
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
            return {k: value_of(d, parameters[k]) for k, d in self._dimensions.items()}
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
                i: {k: at_share(d, x) for (k, d), x in zip(self._dimensions.items(), share, strict=True)}
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
            parameters = {k: as_parameter(d, self._distributions[k], point[k]) for k, d in self._dimensions.items()}
            parameters["seed"] = self._experiment.seeds.label()
        point = self._point(parameters)
        configuration = self._experiment.configuration(point)
        seeds = self._experiment.seeds.seeds()
        attributes = {
            "configuration": configuration.id,
            "first_seed": int(seeds[0]),
            "n_seeds": len(seeds),
            "index": index,
            **({"parameters": configuration.n_parameters} if configuration.n_parameters else {}),
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
        with lost_storage(self._storage):
            self._tell(suggestion, result)

    def _tell(self, suggestion: Suggestion, result: Result) -> None:
        values = objective_values(self._experiment, result.rate, result.n_parameters, result.measured)
        trial_id = self._in_flight.pop(suggestion.index)._trial_id  # pyright: ignore[reportPrivateUsage]
        trial = optuna.Trial(self._study, trial_id)
        before = self._known.get(suggestion.index)
        is_rate = self._experiment.study.objective == ("success_rate",)
        for n_runs, rate in result.course if is_rate else ():  # Optuna has these for one objective only
            if before is None or n_runs not in before.intermediate_values:  # it has where a process was killed here
                trial.report(rate, step=n_runs)
        if len(result.seeds) != trial.user_attrs["n_seeds"]:
            trial.set_user_attr("n_seeds", len(result.seeds))
        for attribute, text in result.told.items():
            trial.set_user_attr(attribute, text)
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


def objective_values(
    experiment: Experiment,
    rate: float,
    n_parameters: int,
    measured: Mapping[str, npt.NDArray[Any]],
) -> list[float]:
    """The values of a trial, in the order of the objectives: the success rate, or the median of a number over all runs.

    A run that did not give the number counts as the worst there is; where that reaches the middle the value is that.
    """
    known = {"success_rate": rate, "n_parameters": float(n_parameters)}
    return [
        known[name] if name in known else _median(measured.get(name, np.array([np.nan])), goal)
        for name, goal in experiment.objectives
    ]


def _median(values: npt.NDArray[Any], goal: str) -> float:
    """The median of numbers of which those that are not finite are the worst there is."""
    worst = -worst_value if goal == "high" else worst_value
    return float(np.median(np.where(np.isfinite(values), values, worst)))


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
        for i, seed in enumerate(result.seeds.tolist()):
            if (suggestion.index, seed) in self._known:
                continue
            network = optuna.trial.create_trial(
                params=parameters | {"seed": seed},
                distributions=distributions,
                values=objective_values(
                    self._experiment,
                    float(result.learned[i]),
                    result.n_parameters,
                    {name: values[i : i + 1] for name, values in result.measured.items()},
                ),
                user_attrs=attributes,
            )
            self._study.add_trial(network)
