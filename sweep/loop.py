"""A sweep: ask for configurations, train them, diagnose the runs, store them, tell the study.

Rows are durable before the study hears of them, so a sweep that was stopped at any moment goes on with the same call
and ends with the same tables.
"""

import hashlib
import io
import itertools
import json
import operator
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from sweep import engines, executors, experiment_file
from sweep.diagnosis import diagnose, examples
from sweep.engines import Engine
from sweep.experiment import Experiment, SeedBlock
from sweep.model import Configuration, resolve
from sweep.planning import Plan, plan
from sweep.reliability import verdict, wilson
from sweep.results import Folder, Results, ResultsError
from sweep.results.folder import Entry, lowest_seeds, write_atomically
from sweep.results.tables import configurations_table, hyperparameter_columns, read_table, runs_from_table, runs_table
from sweep.runs import Cohort, Example, Measurements, Runs, merge, no_runs, outcomes
from sweep.search import Search, Suggestion

n_confirmation = 1024


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


class _Sweep:
    """What one execution holds: the folder, the runs known already, those trained now."""

    def __init__(self, experiment: Experiment, folder: Folder, engine: Engine, workers: int, observe: Observer) -> None:
        self.experiment = experiment
        self.folder = folder
        self.engine = engine
        self.workers = workers
        self.observe = observe
        self.entries: dict[str, Entry] = {}
        self.n_repeated = 0
        self.n_trained = 0
        self.n_told = 0
        self.training_seconds = 0.0
        self._seeds = experiment.seeds.seeds()
        self._trainer = f"{engine.name} on {engine.device}"
        self._rows = _rows_by_configuration(folder, self._trainer)
        self._parts, kept = folder.read_parts(self._trainer)
        self.examples = folder.read_examples() + kept

    def run(self, search: Search) -> None:
        """The main loop, round by round: ask, train, diagnose, store, tell."""
        for indices in search.rounds():
            suggestions = search.ask(indices)
            new = self._new_entries(suggestions)
            trained = self._train(new)
            if trained:
                self.folder.write_part(f"{len(self._seeds)}-{indices.start:08d}", *_blocks(trained), self._trainer)
            for entry in new:
                self._add(entry, trained)
            for suggestion in suggestions:
                self._tell(search, suggestion)
        if self.n_trained:
            search.sync()

    def _new_entries(self, suggestions: Sequence[Suggestion]) -> list[Entry]:
        """The round's configurations that no earlier trial suggested, with the runs that are known of them."""
        new: dict[str, Entry] = {}
        for suggestion in suggestions:
            configuration = self.experiment.configuration(suggestion.point)
            if configuration.id in self.entries or configuration.id in new:
                self.n_repeated += 1
            else:
                new[configuration.id] = Entry(suggestion.index, configuration, self._known(configuration))
        return list(new.values())

    def _known(self, configuration: Configuration) -> Runs:
        """The runs of a configuration that an earlier execution stored, of the seeds wanted now."""
        blocks = [no_runs(configuration)]
        if configuration.id in self._rows:
            blocks.append(runs_from_table(self._rows[configuration.id], configuration))
        if configuration.id in self._parts:
            blocks.append(self._parts[configuration.id])
        known = merge(blocks)
        return known.take(np.isin(known.seed, self._seeds))

    def _train(self, entries: Sequence[Entry]) -> dict[str, tuple[Runs, list[Example]]]:
        """Train what is missing of these entries: new runs and examples by configuration."""
        started = time.perf_counter()
        margin = self.experiment.reliability.margin
        missing = [Cohort(e.configuration, np.setdiff1d(self._seeds, e.runs.seed), margin) for e in entries]
        cohorts = [cohort for cohort in missing if len(cohort)]
        n_runs = (self.experiment.n_trials - self.n_repeated) * len(self._seeds)
        counter = _Counter(self.observe, "train", n_runs)
        counter.add(sum(len(e.runs) for e in self.entries.values()), self._n_learned())
        trained: dict[str, tuple[Runs, list[Example]]] = {}
        measured = executors.train(self.engine, cohorts, self.workers, counter.on_piece)
        for cohort, measurements in zip(cohorts, measured, strict=True):
            runs = diagnose(cohort, measurements)
            trained[cohort.configuration.id] = (runs, examples(cohort, measurements, runs))
            self.n_trained += len(cohort)
        self.training_seconds += time.perf_counter() - started
        return trained

    def _n_learned(self) -> int:
        return sum(int(e.runs.learned.sum()) for e in self.entries.values())

    def _add(self, entry: Entry, trained: Mapping[str, tuple[Runs, list[Example]]]) -> None:
        identity = entry.configuration.id
        if identity in trained:
            runs, kept = trained[identity]
            entry = replace(entry, runs=merge([entry.runs, runs]))
            self.examples += kept
        self.entries[identity] = entry

    def _tell(self, search: Search, suggestion: Suggestion) -> None:
        if not suggestion.is_told:
            entry = self.entries[self.experiment.configuration(suggestion.point).id]
            rate, n_runs = float(entry.runs.learned.mean()), len(entry.runs)
            search.tell(suggestion, rate=rate, n_runs=n_runs, n_parameters=entry.configuration.n_parameters)
            self.n_told += 1

    def confirm(self) -> dict[str, Any] | None:
        """Train the configuration that the answer names on fresh seeds: it was the best of many on its own."""
        named = self._named()
        if named is None:
            return None
        n = n_confirmation if self.engine.is_threaded else len(self._seeds)
        fresh = self.experiment.seeds.fresh(n)
        counter = _Counter(self.observe, "confirm", n)
        cohort = Cohort(named.configuration, fresh, self.experiment.reliability.margin)
        started = time.perf_counter()
        (measurements,) = executors.train(self.engine, [cohort], self.workers, counter.on_piece)
        self.training_seconds += time.perf_counter() - started
        runs = diagnose(cohort, measurements)
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

    def _named(self) -> Entry | None:
        """The smallest configuration found reliable; where none is, the one with the highest lower bound."""
        entries = list(self.entries.values())
        if not entries:
            return None
        learned = [int(e.runs.learned.sum()) for e in entries]
        rates = wilson(learned, [len(e.runs) for e in entries], self.experiment.reliability.confidence)
        is_reliable = rates.low >= self.experiment.reliability.target
        n_parameters = np.array([e.configuration.n_parameters for e in entries])
        if is_reliable.any():
            return entries[np.lexsort((-rates.low, np.where(is_reliable, n_parameters, np.iinfo(np.int64).max)))[0]]
        return entries[np.lexsort((n_parameters, -rates.low))[0]]

    def finish(self, timings: Mapping[str, float], confirmation: Mapping[str, Any] | None) -> None:
        """Write the tables, the examples and the manifest; the blocks are removed when all of it is durable."""
        folder, experiment = self.folder, self.experiment
        entries = list(self.entries.values())
        columns = hyperparameter_columns(
            {**experiment.fixed, **experiment.vary, **{k: 0 for c in experiment.cases for k in c}}
        )
        write_atomically(folder.runs, runs_table(entries, columns, self.engine.name, self.engine.device))
        n_planned = len(self._seeds)
        write_atomically(
            folder.configurations, configurations_table(entries, columns, n_planned, experiment.reliability)
        )
        places = {e.configuration.id: place for place, e in enumerate(entries)}
        kept = lowest_seeds(x for x in self.examples if x.configuration in places)
        folder.write_examples(sorted(kept, key=lambda x: (places[x.configuration], outcomes.index(x.outcome))))
        n_rows = sum(len(e.runs) for e in entries)
        folder.write_manifest(
            {
                "versions": _versions(),
                "machine": _machine(self.workers),
                "engine": self.engine.name,
                "device": self.engine.device,
                "files": folder.digests(),
                "configurations": len(entries),
                "repeated_suggestions": self.n_repeated,
                "runs_planned": n_planned * len(entries),
                "runs_missing": n_planned * len(entries) - n_rows,
                "broken": [],
                "confirmation": confirmation,
                "timings_seconds": {k: round(v, 3) for k, v in timings.items()},
            }
        )
        folder.remove_parts()


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

    def on_piece(self, cohort: Cohort, measured: Measurements) -> None:
        self.add(len(cohort), int((measured.last_unlearned < cohort.configuration.epochs).sum()))


def _blocks(trained: Mapping[str, tuple[Runs, list[Example]]]) -> tuple[dict[str, Runs], list[Example]]:
    return {k: runs for k, (runs, _) in trained.items()}, [x for _, kept in trained.values() for x in kept]


def _rows_by_configuration(folder: Folder, trainer: str) -> dict[str, Any]:
    """The rows of an earlier execution's runs.csv, by configuration."""
    if not folder.runs.exists():
        return {}
    folder.check_runs()
    table = read_table(folder.runs)
    for found in sorted(set(table["engine"] + " on " + table["device"])):
        folder.check_trainer(found, trainer)
    return {str(identity): rows for identity, rows in table.groupby("configuration", sort=False)}


def _versions() -> dict[str, str]:
    libraries = ("xor-sweep", "numpy", "numba", "optuna", "pandas", "scipy", "statsmodels", "tensorflow", "keras")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def _machine(workers: int) -> dict[str, Any]:
    return {"system": platform.system(), "architecture": platform.machine(), "workers": workers}


def _study_name(experiment: Experiment, engine: Engine) -> str:
    """A name that carries the space and what decides a rate: Optuna cannot change a parameter's choices later.

    A storage URL may hold the studies of many folders.
    """
    space = asdict(experiment)
    space["study"].pop("trials")
    space["reliability"] = experiment.reliability.margin
    space["order"] = list(experiment.dimensions())
    space["engine"] = (engine.name, engine.device)
    digest = hashlib.sha256(json.dumps(space, sort_keys=True, default=str).encode()).hexdigest()
    return f"sweep-{digest[:12]}"


def _extendable(experiment: Experiment) -> dict[str, Any]:
    """The experiment as a plain mapping, without what may grow in a folder that exists."""
    plain = asdict(experiment)
    plain["study"].pop("trials")
    if experiment.seeds.listed is None:
        plain["seeds"].pop("count")
    return plain


def _experiment_differences(old: Experiment, new: Experiment) -> Iterator[str]:
    """What keeps a folder of `old` from being used for `new`, in words."""
    yield from _differences(_extendable(old), _extendable(new))
    if set(old.vary) == set(new.vary) and list(old.vary) != list(new.vary):
        yield f"the order of vary: there {', '.join(old.vary)}, here {', '.join(new.vary)}"
    if len(old.seeds) > len(new.seeds) or old.n_trials > new.n_trials:
        yield (
            f"there {old.n_trials} trials of {len(old.seeds)} seeds, "
            f"here {new.n_trials} of {len(new.seeds)}: a folder can grow, not shrink"
        )


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        yield f"{place}: there {old}, here {new}"


def _prepare(folder: Folder, content: bytes, experiment: Experiment, is_fresh: bool) -> None:
    """Make the folder ready: refuse another experiment's, or move it aside; keep the experiment's file verbatim.

    A file of the same meaning leaves the one that is there: the manifest vouches for its bytes.
    """
    if is_fresh and folder.path.exists():
        aside = next(
            p for i in itertools.count(1) if not (p := folder.path.with_name(f"{folder.path.name}.old-{i}")).exists()
        )
        folder.path.rename(aside)
    if folder.experiment.exists():
        before = experiment_file.load(folder.experiment)
        differences = list(_experiment_differences(before, experiment))
        if differences:
            raise ResultsError(
                f"{folder.path}: holds another experiment\n  "
                + "\n  ".join(differences[:8])
                + "\n  choose another --out, or --fresh to move it aside"
            )
        if before == experiment:
            return
    elif folder.has_other_files():
        raise ResultsError(f"{folder.path}: holds other files and no experiment.yaml; choose another --out")
    folder.path.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.experiment, content)


def execute(
    plan: Plan, out: str | os.PathLike[str] | None = None, *, fresh: bool = False, observe: Observer = ignore
) -> Results:
    """Carry out a plan, or go on with it, in the folder `out` (`results/<name of the file>` where not given)."""
    started = time.perf_counter()
    experiment = plan.experiment
    folder = Folder(Path(out) if out is not None else Path("results") / plan.path.stem)
    content = plan.path.read_bytes()
    if experiment_file.parse(content.decode("utf-8-sig"), str(plan.path)) != experiment:
        raise ResultsError(f"{plan.path}: changed since it was read, or can be read only once; save it as a file")
    _prepare(folder, content, experiment, fresh)
    sweep = _Sweep(experiment, folder, plan.engine, plan.workers, observe)
    storage, name = experiment.study.storage, _study_name(experiment, plan.engine)
    sweep.run(Search(experiment, folder.journal if storage == "journal" else storage, name))
    if sweep.n_trained or sweep.n_told or not folder.is_finished():
        confirmation = sweep.confirm()
        training = sweep.training_seconds
        sweep.finish({"training": training, "other": time.perf_counter() - started - training}, confirmation)
    return Results(folder)


def run(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    limit: float = 24.0,
    fresh: bool = False,
    observe: Observer = ignore,
) -> Results:
    """Run an experiment file, or go on with it, and return its results.

    `out` is the results folder, `results/<name of the file>` where not given. `limit`: hours of training above which
    the sweep is refused with the estimate. `fresh` moves an existing folder aside. Raises `ExperimentFileError`,
    `EngineError`, `ResultsError`.
    """
    planned = plan(path, engine=engine, device=device, workers=workers, limit=limit)
    return execute(planned, out, fresh=fresh, observe=observe)


def train(
    settings: Mapping[str, Any],
    seeds: SupportsIndex | Iterable[SupportsIndex] = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
) -> Any:
    """Train one configuration under many seeds: a DataFrame with the columns of runs.csv.

    `settings` are hyperparameters as in an experiment file; `seeds` a count or the seeds themselves. Raises
    `SettingError`, `EngineError`; `TypeError` for a seed that is no whole number.
    """
    configuration = resolve(settings)
    if isinstance(seeds, Iterable):
        block = SeedBlock(listed=tuple(map(operator.index, seeds)))
    else:
        block = SeedBlock(count=operator.index(seeds))
    chosen = engines.choose(engine, device, [configuration])
    cohort = Cohort(configuration, block.seeds(), margin)
    (measured,) = executors.train(chosen, [cohort], workers or executors.available_cores(), lambda *_: None)
    entry = Entry(0, configuration, diagnose(cohort, measured))
    content = runs_table([entry], hyperparameter_columns(settings), chosen.name, chosen.device)
    return read_table(io.BytesIO(content))
