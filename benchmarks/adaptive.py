"""What seeds added while verdicts are open cost: the rules, the one that they replaced, and the least that is possible.

`make bench-adaptive` computes it for three sets of 567 rates and writes the table into docs/performance.md: seconds, no
training. Sums are exact where each configuration stops by itself; with `fdr`, whose bar depends on the others, studies
of independent runs are simulated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr
from scipy.stats import beta

from sweep.statistics.adaptive import Rule, by_verdict, looks, play
from sweep.statistics.intervals import Counts, confidence_sequence
from sweep.statistics.seeds import Judge, bar_of, settling
from sweep.statistics.verdicts import Target, Words

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- make bench-adaptive: begin -->", "<!-- make bench-adaptive: end -->"
TARGET, N, FIRST, MOST, STUDIES = Target(0.9), 567, 16, 1024, 20
Floats = npt.NDArray[np.float64]

_places = (np.arange(N) + 0.5) / N
SETS: Mapping[str, Floats] = {
    "as in a factorial: Beta(0.8, 0.35)": np.asarray(beta.ppf(_places, 0.8, 0.35), np.float64),
    "beside the target: even from 0.75 to 1": 0.75 + 0.25 * _places,
    "far from it: half 0.6, half 0.995": np.where(_places < 0.5, 0.6, 0.995),
}


def doublings(first: int, most: int) -> tuple[int, ...]:
    """When the old rule looked."""
    return (first,) if first >= most else (first, *doublings(min(2 * first, most), most))


def old_rule(alpha: float, target: float = TARGET.target) -> Judge:
    """The old rule: a two-sided confidence sequence lies on one side of the target."""

    def judge(n_learned: Counts, n_runs: int) -> Words:
        found = confidence_sequence(n_learned, n_runs, 1 - alpha)
        low, high = found.low >= target, found.high < target
        return np.where(low, "reliable", np.where(high, "unreliable", "inconclusive"))

    return judge


def least(rates: Floats, alpha: float, target: float = TARGET.target) -> Floats:
    """The seeds that a test of power one needs on average, ln(1/(2.4 alpha))/KL, from the first look to the last."""
    divergence = rel_entr(rates, target) + rel_entr(1 - rates, 1 - target)
    return np.clip(np.log(1 / (2.4 * alpha)) / np.maximum(divergence, 1e-12), FIRST, MOST)


def spent(rates: Floats, counts: Sequence[int], judge: Judge) -> float:
    """The seeds of all configurations, on average, each stopping by itself."""
    return sum(settling(float(rate), counts, judge).expected_runs for rate in rates)


def spent_together(rates: Floats) -> float:
    """The same with `fdr`, by simulated studies."""
    rng = np.random.default_rng(0)
    look = by_verdict(Rule(TARGET, "fdr", len(rates)))
    studies = ((rng.random((len(rates), MOST)) < rates[:, None]).astype(np.int8) for _ in range(STUDIES))
    return float(np.mean([play(study, look, looks(FIRST, MOST)).n_runs.sum() for study in studies]))


@dataclass(frozen=True)
class Costs:
    """Seeds a configuration, on average over a set of rates."""

    old: float
    fwer: float
    fdr: float
    least: float


def costs(rates: Floats) -> Costs:
    """What each rule spends."""
    alpha, counts = 1 - TARGET.confidence, looks(FIRST, MOST)
    family = bar_of(Target(TARGET.target, TARGET.confidence, family="fwer"), N, is_adaptive=True)
    ways: Sequence[Callable[[], float]] = (
        lambda: spent(rates, doublings(FIRST, MOST), old_rule(alpha / N)),
        lambda: spent(rates, counts, family.verdicts),
        lambda: spent_together(rates),
        lambda: float(least(rates, alpha / N).sum()),
    )
    return Costs(*(way() / len(rates) for way in ways))


def table() -> str:
    """The costs of all sets as a table."""
    head = "| 567 rates | old rule | `fwer` | `fdr` | least, `fwer` | `fwer` over least | `fdr` over old rule |"
    rows = [
        f"| {name} | {c.old:.0f} | {c.fwer:.0f} | {c.fdr:.0f} | {c.least:.0f} | {c.fwer / c.least:.2f} | "
        f"{c.fdr / c.old:.2f} |"
        for name, c in ((name, costs(rates)) for name, rates in SETS.items())
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])


def main() -> None:
    """Print the table and write it into the page."""
    words = table()
    print(words)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{words}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
