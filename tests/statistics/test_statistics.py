"""Intervals by published values and by simulation, verdicts, what a number of seeds can show."""

import numpy as np
import pytest

from sweep.statistics.adaptive import Rule, unsettled
from sweep.statistics.evidence import mixtures
from sweep.statistics.exact_tests import exact_tests, verdicts_of
from sweep.statistics.intervals import Method, clopper_pearson, confidence_sequence, jeffreys, wilson
from sweep.statistics.pairs import Pairs, mcnemar, pair, paired_difference
from sweep.statistics.seeds import (
    Bar,
    allowed_failures,
    bar_of,
    expected_half_width,
    needed_runs,
    runs_for_any_rate,
    runs_for_any_rate_looked_at,
    runs_for_half_width,
    runs_for_verdict,
    settling,
)
from sweep.statistics.shares import shares_up_to
from sweep.statistics.verdicts import Family, Target, families

OPEN = "inconclusive"
METHODS: tuple[Method, ...] = (wilson, jeffreys, clopper_pearson, confidence_sequence)


@pytest.mark.parametrize(
    ("n_learned", "n_runs", "low", "high"),
    [
        (103, 200, ".44611", ".58333"),
        (25, 30, ".66436", ".92663"),
        (30, 30, ".88649", "1"),
        (0, 30, "0", ".11351"),
        (64, 64, ".94338", "1"),
        (63, 64, ".91666", None),
        (62, 64, ".89303", None),
        (5, 10, ".23659", ".76341"),
    ],
)
def test_wilson_by_known_values(n_learned: int, n_runs: int, low: str, high: str | None) -> None:
    found = wilson(n_learned, n_runs, 0.95)
    assert round(float(found.low), 5) == float(low)
    assert high is None or round(float(found.high), 5) == float(high)
    assert float(found.value) == n_learned / n_runs
    assert int(found.n) == n_runs
    assert found.method == "wilson"


def test_wilson_by_its_formula() -> None:
    z = 2.5758293035489004  # the 99.5th percentile of the normal distribution
    runs = np.arange(1, 200)
    for learned in (runs // 3, runs // 2, runs - runs // 10):
        p = learned / runs
        centre, half = p + z**2 / (2 * runs), z * np.sqrt(p * (1 - p) / runs + z**2 / (4 * runs**2))
        found = wilson(learned, runs, 0.99)
        np.testing.assert_allclose(found.low, np.maximum(0, (centre - half) / (1 + z**2 / runs)), atol=1e-12)
        np.testing.assert_allclose(found.high, (centre + half) / (1 + z**2 / runs), atol=1e-12)


def test_the_ends_are_exact_and_no_runs_tell_nothing() -> None:
    runs = np.arange(0, 3000)
    none, every = wilson(np.zeros_like(runs), runs, 0.95), wilson(runs, runs, 0.95)
    assert (none.low == 0).all() and (every.high == 1).all()
    assert (none.high[1:] < 1).all() and (every.low[1:] > 0).all()
    assert (none.low[0], none.high[0]) == (0, 1)
    assert np.isnan(none.value[0])
    np.testing.assert_allclose(none.high[1:], 1 - every.low[1:], atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n_learned", "n_runs"), [(-1, 3), (4, 3), ([1, 4], [2, 3])])
def test_counts_that_cannot_be(method: Method, n_learned: int, n_runs: int) -> None:
    with pytest.raises(ValueError, match="between 0 and n_runs"):
        method(n_learned, n_runs, 0.95)


@pytest.mark.parametrize(
    ("n_learned", "n_runs", "of_jeffreys", "exact", "sequence"),
    [
        (103, 200, ".44594 .58363", ".44346 .58609", ".39964 .62929"),
        (25, 30, ".67257 .93343", ".65279 .94358", ".56926 .97002"),
        (30, 30, ".92032 .99998", ".88430 1", ".80709 1"),
        (0, 30, ".00002 .07968", "0 .11570", "0 .19291"),
        (5, 10, ".22353 .77647", ".18709 .81291", ".12922 .87078"),
        (64, 64, None, ".94399 1", None),
        (63, 64, None, ".91599", None),
        (62, 64, None, ".89163", None),
    ],
)
def test_other_intervals_by_known_values(
    n_learned: int, n_runs: int, of_jeffreys: str | None, exact: str | None, sequence: str | None
) -> None:
    for method, wanted in ((jeffreys, of_jeffreys), (clopper_pearson, exact), (confidence_sequence, sequence)):
        found = method(n_learned, n_runs, 0.95)
        for end, text in zip((found.low, found.high), (wanted or "").split(), strict=False):
            assert round(float(end), 5) == float(text), found.method
        assert float(found.value) == n_learned / n_runs and int(found.n) == n_runs


@pytest.mark.parametrize(("method", "name"), [(wilson, "wilson"), (jeffreys, "jeffreys"), (clopper_pearson, "beta")])
def test_intervals_are_those_of_statsmodels(method: Method, name: str) -> None:
    from statsmodels.stats.proportion import proportion_confint

    runs = np.repeat(np.arange(1, 80), 7)
    learned = np.random.default_rng(3).integers(0, runs + 1)
    for confidence in (0.5, 0.95, 0.9999):
        found = method(learned, runs, confidence)
        low, high = proportion_confint(learned, runs, alpha=1 - confidence, method=name)
        np.testing.assert_allclose(found.low, low, atol=1e-12)
        np.testing.assert_allclose(found.high, high, atol=1e-12)


def test_the_sequence_solves_its_equation() -> None:
    from scipy.stats import binom

    rng = np.random.default_rng(4)
    runs = rng.integers(1, 5000, 2000)
    learned = rng.integers(0, runs + 1)
    for confidence in (0.5, 0.95, 1 - 1e-7):
        found = confidence_sequence(learned, runs, confidence)
        inside = found.low > 0
        level = np.log((1 - confidence) / (runs[inside] + 1))
        np.testing.assert_allclose(binom.logpmf(learned[inside], runs[inside], found.low[inside]), level, atol=1e-8)
        assert ((found.low > 0) == (learned > 0)).all() and ((found.high < 1) == (learned < runs)).all()
        assert (found.low <= found.value).all() and (found.value <= found.high).all()
        mirrored = confidence_sequence(runs - learned, runs, confidence)
        np.testing.assert_allclose(mirrored.low, 1 - found.high, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_methods_know_no_runs_and_large_counts(method: Method) -> None:
    found = method([0, 1, 5 * 10**8, 10**9], [0, 10**9, 10**9, 10**9], 0.95)
    assert np.isnan(found.value[0]) and (found.low[0], found.high[0]) == (0, 1)
    assert (found.low <= found.high).all() and (found.high - found.low)[1:].max() < 2e-4
    assert method(3, 5, 0.95).low.shape == () and method([], [], 0.95).low.shape == (0,)


FIXED, ADAPTIVE = bar_of(Target(0.9)), bar_of(Target(0.9), is_adaptive=True)


def test_verdicts_of_one_configuration() -> None:
    found = FIXED.verdicts([64, 63, 62, 58, 51, 0, 0], [64] * 6 + [0])
    assert found.tolist() == ["reliable", "reliable", *[OPEN] * 2, "unreliable", "unreliable", OPEN]
    for target in (0.5, 0.9):
        n = np.arange(1, 200)
        for s in (n, n - n // 10, n // 2):
            interval = clopper_pearson(s, n, 0.95)
            wanted = np.where(interval.low >= target, "reliable", np.where(interval.high <= target, "unreliable", OPEN))
            assert (bar_of(Target(target)).verdicts(s, n) == wanted).all()


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("family", families)
def test_the_bar_of_one_is_that_of_the_rules_for_many(family: Family, n: int) -> None:
    reliability = Target(0.9, family=family)
    counts = np.arange(0, 257, 3)
    for s in counts.tolist():
        learned = np.array([256 if s > 230 else 0] * (n - 1) + [s])  # the others have the verdict that it would get
        alone = bar_of(reliability, n, n_called=n - 1)
        wanted = verdicts_of(exact_tests(learned, 256, 0.9), 0.95, family)[-1]
        assert str(alone.verdicts(s, 256)) == wanted
        alone = bar_of(reliability, n, n_called=n - 1, is_adaptive=True)
        wanted = Rule(reliability, family, n).settle(mixtures(learned, [256] * n, 0.9), unsettled(n))[-1]
        assert str(alone.verdicts(s, 256)) == wanted
    assert bar_of(reliability, 7).level <= bar_of(reliability, 7, n_called=3).level <= 0.05


@pytest.mark.parametrize("target", [0.01, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("level", [0.25, 0.025, 0.0005])
@pytest.mark.parametrize("is_adaptive", [False, True])
def test_allowed_failures_are_the_most_that_show_the_target(target: float, level: float, is_adaptive: bool) -> None:
    bar = Bar(target, level, is_adaptive)
    for n in (1, 2, 34, 35, 64, 73, 200):
        enough = np.flatnonzero(bar.verdicts(n - np.arange(n + 1), n) == "reliable")
        assert allowed_failures(n, bar) == (enough[-1] if len(enough) else None)


def test_seeds_that_suffice() -> None:
    assert [allowed_failures(64, bar_of(Target(target))) for target in (0.9, 0.95)] == [1, None]
    assert [allowed_failures(n, bar_of(Target(0.95))) for n in (71, 72)] == [None, 0]
    for target in (0.01, 0.5, 0.9, 0.95, 0.999, 0.999999):
        for is_adaptive in (False, True):
            bar = bar_of(Target(target), is_adaptive=is_adaptive)
            n = needed_runs(bar)
            assert allowed_failures(n, bar) is not None
            assert n == 1 or allowed_failures(n - 1, bar) is None
    assert needed_runs(ADAPTIVE) > needed_runs(FIXED)


def test_large_counts_are_quick_to_judge() -> None:
    assert allowed_failures(2**32, FIXED) == pytest.approx(0.1 * 2**32, rel=1e-3)
    assert needed_runs(bar_of(Target(1 - 1e-12))) > 10**12


def test_mcnemar_by_known_values() -> None:
    assert f"{mcnemar(Pairs(0, 84, 12, 0)):.10e}" == f"{mcnemar(Pairs(50, 12, 84, 3)):.10e}" == "1.8316192854e-14"
    assert f"{mcnemar(Pairs(7, 90, 5, 9)):.10e}" == "3.0931950486e-21"
    assert mcnemar(Pairs(5, 0, 0, 5)) == mcnemar(Pairs(0, 3, 3, 0)) == 1
    assert mcnemar(Pairs(0, 5, 0, 0)) == pytest.approx(2 / 32)


def test_pairs_are_counted() -> None:
    first, second = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 0, 0, 1, 0, 0], bool)
    assert pair(first, second) == Pairs(1, 2, 1, 2)
    assert pair(first, second).n == 6


# Bentur et al. 2009 and Cavo et al. 2012, in Fagerland, Lydersen, Laake, "Statistical analysis of contingency tables"
@pytest.mark.parametrize(
    ("pairs", "value", "low", "high"),
    [(Pairs(1, 1, 7, 12), -0.2857, -0.5172, -0.0260), (Pairs(59, 6, 16, 80), -0.0621, -0.1240, -0.0054)],
)
def test_tangos_interval_by_published_examples(pairs: Pairs, value: float, low: float, high: float) -> None:
    found = paired_difference(pairs, 0.95)
    assert [round(x, 4) for x in (found.value, found.low, found.high)] == [value, low, high]
    assert (found.n, found.method) == (pairs.n, "tango")


def test_tangos_interval_by_its_likelihood_and_at_the_edges() -> None:
    z2 = 3.841458820694124
    for n in (1, 10, 64):  # no discordant pairs: n d^2 = z^2 d (1 - d)
        found = paired_difference(Pairs(n, 0, 0, 0), 0.95)
        assert found.value == 0 and found.high == pytest.approx(z2 / (n + z2)) and found.low == -found.high
    only_first, only_second = paired_difference(Pairs(0, 10, 0, 0), 0.95), paired_difference(Pairs(0, 0, 10, 0), 0.95)
    assert only_first.high == 1 and only_first.low == pytest.approx((10 - z2) / (10 + z2), abs=1e-9)
    assert only_second.low == -1 and only_second.high == pytest.approx(-only_first.low)
    nothing = paired_difference(Pairs(0, 0, 0, 0), 0.95)
    assert np.isnan(nothing.value) and (nothing.low, nothing.high) == (-1, 1)
    for b, c, n in ((12, 2, 50), (3, 0, 20), (1, 59, 62)):
        found = paired_difference(Pairs(n - b - c, b, c, 0), 0.95)
        for d in (found.low, found.high):  # the likeliest q by search instead of the formula
            q = np.linspace(max(0, -d), (1 - d) / 2, 2_000_001)[1:-1]
            q = q[np.argmax(b * np.log(q + d) + c * np.log(q) + (n - b - c) * np.log(1 - 2 * q - d))]
            assert (b - c - n * d) ** 2 == pytest.approx(z2 * n * (2 * q + d * (1 - d)), rel=1e-4)


def test_the_shares_count_every_run() -> None:
    shares = shares_up_to(np.array([300, np.nan, 5, 20, 20, np.inf, 0, 20]), 0.95)
    assert shares.at.tolist() == [-np.inf, 0, 5, 20, 300]
    assert (shares.rates.value * 8).tolist() == [0, 1, 2, 5, 6]
    half = np.sqrt(np.log(40) / 16)
    np.testing.assert_allclose(shares.rates.high, np.minimum(1, shares.rates.value + half))
    np.testing.assert_allclose(shares.rates.low, np.maximum(0, shares.rates.value - half))
    assert shares.rates.n.tolist() == [8] * 5 and shares.rates.method == "dkw"
    for nothing in (np.array([np.nan, -np.inf]), np.zeros(0)):
        assert shares_up_to(nothing, 0.95).rates.value.tolist() == [0]


def test_seeds_for_a_precision() -> None:
    rng = np.random.default_rng(8)
    found = wilson(rng.binomial(64, 0.9, 200_000), 64, 0.95)
    assert expected_half_width(0.9, 64, 0.95) == pytest.approx(float((found.high - found.low).mean()) / 2, abs=2e-4)
    for rate, half in ((0.9, 0.03), (0.5, 0.1), (0.0, 0.02), (1.0, 0.02), (0.99, 0.2)):
        n = runs_for_half_width(rate, half, 0.95)
        assert n is not None and expected_half_width(rate, n, 0.95) <= half
        assert n == 1 or expected_half_width(rate, n - 1, 0.95) > half
    assert runs_for_half_width(0.5, 1e-6, 0.95) is None and runs_for_any_rate(1e-6, 0.95) is None


@pytest.mark.parametrize("half", [0.03, 0.05, 0.1, 0.2])
def test_seeds_for_a_precision_whatever_they_show(half: float) -> None:
    def widest(n: int) -> float:
        found = wilson(np.arange(n + 1), n, 0.95)
        return float((found.high - found.low).max()) / 2

    n = runs_for_any_rate(half, 0.95)
    assert n is not None and all(widest(m) <= half for m in range(n, n + 5))
    assert widest(n - 2) > half


def chance_of_the_right_verdict(rate: float, n_runs: int, bar: Bar) -> float:
    found = settling(rate, (n_runs,), bar.verdicts)
    return found.reliable if rate > bar.target else found.unreliable


@pytest.mark.parametrize(
    ("rate", "target", "power"), [(0.99, 0.9, 0.8), (1.0, 0.9, 0.8), (0.8, 0.9, 0.9), (0.0, 0.5, 0.5), (0.6, 0.5, 0.7)]
)
def test_seeds_for_a_verdict_by_enumeration(rate: float, target: float, power: float) -> None:
    bar = bar_of(Target(target))
    n = runs_for_verdict(rate, bar, power)
    assert n is not None
    assert all(chance_of_the_right_verdict(rate, m, bar) >= power for m in range(n, 2 * n + 5))
    assert n == 1 or chance_of_the_right_verdict(rate, n - 1, bar) < power


@pytest.mark.parametrize("rate", [62 / 64, 50 / 64, 1.0])
def test_seeds_for_a_verdict_where_seeds_are_added(rate: float) -> None:
    n = runs_for_verdict(rate, ADAPTIVE)
    assert n is not None
    assert chance_of_the_right_verdict(rate, n, ADAPTIVE) >= 0.8
    assert chance_of_the_right_verdict(rate, int(0.9 * n) - 1, ADAPTIVE) < 0.8


def test_seeds_for_a_verdict_that_cannot_be() -> None:
    assert runs_for_verdict(0.9, FIXED) is None and runs_for_verdict(0.9, ADAPTIVE) is None
    assert runs_for_verdict(0.8999, FIXED) is None
    assert runs_for_verdict(1.0, bar_of(Target(0.95))) == 72
    with pytest.raises(ValueError, match="power"):
        runs_for_verdict(0.95, FIXED, 1.0)


@pytest.mark.parametrize("half", [0.05, 0.2])
def test_seeds_for_a_precision_that_is_looked_at(half: float) -> None:
    n = runs_for_any_rate_looked_at(half, 0.95)
    widths = [confidence_sequence(np.arange(m + 1), m, 0.95) for m in (n, n - 2)]
    assert [float((w.high - w.low).max()) / 2 <= half for w in widths] == [True, False]


def test_settling_is_what_a_simulation_of_the_rule_gives() -> None:
    rng, counts, bar = np.random.default_rng(9), (16, 32, 64, 128, 256), Bar(0.9, 0.01, is_adaptive=True)
    runs = rng.random((20_000, 256)) < 0.97
    final = np.full(20_000, OPEN, "U12")
    spent = np.zeros(20_000)
    for n in counts:
        is_open = final == OPEN
        spent[is_open] = n
        final = np.where(is_open, bar.verdicts(runs[:, :n].sum(1), n), final)
    exact = settling(0.97, counts, bar.verdicts)
    for name in ("reliable", "unreliable", "inconclusive"):
        assert (final == name).mean() == pytest.approx(getattr(exact, name), abs=0.012)
    assert spent.mean() == pytest.approx(exact.expected_runs, rel=0.01)
    assert exact.reliable + exact.unreliable + exact.inconclusive == pytest.approx(1)
