"""How many seeds a precision or a verdict needs: by exact sums over what a number of seeds may show, no simulation."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.evidence import mixtures
from sweep.statistics.exact_tests import exact_tests
from sweep.statistics.intervals import Counts, Floats, confidence_sequence, wilson
from sweep.statistics.verdicts import Target, Words

Judge = Callable[[Counts, int], Words]
max_planned_runs = 10**7
max_scanned_runs = 10**6
usual_power = 0.8
# the teeth of an exact test's power lie within some 3 / |rate - target| runs of the first that has the power
tooth_room = 20


@dataclass(frozen=True)
class Bar:
    """What the runs of one configuration must show for a verdict: a p-value of at most `level`, by an exact test.

    Where seeds are added as results come in (`is_adaptive`): an e-value of at least 1/level.
    """

    target: float
    level: float
    is_adaptive: bool = False

    def verdicts(self, n_learned: npt.ArrayLike, n_runs: npt.ArrayLike) -> Words:
        """`reliable`, `unreliable` or `inconclusive`, of counts of one shape."""
        if self.is_adaptive:
            e = mixtures(n_learned, n_runs, self.target)
            reliable, unreliable = (x >= -np.log(self.level) for x in (e.log_reliable, e.log_unreliable))
        else:
            p = exact_tests(n_learned, n_runs, self.target)
            reliable, unreliable = p.reliable <= self.level, p.unreliable <= self.level
        return np.where(reliable, "reliable", np.where(unreliable, "unreliable", "inconclusive"))


def bar_of(reliability: Target, n_configurations: int = 1, *, n_called: int = 0, is_adaptive: bool = False) -> Bar:
    """The bar of one among `n_configurations` by the family of `reliability`, as `verdicts_of` and `Rule` have it.

    Of `fdr` it is enough where `n_called` others have the verdict that it would get.
    """
    alpha = 1 - reliability.confidence
    own = alpha if is_adaptive else alpha / 2
    match reliability.family:
        case "fwer":
            level = own if n_configurations == 1 else alpha / n_configurations
        case "fdr":
            level = alpha * min(1.0, (n_called + 1) / n_configurations)
        case _:
            level = own
    return Bar(reliability.target, level, is_adaptive)


def allowed_failures(n_runs: int, bar: Bar) -> int | None:
    """How many of `n_runs` may fail for the verdict `reliable`; None where even all learned would not show it.

    >>> [allowed_failures(64, bar_of(Target(target))) for target in (0.9, 0.95)], allowed_failures(73, Bar(0.95, 0.025))
    ([1, None], 0)
    >>> adaptive = bar_of(Target(0.9), is_adaptive=True)
    >>> allowed_failures(32, adaptive), allowed_failures(64, adaptive), allowed_failures(1024, adaptive)
    (None, 0, 74)
    """

    def falls_short(n_failed: int) -> bool:
        return str(bar.verdicts(n_runs - n_failed, n_runs)) != "reliable"

    n_allowing = bisect_left(range(n_runs + 1), True, key=falls_short)
    return n_allowing - 1 if n_allowing else None


def needed_runs(bar: Bar) -> int:
    """The smallest number of runs that shows the target when all of them learn.

    >>> needed_runs(bar_of(Target(0.9))), needed_runs(bar_of(Target(0.95))), needed_runs(Bar(0.9, 0.05, True))
    (36, 72, 43)
    """

    def is_enough(n_runs: int) -> bool:
        return str(bar.verdicts(n_runs, n_runs)) == "reliable"

    most = 1
    while not is_enough(most):  # far above the answer the mixtures' series are long
        most *= 2
    return bisect_left(range(most), True, lo=max(1, most // 2), key=is_enough)


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


def runs_for_any_rate_looked_at(half_width: float, confidence: float) -> int:
    """The number of runs at which the confidence sequence is as narrow whatever they show: widest where half learned.

    >>> runs_for_any_rate_looked_at(0.1, 0.95)
    274
    """

    def is_enough(n: int) -> bool:
        found = confidence_sequence(n // 2, n, confidence)
        return bool(found.high - found.low <= 2 * half_width)

    return bisect_left(range(max_planned_runs), True, lo=1, key=is_enough)


def runs_for_verdict(rate: float, bar: Bar, power: float = usual_power) -> int | None:
    """The number of runs from which on the right verdict comes with a chance of at least `power`, at this true rate.

    The right verdict is `reliable` for a rate at or above the target, else `unreliable`, judged once at that number.
    The chance is exact and rises in a saw-tooth: every larger number has it too; where seeds are added
    (`bar.is_adaptive`), where the tooth is small, it is the first that does. None where the rate lies so close to the
    target that about a million runs would not do. `power` in [0.5, 1).

    >>> fixed, adaptive = bar_of(Target(0.9)), bar_of(Target(0.9), is_adaptive=True)
    >>> runs_for_verdict(0.95, fixed), runs_for_verdict(0.9, fixed), runs_for_verdict(0.95, adaptive)
    (255, None, 403)
    """
    from scipy.stats import binom

    if not 0.5 <= power < 1:
        raise ValueError("power must lie in [0.5, 1)")
    if rate == bar.target:
        return None
    right = "reliable" if rate > bar.target else "unreliable"

    def is_enough(n: Counts | int) -> npt.NDArray[np.bool_]:
        """Whether the count that is reached, or not passed, with a chance of at least `power` shows it."""
        counts = binom.ppf((1 - power) * (1 + 1e-12) if rate > bar.target else power, n, rate)
        return bar.verdicts(np.asarray(counts, np.int64), n) == right

    most = 1
    while not is_enough(most) and most <= max_scanned_runs:
        most *= 2
    first = bisect_left(range(most), True, lo=most // 2, key=is_enough)
    if first > max_scanned_runs:
        return None
    if bar.is_adaptive:
        return max(1, first)
    room = int(tooth_room / abs(rate - bar.target)) + 500
    n = np.arange(max(1, first - room), first + room)
    falls_short = np.flatnonzero(~is_enough(n))
    return int(n[falls_short[-1]]) + 1 if len(falls_short) else int(n[0])


@dataclass(frozen=True)
class Settling:
    """What seeds added by a fixed plan of looks come to: the chance of each verdict, and the runs spent on average."""

    reliable: float
    unreliable: float
    inconclusive: float
    expected_runs: float


def settling(rate: float, looks: Sequence[int], judge: Judge) -> Settling:
    """What comes of judging a configuration of this true rate at each of `looks`, rising, until a verdict is settled.

    `judge` gives the verdicts for counts that learned, `[count]`, of a number of runs. Exact: the chances of all counts
    that are still open, carried from look to look.

    >>> s = settling(0.99, (16, 32, 64, 128, 256), Bar(0.9, 0.05, is_adaptive=True).verdicts)
    >>> f"{s.reliable:.3f} {s.unreliable:.4f} {s.expected_runs:.0f}"
    '1.000 0.0000 96'
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
