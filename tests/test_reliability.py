"""Intervals by published values and by simulation, verdicts, what a number of seeds can show."""

import numpy as np
import pytest

from sweep.reliability import Target, allowed_failures, needed_runs, verdict, wilson


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


@pytest.mark.parametrize(("n_learned", "n_runs"), [(-1, 3), (4, 3), ([1, 4], [2, 3])])
def test_counts_that_cannot_be(n_learned: int, n_runs: int) -> None:
    with pytest.raises(ValueError, match="between 0 and n_runs"):
        wilson(n_learned, n_runs, 0.95)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_coverage_is_nominal_on_average_over_the_rate(confidence: float) -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(40_000)
    found = wilson(rng.binomial(64, truth), 64, confidence)
    covered = ((found.low <= truth) & (truth <= found.high)).mean()
    assert covered == pytest.approx(confidence, abs=0.008)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("n_runs", [16, 64, 1024])
def test_coverage_never_falls_under_its_known_minimum(rate: float, n_runs: int) -> None:
    rng = np.random.default_rng(6)
    found = wilson(rng.binomial(n_runs, rate, 20_000), n_runs, 0.95)
    covered = ((found.low <= rate) & (rate <= found.high)).mean()
    assert covered > 0.83
    if 0.1 <= rate <= 0.9 and n_runs >= 64:
        assert covered == pytest.approx(0.95, abs=0.02)
    if rate in (0, 1):
        assert covered == 1


def test_verdicts() -> None:
    rates = wilson([64, 63, 62, 58, 50, 0], 64, 0.95)
    assert verdict(rates, 0.9).tolist() == ["reliable", "reliable", *["inconclusive"] * 2, "unreliable", "unreliable"]
    exact = wilson([0, 30], [30, 30], 0.95)
    assert verdict(exact, float(exact.low[1])).tolist() == ["unreliable", "reliable"]  # at the target is reliable
    assert verdict(exact, float(exact.high[0])).tolist() == ["inconclusive", "reliable"]  # at the target is not below
    assert str(verdict(wilson(0, 0, 0.95), 0.9)) == "inconclusive"


@pytest.mark.parametrize("target", [0.01, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_allowed_failures_are_the_most_that_show_the_target(target: float, confidence: float) -> None:
    reliability = Target(target, confidence)
    for n in (1, 2, 34, 35, 64, 73, 200):
        low = wilson(n - np.arange(n + 1), n, confidence).low
        enough = np.flatnonzero(low >= target)
        assert allowed_failures(n, reliability) == (enough[-1] if len(enough) else None)


def test_seeds_that_suffice() -> None:
    assert allowed_failures(64, Target(0.9)) == 1
    assert allowed_failures(64, Target(0.95)) is None
    assert allowed_failures(73, Target(0.95)) == 0
    assert allowed_failures(72, Target(0.95)) is None
    for target in (0.01, 0.5, 0.9, 0.95, 0.999, 0.999999):
        n = needed_runs(Target(target))
        assert allowed_failures(n, Target(target)) is not None
        assert n == 1 or allowed_failures(n - 1, Target(target)) is None


def test_large_counts_are_quick_to_judge() -> None:
    assert allowed_failures(2**32, Target(0.9)) == pytest.approx(0.1 * 2**32, rel=1e-3)
    assert needed_runs(Target(1 - 1e-12)) > 10**12
