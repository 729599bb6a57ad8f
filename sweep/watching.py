"""One network in the terminal: the interval while its seeds come in, and what came of them."""

import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from sweep.one_network import Answer, describe
from sweep.own_results import OwnResults, count_outcomes, reliability
from sweep.reliability import Rates, confidence_sequence, wilson

bar_width = 30
seconds_between_lines = 2.0
verdict_words = {"reliable": "yes", "unreliable": "no", "inconclusive": "open, the seeds cannot tell"}

Watcher = Callable[[int, int], None]


def percent(rates: Rates) -> str:
    """A rate with its interval: `11.2% (9.4-13.3%)`."""
    return f"{float(rates.value):.1%} ({100 * float(rates.low):.1f}-{100 * float(rates.high):.1f}%)"


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


def answer_lines(answer: Answer) -> list[str]:
    """The answer for a person."""
    lines = [describe(answer.configuration), *count_lines(answer.rate, answer.outcomes)]
    if answer.n_born_dead:
        seeds = f"{answer.n_born_dead:,} seed{'s' if answer.n_born_dead > 1 else ''}"
        lines.append(
            f"for {seeds} ({answer.n_born_dead / answer.n_runs:.1%}) a whole hidden layer is off "
            "on every row before training begins, and no training wakes it"
        )
    if any(share > 0 for _, share in answer.shares):
        lines += ["", "share learned after", *_chart(answer.shares)]
    return lines


def training_lines(results: OwnResults) -> list[str]:
    """What came of a network that a function builds, for a person."""
    row, training, counts = results.configurations.iloc[0], results.training, count_outcomes(results.runs)
    head = (
        f"{results.name}: {row['n_parameters']:,} parameters, {results.n_epochs:,} epochs, batch {row['batch_size']:,}"
    )
    lines = [f"{head}; learned: {training['learned']}"]
    lines += count_lines(wilson(counts["learned"], len(results.runs), reliability.confidence), counts)
    lines.append(f"reliable at {reliability.target:g}: {verdict_words[row['verdict']]}")
    if counts["learned"]:
        lines += ["", "share learned after", *_chart(results.shares)]
    return [*lines, "", f"look: {results.folder.report}   rows: {results.folder.runs}"]


def count_lines(rate: Rates, outcomes: Mapping[str, int]) -> list[str]:
    """How many seeds learned, and how the others ended, most first; `outcomes` counts runs by outcome."""
    n_runs = int(rate.n)
    failed = sorted(((name, n) for name, n in outcomes.items() if n and name != "learned"), key=lambda item: -item[1])
    ended = [f"{name} {n / n_runs:.1%} ({n:,})" for name, n in failed]
    return [
        f"learned by {outcomes['learned']:,} of {n_runs:,} seeds: {percent(rate)}, 95% interval "
        f"({rate.method.capitalize()})",
        "the others: " + ", ".join(ended) if ended else "no seed failed",
    ]


def _chart(shares: Sequence[tuple[int, float]]) -> list[str]:
    width = len(f"{shares[-1][0]:,}")
    return [f"  {epoch:>{width},} epochs  {_bar(share)} {share:6.1%}" for epoch, share in shares]


def _bar(share: float) -> str:
    """A bar to an eighth of a character.

    >>> _bar(0.5)
    '███████████████···············'
    """
    eighths = round(share * bar_width * 8)
    whole, rest = divmod(eighths, 8)
    bar = "█" * whole + ("", *"▏▎▍▌▋▊▉")[rest]
    return bar + "·" * (bar_width - len(bar))
