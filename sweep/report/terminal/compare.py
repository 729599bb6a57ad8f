"""A comparison in words."""

from collections.abc import Mapping
from typing import Any

from sweep.commands.compare import Comparison
from sweep.report.words import counted, describe_settings, describe_size, interval
from sweep.statistics.pairs import Difference


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
        lines.append("seeds were added while verdicts were inconclusive, so the tests are a guide, not exact")
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
        f"equal rates: p = {c.mid_p:.3g} (McNemar's mid-p, which decides; exact {c.p_value:.3g})",
    ]
    return [*lines, *_answer_lines(c, d)]


def _answer_lines(c: Comparison, d: Difference) -> list[str]:
    margin = c.equivalence.margin if c.equivalence is not None else 0.0
    within = f"their rates differ by less than {margin:g} (two one-sided tests, {100 * c.confidence:g}%)"
    lines = {
        "A": ["A learns more often"],
        "B": ["B learns more often"],
        "equivalent": [f"equivalent: {within}"],
        "open": [f"these seeds cannot tell which learns more often, nor that the rates differ by less than {margin:g}"],
    }[c.answer]
    if c.answer in ("A", "B") and c.equivalence is not None and c.equivalence.is_shown:
        lines.append(f"and yet {within}")
    is_apart = d.low > 0 or d.high < 0
    if is_apart != (c.answer in ("A", "B")):
        lines.append(
            "the interval and the test disagree, which they do where p is close to the level: the test decides"
        )
    return lines


def _best_lines(c: Comparison) -> list[str]:
    if c.n_configurations == 2:
        return []
    n, best = len(c.open_to_best) - 1, c.best["configuration"]
    level = f"step-down by the signs of {counted(c.n_common, 'common seed')}, {100 * c.confidence:g}%"
    lines = [f"best of {c.n_configurations:,}: {best}, {c.best['n_learned']:,}/{c.best['n_runs']:,} learned"]
    if not n:
        return [*lines, f"every other one is shown to learn less often than another ({level})"]
    but = ", those found unreliable apart" if c.best["verdict"] == "reliable" else ""
    lines.append(f"{counted(n, 'other')} cannot be told from it{but} ({level})")
    for mark, row in (("A", c.first), ("B", c.second)):
        if row["configuration"] != best:
            told = "cannot be told from it" if row["configuration"] in c.open_to_best else _why_not(row, c)
            lines.append(f"{mark} {told}")
    small = c.smallest_open
    if small["configuration"] != best and "n_parameters" in small:
        lines.append(f"the smallest of them: {small['configuration']}{describe_size(small)}")
    return lines


def _why_not(row: Mapping[str, Any], c: Comparison) -> str:
    is_apart = row["verdict"] == "unreliable" and c.best["verdict"] == "reliable"
    return "is unreliable, others are reliable" if is_apart else "is shown to learn less often than another one"
