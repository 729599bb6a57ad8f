"""E-values: the closed form against quadrature, their mean where the null hypothesis is true, what breaks them."""

import numpy as np
import pytest
from scipy.stats import binom

from sweep.statistics.adaptive import looks
from sweep.statistics.evidence import mixtures


def by_quadrature(s: int, failed: int, ends: tuple[float, float], target: float) -> float:
    """The logarithm of the average likelihood ratio over the rates between the ends."""
    at, weight = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(*ends, 20_001)
    half = (edges[1] - edges[0]) / 2
    p = (edges[:-1] + half)[:, None] + half * at
    ratio = s * np.log(p / target) + failed * (np.log1p(-p) - np.log1p(-target))
    return float(ratio.max() + np.log((np.exp(ratio - ratio.max()) * weight).sum() * half / (ends[1] - ends[0])))


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [0, 1, 16, 1024, 20_000, 100_000])
def test_the_closed_form_is_the_integral(n: int, target: float) -> None:
    counts = sorted({0, n // 2, int(0.547 * n), int(target * n), min(n, int(target * n) + 5), max(n - 1, 0), n})
    found = mixtures(counts, n, target)
    above = [by_quadrature(s, n - s, (target, 1.0), target) for s in counts]
    below = [by_quadrature(s, n - s, (0.0, target), target) for s in counts]
    np.testing.assert_allclose(found.log_reliable, above, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.log_unreliable, below, rtol=1e-8, atol=1e-8)


def test_numbers_and_arrays() -> None:
    one = mixtures(5000, 100_000, 0.5)
    assert one.log_reliable.shape == () and np.isfinite(one.log_reliable) and one.log_unreliable > 40_000
    assert mixtures([0], [0], 0.9).log_reliable == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [1, 16, 200])
@pytest.mark.parametrize("target", [0.5, 0.9])
def test_the_mean_is_one_at_the_target_and_less_beyond_it(n: int, target: float) -> None:
    s = np.arange(n + 1)
    found = mixtures(s, n, target)
    for log_e, beyond in ((found.log_reliable, target - 0.05), (found.log_unreliable, target + 0.05)):
        assert (binom.pmf(s, n, target) * np.exp(log_e)).sum() == pytest.approx(1)
        assert (binom.pmf(s, n, beyond) * np.exp(log_e)).sum() < 1


def test_evidence_that_another_configurations_later_seeds_stop_is_none() -> None:
    """Two configurations that learn alike: the first is trained to the end, and tells where the second should stop."""
    rng = np.random.default_rng(31)
    counts = np.array(looks(16, 1024))
    reached = (rng.random((4000, 1024)) < 0.9).cumsum(axis=1)[:, counts - 1]
    e = np.exp(mixtures(reached, counts, 0.9).log_reliable)
    by_its_own_past = np.where(
        (e >= 20).any(axis=1), np.take_along_axis(e, (e >= 20).argmax(axis=1)[:, None], 1)[:, 0], e[:, -1]
    )
    assert by_its_own_past.mean() < 1.3  # 1, but for the draw
    assert e.max(axis=1).mean() > 2  # by the other's future: no e-value
