"""What the intervals hold, by exact enumeration: the numbers of docs/method.md.

`make method-page` writes them into the page. Nothing is simulated where a sum gives the chance itself; the one
simulation (of rates whose runs share their seeds) is seeded.
"""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from sweep.statistics.adaptive import looks
from sweep.statistics.effects import marginal_rates
from sweep.statistics.intervals import Method, Rates, clopper_pearson, confidence_sequence, jeffreys, wilson
from sweep.statistics.pairs import Pairs, paired_difference
from sweep.statistics.seeds import Bar, settling

PAGE = Path(__file__).parent.parent / "docs" / "method.md"
METHODS: tuple[Method, ...] = (wilson, jeffreys, clopper_pearson, confidence_sequence)
Floats = npt.NDArray[np.float64]


def coverage(found: Rates, n: int, rates: Floats) -> Floats:
    """The chance that the interval holds the rate, `[rate]`; `found`: the intervals at 0, 1, ... n learned."""
    s = np.arange(n + 1)
    inside = (found.low <= rates[:, None]) & (rates[:, None] <= found.high)
    return np.where(inside, binom.pmf(s, n, rates[:, None]), 0.0).sum(axis=1)


def worst_rates(found: Rates) -> Floats:
    """Rates just outside every end: coverage is lowest beside one of them."""
    ends = np.concatenate([found.low - 1e-9, found.high + 1e-9])
    return ends[(ends > 0) & (ends < 1)]


def fixed_count(method: Method, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Coverage on average over the rate, and at the worst rate in [0.0001, 0.9999]."""
    found = method(np.arange(n + 1), n, confidence)
    even = (np.arange(4000) + 0.5) / 4000
    rates = worst_rates(found)
    rates = np.concatenate([even, rates[(rates >= 1e-4) & (rates <= 1 - 1e-4)]])
    covered = coverage(found, n, rates)
    return float(covered[: len(even)].mean()), float(covered.min())


@cache
def _looks(method: Method, last: int) -> list[tuple[Floats, Floats]]:
    """The intervals after each number of runs from 1 to `last`."""
    n = np.repeat(np.arange(1, last + 1), np.arange(2, last + 2))
    s = np.concatenate([np.arange(i + 1) for i in range(1, last + 1)])
    found = method(s, n, 0.95)
    cuts = np.cumsum(np.arange(2, last + 1))
    return list(zip(np.split(found.low, cuts), np.split(found.high, cuts), strict=True))


def missed_while_looking(method: Method, rate: float, first: int = 1, last: int = 1000) -> float:
    """The chance that the interval misses the rate at least once when looked at after every run, first to last."""
    chance = np.ones(1)
    for n, (low, high) in enumerate(_looks(method, last), start=1):
        chance = np.append(chance * (1 - rate), 0.0) + np.append(0.0, chance * rate)
        if n >= first:
            chance = np.where((low <= rate) & (rate <= high), chance, 0.0)
    return float(1 - chance.sum())


def level_of_verdicts(rate: float, n: int) -> tuple[float, float]:
    """The chance that n fixed runs give a false verdict at 95%: by the end of Wilson's interval, by the exact test."""
    s, chance = np.arange(n + 1), binom.pmf(np.arange(n + 1), n, rate)
    ends = wilson(s, n, 0.95)
    by_wilson = ends.high < 0.9 if rate >= 0.9 else ends.low >= 0.9
    by_test = Bar(0.9, 0.025).verdicts(s, n) == ("unreliable" if rate >= 0.9 else "reliable")
    return float(chance[by_wilson].sum()), float(chance[by_test].sum())


def wrong_verdicts(rate: float, n_configurations: int, bar: Bar) -> float:
    """The chance of any wrong verdict in a study whose configurations all have this rate, were their runs independent.

    Looked at from 16 to 1,024 seeds, every 16 or an eighth, while a verdict is open; target 0.9.
    """
    found = settling(rate, looks(16, 1024), bar.verdicts)
    return 1 - (1 - (found.unreliable if rate >= 0.9 else found.reliable)) ** n_configurations


def difference_coverage(n: int, first: float, second: float, both: float) -> float:
    """Coverage of Tango's interval: rates of the two configurations, and the chance that both learn a seed."""
    only_first, only_second = first - both, second - both
    covered = 0.0
    for b in range(n + 1):
        at_b = binom.pmf(b, n, only_first)
        for c in range(n - b + 1):
            chance = at_b * binom.pmf(c, n - b, only_second / (1 - only_first))
            if chance > 1e-7:
                found = _difference(n, b, c)
                covered += chance * (found[0] <= first - second <= found[1])
    return float(covered)


@cache
def _difference(n: int, b: int, c: int) -> tuple[float, float]:
    found = paired_difference(Pairs(0, b, c, n - b - c), 0.95)
    return found.low, found.high


def marginal_coverage(n_configurations: int, n_seeds: int, alike: float, n_studies: int = 2000) -> tuple[float, float]:
    """Coverage of a marginal rate by seeds, and of Wilson's interval over pooled runs; mean rate 0.8.

    `alike` in [0, 1): how far runs of a seed go together, the correlation of two of them. Simulated.
    """
    rng = np.random.default_rng(7)
    seeds = np.full((n_studies, n_seeds), 0.8)
    if alike > 0:
        weight = 1 / alike - 1
        seeds = rng.beta(0.8 * weight, 0.2 * weight, (n_studies, n_seeds))
    learned = (rng.random((n_studies, n_configurations, n_seeds)) < seeds[:, None, :]).astype(np.int8)
    codes = np.zeros(n_configurations, np.int64)
    clustered = [marginal_rates(codes, study, 0.95).rates for study in learned]
    n_runs = n_configurations * n_seeds
    pooled = wilson(learned.sum(axis=(1, 2)), n_runs, 0.95)
    return (
        float(np.mean([r.low[0] <= 0.8 <= r.high[0] for r in clustered])),
        float(((pooled.low <= 0.8) & (pooled.high >= 0.8)).mean()),
    )


def _table(head: str, rows: list[str]) -> list[str]:
    return [head, "|---" * (head.count("|") - 1) + "|", *rows, ""]


def tables() -> dict[str, str]:
    """The page's tables, by the name of their place."""
    fixed: list[str] = []
    for n in (16, 64, 256):
        found = [fixed_count(method, n) for method in METHODS]
        fixed.append(f"| {n} | " + " | ".join(f"{mean:.3f}, {worst:.3f}" for mean, worst in found) + " |")
    looking = [
        f"| {rate:g} | {missed_while_looking(wilson, rate, 10):.3f} | "
        f"{missed_while_looking(confidence_sequence, rate):.3f} |"
        for rate in (0.0, 0.05, 0.5, 0.56, 0.9, 1.0)
    ]
    levels = [
        f"| {rate:g} | "
        + " | ".join(f"{x:.4f}, {y:.4f}" for x, y in (level_of_verdicts(rate, n) for n in (16, 32, 64, 128)))
        + " |"
        for rate in (0.85, 0.8999, 0.9, 0.92)
    ]
    bars = (Bar(0.9, 0.025), Bar(0.9, 0.05, is_adaptive=True), Bar(0.9, 0.0005, is_adaptive=True))
    studies = [
        f"| {rate:g} | {wrong_verdicts(rate, 100, bars[0]):.3f} | {wrong_verdicts(rate, 100, bars[1]):.3f} | "
        f"{wrong_verdicts(rate, 100, bars[2]):.4f} |"
        for rate in (0.0, 0.5, 0.85, 0.88, 0.8999, 0.9, 0.92, 0.95, 1.0)
    ]
    differences = [
        f"| {first:g} | {second:g} | {both:g} | {difference_coverage(32, first, second, both):.3f} |"
        for first, second, both in (
            (0.5, 0.5, 0.4),
            (0.9, 0.9, 0.85),
            (0.9, 0.7, 0.68),
            (0.95, 0.5, 0.5),
            (0.2, 0.1, 0.02),
        )
    ]
    marginals = [
        f"| {alike:g} | " + " | ".join(f"{x:.3f}" for x in marginal_coverage(27, 64, alike)) + " |"
        for alike in (0.0, 0.1, 0.3, 0.7)
    ]
    return {
        "fixed": "\n".join(_table("| runs | wilson | jeffreys | clopper-pearson | beta-binomial |", fixed)),
        "looking": "\n".join(_table("| true rate | Wilson, missed | sequence, missed |", looking)),
        "levels": "\n".join(_table("| true rate | 16 seeds | 32 | 64 | 128 |", levels)),
        "studies": "\n".join(
            _table("| true rate | exact test at every look | mixtures, `none` | mixtures, `fwer` |", studies)
        ),
        "differences": "\n".join(_table("| rate of A | rate of B | both | coverage |", differences)),
        "marginals": "\n".join(_table("| correlation | by seeds | pooled Wilson |", marginals)),
    }


def fill(page: str) -> str:
    """The page with its tables made anew."""
    for name, table in tables().items():
        begin, end = f"<!-- make method-page: {name} -->", "<!-- end -->"
        before, found, rest = page.partition(begin)
        if not found:
            raise ValueError(f"{PAGE}: no place for {name}")
        page = f"{before}{begin}\n\n{table}\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    if "--page" in sys.argv[1:]:
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print("\n".join(tables().values()))
