"""What the terminal shows: the plan, the progress, the answer."""

import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sweep import loop
from sweep.allocation import Allocation
from sweep.experiment import Experiment
from sweep.planning import Plan, describe_seconds
from sweep.report.summaries import Answer, summarise
from sweep.results import Results

bar_width = 14
plain_seconds = 2.0
verdict_styles = {"reliable": "green", "unreliable": "red", "inconclusive": "yellow"}


def describe_plan(plan: Plan) -> str:
    """One line: configurations, seeds, networks, engine, time."""
    seeds, n = plan.experiment.seeds, plan.n_configurations
    threads = f", {plan.workers} thread{'s' if plan.workers > 1 else ''}" if plan.engine.is_threaded else ""
    return (
        f"{plan.path.stem}: {n:,} configuration{'s' if n != 1 else ''} x {seeds.amount()} "
        f"seed{'s' if len(seeds) != 1 else ''} = {'' if seeds.up_to is None else 'up to '}{n * len(seeds):,} networks; "
        f"{plan.engine.name} engine{threads}; {'about' if seeds.up_to is None else 'at most'} "
        f"{describe_seconds(plan.seconds)}"
    )


def describe_power(experiment: Experiment) -> str:
    """One line: what the number of seeds can show."""
    allocation = Allocation(experiment.seeds, experiment.reliability, experiment.n_trials)
    n, target = len(experiment.seeds), experiment.reliability.target
    allowed, needed = allocation.allowed_failures(), allocation.needed_runs()
    if allowed is None:
        return f"{n} seeds cannot show a success rate of {target:g}, even if all learn: at least {needed:,} are needed"
    may = "none" if allowed == 0 else f"at most {allowed}"
    power = f"reliable at {target:g}: of {n} seeds {may} may fail"
    if allocation.n_adaptive is None:
        return power
    return f"{power}; {needed:,} that all learn are enough (all {experiment.n_trials:,} verdicts hold together)"


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def shown_progress(*, quiet: bool = False) -> Generator[loop.Observer]:
    """An observer that draws a bar on a terminal, and else prints a line every other second and at the end."""
    if quiet:
        yield loop.ignore
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

        def observe(progress: loop.Progress) -> None:
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

    def __call__(self, progress: loop.Progress) -> None:
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


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends quietly; rich would end with code 1."""
        raise BrokenPipeError


def _console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for every column where it goes to a file or a pipe."""
    return _Output(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)


def print_answer(results: Results, top: int = 10) -> None:
    """The closing words of a sweep: the question, the answer, the best configurations, the smallest, the failures."""
    console = _console()
    answer = summarise(results, top)
    tasks = ", ".join(answer.tasks)
    console.print(f"\nWhich configurations reliably learn {tasks}? ({answer.conditions})", soft_wrap=True)
    console.print(_answer_sentence(answer) + "\n", soft_wrap=True)
    _print_rows(console, answer.shown, answer)
    console.print()
    for line in (*_named_lines(answer), *_failure_lines(answer)):
        console.print(line, soft_wrap=True)
    console.print(f"look:   rows {results.folder.runs}, configurations {results.folder.configurations}", soft_wrap=True)


def describe_broken(results: Results) -> str | None:
    """What an exception kept from being trained, in words; None where nothing."""
    broken = results.manifest["broken"]
    if not broken:
        return None
    n_runs = sum(len(b["runs"]) for b in broken)
    last_line = broken[0]["traceback"].rstrip().rpartition("\n")[2]
    return (
        f"{n_runs:,} run{'s' if n_runs > 1 else ''} broke, the first {broken[0]['runs'][0]} ({last_line}); "
        f"{results.folder.manifest} has all of them; the same command tries them again"
    )


def print_configurations(results: Results, rows: Any) -> None:
    """Rows of the configurations table."""
    _print_rows(_console(), rows, summarise(results))


def _answer_sentence(answer: Answer) -> str:
    v, n = answer.verdicts, answer.n_configurations
    sentence = f"{v['reliable']:,} of {n:,} do, {v['unreliable']:,} do not"
    if v["inconclusive"]:
        amount = answer.allocation.block
        up_to = "" if amount.up_to is None else "up to "
        sentence += f", {v['inconclusive']:,} are open: {up_to}{len(amount):,} seeds cannot tell"
    return sentence + "."


def _bar(share: float) -> str:
    return "█" * round(share * bar_width) + "·" * (bar_width - round(share * bar_width))


def _print_rows(console: Console, rows: Any, answer: Answer) -> None:
    """Rows of configurations.csv; a configuration by the beginning of its id that no other has."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True)
    is_wide = console.width >= 100
    table.add_column("id", no_wrap=True)
    for column in answer.columns:
        table.add_column(_title(column), justify="right" if column in _numeric else "left", no_wrap=True)
    for title in ("params", "learned"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("", "interval", "verdict") if is_wide else ("interval", "verdict"):
        table.add_column(title, no_wrap=True)
    for row in rows.to_dict("records"):
        cells = [row["configuration"][: answer.id_length], *(f"{row[c]}" for c in answer.columns)]
        cells += [f"{row['n_parameters']:,}", f"{row['n_learned']:,}/{row['n_runs']:,}"]
        if is_wide:
            cells.append(_bar(row["success_rate"]) if row["n_runs"] else "")
        cells.append(f"{row['ci_low']:.3f}-{row['ci_high']:.3f}")
        table.add_row(*cells, Text(_verdict(row, answer), style=verdict_styles[row["verdict"]]))
    console.print(table)


def _verdict(row: Mapping[str, Any], answer: Answer) -> str:
    """The verdict; of an open one, about how many seeds in all would probably settle it."""
    if row["verdict"] != "inconclusive":
        return row["verdict"]
    wanted = answer.allocation.probable_runs(row["n_learned"], row["n_runs"])
    return "open, too close" if wanted is None else f"open, ~{max(wanted, row['n_runs'] + 1):,} seeds"


_numeric = {"width", "depth", "dropout", "learning_rate", "batch_size", "epochs", "samples"}
_titles = {"batch_size": "batch", "learning_rate": "rate", "dropout": "drop"}


def _title(column: str) -> str:
    return _titles.get(column, column.replace("_", " "))


def _named_lines(answer: Answer) -> list[str]:
    named, confirmation = answer.named, answer.confirmation
    if named is None or confirmation is None:
        return []
    title = "smallest reliable" if named["verdict"] == "reliable" else "none is shown reliable; the best"
    identity = named["configuration"][: answer.id_length]
    fresh = f"{confirmation['n_learned']:,} of {confirmation['n_runs']:,} fresh seeds"
    interval = f"{confirmation['ci_low']:.3f}-{confirmation['ci_high']:.3f}"
    return [
        f"{title}: {identity} ({_describe(answer, named)}), {named['n_parameters']:,} parameters; "
        f"{fresh}, {interval}: {confirmation['verdict']}"
    ]


def _describe(answer: Answer, row: Mapping[str, Any]) -> str:
    return ", ".join(f"{_title(c)} {row[c]}" for c in answer.columns)


def _failure_lines(answer: Answer) -> list[str]:
    total = sum(answer.n_failed.values())
    if not total:
        return ["no run failed"]
    parts = [f"{n / total:.0%} {name}" for name, n in answer.n_failed.items() if n]
    return [f"the {total:,} failures: " + ", ".join(parts)]
