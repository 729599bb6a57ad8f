"""The outcomes of real runs: where failing networks rest, by what is known of XOR and of parity. Native engine."""

import math
from typing import Any

import numpy as np
import pytest

import sweep

FLOORS = {1: math.log(2) / 2, 2: 0.477386, 3: math.log(2)}  # by the number of `+` in merged_rows


def failures(seeds: int, **settings: Any) -> Any:
    runs = sweep.train({"learning_rate": 0.01, "epochs": 4000, **settings}, seeds=seeds)
    return runs[~runs["learned"]]


def assert_at_floors(failed: Any) -> None:
    assert set(failed["outcome"]) <= {"dead", "stuck", "unconverged"}
    assert (failed["outcome"] == "unconverged").mean() < 0.15  # flat, and a descent was found
    stuck = failed[failed["outcome"] == "stuck"]
    n_joined = stuck["merged_rows"].str.count(r"\+")
    assert set(n_joined) <= set(FLOORS)
    assert not stuck["merged_rows"].str.contains(" ").any()
    assert (np.abs(stuck["final_loss"] - n_joined.map(FLOORS)) < 0.0015).all()
    for rows in set(stuck["merged_rows"]):
        targets = {sum(map(int, row)) % 2 for row in rows.split("+")}
        assert targets == {0, 1}


XOR = [(activation, width) for activation in ("relu", "tanh", "sigmoid") for width in (2, 3, 4)]


@pytest.mark.parametrize(("activation", "width"), XOR)
def test_every_failing_run_on_xor_is_dead_or_merges_rows(activation: str, width: int) -> None:
    failed = failures(4000, activation=activation, width=width)
    assert len(failed) > 80
    assert_at_floors(failed)


@pytest.mark.parametrize(
    ("slope", "losses", "rests"),
    [(0.2, (0.520, 0.595), 0.9), (0.3, (0.572, 0.627), 0.85), (0.01, (0.362, 0.489), 0.9)],
)
def test_leaky_relu_rests_with_nothing_merged(slope: float, losses: tuple[float, float], rests: float) -> None:
    activation = {"name": "leaky_relu", "negative_slope": slope}
    failed = failures(2000, activation=activation, width=2)
    stuck = failed[failed["outcome"] == "stuck"]
    assert len(stuck) >= rests * len(failed)
    unmerged = stuck[stuck["merged_rows"] == ""]
    assert 0.6 < len(unmerged) / len(failed) < 0.9
    distance = np.abs(unmerged["final_loss"].to_numpy()[:, None] - np.array(losses))
    assert (distance.min(axis=1) < 0.002).mean() > 0.97
    assert (distance < 0.002).any(axis=0).all()
    assert set(stuck["merged_rows"]) <= {"", "00+01+10+11"}


def test_drawn_samples_rest_at_the_floor_of_what_was_drawn() -> None:
    failed = failures(300, width=2, samples=9, batch_size="full", epochs=3000)
    stuck = failed[(failed["outcome"] == "stuck") & (failed["merged_rows"] != "")]
    assert len(stuck) > 100
    assert len(set(stuck["final_loss"].round(2))) > 15  # the table's losses differ from draw to draw


PARITY_FLOORS = np.array(
    [0.693147, 0.597545, 0.519860, 0.477386, 0.420632, 0.312752, 0.346574, 0.281168, 0.238693, 0.173287]
)


@pytest.mark.parametrize("width", [2, 5])
def test_parity_rests_at_its_floors(width: int) -> None:
    failed = failures(300, task={"name": "parity", "bits": 3}, width=width, learning_rate=0.02)
    merged = failed[(failed["outcome"] == "stuck") & (failed["merged_rows"] != "")]
    single = merged[~merged["merged_rows"].str.contains(" ")]
    assert len(single) > 60
    floors = [floor_of(rows) for rows in single["merged_rows"]]
    assert np.abs(single["final_loss"].to_numpy() / floors - 1).max() < 0.021
    distance = np.abs(np.array(floors)[:, None] - PARITY_FLOORS).min(axis=1)
    assert distance.max() < 1e-6
    assert len(set(np.round(floors, 6))) >= 3


def floor_of(rows: str) -> float:
    ones = sum(row.count("1") % 2 for row in rows.split("+"))
    n = rows.count("+") + 1
    return -(ones * math.log(ones / n) + (n - ones) * math.log(1 - ones / n)) / 8


def test_a_hasty_training_is_unconverged_and_a_jumpy_one_unsettled() -> None:
    hasty = failures(100, epochs=100, learning_rate=0.003)
    assert (hasty["outcome"] == "unconverged").mean() > 0.8
    jumpy = failures(200, width=4, optimizer="sgd", learning_rate=3.0, batch_size=1, epochs=300, activation="tanh")
    assert (jumpy["outcome"] == "unsettled").sum() > 50
