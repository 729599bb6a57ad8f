"""A sweep: ask for configurations, train them, diagnose the runs, store them, tell the study.

Rows are durable before the study hears of them, so a sweep that was stopped at any moment goes on with the same call
and ends with the same tables.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from sweep.commands.check import Plan
from sweep.commands.confirm import choose_named, summarise
from sweep.commands.progress import Observer, Progress, counting, ignore
from sweep.commands.settle import are_of_the_same_seeds, most, settle, smaller_open
from sweep.experiment.experiment import Experiment
from sweep.experiment.regular_files import regular
from sweep.networks.measurements import Example
from sweep.results.columns import settings_columns
from sweep.results.configurations import settings_lines
from sweep.results.files import ResultsError, library_versions, write_atomically
from sweep.results.folder import Folder, confirming
from sweep.results.manifest import Confirmation, Manifest, Timings, broken_runs
from sweep.results.results import Results
from sweep.results.resume import check_holds, held, prepare, study_name
from sweep.results.storages import remember
from sweep.results.stored import Stored
from sweep.results.tables import (
    configurations_table,
    ranked,
    runs_blocks,
)
from sweep.runs.cohort import Broken, Cohort, Seeds, Subject
from sweep.runs.curves import lowest
from sweep.runs.endings import Ending
from sweep.runs.outcomes import lowest_seeds, outcomes
from sweep.runs.runs import Entry, Runs, merge
from sweep.search.allocation import Allocation
from sweep.search.study import Result, Search, Suggestion
from sweep.training.executor import Kept
from sweep.training.trainer import Guard, TrainerName

libraries = ("xor-sweep", "numpy", "numba", "optuna", "pandas", "scipy", "statsmodels", "tensorflow", "keras")


def ignore_message(message: str) -> None:
    """The listener that hears nothing."""


def never() -> bool:
    """No stop is asked for."""
    return False


def nothing_settled() -> tuple[Confirmation, ...]:
    """No configuration gets fresh seeds."""
    return ()


def _runs_of(kept: Sequence[Kept]) -> dict[str, Runs]:
    """The runs that came in, by configuration; none of one that has none."""
    blocks: dict[str, list[Runs]] = {}
    for one in kept:
        if len(one.runs):
            blocks.setdefault(one.configuration, []).append(one.runs)
    return {identity: merge(own) for identity, own in blocks.items()}


class _Training:
    """What trains the cohorts of one execution, and what came of it: `seconds` that it took, what broke."""

    def __init__(self, plan: Plan, observe: Observer, is_stopped: Callable[[], bool]) -> None:
        self.seconds = 0.0
        self.broken: list[Broken] = []
        self._plan = plan
        self._observe = observe
        self._has_worked = False
        self._guard = Guard(self.broken.append, is_stopped, lambda: self._has_worked)

    def train(self, cohorts: Sequence[Cohort[Subject]], start: Progress) -> Iterator[list[Kept]]:
        """Train cohorts; what is kept of them, as much at a time as is to be stored together.

        The observer hears of each piece, from `start` on.
        """
        count = counting(self._observe, start)
        kept: list[Kept] = []
        started = time.perf_counter()
        for one in self._plan.executor.train(self._plan.trainer, cohorts, count, self._guard):
            kept.append(one)
            self.note(one.runs)
            if one.ends_batch:
                yield kept
                kept = []
        self.seconds += time.perf_counter() - started
        yield kept

    def note(self, runs: Runs) -> None:
        """Take note of runs that are known: where one did not crash, others that do end no sweep."""
        self._has_worked |= bool((runs.outcome != outcomes.index("crashed")).any())

    def end_where_stopped(self) -> None:
        """End as an interruption does, with what was trained stored."""
        if self._guard.is_stopped():
            raise KeyboardInterrupt


class Sweep:
    """What one execution holds: the folder, the runs stored already, the configurations with their runs so far."""

    def __init__(self, plan: Plan, folder: Folder, training: _Training, *, is_whole: bool) -> None:
        self.plan = plan
        self.experiment = experiment = plan.experiment
        self.folder = folder
        self.training = training
        self.entries: dict[str, Entry[Subject]] = {}
        self.n_repeated = 0
        self.n_trained = 0
        self.n_told = 0
        self._is_whole = is_whole
        self._allocation = Allocation.of(experiment)
        self._block = experiment.seeds.seeds()
        self._n_expected = 0
        self._stored = Stored(folder, plan.trained_by, experiment.subject)
        self._examples = self._stored.examples
        self._curves = folder.read_curves()
        self._endings = folder.read_endings()

    def rounds(self, search: Search) -> Iterator[list[Cohort[Subject]]]:
        """The main loop, round by round: what is to be trained, and kept before the next is asked for; then told."""
        size = self._n_trials_at_once()
        for indices in search.rounds(size, are_joined=self._allocation.is_together):
            suggestions = search.ask(indices)
            asked = self._take_in(suggestions)
            while cohorts := self._missing(asked):
                yield from (cohorts[i : i + size] for i in range(0, len(cohorts), size))
            self._tell(search, suggestions, asked)
        if self.n_trained:
            search.sync()

    def run(self, search: Search) -> None:
        """Ask, train, diagnose, store, tell."""
        for cohorts in self.rounds(search):
            n_done = sum(len(e.runs) for e in self.entries.values())
            n_learned = sum(int(e.runs.learned.sum()) for e in self.entries.values())
            for kept in self.training.train(cohorts, Progress("train", n_done, self._n_expected, n_learned)):
                self.keep(kept)
            self.training.end_where_stopped()

    def keep(self, kept: Sequence[Kept]) -> None:
        """Store what came in of runs: durable first, then known."""
        trained = _runs_of(kept)
        examples, told = [x for k in kept for x in k.examples], [x for k in kept for x in k.endings]
        curves = {f"{k.configuration}-{seed}": curve for k in kept for seed, curve in k.curves.items()}
        if trained:
            name = f"{max(map(len, trained.values()))}-{min(self.entries[i].trial for i in trained):08d}"
            self.folder.write_part(name, trained, examples, self.plan.trained_by, told, curves)
        for identity, runs in trained.items():
            entry = self.entries[identity]
            self.entries[identity] = replace(entry, runs=merge([entry.runs, runs]))
        self.n_trained += sum(map(len, trained.values()))
        self._examples += examples
        self._endings = lowest_seeds([*self._endings, *told])
        self._curves |= curves

    def _n_trials_at_once(self) -> int:
        """How many trials are trained together: those of a round, or as many rounds as are enough for the executor."""
        executor, of_a_round = self.plan.executor, self.experiment.study.trials_per_round
        wanted = executor.seconds_at_once * executor.n_workers
        if not wanted or not self.plan.core_seconds:
            return of_a_round
        enough = wanted * self.experiment.n_trials / self.plan.core_seconds
        return of_a_round * max(1, math.ceil(enough / of_a_round))

    def _take_in(self, suggestions: Sequence[Suggestion]) -> list[str]:
        """Enter the configurations that no earlier trial suggested, with the runs that are known; the ids of all."""
        for suggestion in suggestions:
            configuration = suggestion.configuration
            if configuration.id in self.entries:
                self.n_repeated += 1
            else:
                known = self._known(configuration)
                self.training.note(known)
                self.entries[configuration.id] = Entry(suggestion.index, configuration, known)
        return list(dict.fromkeys(s.configuration.id for s in suggestions))

    def _known(self, configuration: Subject) -> Runs:
        """The runs of a configuration that an earlier execution stored, of the seeds that it may get now."""
        known = self._stored.runs(configuration)
        return known.take(np.isin(known.seed, self._block))

    def _missing(self, asked: Sequence[str]) -> list[Cohort[Subject]]:
        """What is to be trained next of a round: the seeds that its configurations want and do not have.

        Where seeds are added, those of the smallest number that one of them waits for: nobody goes on before all have
        been looked at there. Runs that broke are not tried again before the next execution.
        """
        entries = [self.entries[identity] for identity in asked]
        wanted = self._allocation.wanted([e.runs for e in entries])
        n_others = sum(len(e.runs) for e in self.entries.values()) - sum(len(e.runs) for e in entries)
        n_to_come = self.experiment.n_trials - self.n_repeated - len(self.entries)
        self._n_expected = n_others + int(wanted.sum()) + n_to_come * self._allocation.counts()[0]
        cohorts: list[Cohort[Subject]] = []
        first = np.inf
        for entry, n in sorted(zip(entries, wanted.tolist(), strict=True), key=lambda pair: pair[1]):
            seeds = np.setdiff1d(self._lacking(entry, n), self._broken_seeds(entry))
            if len(seeds) and n <= first:
                first = n
                cohorts.append(self._cohort(entry.configuration, seeds))
        return cohorts

    def _cohort(self, configuration: Subject, seeds: Seeds) -> Cohort[Subject]:
        return Cohort(configuration, seeds, self.experiment.criterion)

    def _lacking(self, entry: Entry[Subject], n: int) -> Seeds:
        """Which of the first `n` seeds a configuration does not have."""
        return np.setdiff1d(self._block[:n], entry.runs.seed)

    def _broken_seeds(self, entry: Entry[Subject]) -> Seeds:
        own = (b.seeds for b in self.training.broken if b.configuration == entry.configuration.id)
        return np.array([seed for seeds in own for seed in seeds], np.uint32)

    def _tell(self, search: Search, suggestions: Sequence[Suggestion], asked: Sequence[str]) -> None:
        """Tell the study what came of a round; a trial that is not all there stays open.

        So do all of them where configurations are looked at together: what is missing may change their number of seeds.
        """
        runs = self._allocation.cut([self.entries[identity].runs for identity in asked])
        wanted = self._allocation.wanted(runs)
        is_open = {i: len(own) < n for i, own, n in zip(asked, runs, wanted.tolist(), strict=True)}
        for identity, own in zip(asked, runs, strict=True):
            self.entries[identity] = replace(self.entries[identity], runs=own)
        is_settled = self._allocation.family == "none" or self._allocation.is_together
        standing = self._allocation.standing(runs) if is_settled else None
        verdicts = {} if standing is None else dict(zip(asked, standing.verdicts.tolist(), strict=True))
        for suggestion in suggestions:
            entry = self.entries[suggestion.configuration.id]
            if suggestion.is_told:
                continue
            if is_open[entry.configuration.id] or (self._allocation.is_together and any(is_open.values())):
                search.leave_open(suggestion)
                continue
            runs, n_parameters = entry.runs, entry.configuration.n_parameters
            course = self._allocation.course(runs)
            told = self._told(runs, verdicts.get(entry.configuration.id))
            search.tell(suggestion, Result(runs.seed, runs.learned, course, n_parameters, runs.measured, told))
            self.n_told += 1

    def _told(self, runs: Runs, verdict: str | None) -> dict[str, str]:
        """What a trial says of its rate; its verdict where those of later trials have no part in it."""
        rates = self._allocation.rates(int(runs.learned.sum()), len(runs))
        interval = {"interval": f"{float(rates.low):.3f}-{float(rates.high):.3f}"}
        return interval if verdict is None else {**interval, "verdict": verdict}

    def confirm(self) -> Confirmation | None:
        """Train the configuration that the answer names on fresh seeds."""
        reliability, n = self.experiment.reliability, self.plan.n_confirmation
        named = choose_named(list(self.entries.values()), self._allocation)
        if named is None or n == 0:
            return None
        fresh = self.experiment.seeds.fresh(n)
        known = self._known_confirmation(named.configuration.id, int(fresh[0]), n)
        if known is not None:
            return known
        identity = named.configuration.id
        runs = self._stored.runs(named.configuration)
        runs = runs.take(np.isin(runs.seed, fresh))
        cohort = self._cohort(named.configuration, np.setdiff1d(fresh, runs.seed))
        start = Progress("confirm", len(runs), n, int(runs.learned.sum()))
        for kept in self.training.train([cohort] if len(cohort) else [], start):
            block = merge([k.runs for k in kept])
            runs = merge([runs, block])
            if len(runs) < n and len(block):  # else all is known, and its summary is stored at once
                self.folder.write_part(f"{confirming}-{named.trial:08d}", {identity: block}, (), self.plan.trained_by)
        self.training.end_where_stopped()
        return summarise(identity, int(fresh[0]), runs, reliability)

    def settle(self) -> tuple[Confirmation, ...]:
        """Train the inconclusive configurations below the smallest reliable one on fresh seeds until all is settled."""
        entries, allocation = list(self.entries.values()), self._allocation
        named = choose_named(entries, allocation)
        smaller = [] if named is None else smaller_open(entries, allocation, named)
        if not smaller:
            return ()
        configurations = {e.configuration.id: e.configuration for e in smaller}
        fresh, known = self.experiment.seeds.fresh(most), self.folder.read_manifest().settled
        if not self.n_trained and are_of_the_same_seeds(known, list(configurations), fresh):
            return known
        done = Progress("settle", 0, 0, 0)

        def train(seeds: Mapping[str, Seeds], n_expected: int) -> dict[str, Runs]:
            nonlocal done
            cohorts = [self._cohort(configurations[identity], own) for identity, own in seeds.items()]
            batches = self.training.train(cohorts, replace(done, n_runs=n_expected))
            runs = _runs_of([kept for batch in batches for kept in batch])
            self.training.end_where_stopped()
            n_learned = sum(int(own.learned.sum()) for own in runs.values())
            done = replace(
                done, n_done=done.n_done + sum(map(len, seeds.values())), n_learned=done.n_learned + n_learned
            )
            return runs

        return settle(list(configurations), fresh, allocation, train)

    def _known_confirmation(self, identity: str, first_seed: int, n: int) -> Confirmation | None:
        """What the manifest says of these fresh seeds, where all runs were known: training would say it again."""
        known = self.folder.read_manifest().confirmation
        if self.n_trained or known is None:
            return None
        return known if (known.configuration, known.first_seed, known.n_runs) == (identity, first_seed, n) else None

    def _is_kept(self, told: Example | Ending) -> bool:
        """Whether the run that something is known of is in the tables."""
        entry = self.entries.get(told.configuration)
        return entry is not None and told.seed in entry.runs.seed

    def finish(
        self,
        began: float,
        confirm: Callable[[], Confirmation | None],
        settle: Callable[[], tuple[Confirmation, ...]],
    ) -> None:
        """Write the tables, the examples and the manifest; the blocks are removed when all of it is durable.

        Where an earlier execution had left nothing to do, nothing is written. `began`: when the sweep did, by the
        performance counter; `confirm` and `settle` train on fresh seeds what the answer says of them.
        """
        if self._is_whole and not (self.n_trained or self.n_told):
            return
        confirmation, settled = confirm(), settle()
        folder, experiment, trainer = self.folder, self.experiment, self.plan.trainer
        trained = time.perf_counter()
        entries = list(self.entries.values())
        columns = settings_columns(experiment)
        write_atomically(folder.runs, runs_blocks(entries, columns, trainer.name, trainer.device))
        write_atomically(folder.configurations, configurations_table(entries, columns, self._allocation))
        in_order = ranked(entries, self._allocation)
        write_atomically(folder.settings, settings_lines((e.configuration for e in in_order), experiment.kind))
        places = {e.configuration.id: place for place, e in enumerate(entries)}
        kept = lowest_seeds(x for x in self._examples if self._is_kept(x))
        told = [x for x in self._endings if self._is_kept(x)]
        curves = {run: curve for run, curve in self._curves.items() if run.partition("-")[0] in places}

        def order(x: Example | Ending) -> tuple[int, int]:
            return places[x.configuration], outcomes.index(x.outcome)

        folder.write_examples(sorted(kept, key=order), sorted(told, key=order), lowest(curves))
        n_planned = int(self._allocation.wanted([e.runs for e in entries]).sum())
        files = folder.digests(self.plan.source.tables)
        written = time.perf_counter()
        seconds = (self.training.seconds, written - trained, trained - began - self.training.seconds)
        folder.write_manifest(
            Manifest(
                versions=library_versions(libraries),
                machine={
                    "system": platform.system(),
                    "architecture": platform.machine(),
                    **self.plan.executor.record(),
                },
                subject=experiment.subject,
                engine=trainer.name,
                device=trainer.device,
                programs=trainer.n_programs,
                files=files,
                configurations=len(entries),
                repeated_suggestions=self.n_repeated,
                runs_planned=n_planned,
                runs_missing=n_planned - sum(len(e.runs) for e in entries),
                broken=broken_runs(self.training.broken),
                confirmation=confirmation,
                settled=settled,
                timings_seconds=Timings(*(round(s, 3) for s in seconds)),
            )
        )
        folder.remove_parts()


def _is_whole(folder: Folder, plan: Plan) -> bool:
    """Whether a sweep of this experiment left nothing to do: no run missing, every file as the manifest has it."""
    manifest = folder.read_manifest()
    n_confirmed = manifest.confirmation.n_runs if manifest.confirmation else 0
    return (
        (manifest.runs_missing, manifest.broken, n_confirmed) == (0, (), plan.n_confirmation)
        and TrainerName.recorded(vars(manifest)) == TrainerName.of(plan.trainer)
        and folder.is_intact()
        and _has_todays_columns(folder, plan.experiment)
    )


def _has_todays_columns(folder: Folder, experiment: Experiment) -> bool:
    """Whether the verdicts of the table are by the tests of today; earlier versions had others, and no evidence."""
    with open(folder.configurations, "rb", opener=regular) as file:
        columns = file.readline().decode(errors="replace").strip().split(",")
    return ("e_reliable" if Allocation.of(experiment).is_adaptive else "p_reliable") in columns


def folder_of(plan: Plan, out: str | os.PathLike[str] | None = None) -> Folder:
    """The results folder of a plan: `out`, `results/<name of the file>` where not given."""
    return Folder(Path(out) if out is not None else Path("results") / plan.source.path.stem)


def n_present(plan: Plan, out: str | os.PathLike[str] | None = None) -> int:
    """How many of a plan's runs its folder holds already, all where nothing is left to train.

    Raises `ResultsError` where the folder holds something else.
    """
    folder = folder_of(plan, out)
    before = check_holds(folder, plan.experiment, plan.source.tables)
    try:
        if before == plan.experiment and folder.is_finished() and folder.read_manifest().runs_missing == 0:
            return plan.n_runs
        return 0 if before is None else folder.n_stored()
    except ResultsError:  # of a damaged file, which the sweep sets aside and makes anew
        return 0


def execute(
    plan: Plan,
    out: str | os.PathLike[str] | None = None,
    *,
    fresh: bool = False,
    is_settling: bool = False,
    observe: Observer = ignore,
    say: Callable[[str], None] = ignore_message,
    is_stopped: Callable[[], bool] = never,
) -> Results:
    """Carry out a plan, or go on with it, in the folder `out` (`results/<name of the file>` where not given).

    `is_settling`: whether the inconclusive configurations below the smallest reliable one get fresh seeds until they
    are settled; the manifest has what came of it, the tables stay. `say` gets messages for a person. Where `is_stopped`
    comes to hold, what is in training ends and is stored, then `KeyboardInterrupt` is raised.
    """
    started = time.perf_counter()
    folder = folder_of(plan, out)
    folder.check_table_names(plan.source.tables)
    with closing(plan.trainer), held(folder, is_fresh=fresh):
        begun = begin(plan, folder, is_settling=is_settling, observe=observe, say=say, is_stopped=is_stopped)
        if begun is not None:
            sweep, search = begun
            sweep.run(search)
            sweep.finish(started, sweep.confirm, sweep.settle if is_settling else nothing_settled)
    return Results(folder)


def begin(
    plan: Plan,
    folder: Folder,
    *,
    is_settling: bool = False,
    observe: Observer = ignore,
    say: Callable[[str], None] = ignore_message,
    is_stopped: Callable[[], bool] = never,
) -> tuple[Sweep, Search] | None:
    """The sweep of a plan in a folder that is held for it, and its study; None where it left nothing to do."""
    source, experiment = plan.source, plan.experiment
    for message in prepare(folder, source.content, experiment, source.tables):
        say(message)
    study, is_whole = folder.study_of(experiment), _is_whole(folder, plan)
    is_whole = is_whole and (not is_settling or bool(folder.read_manifest().settled))
    if is_whole and isinstance(study, Path) and study.exists():
        return None  # unread: a million runs take seconds; a study elsewhere may lack what was told
    if isinstance(study, str):
        try:
            remember(folder, study)
        except OSError as error:
            say(f"{error.filename}: {error.strerror}; commands that read the folder will need --storage")
    if experiment.subject != "network" and not folder.manifest.exists():  # the file itself does not say it
        folder.write_manifest(Manifest(subject=experiment.subject))
    sweep = Sweep(plan, folder, _Training(plan, observe, is_stopped), is_whole=is_whole)
    return sweep, Search(experiment, study, study_name(experiment, plan.trainer), source.path.stem)
