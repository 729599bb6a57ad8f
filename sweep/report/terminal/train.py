"""One network in the terminal: the interval while its seeds come in, and what came of them."""

import itertools
import shlex
from collections.abc import Iterable, Mapping, Sequence

from sweep.commands.rescue.likely import Likely, max_seconds
from sweep.commands.rescue.search import min_seeds
from sweep.commands.train import RunCounts
from sweep.commands.train_program import ProgramRuns
from sweep.networks.configuration import Configuration
from sweep.report.words import bar, counted, describe_configuration, percents
from sweep.runs.endings import Ending, shortened
from sweep.runs.outcomes import failures
from sweep.runs.settings import setting_text
from sweep.runs.success import above_margin
from sweep.statistics.intervals import Rates

bar_width = 30
n_said = 4  # lines of what a run said at its end


def answer_lines(answer: RunCounts) -> list[str]:
    """The answer for a person."""
    success = "" if answer.success == above_margin(0.0) else f", success: {answer.success}"
    lines = [describe_configuration(answer.configuration) + success, *count_lines(answer.rate, answer.outcomes)]
    if answer.n_born_dead:
        seeds = f"{counted(answer.n_born_dead, 'seed')} ({answer.n_born_dead / answer.n_runs:.1%})"
        c = answer.configuration
        is_pulled = c.is_regularized or c.optimizer["weight_decay"] > 0  # what no gradient of the loss moves may move
        end = "no gradient of the loss passes it" if is_pulled else "no training wakes it"
        if any(layer.dropout for layer in c.hidden[:-1]):  # under a mask a layer behind may be on
            end = "without dropout no gradient of the loss passes it"
        lines.append(f"for {seeds} a whole hidden layer is off on every row before training begins, and {end}")
    if any(share > 0 for _, share in answer.shares):
        lines += _chart("learned", answer.shares)
    return lines


def program_lines(found: ProgramRuns) -> list[str]:
    """What came of the runs of a program, for a person."""
    given = "".join(f"{name} {setting_text(x)}, " for name, x in found.settings.values.items())
    lines = [f"{found.command.name}: {given}success: {found.success}"]
    lines += count_lines(found.rate, found.counts)
    if found.medians:
        lines.append("medians: " + ", ".join(f"{name} {setting_text(x)}" for name, x in found.medians.items()))
    if found.lost:
        lines.append(f"{counted(sum(len(b.seeds) for b in found.lost), 'run')} lost: {found.lost[0].traceback}")
    return lines + ending_lines((x, shortened(x.told, n_said)) for x in found.endings)


def ending_lines(endings: Iterable[tuple[Ending, str]]) -> list[str]:
    """What runs of one's own said at their end: for each its outcome and name, then the lines given."""
    lines: list[str] = []
    for ending, told in endings:
        lines += [f"{ending.outcome}, {ending.run} for one:", *(f"  {line}" for line in told.splitlines())]
    return lines


def count_lines(rate: Rates, outcomes: Mapping[str, int]) -> list[str]:
    """How many seeds learned, and how the others ended, most first; `outcomes` counts runs by outcome."""
    n_runs = int(rate.n)
    failed = sorted(((name, n) for name, n in outcomes.items() if n and name != "learned"), key=lambda item: -item[1])
    ended = [f"{name} {n / n_runs:.1%} ({n:,})" for name, n in failed]
    interval = percents(float(rate.low), float(rate.high))
    return [
        f"learned by {outcomes['learned']:,} of {n_runs:,} seeds: {float(rate.value):.1%} ({interval}), 95% interval "
        f"({rate.method.capitalize()})",
        "the others: " + ", ".join(ended) if ended else "no seed failed",
    ]


def _chart(shown: str, shares: Sequence[tuple[int, float]]) -> list[str]:
    """A share by epoch; where it falls, networks had it and lost it again."""
    width = len(f"{shares[-1][0]:,}")
    falls = any(later < earlier for (_, earlier), (_, later) in itertools.pairwise(shares))
    bars = [f"  {epoch:>{width},} epochs  {bar(share, bar_width)} {share:6.1%}" for epoch, share in shares]
    return ["", f"share {shown} after{' (some lose it again)' if falls else ''}", *bars]


def advice_lines(
    configuration: Configuration,
    outcomes: Mapping[str, int],
    likely: Likely | None,
    arguments: Sequence[str],
    stem: str = "mine",
) -> list[str]:
    """What would probably help, and the commands that find out, each after the one before has worked.

    `arguments` are those of `sweep train`; `stem`: of a file that nobody has yet.
    """
    failed = {name: n for name, n in outcomes.items() if n and name in failures}
    save = f"sweep train {shlex.join(arguments)} --save {stem}.yaml"
    if not failed:
        return [f"as an experiment: {save}"]
    if likely is not None and likely.rescued.k:
        r = likely.rescued
        said = (
            f"{likely.change}: {r.k:,} of {r.n:,} failing seeds learn "
            f"({percents(r.low, r.high)}), the best of {likely.n_tried} single changes"
        )
    elif likely is not None:
        said = f"no single change: of {likely.n_tried}, none lets one of {likely.rescued.n:,} failing seeds learn"
    elif sum(failed.values()) < min_seeds:
        said = (
            f"none was looked for: {counted(sum(failed.values()), 'seed')} that failed are too few, under {min_seeds}"
        )
    else:
        said = f"none was looked for: a change on {min_seeds} seeds takes over {max_seconds:g} s"
    return [
        f"likely rescue: {said}",
        "to find out, with cost, combinations and fresh seeds:",
        f"  {save} &&",
        f"  sweep run {stem}.yaml &&",
        f"  sweep rescue results/{stem} {configuration.id[:6]}",
    ]
