"""What the terminal shows while a sweep runs: the plan, the progress, what broke."""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from sweep.commands import run as run_command
from sweep.commands.check import Plan
from sweep.experiment.experiment import Experiment
from sweep.results.results import Results
from sweep.search.allocation import Allocation
from sweep.statistics.intervals import confidence_sequence
from sweep.training.costs import describe_seconds

plain_seconds = 2.0


def describe_plan(plan: Plan) -> str:
    """One line: configurations, seeds, networks, engine, time."""
    seeds, n = plan.experiment.seeds, plan.n_configurations
    where = _describe_executor(plan.executor.record()) if plan.engine.is_threaded else ""
    return (
        f"{plan.source.path.stem}: {n:,} configuration{'s' if n != 1 else ''} x {seeds.amount()} "
        f"seed{'s' if len(seeds) != 1 else ''} = {'' if seeds.up_to is None else 'up to '}{n * len(seeds):,} networks; "
        f"{plan.engine.name} engine{where}{_describe_programs(plan)}; {'about' if seeds.up_to is None else 'at most'} "
        f"{describe_seconds(plan.seconds)}"
    )


def _describe_programs(plan: Plan) -> str:
    n = plan.n_programs
    return f", {n:,} program{'s' if n > 1 else ''} to compile" if n else ""


def _describe_executor(record: Mapping[str, Any]) -> str:
    n = record["workers"]
    if record["executor"] == "threads":
        return f", {n} thread{'s' if n > 1 else ''}"
    nodes = record["nodes"]
    return f", {n} core{'s' if n > 1 else ''} of {nodes} Ray node{'s' if nodes > 1 else ''}"


def describe_power(experiment: Experiment) -> str:
    """One line: what the number of seeds can show."""
    allocation = Allocation.of(experiment)
    n, target = len(experiment.seeds), experiment.reliability.target
    allowed, needed = allocation.allowed_failures(), allocation.needed_runs()
    if allowed is None:
        shown = f"{n:,} seed{'s' if n != 1 else ''} cannot show a success rate of {target:g}, even if all learn"
        return f"{shown}: at least {needed:,} are needed"
    may = "none" if allowed == 0 else f"at most {allowed:,}"
    power = f"reliable at {target:g}: of {n:,} seeds {may} may fail"
    if allocation.n_adaptive is None:
        return power
    return f"{power}; {needed:,} that all learn are enough (all {experiment.n_trials:,} verdicts hold together)"


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def shown_progress(*, quiet: bool = False) -> Generator[run_command.Observer]:
    """An observer that draws a bar on a terminal, and else prints a line every other second and at the end."""
    if quiet:
        yield run_command.ignore
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _PlainLines()
        return
    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("learned {task.fields[share]}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def observe(progress: run_command.Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.n_runs, share="")
            share = f"{progress.n_learned / max(1, progress.n_done):.0%}"
            bars.update(tasks[progress.stage], completed=progress.n_done, total=progress.n_runs, share=share)

        yield observe


class _PlainLines:
    """Progress for logs: a line when a stage begins or ends, and every other second between."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = 0.0
        self._printed = 0.0
        self._before = 0

    def __call__(self, progress: run_command.Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._started, self._printed, self._before = progress.stage, now, now, progress.n_done
        is_done = progress.n_done >= progress.n_runs
        if not is_done and now - self._printed < plain_seconds:
            return
        self._printed = now
        speed = (progress.n_done - self._before) / max(now - self._started, 1e-9)
        share = progress.n_learned / max(1, progress.n_done)
        line = f"{progress.stage} {progress.n_done:,}/{progress.n_runs:,} {speed:,.0f}/s learned {share:.0%}"
        print(line, file=sys.stderr, flush=True)


def describe_broken(results: Results) -> str | None:
    """What an exception kept from being trained, in words; None where nothing."""
    broken = results.manifest.broken
    if not broken:
        return None
    n_runs = sum(len(b.runs) for b in broken)
    last_line = broken[0].traceback.rstrip().rpartition("\n")[2]
    return (
        f"{n_runs:,} run{'s' if n_runs > 1 else ''} broke, the first {broken[0].runs[0]} ({last_line}); "
        f"{results.folder.manifest} has all of them; the same command tries them again"
    )


seconds_between_lines = 2.0


Watcher = Callable[[int, int], None]


def progress_line(n_done: int, n_learned: int, n_runs: int, confidence: float) -> str:
    """How far it is. The interval is looked at many times, so it is one that holds at all of them.

    >>> progress_line(64, 7, 1000, 0.95)
    '64 of 1,000 seeds: 10.9% learned (2.4-27.6% so far)'
    """
    so_far = confidence_sequence(n_learned, n_done, confidence)
    interval = f"{100 * float(so_far.low):.1f}-{100 * float(so_far.high):.1f}%"
    return f"{n_done:,} of {n_runs:,} seeds: {float(so_far.value):.1%} learned ({interval} so far)"


@contextmanager
def watched(n_runs: int, *, quiet: bool = False, confidence: float = 0.95) -> Generator[Watcher]:
    """A watcher, called with runs done and learned: one moving line on a terminal, else a line every other second."""
    if quiet:
        yield lambda n_done, n_learned: None
        return
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield lambda n_done, n_learned: live.update(
                progress_line(n_done, n_learned, n_runs, confidence), refresh=True
            )
        return
    printed = time.monotonic()

    def print_line(n_done: int, n_learned: int) -> None:
        nonlocal printed
        if n_done < n_runs and time.monotonic() - printed >= seconds_between_lines:
            printed = time.monotonic()
            print(progress_line(n_done, n_learned, n_runs, confidence), file=sys.stderr, flush=True)

    yield print_line
