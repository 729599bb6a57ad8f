"""A comparison in words."""

from collections.abc import Mapping
from typing import Any

from sweep.commands.compare import Comparison
from sweep.report.words import counted, describe_settings, describe_size, interval


def _rate(row: Mapping[str, Any]) -> str:
    learned = f"{row['n_learned']:,}/{row['n_runs']:,} learned"
    return f"{learned}, {interval(row['ci_low'], row['ci_high'])} {row['ci_method']}: {row['verdict']}"


def describe_comparison(c: Comparison) -> list[str]:
    """A comparison in words, line by line."""
    lines = [
        f"{mark}  {row['configuration']}  {describe_settings(row, c.columns)}"
        f"{describe_size(row).replace(', ', '  ')}  {_rate(row)}"
        for mark, row in (("A", c.first), ("B", c.second))
    ]
    lines += ["", *_pair_lines(c), "", *_best_lines(c)]
    if c.is_adaptive:
        lines.append("seeds were added while verdicts were open, so the tests are a guide, not exact")
    return lines


def _pair_lines(c: Comparison) -> list[str]:
    pairs, d = c.pairs, c.difference
    if pairs is None or d is None:
        return ["no seed was trained with both: there is nothing to pair"]
    lines = [
        f"on the {counted(pairs.n, 'seed')} of both: {pairs.both:,} learned by both, "
        f"{pairs.only_first:,} by A only, {pairs.only_second:,} by B only, {pairs.neither:,} by neither",
        f"rate of A - rate of B: {d.value:+.3f}, {d.low:+.3f} to {d.high:+.3f} (Tango's score interval, "
        f"{100 * c.confidence:g}%)",
        f"equal rates: p = {c.p_value:.3g} (McNemar's exact test)",
    ]
    if c.p_value is not None and c.p_value <= 1 - c.confidence:
        return [*lines, f"{'A' if d.value > 0 else 'B'} learns more often"]
    return [*lines, "these seeds cannot tell which learns more often"]


def _best_lines(c: Comparison) -> list[str]:
    if c.n_configurations == 2:
        return []
    n, best = len(c.open_to_best) - 1, c.best["configuration"]
    level = f"one-sided McNemar, Bonferroni over {c.n_configurations - 1:,}, {100 * c.confidence:g}%"
    lines = [f"best of {c.n_configurations:,}: {best}, {c.best['n_learned']:,}/{c.best['n_runs']:,} learned"]
    if not n:
        return [*lines, f"every other one is shown to learn less often ({level})"]
    lines.append(f"{counted(n, 'other')} cannot be told from it ({level})")
    for mark, row in (("A", c.first), ("B", c.second)):
        if row["configuration"] != best:
            told = "cannot be told from it" if row["configuration"] in c.open_to_best else "learns less often"
            lines.append(f"{mark} {told}")
    small = c.smallest_open
    if small["configuration"] != best and "n_parameters" in small:
        lines.append(f"the smallest of them: {small['configuration']}{describe_size(small)}")
    return lines
