"""A sweep: ask for configurations, train them, diagnose the runs, store them, tell the study.

Rows are durable before the study hears of them, so a sweep that was stopped at any moment goes on with the same call
and ends with the same tables.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sweep.commands.check import Plan, n_confirming, plan, spread
from sweep.networks.configuration import Configuration
from sweep.networks.runs import Broken, Cohort, Entry, Example, Runs, Seeds, lowest_seeds, merge, no_runs
from sweep.results.columns import hyperparameter_columns
from sweep.results.configurations import settings_lines
from sweep.results.files import library_versions, write_atomically
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.results.resume import held, prepare, study_name
from sweep.results.tables import (
    configurations_table,
    ranked,
    read_runs,
    runs_blocks,
    runs_from_table,
)
from sweep.runs.outcomes import outcomes
from sweep.search.allocation import Allocation
from sweep.search.study import Result, Search, Suggestion
from sweep.statistics.intervals import wilson
from sweep.statistics.verdicts import verdict
from sweep.training.engine import TrainerName
from sweep.training.threads import Guard

libraries = ("xor-sweep", "numpy", "numba", "optuna", "pandas", "scipy", "statsmodels", "tensorflow", "keras")


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: runs done of `n_runs`, how many of them learned, and the stage (`train` or `confirm`)."""

    stage: str
    n_done: int
    n_runs: int
    n_learned: int


Observer = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The observer that shows nothing."""


def ignore_message(message: str) -> None:
    """The listener that hears nothing."""


def never() -> bool:
    """No stop is asked for."""
    return False


class _Sweep:
    """What one execution holds: the folder, the runs known already, those trained now, those that broke."""

    def __init__(
        self,
        plan: Plan,
        folder: Folder,
        observe: Observer,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.plan = plan
        self.experiment = experiment = plan.experiment
        self.folder = folder
        self.engine = engine = plan.engine
        self.executor = plan.executor
        self.observe = observe
        self.is_stopped = is_stopped
        self.broken: list[Broken] = []
        self.guard = Guard(self.broken.append, is_stopped)
        self.entries: dict[str, Entry] = {}
        self.n_repeated = 0
        self.tables: tuple[str, ...] = ()
        self.n_trained = 0
        self.n_told = 0
        self.training_seconds = 0.0
        self._allocation = Allocation.of(experiment)
        self._trainer = str(TrainerName.of(engine))
        self._rows = _rows_by_configuration(folder, self._trainer)
        self._parts, kept = folder.read_parts(self._trainer)
        self.examples = folder.read_examples() + kept

    def run(self, search: Search) -> None:
        """The main loop, round by round: ask, train, diagnose, store, tell."""
        for indices in search.rounds(self._n_trials_at_once()):
            suggestions = search.ask(indices)
            self._take_in(suggestions)
            while cohorts := self._missing(suggestions):
                trained = self._train(cohorts)
                if trained[0]:
                    self.folder.write_part(f"{max(map(len, cohorts))}-{indices.start:08d}", *trained, self._trainer)
                self._add(*trained)
                self._end_where_stopped()
            for suggestion in suggestions:
                self._tell(search, suggestion)
        if self.n_trained:
            search.sync()

    def _n_trials_at_once(self) -> int:
        """How many trials are enough work for the executor."""
        wanted = self.executor.seconds_at_once * self.executor.n_workers
        return math.ceil(wanted * self.experiment.n_trials / self.plan.core_seconds)

    def _end_where_stopped(self) -> None:
        """End as an interruption does, with what was trained stored."""
        if self.is_stopped():
            raise KeyboardInterrupt

    def _take_in(self, suggestions: Sequence[Suggestion]) -> None:
        """Enter the configurations that no earlier trial suggested, with the runs that are known of them."""
        for suggestion in suggestions:
            configuration = suggestion.configuration
            if configuration.id in self.entries:
                self.n_repeated += 1
            else:
                known = self._known(configuration)
                self.entries[configuration.id] = Entry(suggestion.index, configuration, known)

    def _known(self, configuration: Configuration) -> Runs:
        """The runs of a configuration that an earlier execution stored, of the seeds wanted now."""
        blocks = [no_runs(configuration)]
        if configuration.id in self._rows:
            blocks.append(runs_from_table(self._rows[configuration.id], configuration))
        if configuration.id in self._parts:
            blocks.append(self._parts[configuration.id])
        known = merge(blocks)
        return known.take(np.isin(known.seed, self._allocation.seeds(known)))

    def _missing(self, suggestions: Sequence[Suggestion]) -> list[Cohort]:
        """What is to be trained next of a round: the seeds that its configurations want and do not have.

        Runs that broke are not tried again before the next execution.
        """
        asked = {s.configuration.id: None for s in suggestions}
        cohorts: list[Cohort] = []
        for entry in map(self.entries.__getitem__, asked):
            seeds = np.setdiff1d(self._lacking(entry), self._broken_seeds(entry))
            if len(seeds):
                cohorts.append(Cohort(entry.configuration, seeds, self.experiment.reliability.margin))
        return cohorts

    def _lacking(self, entry: Entry) -> Seeds:
        """The seeds that a configuration wants and does not have."""
        return np.setdiff1d(self._allocation.seeds(entry.runs), entry.runs.seed)

    def _broken_seeds(self, entry: Entry) -> Seeds:
        own = (b.seeds for b in self.broken if b.configuration == entry.configuration.id)
        return np.array([seed for seeds in own for seed in seeds], np.uint32)

    def _train(self, cohorts: Sequence[Cohort]) -> tuple[dict[str, Runs], list[Example]]:
        """Train cohorts: new runs by configuration, and examples."""
        started = time.perf_counter()
        counter = _Counter(self.observe, "train", self._n_runs())
        counter.add(sum(len(e.runs) for e in self.entries.values()), self._n_learned())
        trained: dict[str, Runs] = {}
        kept: list[Example] = []
        for identity, runs, found in self.executor.train(self.engine, cohorts, counter.add, self.guard):
            if len(runs):
                trained[identity] = runs
            kept += found
            self.n_trained += len(runs)
        self.training_seconds += time.perf_counter() - started
        return trained, kept

    def _n_runs(self) -> int:
        """How many runs there will be, as far as is known: no verdict is known of trials to come."""
        known = sum(len(self._allocation.seeds(e.runs)) for e in self.entries.values())
        n_to_come = self.experiment.n_trials - self.n_repeated - len(self.entries)
        return known + n_to_come * self._allocation.counts()[0]

    def _n_learned(self) -> int:
        return sum(int(e.runs.learned.sum()) for e in self.entries.values())

    def _add(self, trained: Mapping[str, Runs], kept: Sequence[Example]) -> None:
        for identity, runs in trained.items():
            entry = self.entries[identity]
            self.entries[identity] = replace(entry, runs=merge([entry.runs, runs]))
        self.examples += kept

    def _tell(self, search: Search, suggestion: Suggestion) -> None:
        if suggestion.is_told:
            return
        entry = self.entries[suggestion.configuration.id]
        if len(self._lacking(entry)):
            search.leave_open(suggestion)
        else:
            runs, n_parameters = entry.runs, entry.configuration.n_parameters
            search.tell(suggestion, Result(runs.seed, runs.learned, self._allocation.course(runs), n_parameters))
            self.n_told += 1

    def confirm(self) -> dict[str, Any] | None:
        """Train the configuration that the answer names on fresh seeds: it was the best of many on its own."""
        named = self._named()
        if named is None:
            return None
        n = n_confirming(self.experiment, self.engine)
        fresh = self.experiment.seeds.fresh(n)
        known = self._known_confirmation(named.configuration.id, int(fresh[0]), n)
        if known is not None:
            return known
        counter = _Counter(self.observe, "confirm", n)
        cohort = Cohort(named.configuration, fresh, self.experiment.reliability.margin)
        started = time.perf_counter()
        ((_, runs, _),) = self.executor.train(self.engine, [cohort], counter.add, self.guard)
        self.training_seconds += time.perf_counter() - started
        self._end_where_stopped()
        n = len(runs)
        if n == 0:
            return None
        rate = wilson(int(runs.learned.sum()), n, self.experiment.reliability.confidence)
        return {
            "configuration": named.configuration.id,
            "first_seed": int(fresh[0]),
            "n_runs": n,
            "n_learned": int(runs.learned.sum()),
            "success_rate": round(float(rate.value), 6),
            "ci_low": round(float(rate.low), 6),
            "ci_high": round(float(rate.high), 6),
            "ci_method": rate.method,
            "verdict": str(verdict(rate, self.experiment.reliability.target)),
        }

    def _known_confirmation(self, identity: str, first_seed: int, n: int) -> dict[str, Any] | None:
        """What the manifest says of these fresh seeds, where all runs were known: training would say it again."""
        known = self.folder.read_manifest().get("confirmation")
        if self.n_trained or not isinstance(known, dict):
            return None
        asked = {"configuration": identity, "first_seed": first_seed, "n_runs": n}
        return known if asked.items() <= known.items() else None

    def _named(self) -> Entry | None:
        """The smallest configuration found reliable; where none is, the one with the highest lower bound."""
        entries = list(self.entries.values())
        if not entries:
            return None
        learned = [int(e.runs.learned.sum()) for e in entries]
        rates = self._allocation.rates(learned, [len(e.runs) for e in entries])
        is_reliable = rates.low >= self.experiment.reliability.target
        n_parameters = np.array([e.configuration.n_parameters for e in entries])
        if is_reliable.any():
            return entries[np.lexsort((-rates.low, np.where(is_reliable, n_parameters, np.iinfo(np.int64).max)))[0]]
        return entries[np.lexsort((n_parameters, -rates.low))[0]]

    def finish(self, began: float, confirmation: Mapping[str, Any] | None) -> None:
        """Write the tables, the examples and the manifest; the blocks are removed when all of it is durable.

        `began`: when the sweep did, by the performance counter.
        """
        folder, experiment = self.folder, self.experiment
        trained = time.perf_counter()
        entries = list(self.entries.values())
        columns = hyperparameter_columns(
            {**experiment.fixed, **experiment.vary, **{k: 0 for c in experiment.cases for k in c}}
        )
        write_atomically(folder.runs, runs_blocks(entries, columns, self.engine.name, self.engine.device))
        write_atomically(folder.configurations, configurations_table(entries, columns, self._allocation))
        in_order = ranked(entries, self._allocation)
        write_atomically(folder.settings, settings_lines(e.configuration for e in in_order))
        places = {e.configuration.id: place for place, e in enumerate(entries)}
        kept = lowest_seeds(x for x in self.examples if x.configuration in places)
        folder.write_examples(sorted(kept, key=lambda x: (places[x.configuration], outcomes.index(x.outcome))))
        n_rows = sum(len(e.runs) for e in entries)
        n_planned = sum(len(self._allocation.seeds(e.runs)) for e in entries)
        files = folder.digests(self.tables)
        written = time.perf_counter()
        seconds = {"training": self.training_seconds, "tables": written - trained}
        seconds["other"] = written - began - sum(seconds.values())
        folder.write_manifest(
            {
                "versions": library_versions(libraries),
                "machine": {"system": platform.system(), "architecture": platform.machine(), **self.executor.record()},
                "engine": self.engine.name,
                "device": self.engine.device,
                "programs": self.engine.n_programs,
                "files": files,
                "configurations": len(entries),
                "repeated_suggestions": self.n_repeated,
                "runs_planned": n_planned,
                "runs_missing": n_planned - n_rows,
                "broken": _broken_records(self.broken),
                "confirmation": confirmation,
                "timings_seconds": {k: round(v, 3) for k, v in seconds.items()},
            }
        )
        folder.remove_parts()


def _broken_records(broken: Sequence[Broken]) -> list[dict[str, Any]]:
    """What broke, as the manifest has it: the runs of a configuration that ended with the same traceback together."""
    found: dict[tuple[str, str], list[int]] = {}
    for b in broken:
        found.setdefault((b.configuration, b.traceback), []).extend(b.seeds)
    return [
        {"configuration": identity, "runs": [f"{identity}-{seed}" for seed in sorted(seeds)], "traceback": traceback}
        for (identity, traceback), seeds in found.items()
    ]


class _Counter:
    """Counts runs as their pieces are done, and tells an observer."""

    def __init__(self, observe: Observer, stage: str, n_runs: int) -> None:
        self._observe = observe
        self._stage = stage
        self._n_runs = n_runs
        self._n_done = 0
        self._n_learned = 0

    def add(self, n_done: int, n_learned: int) -> None:
        self._n_done += n_done
        self._n_learned += n_learned
        self._observe(Progress(self._stage, self._n_done, self._n_runs, self._n_learned))


def _rows_by_configuration(folder: Folder, trainer: str) -> dict[str, Any]:
    """The rows of an earlier execution's runs.csv, by configuration."""
    if not folder.runs.exists():
        return {}
    folder.check_runs()
    table = read_runs(folder.runs)
    for found in sorted(set(table["engine"] + " on " + table["device"])):
        folder.check_trainer(found, trainer)
    return {str(identity): rows for identity, rows in table.groupby("configuration", sort=False)}


def _is_done(folder: Folder, plan: Plan) -> bool:
    """Whether a sweep of this experiment left nothing to do: no run is missing, every file is as the manifest has it.

    So nothing needs to be read, which takes seconds for a million runs. A study elsewhere may lack what was told.
    """
    manifest = folder.read_manifest()
    is_whole = manifest.get("runs_missing") == 0 and manifest.get("broken") == []
    is_ours = TrainerName.recorded(manifest) == TrainerName.of(plan.engine)
    study = folder.study_of(plan.experiment)
    has_study = isinstance(study, Path) and study.exists()
    return is_whole and is_ours and has_study and folder.is_intact()


def execute(
    plan: Plan,
    out: str | os.PathLike[str] | None = None,
    *,
    fresh: bool = False,
    observe: Observer = ignore,
    say: Callable[[str], None] = ignore_message,
    is_stopped: Callable[[], bool] = never,
) -> Results:
    """Carry out a plan, or go on with it, in the folder `out` (`results/<name of the file>` where not given).

    `say` gets messages for a person. Where `is_stopped` comes to hold, what is in training ends and is stored, then
    `KeyboardInterrupt` is raised.
    """
    started = time.perf_counter()
    source, experiment = plan.source, plan.experiment
    folder = Folder(Path(out) if out is not None else Path("results") / source.path.stem)
    with held(folder, is_fresh=fresh):
        for message in prepare(folder, source.content, experiment, source.tables):
            say(message)
        if _is_done(folder, plan):
            return Results(folder)
        sweep = _Sweep(plan, folder, observe, is_stopped)
        sweep.tables = tuple(source.tables)
        sweep.run(Search(experiment, folder.study_of(experiment), study_name(experiment, plan.engine)))
        if sweep.n_trained or sweep.n_told or sweep.broken or not folder.is_intact():
            sweep.finish(started, sweep.confirm())
    return Results(folder)


def run(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    ray: str | None = None,
    limit: float = 24.0,
    fresh: bool = False,
    observe: Observer = ignore,
) -> Results:
    """Run an experiment file, or go on with it, and return its results.

    `out` is the results folder, `results/<name of the file>` where not given. `workers`: threads, or the cores of the
    cluster at the address `ray` (`local` starts Ray here) that are used at a time, all where not given. `limit`: hours
    of training above which the sweep is refused with the estimate. `fresh` moves an existing folder aside. Raises
    `ExperimentFileError`, `EngineError`, `ExecutorError`, `ResultsError`.
    """
    limit_here = limit if ray is None else math.inf
    planned = plan(path, engine=engine, device=device, workers=workers, limit=limit_here)
    with spread(planned, ray, workers, limit) as planned:
        return execute(planned, out, fresh=fresh, observe=observe)
