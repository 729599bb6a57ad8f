"""The answer of a sweep in the terminal: the question, the best configurations, the smallest, how the others failed."""

import io
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from sweep.report.summaries import Answer, commonest_merge, count_over_seeds, said_at_their_end, summarise
from sweep.report.terminal.train import ending_lines, n_said
from sweep.report.verdict_words import count_words, error_words, seeds_words
from sweep.report.words import bar, counted, describe_settings, describe_size, interval, percent
from sweep.results.manifest import Confirmation
from sweep.results.results import Results
from sweep.results.tables import to_records
from sweep.runs.errors import visible
from sweep.runs.settings import setting_text, title_of

bar_width = 14
verdict_styles = {"reliable": "green", "unreliable": "red", "inconclusive": "yellow"}
pipe_width = 1000
_needed_of_runs = ("configuration", "seed", "learned", "outcome", "merged_rows")
_numeric = {"width", "depth", "dropout", "learning_rate", "batch_size", "epochs", "samples"}
_titles = {"batch_size": "batch", "learning_rate": "rate", "dropout": "drop"}


class _Output(Console):
    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        """What is drawn, with the control characters of its texts made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends quietly; rich would end with code 1."""
        raise BrokenPipeError


def _console() -> Console:
    """Standard output: as wide as the terminal (or COLUMNS says); a file or a pipe has room for every column."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return _Output(highlight=False, markup=False, emoji=False, width=None if has_width else pipe_width)


def print_answer(results: Results, top: int = 10) -> None:
    """The closing words of a sweep: the question, the answer, the best configurations, the smallest, the failures."""
    console = _console()
    answer = summarise(results, top)
    # all is read before a word is printed: a damaged file leaves no half of an answer
    runs = results.read_runs(lambda column: column in _needed_of_runs)
    count = count_over_seeds(answer, results.configurations, runs)
    smaller = _smaller_lines(answer, results)
    failures = _failure_line(answer, commonest_merge(runs))
    said = ending_lines(said_at_their_end(results, n_said))
    look = [results.so_far] if results.so_far else [_look_line(results, answer)]
    closing = (*named_lines(answer), *smaller, failures, *said, *look)
    console.print(f"\n{question(answer)}")
    console.print(answer_sentence(answer))
    for line in count_words(answer, count):
        console.print(f"{line}.")
    console.print()
    rows = list(answer.shown)
    named = answer.named
    if named is not None and named["configuration"] not in {row["configuration"] for row in rows}:
        rows.append(named)  # the last row, out of order: the one that the closing sentence is about
    _print_rows(console, rows, answer)
    console.print()
    for line in closing:
        console.print(line)


def question(answer: Answer) -> str:
    """What was asked, and under which conditions."""
    asked = "Which configurations" if answer.n_configurations > 1 else "Does this configuration"
    return f"{asked} reliably {answer.aim}? ({answer.conditions})"


def brief_text(results: Results, top: int, width: int = 120) -> str:
    """The question, the answer, the best configurations and the one that is named, by the configurations alone."""
    answer = summarise(results, top)
    console = _Output(file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for line in (*([results.so_far] if results.so_far else []), question(answer), answer_sentence(answer)):
            console.print(line)
        _print_rows(console, answer.shown, answer)
        for line in named_lines(answer):
            console.print(line)
    return captured.get().rstrip()


def print_configurations(results: Results, rows: Any) -> None:
    """Rows of the configurations table."""
    _print_rows(_console(), to_records(rows), summarise(results))


def answer_sentence(answer: Answer) -> str:
    """How many configurations do, by these seeds, and at which error."""
    v, n = answer.verdicts, answer.n_configurations
    by = f"By {seeds_words(answer)}"
    if n == 1:
        neither = f"That is inconclusive: {seeds_words(answer)} cannot tell."
        return f"{by} it does." if v["reliable"] else f"{by} it does not." if v["unreliable"] else neither
    do, do_not = "does" if v["reliable"] == 1 else "do", "does" if v["unreliable"] == 1 else "do"
    sentence = f"{by} {v['reliable']:,} of {n:,} {do}{error_words(answer)}, {v['unreliable']:,} {do_not} not"
    if v["inconclusive"]:
        sentence += f", {v['inconclusive']:,} {'is' if v['inconclusive'] == 1 else 'are'} inconclusive"
    return sentence + "."


def _print_rows(console: Console, rows: Sequence[Mapping[str, Any]], answer: Answer) -> None:
    """Rows of configurations.csv: as a table with as much beside the numbers as has room, else some lines for each."""
    has_fresh = any(_fresh(row, answer) for row in rows)
    for is_fresh_shown, is_bar_shown in ((has_fresh, True), (False, True), (False, False)):
        table = _table(rows, answer, is_fresh_shown=is_fresh_shown, is_bar_shown=is_bar_shown)
        if console.measure(table, options=console.options.update(max_width=10 * pipe_width)).maximum <= console.width:
            console.print(table)
            return
    for row in rows:
        rate = f"{_learned(row['n_learned'], row['n_runs'])}  {interval(row['ci_low'], row['ci_high'])}"
        head = f"{_short(row, answer)}  {rate}  "
        console.print(Text(head) + Text(verdict_words(row, answer), style=verdict_styles[row["verdict"]]))
        words = Text(describe_settings(row, answer.columns) + describe_size(row).replace(",", ":", 1))
        for line in words.wrap(console, max(20, console.width - 2)):
            console.print(Text("  ") + line)


def _table(rows: Sequence[Mapping[str, Any]], answer: Answer, *, is_fresh_shown: bool, is_bar_shown: bool) -> Table:
    """A configuration by the beginning of its id that no other has; `fresh`: its seeds that had no part in choosing."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True)
    table.add_column("id", no_wrap=True)
    for column in answer.columns:
        justify = "right" if column in _numeric else "left"
        table.add_column(_titles.get(column, title_of(column)), justify=justify, no_wrap=True)
    has_sizes = any("n_parameters" in row for row in rows)
    for title in ("params", "learned") if has_sizes else ("learned",):
        table.add_column(title, justify="right", no_wrap=True)
    others = ["", "interval", "verdict"] if is_bar_shown else ["interval", "verdict"]
    for title in others + (["fresh seeds", "interval"] if is_fresh_shown else []):
        table.add_column(title, justify="right" if title == "fresh seeds" else "left", no_wrap=True)
    for row in rows:
        style = verdict_styles[row["verdict"]]
        cells: list[str | Text] = [_short(row, answer), *(setting_text(row[c]) for c in answer.columns)]
        cells += [f"{row['n_parameters']:,}"] if has_sizes else []
        cells.append(_learned(row["n_learned"], row["n_runs"]))
        if is_bar_shown:
            cells.append(Text(bar(row["success_rate"], bar_width) if row["n_runs"] else "", style=style))
        cells += [interval(row["ci_low"], row["ci_high"]), Text(verdict_words(row, answer), style=style)]
        fresh = _fresh(row, answer) if is_fresh_shown else None
        table.add_row(
            *cells,
            *([_learned(fresh.n_learned, fresh.n_runs), interval(fresh.ci_low, fresh.ci_high)] if fresh else []),
        )
    return table


def _fresh(row: Mapping[str, Any], answer: Answer) -> Confirmation | None:
    """The confirmation, where the row is the configuration that was trained again."""
    confirmation = answer.confirmation
    is_own = confirmation is not None and confirmation.configuration == row["configuration"]
    return confirmation if is_own else None


def _short(row: Mapping[str, Any], answer: Answer) -> str:
    return str(row["configuration"][: answer.id_length])


def _learned(n_learned: int, n_runs: int) -> str:
    return f"{n_learned:,}/{n_runs:,}"


def verdict_words(row: Mapping[str, Any], answer: Answer) -> str:
    """The verdict; of an inconclusive one, how many seeds in all would probably settle it, the rate being as seen."""
    if row["verdict"] != "inconclusive" or not row["n_runs"]:
        return str(row["verdict"])
    rate = row["n_learned"] / row["n_runs"]
    n_called = answer.verdicts["reliable" if rate >= answer.allocation.reliability.target else "unreliable"]
    wanted = answer.allocation.runs_for_verdict(rate, n_called)
    return "inconclusive, too close" if wanted is None else f"inconclusive, ~{max(wanted, row['n_runs'] + 1):,} seeds"


def named_lines(answer: Answer) -> list[str]:
    """The configuration that the answer names, with its rate on fresh seeds."""
    named, confirmation = answer.named, answer.confirmation
    if named is None or confirmation is None:
        return []
    is_one = answer.n_configurations == 1
    none = "trained again" if is_one else f"none is shown reliable by {seeds_words(answer)}; the best"
    title = answer.superlative if named["verdict"] == "reliable" else none
    fresh = f"{confirmation.n_learned:,} of {confirmation.n_runs:,} fresh seeds"
    found = f"{fresh}, {interval(confirmation.ci_low, confirmation.ci_high)}: {confirmation.verdict}"
    return [
        f"{title}: {_short(named, answer)} ({describe_settings(named, answer.columns)}){describe_size(named)}; {found}"
    ]


def _smaller_lines(answer: Answer, results: Results) -> list[str]:
    """What is inconclusive below the smallest that is shown reliable: how to settle it, or what came of it."""
    n, settled = answer.n_smaller_open, answer.settled
    if not n:
        return []
    lines = [f"{n:,} smaller {'one is' if n == 1 else 'ones are'} inconclusive"]
    if not settled:
        path = shlex.quote(str(results.folder.path))
        experiment = shlex.quote(str(results.folder.experiment))
        return [f"{lines[0]}: sweep run {experiment} --out {path} --settle smaller"]
    counts = {word: sum(c.verdict == word for c in settled) for word in verdict_styles}
    lines[0] += (
        f"; by fresh seeds, up to {max(c.n_runs for c in settled):,}: {counts['reliable']:,} reliable, "
        f"{counts['unreliable']:,} unreliable, {counts['inconclusive']:,} inconclusive"
    )
    smallest = next((c for c in settled if c.verdict == "reliable"), None)  # they stand by their size
    if smallest is not None:
        lines.append(
            f"the smallest of them: {smallest.configuration[: answer.id_length]}; {smallest.n_learned:,} of "
            f"{smallest.n_runs:,} fresh seeds, {interval(smallest.ci_low, smallest.ci_high)}: reliable"
        )
    return lines


def _failure_line(answer: Answer, merged: str | None) -> str:
    """How the runs failed, the commonest first; `merged`: the rows that stuck runs most often give one output."""
    total = sum(answer.n_failed.values())
    if not total:
        return "no run failed" if answer.n_runs else "no run was trained"
    parts: list[str] = []
    for name, n in sorted(answer.n_failed.items(), key=lambda item: -item[1]):
        if n:
            most = f" (most often with {merged} given one output)" if merged and name == "stuck" else ""
            parts.append(f"{percent(n / total)} {name}{most}")
    return f"the {counted(total, 'failure')}: " + ", ".join(parts)


def _look_line(results: Results, answer: Answer) -> str:
    """Where to look next: the page (or the command that makes it anew), the rows, why a configuration fails."""
    folder = results.folder
    path = shlex.quote(str(folder.path))
    is_fresh = folder.report.exists() and folder.report.stat().st_mtime >= folder.configurations.stat().st_mtime
    parts = [f"look: {folder.report if is_fresh else f'sweep report {path}'}", f"rows: {folder.runs}"]
    if answer.puzzling is not None:
        parts.append(f"why: sweep rescue {path} {answer.puzzling[: answer.id_length]}")
    return "   ".join(parts)
