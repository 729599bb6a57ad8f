"""Coverage as each method promises it, by exact enumeration wherever there is a sum for it; docs/method.md shows it."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.statistics.curves import learned_by_epoch
from sweep.statistics.intervals import Method, clopper_pearson, confidence_sequence, jeffreys, wilson

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("coverage_of_intervals", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exact = _load()


@pytest.mark.parametrize("method", [clopper_pearson, confidence_sequence])
@pytest.mark.parametrize(("n", "confidence"), [(1, 0.95), (5, 0.5), (16, 0.95), (64, 0.95), (64, 0.999), (300, 0.8)])
def test_coverage_is_never_under_nominal(method: Method, n: int, confidence: float) -> None:
    found = method(np.arange(n + 1), n, confidence)
    rates = np.concatenate([np.linspace(0, 1, 501), exact.worst_rates(found)])
    assert exact.coverage(found, n, rates).min() >= confidence - 1e-9


@pytest.mark.parametrize(("method", "minimum"), [(wilson, 0.839), (jeffreys, 0.882)])
def test_coverage_is_nominal_on_average_with_its_known_minimum(method: Method, minimum: float) -> None:
    mean, worst = exact.fixed_count(method, 64)
    assert mean == pytest.approx(0.95, abs=0.003)
    assert worst == pytest.approx(minimum, abs=0.002)
    for n, confidence in ((32, 0.8), (64, 0.99), (128, 0.95)):
        assert exact.fixed_count(method, n, confidence)[0] == pytest.approx(confidence, abs=0.007)


@pytest.mark.parametrize("method", [wilson, clopper_pearson, confidence_sequence])
@pytest.mark.parametrize("n", [1, 16, 64, 1024])
def test_rates_of_zero_and_one_are_always_held(method: Method, n: int) -> None:
    found = method(np.arange(n + 1), n, 0.95)
    assert exact.coverage(found, n, np.array([0.0, 1.0])).tolist() == [1, 1]
    ends = jeffreys([0, n], n, 0.95)
    assert ends.low[0] > 0 and ends.high[1] < 1  # the one that never holds them, as its docstring says


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 0.56, 0.9, 1.0])
def test_the_sequence_holds_at_all_counts_together_and_wilson_does_not(rate: float) -> None:
    assert exact.missed_while_looking(confidence_sequence, rate) <= 0.05
    if 0 < rate < 1:
        assert 0.015 < exact.missed_while_looking(confidence_sequence, rate) < 0.045
        assert 0.41 < exact.missed_while_looking(wilson, rate, 10) < 0.48


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_the_band_holds_the_whole_curve(share: float) -> None:
    rng = np.random.default_rng(12)
    grid = np.arange(0, 101)
    truth = share * (1 - 0.95**grid) / (1 - 0.95**100)  # reached by epoch 100
    n_held = 0
    for _ in range(1500):
        u = rng.random(48)
        times = np.where(u < share, np.searchsorted(truth, u), -1)
        curve = learned_by_epoch(times.astype(np.int64), 0.9)
        at = np.searchsorted(curve.epochs, grid, side="right") - 1
        n_held += bool(((curve.rates.low[at] <= truth) & (truth <= curve.rates.high[at])).all())
    assert n_held / 1500 > 0.9
    assert share in (0.0, 0.3) or n_held / 1500 < 0.985  # and is no wider than it need be


@pytest.mark.parametrize(("first", "second", "both"), [(0.5, 0.5, 0.4), (0.9, 0.7, 0.68), (0.2, 0.1, 0.02)])
def test_tangos_interval_is_close_to_nominal(first: float, second: float, both: float) -> None:
    assert exact.difference_coverage(32, first, second, both) == pytest.approx(0.955, abs=0.02)


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.9])
def test_marginal_rates_hold_where_runs_share_their_seeds(alike: float) -> None:
    clustered, pooled = exact.marginal_coverage(9, 48, alike, 1200)
    assert 0.93 < clustered < 0.98
    assert alike == 0 or pooled < 0.8


def test_the_page_shows_what_the_script_computes() -> None:
    page = exact.PAGE.read_text(encoding="utf-8")
    assert exact.fill(page) == page, "make method-page"
