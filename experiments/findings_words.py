"""How the page of findings puts numbers into words: rates with their intervals, tables, shares of outcomes."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.runs.outcomes import failures
from sweep.statistics.intervals import wilson
from sweep.statistics.pairs import Difference

confidence = 0.95


def rate(n_learned: int, n_runs: int) -> str:
    """A rate in per cent with its interval.

    >>> rate(830, 1000)
    '83.0% (80.5-85.2)'
    """
    r = wilson(n_learned, n_runs, confidence)
    return f"{100 * float(r.value):.1f}% ({100 * float(r.low):.1f}-{100 * float(r.high):.1f})"


def learned(runs: Any) -> str:
    """The success rate of runs, with its interval."""
    return rate(int(runs["learned"].sum()), len(runs))


def table(columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table.

    >>> print(table(["width", "learns"], [[2, "18%"]]))
    | width | learns |
    |---|---|
    | 2 | 18% |
    """
    lines = ["| " + " | ".join(map(str, columns)) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def grid(runs: Any, down: str, across: str) -> str:
    """Success rates by two hyperparameters."""
    columns = list(dict.fromkeys(runs[across]))
    rows = [
        [value, *(learned(block[block[across] == c]) for c in columns)]
        for value, block in runs.groupby(down, sort=False)
    ]
    return table([f"{down} / {across}", *columns], rows)


def shares(runs: Any) -> str:
    """How runs failed, the most frequent outcome first: `stuck 60%, dead 40%`; `none` where none did."""
    return shares_of(runs["outcome"].value_counts().to_dict())


def shares_of(outcomes: Mapping[str, int]) -> str:
    """The same of runs counted by outcome.

    >>> shares_of({"learned": 5, "dead": 2, "stuck": 3}), shares_of({"learned": 5})
    ('stuck 60%, dead 40%', 'none')
    """
    counts = {name: n for name, n in outcomes.items() if name in failures}
    total, ordered = sum(counts.values()), sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {percent(n / total)}" for name, n in ordered) or "none"


def effect(d: Difference) -> str:
    """What a change does, by the interval of its difference."""
    return "helps" if d.low > 0 else "harms" if d.high < 0 else "not shown to matter"


def points(d: Difference) -> str:
    """A difference of rates in points, with its interval."""
    return f"{100 * d.value:+.1f} points ({100 * d.low:+.1f} to {100 * d.high:+.1f})"


def percent(share: float) -> str:
    """A share in per cent.

    >>> percent(0.304), percent(0.001)
    ('30%', 'under 1%')
    """
    return f"{share:.0%}" if share >= 0.005 else "under 1%"
