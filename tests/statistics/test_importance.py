"""Marginal rates with errors between seeds, variance shares by hand, Optuna's importances where they are defined."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from support.folders import swept

import sweep
from sweep.experiment.dimensions import Range
from sweep.report.words import percent
from sweep.results.selection import learned_by_seed
from sweep.search.importance import importances
from sweep.statistics.effects import (
    common_seeds,
    followers,
    is_full_grid,
    marginal_rates,
    shares_over_seeds,
)
from sweep.statistics.intervals import wilson

Shares = dict[tuple[int, ...], float]
GRID = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])


def as_found(codes: np.ndarray, learned: np.ndarray) -> Shares:
    return {s.factors: s.raw for s in shares_over_seeds(codes, learned, 0.95, 9)}


def bits(*rows: str) -> np.ndarray:
    return np.array([[{"1": 1, "0": 0, ".": -1}[x] for x in row] for row in rows], np.int8)


def test_marginal_rates_by_hand() -> None:
    found = marginal_rates(np.array([0, 0, 1]), bits("1100", "1000", "1111"), 0.95)
    assert found.rates.value.tolist() == [3 / 8, 1]
    assert found.rates.n.tolist() == [8, 4] and found.n_seeds.tolist() == [4, 4]
    assert found.standard_errors.tolist() == pytest.approx([np.std([1, 0.5, 0, 0], ddof=1) / 2, 0])
    assert (found.rates.low < found.rates.value).all() and found.rates.high[1] == 1
    assert found.rates.low[1] < 0.5  # four seeds, all alike: as four runs, with Student's quantile
    assert found.rates.method == "wilson, clustered by seed"


def test_runs_of_a_seed_all_alike_count_as_one() -> None:
    one = marginal_rates(np.zeros(1, np.int64), bits("1101011100"), 0.95)
    many = marginal_rates(np.zeros(5, np.int64), np.repeat(bits("1101011100"), 5, axis=0), 0.95)
    for a, b in ((one.rates.low, many.rates.low), (one.rates.high, many.rates.high)):
        np.testing.assert_allclose(a, b, atol=0.01)
    pooled = wilson(30, 50, 0.95)
    assert many.rates.high[0] - many.rates.low[0] > 1.8 * float(pooled.high - pooled.low)


def test_an_interval_is_never_narrower_than_independent_runs_allow() -> None:
    alternating = np.tile(bits("10", "01"), (1, 10))  # every seed has a mean of one half: no error between seeds
    found = marginal_rates(np.zeros(2, np.int64), alternating, 0.95)
    pooled = wilson(20, 40, 0.95)
    assert found.standard_errors[0] == 0
    assert found.rates.high[0] - found.rates.low[0] >= float(pooled.high - pooled.low)


def test_marginal_rates_with_one_seed_missing_runs_and_none() -> None:
    one = marginal_rates(np.array([0, 1]), bits("1", "0"), 0.95)
    assert one.rates.low.tolist() == [0, 0] and one.rates.high.tolist() == [1, 1]
    assert np.isnan(one.standard_errors).all()
    some = marginal_rates(np.array([0, 0, 1]), bits("11.", "1.0", "..."), 0.95)
    assert some.rates.value[0] == 3 / 4 and np.isnan(some.rates.value[1])
    assert (some.rates.n.tolist(), some.n_seeds.tolist()) == ([4, 0], [3, 0])
    assert (some.rates.low[1], some.rates.high[1]) == (0, 1)
    nothing = marginal_rates(np.array([0]), np.zeros((1, 0), np.int8), 0.95)
    assert np.isnan(nothing.rates.value[0])


def test_variance_shares_by_hand() -> None:
    additive = as_found(GRID, bits("0000", "0110", "1001", "1111"))
    assert additive == pytest.approx({(0,): 0.5, (1,): 0.5, (0, 1): 0}, abs=1e-12)
    exclusive = as_found(GRID, bits("1111", "0000", "0000", "1111"))
    assert exclusive == pytest.approx({(0,): 0, (1,): 0, (0, 1): 1}, abs=1e-12)
    # rates 0, 1, 0, 0: a half of a half each
    uneven = as_found(GRID, bits("00", "11", "00", "00"))
    assert uneven == pytest.approx({(0,): 1 / 3, (1,): 1 / 3, (0, 1): 1 / 3})


def test_what_one_hyperparameter_does_alone_is_all_of_the_variance() -> None:
    codes = np.stack([x.ravel() for x in np.indices((3, 2))])
    for n_learned in itertools.combinations_with_replacement(range(13), 3):
        learned = np.array([[1] * n + [0] * (12 - n) for n in n_learned for _ in range(2)], np.int8)
        shares = as_found(codes, learned)
        assert not shares or shares == {(0,): 1, (1,): 0, (0, 1): 0}
        assert all(percent(share) in ("0%", "100%") for share in shares.values())


def test_shares_of_a_larger_grid_add_up_and_know_what_is_noise() -> None:
    codes = np.stack([x.ravel() for x in np.indices((3, 4, 2, 2))])
    rng = np.random.default_rng(2)
    noise = [shares_over_seeds(codes, (rng.random((48, 32)) < 0.5).astype(np.int8), 0.95, 9) for _ in range(60)]
    for shares in noise:
        assert sum(s.raw for s in shares) == pytest.approx(1)
        assert shares[-1].factors == () and len(shares) == 4 + 6 + 1
    assert np.mean([sum(s.noise for s in shares) for shares in noise]) == pytest.approx(1, abs=0.1)
    by_first = (rng.random((48, 32)) < 0.1 + 0.4 * codes[0][:, None]).astype(np.int8)
    strongest = shares_over_seeds(codes, by_first, 0.95, 99)[0]
    assert strongest.factors == (0,) and strongest.raw > 0.9 and strongest.noise < 0.02 and strongest.low > 0.8


def test_shares_where_they_are_not_defined() -> None:
    assert as_found(GRID, bits("11", "11", "11", "11")) == as_found(GRID, bits("10", "10", "01", "10")) == {}
    assert as_found(GRID, bits("1", "0", "0", "0")) == {}
    by_chance = shares_over_seeds(GRID, bits("10", "01", "01", "11"), 0.95)
    assert all(np.isnan(s.value) or 0 <= s.low <= s.value <= s.high <= 1 for s in by_chance)
    assert is_full_grid(GRID) and is_full_grid(GRID[:, ::-1])
    assert not is_full_grid(GRID[:, :3]) and not is_full_grid(np.array([[0, 0, 1, 1], [0, 0, 1, 1]]))
    assert common_seeds(bits("11.", "1.1")).tolist() == [[1], [1]]


SHAPED = np.stack([x.ravel() for x in np.indices((4, 3, 3))])  # width, depth, and a third that shares their weights
BASE = np.clip(0.25 + 0.15 * SHAPED[0] + 0.1 * SHAPED[1] + 0.03 * SHAPED[2] * (SHAPED[0] == 2), 0.02, 0.98)


def drawn_by_shape(n_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Outcomes of rates `BASE`: a seed is good or bad for a shape, which a width and a depth make."""
    of_shape, own = rng.standard_normal((12, n_seeds)), rng.standard_normal((36, n_seeds))
    score = np.sqrt(0.6) * of_shape[SHAPED[0] * 3 + SHAPED[1]] + np.sqrt(0.4) * own
    return (score < norm.ppf(BASE)[:, None]).astype(np.int8)


def shares_of_rates() -> Shares:
    exact = np.round(np.outer(BASE, np.ones(2)) * 100).astype(np.int8)  # two seeds alike: no noise
    return as_found(SHAPED, exact)


def residual_noise(learned: np.ndarray) -> Shares:
    """What the residual of configurations by seeds would say of each share's noise."""
    y, rates = learned.astype(float), learned.mean(axis=1)
    left = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    of_one = (left**2).sum() / ((len(y) - 1) * (y.shape[1] - 1)) / y.shape[1] / ((rates - rates.mean()) ** 2).sum()
    return {(0, 1): 6 * of_one, (1, 2): 4 * of_one}  # by their degrees of freedom


def test_shares_have_what_seeds_make_of_them_taken_off() -> None:
    rng, truth = np.random.default_rng(51), shares_of_rates()
    studies = [
        {s.factors: s for s in shares_over_seeds(SHAPED, drawn_by_shape(64, rng), 0.95, 299)} for _ in range(150)
    ]
    for part, share in truth.items():
        found = [study[part] for study in studies]
        excess = np.mean([s.raw - s.noise for s in found])
        whole = 1 - sum(np.mean([study[p].noise for study in studies]) for p in truth)
        error = np.std([s.raw for s in found]) / np.sqrt(150)
        assert excess == pytest.approx(share * whole, abs=3 * error + 0.002)
        assert np.mean([s.low <= share <= s.high for s in found]) >= 0.9, part
        assert {(s.n, s.method) for s in found} == {(64, "bootstrap over seeds")}
    old = [residual_noise(drawn_by_shape(64, rng)) for _ in range(20)]
    noise = {p: (np.mean([s[p].noise for s in studies]), np.mean([s[p] for s in old])) for p in old[0]}
    assert noise[(0, 1)][0] > 1.6 * noise[(0, 1)][1]  # shapes share their weights: the residual does not know it
    assert noise[(1, 2)][0] < 0.7 * noise[(1, 2)][1]


def test_shares_with_noise_off_by_hand() -> None:
    found = shares_over_seeds(GRID, bits("1100", "1100", "1111", "1111"), 0.95)
    main = found[0]
    # the first factor's effect is 1/2 under the last two seeds and 0 under the others; nothing else differs
    assert (main.factors, main.raw, main.noise) == ((0,), 1, pytest.approx((2 / 4 - 1 / 4) / 3 / (1 / 4)))
    assert main.value == 1 and [s.raw for s in found[1:]] == [0, 0]
    assert found == shares_over_seeds(GRID, bits("1100", "1100", "1111", "1111"), 0.95)
    turned = shares_over_seeds(GRID[:, ::-1], bits("1111", "1111", "1100", "1100"), 0.95)
    assert [s.raw for s in turned] == [s.raw for s in found]


def test_shares_of_a_small_grid_against_many_blocks_of_fresh_seeds(tmp_path: Path) -> None:
    """The same small grid under 40 blocks of 16 seeds: what is taken off is what blocks differ by."""
    text = (
        "fixed: {epochs: 60, learning_rate: 0.05}\n"
        "vary: {width: [2, 4], depth: [1, 2], optimizer: [adam, {name: sgd, momentum: 0.9}], seed: 640}\n"
    )
    results = sweep.load(swept(tmp_path, text))
    table = results.configurations
    learned = learned_by_seed(results.runs, list(table["configuration"]))
    codes = np.stack([np.unique(table[c], return_inverse=True)[1] for c in ("width", "depth", "optimizer")])
    truth = {s.factors: s.value for s in shares_over_seeds(codes, learned, 0.95, 9)}
    blocks = [shares_over_seeds(codes, learned[:, i : i + 16], 0.95, 199) for i in range(0, 640, 16)]
    for part, value in truth.items():
        own = [next(s for s in block if s.factors == part) for block in blocks]
        off, error = np.mean([s.value for s in own]) - value, np.std([s.value for s in own]) / np.sqrt(len(own))
        assert abs(off) < 3 * error + 0.03
        assert np.mean([s.low <= value <= s.high for s in own]) >= 0.85
    raw = np.mean([sum(s.raw for s in block if len(s.factors) == 2) for block in blocks])
    assert raw > sum(v for part, v in truth.items() if len(part) == 2)  # as found, seeds add to them


def test_factors_that_another_decides() -> None:
    optimizer, rate, other = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 0, 1, 0, 1])
    assert followers([rate, optimizer, other], free=[1, 2], leading=[0, 1, 2]) == {0: 1}
    assert followers([rate, optimizer, other], free=[1, 2], leading=[0, 2]) == {}
    assert followers([optimizer, optimizer.copy()], free=[], leading=[0, 1]) == {0: 1}  # not each the other
    assert followers([optimizer, optimizer.copy()], free=[0, 1], leading=[0, 1]) == {}
    assert followers([optimizer, other], free=[], leading=[0, 1]) == {}


def test_optunas_importances_find_what_matters() -> None:
    points = [{"width": w, "optimizer": o} for w in (2, 4, 8, 16) for o in ("sgd", "adam", "nadam")] * 2
    rates = [w / 16 for w in (2, 4, 8, 16) for _ in range(3)] * 2
    found = importances(points, rates, {})
    assert found is not None and list(found) == ["width", "optimizer"] and found["width"] > 0.9
    ranged = importances(points, rates, {"width": Range(2, 16)})
    assert ranged is not None and ranged["width"] > 0.9
    top = [0.9 if p["width"] == 16 else 0.1 * (p["optimizer"] != "sgd") for p in points]  # the worst tenth: sgd
    found = importances(points, top, {})
    assert found is not None and found["width"] > 0.9
    assert importances(points, [0.5] * len(points), {}) is None
    assert importances(points[:1], [0.5], {}) is None
    assert importances([], [], {}) is None


def test_equal_importances_stand_in_the_order_of_the_columns() -> None:
    names = ["width", "loss", "dropout", "depth", "optimizer", "activation"]
    points = [dict.fromkeys(names, i % 2) for i in range(20)]
    found = importances(points, [i / 20 for i in range(20)], {})
    assert found is not None and list(found) == names and len(set(found.values())) == 1


def test_runs_of_a_seed_go_together_in_a_real_sweep(tmp_path: Path) -> None:
    text = (
        "fixed: {width: 4, learning_rate: 0.01}\n"
        "vary: {dropout: [0.0, 0.1, 0.3], optimizer: [sgd, rmsprop, adam], batch_size: [1, 2, 4], seed: 64}\n"
    )
    results = sweep.load(swept(tmp_path, text))
    learned = learned_by_seed(results.runs, list(results.configurations["configuration"]))
    found = marginal_rates(np.zeros(27, np.int64), learned, 0.95)
    rate = float(found.rates.value[0])
    assert learned.shape == (27, 64)
    pooled = np.sqrt(rate * (1 - rate) / learned.size)
    assert pooled == pytest.approx(0.0119, abs=0.0003)
    assert found.standard_errors[0] == pytest.approx(0.0536, abs=0.004)  # four and a half times the pooled one
