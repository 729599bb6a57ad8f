"""What is known about XOR networks exactly: ceilings, floors, dead networks, the linear control. Native engine."""

import math
from typing import Any

import numpy as np
import pytest
from support.untyped import sweep

from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.statistics.intervals import wilson
from sweep.training.native import NativeEngine

SEEDS = 2000


@pytest.mark.parametrize(("width", "ceiling"), [(2, 0.5625), (3, 0.84375), (4, 0.94921875)])
def test_one_relu_layer_learns_no_more_often_than_two_units_live(width: int, ceiling: float) -> None:
    runs = sweep.train({"width": width, "learning_rate": 0.01, "epochs": 2000}, seeds=SEEDS)
    assert wilson(int(runs["learned"].sum()), SEEDS, 0.999).low <= ceiling
    fewer_than_two_live = width - runs["dead_units_initial"] < 2
    assert fewer_than_two_live.mean() == pytest.approx(1 - ceiling, abs=0.03)
    assert not runs["learned"][fewer_than_two_live].any()


@pytest.mark.parametrize(
    "head",
    [
        {"output": "linear", "loss": "mean_squared_error"},
        {"output": "tanh", "loss": "mean_squared_error", "targets": "bipolar"},
        {"output": "tanh", "loss": "squared_hinge", "targets": "bipolar"},
        {"output": "softmax"},
        {"output": "softmax", "loss": "mean_squared_error"},
        {"output": "relu", "loss": "mean_squared_error"},
        {"output": "hard_sigmoid", "loss": "mean_absolute_error"},
        {"output": "linear", "loss": "huber"},
        {"output": "linear", "loss": "hinge", "targets": "bipolar"},
        {"output": "linear"},
    ],
    ids=str,
)
def test_the_ceiling_of_two_relu_units_holds_for_every_head(head: dict[str, Any]) -> None:
    runs = sweep.train({"width": 2, "learning_rate": 0.01, "epochs": 2000, **head}, seeds=SEEDS)
    assert not runs["learned"][2 - runs["dead_units_initial"] < 2].any()
    assert wilson(int(runs["learned"].sum()), SEEDS, 0.999).low <= 0.5625
    assert runs["learned"].mean() > 0.05


def test_softmax_of_two_rests_at_the_floors_of_a_sigmoid() -> None:
    settings = {"width": 2, "activation": "tanh", "output": "softmax", "learning_rate": 0.01, "epochs": 8000}
    runs = sweep.train(settings, seeds=300)
    stuck = runs[runs["merged_rows"] != ""]
    assert len(stuck) >= 30
    n_merged = stuck["merged_rows"].str.count(r"\+") + 1
    known = n_merged.map({2: math.log(2) / 2, 3: 0.477386, 4: math.log(2)}).to_numpy()
    np.testing.assert_allclose(stuck["final_loss"], known, rtol=0.02)


low = {"activation": "hard_sigmoid", "bias_initializer": {"name": "constant", "value": -5.0}}


@pytest.mark.parametrize("output", ["relu", "relu6", low], ids=str)
def test_an_output_that_is_off_is_dead(output: Any) -> None:
    """It answers 0 to every row; its squared error is 0.5 of XOR, and no gradient passes it."""
    settings = {"width": 4, "activation": "tanh", "output": output, "loss": "mean_squared_error", "epochs": 50}
    runs = sweep.train({**settings, "optimizer": {"name": "sgd", "learning_rate": 1.0}}, seeds=300)
    off = runs[(runs[["p_00", "p_01", "p_10", "p_11"]] == 0).all(axis=1)]
    assert len(off) > 30
    assert set(off["outcome"]) == {"dead"}
    assert set(off["dead_layer"]) == {2}
    assert off["final_loss"].unique().tolist() == [0.5]


def test_a_unit_off_at_the_start_stays_off() -> None:
    runs = sweep.train({"width": 8, "learning_rate": 0.01, "batch_size": 1, "epochs": 200}, seeds=400)
    assert (runs["dead_units"] >= runs["dead_units_initial"]).all()
    assert runs["dead_units_initial"].mean() == pytest.approx(8 / 4, abs=0.25)


def test_bipolar_inputs_leave_no_unit_of_the_first_layer_off() -> None:
    cohort = Cohort(resolve({"encoding": "bipolar", "width": 4, "epochs": 1}), np.arange(400, dtype=np.uint32))
    assert (NativeEngine().train(cohort).units_off_initial == 0).all()


@pytest.mark.parametrize(("width", "depth", "share"), [(2, 1, 0.0625), (2, 2, 0.2377), (2, 3, 0.4114), (3, 3, 0.1573)])
def test_networks_are_born_dead_as_often_as_known(width: int, depth: int, share: float) -> None:
    cohort = Cohort(resolve({"width": width, "depth": depth, "epochs": 1}), np.arange(4000, dtype=np.uint32))
    dead = (NativeEngine().train(cohort).units_off_initial == width).any(axis=1)
    assert dead.mean() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 4000))


def test_a_network_born_dead_ends_at_the_constant_prediction() -> None:
    settings: dict[str, Any] = {"width": 2, "depth": 3, "learning_rate": 0.05, "epochs": 2000}
    runs = sweep.train(settings, seeds=200)
    dead = runs[runs["outcome"] == "dead"]
    assert len(dead) >= 60
    assert dead["final_loss"].to_numpy() == pytest.approx(math.log(2), abs=1e-4)
    assert not dead["learned"].any()


FLOORS = {"binary_crossentropy": (math.log(2) / 2, 0.477386, math.log(2)), "mean_squared_error": (1 / 8, 1 / 6, 1 / 4)}


@pytest.mark.parametrize("loss", FLOORS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_failing_runs_rest_at_the_floors_of_merged_rows(loss: str, activation: str) -> None:
    settings = {"width": 2, "activation": activation, "loss": loss, "learning_rate": 0.01, "epochs": 8000}
    runs = sweep.train(settings, seeds=150)
    failed = runs[~runs["learned"]]["final_loss"].to_numpy()
    floors = np.array(FLOORS[loss])
    at_rest = np.abs(failed[:, None] - floors).min(axis=1) < 0.003
    assert len(failed) > 5
    assert (failed > floors[0] - 1e-4).all()
    assert at_rest.mean() > 0.9


@pytest.mark.parametrize(("task", "rate"), [("xor", 0), ("xnor", 0), ("and", 1), ("or", 1), ("nand", 1), ("nor", 1)])
def test_the_linear_control_learns_what_is_linearly_separable(task: str, rate: int) -> None:
    runs = sweep.train({"task": task, "depth": 0, "learning_rate": 0.05, "epochs": 2000}, seeds=100)
    assert runs["learned"].mean() == rate
    if rate == 0:
        assert (runs["accuracy"] <= 0.75).all()


def test_without_any_bias_the_row_of_zeros_is_a_tie_and_not_learned() -> None:
    runs = sweep.train({"use_bias": False, "learning_rate": 0.01}, seeds=50)
    assert (runs["p_00"] == 0.5).all()
    assert not runs["learned"].any()


def test_width_eight_learns_mostly_and_epochs_to_learn_are_those_of_the_last_change() -> None:
    runs = sweep.train({"learning_rate": 0.01}, seeds=200)
    assert 0.8 < runs["learned"].mean() < 0.9996
    learned = runs[runs["learned"]]
    shorter = sweep.train({"learning_rate": 0.01, "epochs": int(learned["epochs_to_learn"].iloc[0])}, seeds=[0])
    assert learned["seed"].iloc[0] == 0
    assert shorter["learned"].iloc[0]
