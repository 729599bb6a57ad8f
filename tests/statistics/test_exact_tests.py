"""Exact tests against a target and their families: by hand, against libraries, by simulation with shared seeds."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from sweep.statistics.exact_tests import PValues, adjusted, discoveries, exact_tests, verdicts_of
from sweep.statistics.intervals import clopper_pearson
from sweep.statistics.verdicts import Family


@pytest.mark.parametrize("target", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("n", [1, 16, 64, 300])
def test_p_values_are_scipys(n: int, target: float) -> None:
    s = np.unique(np.linspace(0, n, 9).astype(int))
    found = exact_tests(s, n, target)
    above, below = (
        np.array([binomtest(int(x), n, target, alternative=side).pvalue for x in s], np.float64)
        for side in ("greater", "less")
    )
    np.testing.assert_allclose(found.reliable, above, rtol=1e-9)
    np.testing.assert_allclose(found.unreliable, below, rtol=1e-9)
    assert found.n.tolist() == [n] * len(s)


def test_no_runs_show_nothing() -> None:
    found = exact_tests([0, 0], [0, 2], 0.9)
    assert (found.reliable.tolist(), found.unreliable[0]) == ([1, 1], 1)
    with pytest.raises(ValueError, match="between 0 and n_runs"):
        exact_tests(3, 2, 0.9)


@pytest.mark.parametrize(("n", "target"), [(64, 0.9), (73, 0.95), (200, 0.5)])
def test_verdicts_are_those_of_clopper_and_pearsons_interval(n: int, target: float) -> None:
    s = np.arange(n + 1)
    interval = clopper_pearson(s, n, 0.95)
    found = verdicts_of(exact_tests(s, n, target), 0.95, "none")
    assert (found == "reliable").tolist() == (interval.low >= target).tolist()
    assert (found == "unreliable").tolist() == (interval.high <= target).tolist()


@pytest.mark.parametrize("n", [16, 32, 64, 128, 1024])
def test_each_side_errs_in_at_most_half_of_alpha_at_the_target(n: int) -> None:
    found = verdicts_of(exact_tests(np.arange(n + 1), n, 0.9), 0.95, "none")
    chance = binom.pmf(np.arange(n + 1), n, 0.9)
    assert chance[found == "reliable"].sum() <= 0.025 and chance[found == "unreliable"].sum() <= 0.025


def test_families_by_hand() -> None:
    p = np.array([0.001, 0.02, 0.03, 0.5])
    assert adjusted(p, "fwer").tolist() == pytest.approx([0.004, 0.08, 0.12, 1])
    assert adjusted(p, "fdr").tolist() == pytest.approx([0.004, 0.04, 0.04, 0.5])
    of_both = PValues(p, np.array([1, 1, 1, 0.01]), np.full(4, 64), "by hand")
    by_family = {f: verdicts_of(of_both, 0.95, f).tolist() for f in ("none", "fwer", "fdr")}
    open_, yes, no = "inconclusive", "reliable", "unreliable"
    assert by_family == {"none": [yes, yes, open_, no], "fwer": [yes, open_, open_, no], "fdr": [yes, yes, yes, no]}
    found = discoveries(p, p <= 0.025)
    assert (found.n, found.of, found.rate) == (2, 4, pytest.approx(0.04))
    assert discoveries(p, p < 0).rate == 0 and len(adjusted(p[:0], "fdr")) == 0


def test_one_configuration_is_its_own_family() -> None:
    for learned in range(65):
        p = exact_tests([learned], 64, 0.9)
        assert verdicts_of(p, 0.95, "none").tolist() == verdicts_of(p, 0.95, "fwer").tolist()


def test_a_family_as_of_the_567_configurations() -> None:
    counts = np.repeat([64, 63, 62, 58, 30], [60, 104, 25, 73, 305])  # the 164 best of 64 seeds
    p = exact_tests(counts, 64, 0.9)
    assert (
        (verdicts_of(p, 0.95, "fdr") == "reliable").sum() == (verdicts_of(p, 0.95, "none") == "reliable").sum() == 164
    )
    assert not (verdicts_of(p, 0.95, "fwer") == "reliable").any()
    alone = exact_tests([88, 89], [88, 89], 0.9).reliable * 567
    assert alone[0] > 0.05 >= alone[1]


def learned_on_shared_seeds(rates: np.ndarray, n_seeds: int, alike: float, rng: np.random.Generator) -> np.ndarray:
    """Outcomes `[configuration, seed]`; `alike` is the correlation of two configurations' normal scores of a seed."""
    common, own = rng.standard_normal(n_seeds), rng.standard_normal((len(rates), n_seeds))
    return np.sqrt(alike) * common + np.sqrt(1 - alike) * own < norm.ppf(rates)[:, None]


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("family", ["fwer", "fdr"])
def test_families_hold_their_error_on_shared_seeds(family: Family, alike: float) -> None:
    rng = np.random.default_rng(21)
    rates = np.concatenate([np.full(40, 0.8999), np.full(40, 0.9), np.full(20, 0.985), np.full(20, 0.6)])
    is_true = rates >= 0.9
    wrong = np.zeros((600, 3))
    for study in wrong:
        learned = learned_on_shared_seeds(rates, 128, alike, rng)
        found = verdicts_of(exact_tests(learned.sum(axis=1), 128, 0.9), 0.95, family)
        is_false = np.where(is_true, found == "unreliable", found == "reliable")
        for i, called in enumerate((found == "reliable", found == "unreliable", found != "inconclusive")):
            n_false = (is_false & called).sum()
            study[i] = n_false > 0 if family == "fwer" else n_false / max(called.sum(), 1)
    assert (wrong.mean(axis=0) <= 0.05).all()
    assert family == "fwer" or wrong[:, 2].mean() > 0.002  # there is something to err in
