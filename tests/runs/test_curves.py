"""Curves: what is kept of the course of a run, in memory and in a file."""

import numpy as np
import pytest

from sweep.runs.curves import Curve, lowest, max_curves, max_steps, pack, unpack


def curve(*points: tuple[float, dict[str, float]]) -> Curve:
    found = Curve.of(points)
    assert found is not None
    return found


def test_points_of_a_step_are_one_and_steps_rise() -> None:
    found = curve((3, {"loss": 0.5}), (1, {"loss": 2.0}), (3, {"accuracy": 0.75}))
    assert found.steps.tolist() == [1, 3]
    assert found.metrics["loss"].tolist() == [2.0, 0.5]
    assert np.isnan(found.metrics["accuracy"][0]) and found.metrics["accuracy"][1] == 0.75
    assert Curve.of(()) is None


def test_a_long_curve_keeps_its_ends() -> None:
    found = curve(*((step, {"loss": float(step)}) for step in range(1000)))
    assert len(found.steps) == max_steps
    assert found.steps[[0, -1]].tolist() == [0, 999] and (found.metrics["loss"] == found.steps).all()


def test_of_many_runs_the_lowest_seeds_are_kept() -> None:
    one = curve((0, {"loss": 1.0}))
    kept = lowest({f"c{i}-{seed}": one for i in (1, 2) for seed in reversed(range(max_curves + 3))})
    assert list(kept) == [f"c{i}-{seed}" for i in (1, 2) for seed in range(max_curves)]


def test_arrays_read_back_as_the_curves() -> None:
    curves = {
        "c1-0": curve((1, {"loss": 0.5}), (2, {"loss": float("inf"), "a/b": 3.0})),
        "c1-7": curve((0, {"loss": 0.25})),
        "c2-0": curve((4, {"other": -1.0})),
    }
    found = unpack(pack(curves))
    assert list(found) == list(curves)
    for run, wanted in curves.items():
        assert found[run].steps.tolist() == wanted.steps.tolist()
        assert found[run].metrics.keys() == wanted.metrics.keys()
        for name, values in wanted.metrics.items():
            np.testing.assert_array_equal(found[run].metrics[name], values)
    assert pack({}) == {} and unpack({}) == {}


@pytest.mark.parametrize(
    "damage",
    [
        {"curve.step": np.zeros(2)},
        {"curve.value": np.zeros((2, 3), np.float32)},
        {"curve.end": np.array([2, 3])},
        {"curve.metric": np.array(["loss", "other"])},
        {"curve.run": np.array(["c1-0", "c1-1"])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(damage: dict[str, np.ndarray]) -> None:
    arrays = pack({"c1-0": curve((0, {"loss": 1.0}), (1, {"loss": 0.5}), (2, {"loss": 0.5}))})
    with pytest.raises((ValueError, LookupError)):
        unpack({**arrays, **damage})
