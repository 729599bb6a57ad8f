"""How many seeds a precision or a verdict needs: by exact sums over what a number of seeds may show, no simulation."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.intervals import Counts, Floats, Method, wilson
from sweep.statistics.verdicts import Target, verdict

Judge = Callable[[Counts, int], npt.NDArray[np.str_]]
max_planned_runs = 10**7
max_scanned_runs = 10**6


def _binomial(n: int, rate: float) -> tuple[Counts, Floats]:
    """The counts that n runs may show at this rate, but for under 1e-20 of the chance, and the chance of each."""
    from scipy.stats import binom

    reach = 10 * np.sqrt(n * rate * (1 - rate)) + 50
    s = np.arange(max(0, int(n * rate - reach)), min(n, int(n * rate + reach) + 1) + 1)
    return s, np.asarray(binom.pmf(s, n, rate), np.float64)


def expected_half_width(rate: float, n_runs: int, confidence: float) -> float:
    """Half the width that Wilson's interval has on average, where the true rate is `rate`.

    >>> round(expected_half_width(0.9, 64, 0.95), 4)
    0.0736
    """
    s, chance = _binomial(n_runs, rate)
    found = wilson(s, n_runs, confidence)
    return float((chance * (found.high - found.low)).sum() / 2)


def runs_for_half_width(rate: float, half_width: float, confidence: float) -> int | None:
    """The smallest number of runs whose Wilson interval is on average at most `half_width` to either side.

    The average is over what the runs may show at the true rate; None where over ten million runs are needed.

    >>> runs_for_half_width(0.9, 0.03, 0.95)
    385
    """

    def is_enough(n_runs: int) -> bool:
        return expected_half_width(rate, n_runs, confidence) <= half_width

    n = bisect_left(range(max_planned_runs + 1), True, lo=1, key=is_enough)
    return n if n <= max_planned_runs else None


def runs_for_any_rate(half_width: float, confidence: float) -> int | None:
    """The number of runs from which on Wilson's interval is never wider, whatever the runs show.

    It is widest where half of the runs learned: z / (2 sqrt(n + z^2)) to either side. None where over ten million runs
    are needed.

    >>> runs_for_any_rate(0.03, 0.95)
    1064
    """
    from scipy.special import ndtri

    z2 = float(ndtri((1 - confidence) / 2)) ** 2
    n = max(1.0, np.ceil(z2 / (4 * half_width**2) - z2))
    return int(n) if n <= max_planned_runs else None


def runs_for_verdict(rate: float, reliability: Target, power: float) -> int | None:
    """The number of runs from which on the right verdict comes with a chance of at least `power`, at this true rate.

    The right verdict is `reliable` for a rate at or above the target, else `unreliable`; by Wilson's interval, a fixed
    number of runs. The chance is exact and rises in a saw-tooth: every larger number has it too. None where the rate
    lies too close to the target, so that about a million runs would not do. `power` in [0.5, 1).

    >>> runs_for_verdict(0.95, Target(0.9), 0.8), runs_for_verdict(0.9, Target(0.9), 0.8)
    (254, None)
    """
    from scipy.special import ndtri
    from scipy.stats import binom

    if not 0.5 <= power < 1:
        raise ValueError("power must lie in [0.5, 1)")
    target = reliability.target
    z = -float(ndtri((1 - reliability.confidence) / 2))
    spread = z * np.sqrt(target * (1 - target)) + float(ndtri(power)) * np.sqrt(rate * (1 - rate))
    about = np.inf if rate == target else (spread / (rate - target)) ** 2
    if about > max_scanned_runs:
        return None
    n = np.arange(1, int(2 * about) + 500)
    limits = _settling_counts(n, reliability, is_above=rate > target)
    chance = binom.sf(limits - 1, n, rate) if rate > target else binom.cdf(limits, n, rate)
    return int(n[np.flatnonzero(chance < power)[-1]]) + 1 if (chance < power).any() else 1


def _settling_counts(n: Counts, reliability: Target, *, is_above: bool) -> Counts:
    """The fewest of n runs that show the rate at or above the target; or the most that show it below (-1: none do)."""
    from scipy.special import ndtri

    target, z = reliability.target, -float(ndtri((1 - reliability.confidence) / 2))
    half = z * np.sqrt(n * target * (1 - target))
    about = np.ceil(n * target + half) if is_above else np.floor(n * target - half)
    settled, side = ("reliable", 1) if is_above else ("unreliable", -1)
    limit = np.where(is_above, n + 1, -1)
    for offset in (2, 1, 0, -1, -2):  # rounding may move the limit by one
        s = (about + side * offset).astype(np.int64)
        is_possible = (s >= 0) & (s <= n)
        shown = verdict(wilson(np.clip(s, 0, n), n, reliability.confidence), target) == settled
        limit = np.where(is_possible & shown, s, limit)
    return limit


@dataclass(frozen=True)
class Settling:
    """What seeds added by a fixed plan of looks come to: the chance of each verdict, and the runs spent on average."""

    reliable: float
    unreliable: float
    inconclusive: float
    expected_runs: float


def doublings(first: int, up_to: int) -> tuple[int, ...]:
    """The counts at which a configuration is judged while its seeds double.

    >>> doublings(16, 100)
    (16, 32, 64, 100)
    """
    looks = [first]
    while looks[-1] < up_to:
        looks.append(min(2 * looks[-1], up_to))
    return tuple(looks)


def settling(rate: float, looks: tuple[int, ...], reliability: Target, method: Method) -> Settling:
    """What comes of judging a configuration of this true rate at each of `looks`, until its verdict is settled.

    Exact, as `settling_by` is. `looks` rise.

    >>> from sweep.statistics.intervals import confidence_sequence
    >>> s = settling(0.99, doublings(16, 1024), Target(0.9), confidence_sequence)
    >>> f"{s.reliable:.3f} {s.unreliable:.4f} {s.expected_runs:.0f}"
    '1.000 0.0000 146'
    """

    def judge(n_learned: Counts, n_runs: int) -> npt.NDArray[np.str_]:
        return verdict(method(n_learned, n_runs, reliability.confidence), reliability.target)

    return settling_by(rate, looks, judge)


def settling_by(rate: float, looks: tuple[int, ...], judge: Judge) -> Settling:
    """The same by any rule: `judge` gives the verdicts for counts that learned, `[count]`, of a number of runs.

    The chances of all counts that are still open, carried from look to look.
    """
    from scipy.stats import binom

    chances = {"reliable": 0.0, "unreliable": 0.0}
    open_: npt.NDArray[np.float64] = np.ones(1)
    spent, before = 0.0, 0
    for n in looks:
        spent += (n - before) * float(open_.sum())
        step = np.asarray(binom.pmf(np.arange(n - before + 1), n - before, rate), np.float64)
        reached = np.convolve(open_, step)
        verdicts = judge(np.arange(n + 1), n)
        for name in chances:
            chances[name] += float(reached[verdicts == name].sum())
        open_, before = np.where(verdicts == "inconclusive", reached, 0.0), n
    return Settling(chances["reliable"], chances["unreliable"], float(open_.sum()), spent)
