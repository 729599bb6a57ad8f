"""What the terminal shows while a sweep runs: the plan, the progress, what broke."""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from sweep.commands import progress as commands
from sweep.commands.check import Plan
from sweep.commands.probe import Probe, expected_seconds
from sweep.experiment.experiment import Experiment
from sweep.report.words import counted, describe_settings, percents
from sweep.results.results import Results
from sweep.search.allocation import Allocation
from sweep.statistics.intervals import confidence_sequence
from sweep.training.costs import describe_seconds
from sweep.training.own import Given

seconds_between_lines = 2.0
line_width = 70  # of lines that are written over each other


def describe_plan(plan: Plan, n_present: int = 0) -> str:
    """One line: configurations, seeds, networks, how many of these are there already, engine, time."""
    seeds, n = plan.experiment.seeds, plan.n_configurations
    is_network, up_to = plan.experiment.subject == "network", "" if seeds.up_to is None else "up to "
    asked = (
        f"{plan.source.path.stem}: {counted(n, 'configuration')} x {seeds.amount()} "
        f"seed{'s' if len(seeds) != 1 else ''} = {up_to}{n * len(seeds):,} {'networks' if is_network else 'runs'}"
    )
    if n_present >= plan.n_runs:
        return f"{asked}, all there already; {plan.trainer.title}"
    asked += f", {n_present:,} there already" if n_present else ""
    if not is_network:  # how long one of these takes only it can say
        return f"{asked}; {plan.trainer.title}, {counted(plan.executor.n_workers, 'worker')}"
    where = _describe_executor(plan.executor.record()) if plan.trainer.is_threaded else ""
    about = "about" if seeds.up_to is None else "at most"
    seconds = describe_seconds(plan.seconds_beyond(n_present))
    return f"{asked}; {plan.trainer.title}{where}{_describe_programs(plan)}; {about} {seconds}"


def _describe_programs(plan: Plan) -> str:
    n = plan.n_programs
    return f", {counted(n, 'program')} to compile" if n else ""


def _describe_executor(record: Mapping[str, Any]) -> str:
    n = record["workers"]
    if record["executor"] == "threads":
        return f", {counted(n, 'thread')}"
    nodes = record["nodes"]
    return f", {counted(n, 'core')} of {counted(nodes, 'Ray node')}"


def describe_power(experiment: Experiment) -> str:
    """One line: what the number of seeds can show."""
    allocation = Allocation.of(experiment)
    n, target, n_configurations = len(experiment.seeds), experiment.reliability.target, experiment.n_trials
    alone, together = (allocation.allowed_failures(n_called) for n_called in (0, n_configurations - 1))
    if together is None:
        shown = f"{counted(n, 'seed')} cannot show a success rate of {target:g}, even if all learn"
        return f"{shown}: at least {allocation.needed_runs(n_configurations - 1):,} are needed"
    power = f"reliable at {target:g}: of {n:,} seeds {_may_fail(together)} may fail"
    if alone != together:  # by the false discovery rate others lower the bar
        strict = f"{counted(n, 'seed')} are too few" if alone is None else _may_fail(alone)
        power += f" where all others are reliable too; where no other is, {strict}"
    until = experiment.seeds.until
    if until is not None:
        return f"{power}; seeds are added until an interval is {until:g} wide to either side, {n:,} at most"
    return power + _family_words(allocation)


def _may_fail(n: int) -> str:
    return "none" if n == 0 else f"at most {n:,}"


def _family_words(allocation: Allocation) -> str:
    error = f"{100 * (1 - allocation.reliability.confidence):g}%"
    n = f"{allocation.n_configurations:,}"
    match allocation.family:
        case "fwer":
            return f" (any false verdict among {n}: a chance of at most {error})"
        case "fdr":
            return f" (of the verdicts of {n} an expected {error} at most are false)"
        case _:
            return ""


def describe_probe(plan: Plan, found: Probe) -> list[str]:
    """What the runs of a probe showed, and how long the sweep would take by them."""
    first, seed = found.first, found.seeds[0]
    if found.is_repeatable:
        line = f"seed {seed} twice: {_describe_given(first, found.metric)} both times: repeatable"
    else:
        pair = " and ".join(_describe_given(given, found.metric) for given in (first, found.again))
        line = f"seed {seed} twice: {pair}: not repeatable, so nobody can have these runs again"
    if found.other is not None:
        line += f"; seed {found.seeds[1]}: {_describe_given(found.other, found.metric)}"
    if found.is_seed_used is not None:
        line += ": the seed is used" if found.is_seed_used else ": the same, is the seed used?"
    fewest, most = (describe_seconds(s) for s in expected_seconds(plan, found.seconds))
    workers = counted(plan.executor.n_workers, "worker")
    in_all = f"about {most}" if fewest == most else f"between {fewest} and {most}"
    tried = f"tried with {describe_settings(found.settings, found.settings)}" if found.settings else "tried"
    return [f"{tried}: {line}", f"{found.seconds:.2g} s a run; in all {in_all} on {workers}"]


def _describe_given(given: Given, metric: str) -> str:
    return given.told.partition("\n")[0] if given.outcome else f"{metric} {given.numbers[metric]:.6g}"


class _Speed(ProgressColumn):
    """What was done here over the time that it took: what was there before counts for nothing."""

    def render(self, task: Task) -> Text:
        return Text(f"{(task.completed - task.fields['before']) / max(task.elapsed or 0, 1e-9):,.0f}/s")


Watcher = Callable[[int, int], None]


@contextmanager
def shown_progress(*, quiet: bool = False, is_passing: bool = False) -> Generator[commands.Observer]:
    """An observer that draws a bar for each stage on a terminal, and else prints lines; see `_Lines`.

    Of a job that `is_passing` nothing stays when all is done.
    """
    with _shown(quiet=quiet, is_passing=is_passing) as observe:
        yield lambda p: observe(p, percent_learned(p))


@contextmanager
def watched(n_runs: int, *, quiet: bool = False, confidence: float = 0.95) -> Generator[Watcher]:
    """A watcher, called with runs done and learned, that shows the interval so far; of a short job nothing stays."""
    with _shown(quiet=quiet, is_passing=True) as observe:

        def watch(n_done: int, n_learned: int) -> None:
            progress = commands.Progress("train", n_done, n_runs, n_learned)
            observe(progress, f"{percent_learned(progress)} {interval_so_far(n_learned, n_done, confidence)}")

        yield watch


def percent_learned(progress: commands.Progress) -> str:
    """The share of the runs done that learned."""
    return f"{progress.n_learned / max(1, progress.n_done):.1%}"


def interval_so_far(n_learned: int, n_done: int, confidence: float) -> str:
    """The interval of a rate that is looked at many times: one that holds at all of them.

    >>> interval_so_far(7, 64, 0.95)
    '(2-28% so far)'
    """
    so_far = confidence_sequence(n_learned, n_done, confidence)
    return f"({percents(float(so_far.low), float(so_far.high))} so far)"


@contextmanager
def _shown(*, quiet: bool, is_passing: bool) -> Generator[Callable[[commands.Progress, str], None]]:
    """What shows how far it is, and how much has learned; where it `is_passing`, nothing stays when all is done."""
    console = Console(stderr=True)
    if quiet:
        yield lambda progress, learned: None
        return
    if not console.is_terminal:
        lines = _Lines(is_passing=is_passing, is_over=_is_notebook())
        yield lines
        lines.end()
        return
    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("learned {task.fields[learned]}"),
    )
    with Progress(*columns, console=console, transient=is_passing) as bars:
        tasks: dict[str, Any] = {}

        def observe(progress: commands.Progress, learned: str) -> None:
            if progress.stage not in tasks:
                before = progress.n_done
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.n_runs, learned="", before=before)
            bars.update(tasks[progress.stage], completed=progress.n_done, total=progress.n_runs, learned=learned)

        yield observe


def _is_notebook() -> bool:
    """Whether a kernel of Jupyter runs this: its output is a page, which a line may be written over."""
    return "ipykernel" in sys.modules


def is_watched() -> bool:
    """Whether a person may be looking at stderr: a terminal, or a notebook."""
    return sys.stderr.isatty() or _is_notebook()


class _Lines:
    """Progress for logs: a line every other second, and, of what is not passing, one when a stage ends.

    `is_over`: each line stands over the last one.
    """

    def __init__(self, *, is_passing: bool, is_over: bool = False) -> None:
        self._is_passing = is_passing
        self._is_over = is_over
        self._is_begun = False
        self._stage = ""
        self._started = 0.0
        self._printed = 0.0
        self._before = 0

    def __call__(self, progress: commands.Progress, learned: str) -> None:
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._started, self._printed, self._before = progress.stage, now, now, progress.n_done
        is_done = progress.n_done >= progress.n_runs
        if is_done and self._is_passing or not is_done and now - self._printed < seconds_between_lines:
            return
        self._printed = now
        speed = (progress.n_done - self._before) / max(now - self._started, 1e-9)
        line = f"{progress.stage} {progress.n_done:,}/{progress.n_runs:,} {speed:,.0f}/s learned {learned}"
        self._is_begun = self._is_over
        print(f"\r{line:{line_width}}" if self._is_over else line, end="" if self._is_over else "\n", file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        """End the line that others would have been written over; of what is passing nothing stays."""
        if self._is_begun:
            sys.stderr.write("\r" + " " * line_width + "\r" if self._is_passing else "\n")
            sys.stderr.flush()


def describe_broken(results: Results) -> str | None:
    """What an exception kept from being trained, in words; None where nothing."""
    broken = results.manifest.broken
    if not broken:
        return None
    n_runs = sum(len(b.runs) for b in broken)
    last_line = broken[0].traceback.rstrip().rpartition("\n")[2]
    return (
        f"{counted(n_runs, 'run')} broke, the first {broken[0].runs[0]} ({last_line}); "
        f"{results.folder.manifest} has all of them; the same command tries them again"
    )
