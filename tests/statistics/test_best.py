"""Paired comparisons: mid-p and equivalence by published values and exact levels; who may be the best, simulated."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from sweep.statistics.best import not_shown_worse
from sweep.statistics.bootstrap import drawn_seeds, moved_quantiles
from sweep.statistics.exact_tests import count_of_reliable, exact_tests, verdicts_of
from sweep.statistics.pairs import Pairs, equivalence, mcnemar, mcnemar_mid_p, paired_difference
from sweep.statistics.verdicts import Target

OPEN = "inconclusive"


def test_mid_p_by_hand() -> None:
    assert mcnemar_mid_p(Pairs(0, 1, 1, 0)) == pytest.approx(1 - 1 / 4)
    assert mcnemar_mid_p(Pairs(0, 3, 0, 0)) == pytest.approx(1 / 8)  # half of the exact 1/4
    assert mcnemar_mid_p(Pairs(5, 2, 6, 1)) == pytest.approx(mcnemar_mid_p(Pairs(0, 6, 2, 0)))
    assert mcnemar_mid_p(Pairs(0, 6, 2, 0)) < mcnemar(Pairs(0, 6, 2, 0))


def test_mid_p_and_tangos_interval_say_the_same_but_in_a_few_tables() -> None:
    tables = [Pairs(4, b, n - b, 0) for n in range(1, 61) for b in range(n + 1)]
    disagree = []
    for pairs in tables:
        b, c = pairs.only_first, pairs.only_second
        p, is_apart = mcnemar_mid_p(pairs), abs(b - c) / np.sqrt(b + c) > norm.ppf(0.975)
        disagree += [p] if (p <= 0.05) != is_apart else []
        if b % 7 == 0:
            found = paired_difference(pairs, 0.95)
            assert (found.low > 0 or found.high < 0) == is_apart
    assert (len(disagree), len(tables)) == (8, 1890) and 0.05 < min(disagree) < max(disagree) < 0.063


def test_the_level_of_mid_p_is_close_to_nominal() -> None:
    n = np.arange(65)
    shown = [
        sum(binom.pmf(b, k, 0.5) for b in range(k + 1) if mcnemar_mid_p(Pairs(0, b, k - b, 0)) <= 0.05)
        for k in range(65)
    ]
    levels = [(binom.pmf(n, 64, share) * shown).sum() for share in np.linspace(0.1, 1, 46)]
    assert 0.045 < max(levels) < 0.0605


@pytest.mark.parametrize(
    ("pairs", "is_shown"), [((60, 2, 2, 0), True), ((30, 17, 17, 0), False), ((3, 0, 0, 0), False)]
)
def test_equivalence_needs_the_interval_inside_the_margin(pairs: tuple[int, ...], is_shown: bool) -> None:
    found = equivalence(Pairs(*pairs), 0.1, 0.95)
    assert found.is_shown == is_shown and found.margin == 0.1
    expected = paired_difference(Pairs(*pairs), 0.9)
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))
    assert not equivalence(Pairs(0, 0, 0, 0), 0.1, 0.95).is_shown
    with pytest.raises(ValueError, match="margin"):
        equivalence(Pairs(*pairs), 0.0, 0.95)


@pytest.mark.parametrize("only_second", [0.02, 0.2])
def test_equivalence_of_rates_that_are_a_margin_apart_is_rarely_shown(only_second: float) -> None:
    rng = np.random.default_rng(61)
    chances = [0.7 - only_second, only_second + 0.1, only_second, 0.2 - only_second]
    shown = [equivalence(Pairs(*row.tolist()), 0.1, 0.95).is_shown for row in rng.multinomial(400, chances, 800)]
    assert 0.02 <= np.mean(shown) <= 0.075


def alike_on_seeds(rates: np.ndarray, alike: float, n_seeds: int, rng: np.random.Generator) -> np.ndarray:
    common, own = rng.standard_normal(n_seeds), rng.standard_normal((len(rates), n_seeds))
    return (np.sqrt(alike) * common + np.sqrt(1 - alike) * own < norm.ppf(rates)[:, None]).astype(np.int8)


def who_may_be_best(learned: np.ndarray, verdicts: np.ndarray | None = None, n_resamples: int = 299) -> np.ndarray:
    unjudged = np.full(len(learned), OPEN)
    n_parameters = np.arange(len(learned))
    return not_shown_worse(learned, n_parameters, unjudged if verdicts is None else verdicts, 0.95, n_resamples).is_open


@pytest.mark.parametrize("alike", [0.0, 0.9])
@pytest.mark.parametrize("rates", [[0.9] * 20, [0.985] * 20, [0.5] * 20, [0.95] * 5 + [0.9] * 5 + [0.3] * 10])
def test_the_truly_best_stays(rates: list[float], alike: float) -> None:
    rng = np.random.default_rng(62)
    of = np.array(rates)
    left_out = np.zeros(len(of))
    for _ in range(100):
        left_out += ~who_may_be_best(alike_on_seeds(of, alike, 64, rng))
    assert left_out[of == of.max()].mean() / 100 <= 0.065
    assert left_out[of == 0.3].min(initial=100) > 90


def test_fewer_stay_than_by_bonferronis_correction() -> None:
    rng = np.random.default_rng(63)
    rates = np.concatenate([np.full(20, 0.97), np.full(60, 0.8), np.full(120, 0.4)])
    joint, bonferroni = 0, 0
    for _ in range(5):
        learned = alike_on_seeds(rates, 0.8, 64, rng)
        joint += who_may_be_best(learned).sum()
        winner = learned[learned.sum(axis=1).argmax()]
        better, worse = ((winner > learned).sum(axis=1), (winner < learned).sum(axis=1))
        bonferroni += (binom.sf(better - 1, better + worse, 0.5) > 0.05 / 199).sum()
    assert joint < 0.9 * bonferroni


def test_the_step_down_by_hand_and_at_the_edges() -> None:
    same = np.ones((3, 20), np.int8)
    assert who_may_be_best(same).all() and who_may_be_best(np.full((3, 4), -1, np.int8)).all()
    worse = np.vstack([same, np.zeros((1, 20), np.int8)])
    found = not_shown_worse(worse, np.array([9, 3, 5, 1]), np.full(4, OPEN), 0.95)
    assert found.best == 1 and found.is_open.tolist() == [True, True, True, False]
    assert found.p_values[3] == pytest.approx(10 / 1000) and found.p_values[:3].tolist() == [1, 1, 1]
    missing = worse.copy()
    missing[0, 3:] = -1  # three seeds that all have
    assert who_may_be_best(missing).all()
    order = np.array([3, 1, 0, 2])
    assert who_may_be_best(worse[order]).tolist() == [False, True, True, True]


def test_two_configurations_are_mcnemars_exact_test() -> None:
    for b, c in ((3, 0), (5, 0), (9, 2), (20, 9)):
        learned = np.array([[1] * b + [0] * c + [1] * 4, [0] * b + [1] * c + [1] * 4], np.int8)
        found = not_shown_worse(learned, np.array([1, 2]), np.full(2, OPEN), 0.95, 40_000)
        exact = binom.sf(b - 1, b + c, 0.5)
        assert found.p_values[1] * 0.9 == pytest.approx(exact, rel=0.1, abs=2e-4)  # of the second step's 9/10


def test_no_unreliable_one_is_an_equal_of_a_reliable_one() -> None:
    learned = np.ones((3, 64), np.int8)
    learned[1, :5], learned[2, 30:33] = 0, 0
    assert who_may_be_best(learned).tolist() == [True, True, True]
    verdicts = np.array(["reliable", "unreliable", OPEN])
    assert who_may_be_best(learned, verdicts).tolist() == [True, False, True]
    assert who_may_be_best(learned, np.array([OPEN, "unreliable", OPEN])).tolist() == [True, True, True]


def test_drawn_seeds_and_moved_quantiles() -> None:
    drawn = drawn_seeds(50, 400)
    assert drawn.shape == (50, 400) and (drawn.sum(axis=0) == 50).all()
    assert drawn.var() == pytest.approx(1 - 1 / 50, abs=0.03) and (drawn == drawn_seeds(50, 400)).all()
    low, high = moved_quantiles(3.0, np.arange(101.0), 0.9)
    assert (low, high) == (3 - 45, 3 + 45)


def test_the_count_of_reliable_ones_has_an_interval_over_seeds() -> None:
    rng = np.random.default_rng(64)
    rates = np.concatenate([np.full(30, 0.99), np.full(40, 0.96), np.full(30, 0.7)])
    studies = [alike_on_seeds(rates, 0.6, 64, rng) for _ in range(60)]
    found = [count_of_reliable(study, Target(0.9), "none", 199) for study in studies]
    for study, count in zip(studies, found, strict=True):
        is_reliable = verdicts_of(exact_tests(study.sum(axis=1), 64, 0.9), 0.95, "none") == "reliable"
        assert count.value == is_reliable.sum() and count.low <= count.value <= count.high
    mean = np.mean([count.value for count in found])
    assert np.mean([count.low <= mean <= count.high for count in found]) >= 0.88
    spread = np.std([count.value for count in found])
    assert np.mean([count.high - count.low for count in found]) < 6 * spread
    assert (found[0].of, found[0].n, found[0].method) == (100, 64, "bootstrap over seeds")
    none = count_of_reliable(np.zeros((4, 8), np.int8), Target(0.9), "fdr", 19)
    assert (none.value, none.low, none.high) == (0, 0, 0)
