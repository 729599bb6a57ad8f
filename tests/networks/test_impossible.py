"""What is impossible before training: by hand, against all weights that matter, and against trainings."""

import itertools
from typing import Any

import numpy as np
import pytest

from sweep.networks.limits import Limit, limits
from sweep.networks.settings import resolve
from sweep.report.limits import describe_limits
from sweep.runs.cohort import Cohort
from sweep.training.cohorts import train_cohorts
from sweep.training.native import NativeEngine

ALIKE = {"inputs": [[0, 1], [0, 1], [0, 1], [1, 0]], "targets": [[0], [1], [1], [0]]}
HALF_AND_HALF = {"inputs": [[0, 1], [1, 0], [0, 0], [1, 1]], "targets": [[0], [1], [0], [1]]}


def of(**settings: Any) -> tuple[Limit, ...]:
    return limits(resolve(settings))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"depth": 0}, "it is linear, and no straight cut parts the rows of xor"),
        ({"depth": 0, "encoding": "bipolar"}, "it is linear, and no straight cut parts the rows of xor"),
        ({"depth": 0, "task": "half_adder"}, "it is linear, and no straight cut parts the rows of half_adder"),
        ({"depth": 0, "output": "softmax"}, "it is linear, and no straight cut parts the rows of xor"),
        ({"depth": 3, "activation": "linear"}, "it is linear, and no straight cut parts the rows of xor"),
        ({"depth": 0, "output": "tanh", "loss": "hinge", "targets": "bipolar"}, "it is linear, and no straight cut"),
        ({"width": 1}, "each of its layers has one unit, and no straight cut parts the rows of xor"),
        ({"width": 1, "depth": 3, "activation": "tanh"}, "each of its layers has one unit, and no straight cut"),
        ({"layers": [1, {"units": 4, "activation": "linear"}, 1]}, "each of its layers has one unit, and no straight"),
        ({"use_bias": False}, "there is no bias, so the row of zeros always gets 0.5"),
        (
            {"use_bias": False, "depth": 0, "task": HALF_AND_HALF},
            "there is no bias, so the row of zeros always gets 0.5",
        ),
        (
            {"use_bias": False, "task": "nor", "output": "linear", "loss": "huber"},
            "there is no bias, so the row of zeros",
        ),
        ({"use_bias": False, "output": "softmax"}, "there is no bias, so the row of zeros always gets 0.5"),
        ({"task": ALIKE}, "rows that are alike have unlike targets: at best an accuracy of 0.75"),
        ({"task": ALIKE, "output": "softmax"}, "rows that are alike have unlike targets: at best an accuracy of 0.75"),
    ],
)
def test_what_no_seed_can_do(settings: dict[str, Any], reason: str) -> None:
    first, *_ = of(**settings)
    assert first.share == 0
    assert first.reason.startswith(reason)
    cohort = Cohort(resolve({"learning_rate": 0.05, "epochs": 300, **settings}), np.arange(64, dtype=np.uint32))
    (trained,) = train_cohorts(NativeEngine(), [cohort], 1)
    assert not trained.runs.learned.any()


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 0, "task": "and"},
        {"depth": 0, "task": "majority", "output": "softmax"},
        {"depth": 0, "use_bias": False, "encoding": "bipolar", "task": {"name": "majority", "bits": 3}},
        # without a bias a linear output is right where it is above a half
        {"depth": 0, "use_bias": False, "task": "or", "output": "linear", "loss": "mean_squared_error"},
        {"width": 1, "task": "nand", "activation": "tanh"},
        # a unit that falls and rises again may do what a straight cut cannot
        {"width": 1, "activation": "gelu"},
        {"width": 1, "activation": "silu", "depth": 2},
        {"layers": [1, 2], "activation": "tanh"},
        {"use_bias": False, "activation": "sigmoid"},
        {"use_bias": False, "encoding": "bipolar"},
        {"width": 2, "activation": "tanh"},
        {"width": 2, "bias_initializer": "as_kernel"},
        {"width": 2, "encoding": "bipolar"},
        {"width": 2, "optimizer": "adamw"},
        {"width": 2, "kernel_initializer": {"name": "random_uniform", "minval": 0.0, "maxval": 1.0}},
        {"width": 2, "task": {"inputs": [[0.5, 1], [2, 0.25], [1, 1]], "targets": [[0], [1], [0]]}},
    ],
)
def test_nothing_is_called_impossible_that_may_be(settings: dict[str, Any]) -> None:
    assert of(**settings) == ()


@pytest.mark.parametrize(
    ("width", "share"),
    [(2, 0.5625), (3, 0.84375), (4, 0.94921875), (5, 0.984375), (8, 0.9996185302734375)],
)
def test_relu_layers_need_two_live_units(width: int, share: float) -> None:
    (limit,) = of(width=width)
    assert limit.share == pytest.approx(share, abs=1e-12)
    assert "two live units" in limit.reason
    deep = of(width=width, depth=2)[0]
    assert deep.share == pytest.approx(1 - 0.25**width)
    assert of(width=width, task="or")[0].share == pytest.approx(1 - 0.25**width)
    cohort = Cohort(resolve({"width": width, "learning_rate": 0.05}), np.arange(512, dtype=np.uint32))
    (trained,) = train_cohorts(NativeEngine(), [cohort], 1)
    assert trained.runs.learned.mean() < share + 4 * (share * (1 - share) / 512) ** 0.5


def test_a_straight_cut_is_found_wherever_there_is_one() -> None:
    """All 16 functions of two inputs: only XOR and its opposite have none; and without a bias, by trying directions."""
    rows = list(itertools.product((0.0, 1.0), repeat=2))
    angles = np.linspace(0, 2 * np.pi, 721)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for targets in itertools.product((0, 1), repeat=4):
        task = {"inputs": [list(r) for r in rows], "targets": [[t] for t in targets]}
        with_bias = of(task=task, depth=0)
        assert bool(with_bias) == (targets in {(0, 1, 1, 0), (1, 0, 0, 1)}), targets
        bipolar = {"inputs": [[2 * a - 1 + 0.1, 2 * b - 1] for a, b in rows], "targets": [[t] for t in targets]}
        sides = np.where(np.array(targets), 1, -1)
        is_cut = ((np.array(bipolar["inputs"]) @ directions.T * sides[:, None]) > 0).all(axis=0).any()
        assert bool(of(task=bipolar, depth=0, use_bias=False)) != is_cut, targets


def test_the_strictest_reason_is_told_once_for_all() -> None:
    networks = [resolve({"width": n, "depth": d}) for n in (1, 2, 3, 8) for d in (0, 1)]
    no_cut = "and no straight cut parts the rows of xor"
    two = "it needs two live units, and each unit is off from the start with a chance of 0.25"
    assert describe_limits(networks, 0.9) == [
        f"4 of 8 configurations: no seed can answer every row right: it is linear, {no_cut}",
        f"1 of 8 configurations: no seed can answer every row right: each of its layers has one unit, {no_cut}",
        f"2 of 8 configurations: at most 56.3% to 84.4% of all seeds can answer every row right: {two}",
    ]
    assert describe_limits(networks[-1:], 0.9) == []
