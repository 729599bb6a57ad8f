"""Outcomes from measurements made by hand."""

from typing import Any

import numpy as np
import pytest

from sweep.diagnosis import diagnose, examples, table_margin
from sweep.model import Configuration, resolve
from sweep.runs import Cohort, Measurements, Runs, outcomes

xor = resolve({"width": 3, "depth": 2, "epochs": 10})
solved = np.array([0.1, 0.9, 0.8, 0.2], np.float32)
right_half = np.array([0.1, 0.9, 0.4, 0.2], np.float32)


def measured(configuration: Configuration, predictions: Any, **columns: Any) -> tuple[Cohort, Measurements]:
    """Measurements of one model for each row of predictions, at the last snapshot."""
    last = np.asarray(predictions, np.float32).reshape(len(predictions), configuration.task.n_rows, -1)
    n = len(last)
    cohort = Cohort(configuration, np.arange(10, 10 + n, dtype=np.uint32), columns.pop("margin", 0.0))
    n_snapshots = len(cohort.snapshots)
    history = np.full((n, n_snapshots, *last.shape[1:]), 0.5, np.float32)
    history[:, -1] = last
    base: dict[str, Any] = {
        "losses": np.full((n, n_snapshots), 0.25, np.float32),
        "predictions": history,
        "weights": np.zeros((n, configuration.n_parameters), np.float32),
        "last_unlearned": np.full(n, 4),
        "units_off_initial": np.zeros((n, configuration.depth), np.int64),
        "units_off": np.zeros((n, configuration.depth), np.int64),
    }
    return cohort, Measurements(**{**base, **columns}).check(cohort)


def named_outcomes(runs: Runs) -> list[str]:
    return [outcomes[code] for code in runs.outcome]


def test_learned_and_not() -> None:
    runs = diagnose(*measured(xor, [solved, right_half, 1 - solved]))
    assert named_outcomes(runs) == ["learned", "unsettled", "unsettled"]
    assert runs.learned.tolist() == [True, False, False]
    np.testing.assert_allclose(runs.margin, [0.6, -0.2, -0.8], rtol=1e-6)
    assert runs.margin.dtype == np.float32
    assert runs.accuracy.tolist() == [1.0, 0.75, 0.0]
    assert runs.epochs_to_learn.tolist() == [5, -1, -1]
    assert runs.seed.tolist() == [10, 11, 12]
    assert runs.merged_rows.tolist() == [""] * 3


def test_epochs_to_learn_counts_from_the_state_before_training() -> None:
    runs = diagnose(*measured(xor, [solved] * 3, last_unlearned=np.array([-1, 0, 9])))
    assert runs.epochs_to_learn.tolist() == [0, 1, 10]


def test_a_tie_is_not_learned() -> None:
    tie = [0.5, 0.9, 0.8, 0.2]
    below = [np.nextafter(np.float32(0.5), np.float32(0)), 0.9, 0.8, 0.2]
    other = [0.1, 0.9, 0.5, 0.2]
    runs = diagnose(*measured(xor, [tie, below, other]))
    assert runs.learned.tolist() == [False, True, False]
    assert runs.margin.tolist()[0] == 0.0
    assert runs.accuracy.tolist() == [1.0, 1.0, 0.75]  # Keras counts p > 0.5 as a one


def test_the_margin_asked_for_is_exceeded_not_met() -> None:
    quarter = [0.25, 0.75, 0.75, 0.25]
    assert diagnose(*measured(xor, [quarter], margin=0.5)).learned.tolist() == [False]
    assert diagnose(*measured(xor, [quarter], margin=0.49)).learned.tolist() == [True]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_whatever_is_not_finite_is_diverged(bad: float) -> None:
    n_snapshots = len(Cohort(xor, np.arange(1, dtype=np.uint32)).snapshots)
    weights = np.zeros((2, xor.n_parameters), np.float32)
    weights[0, -1] = bad
    losses = np.full((2, n_snapshots), 0.1, np.float32)
    losses[0, -1] = bad
    spoiled = np.array([[bad, 0.9, 0.8, 0.2], solved])
    for cohort, found in (
        measured(xor, [solved, solved], weights=weights),
        measured(xor, [solved, solved], losses=losses),
        measured(xor, spoiled),
    ):
        runs = diagnose(cohort, found)
        assert named_outcomes(runs) == ["diverged", "learned"]
        assert runs.learned.tolist() == [False, True]
        assert runs.epochs_to_learn.tolist() == [-1, 5]


def test_a_past_that_was_not_finite_is_forgiven() -> None:
    cohort, found = measured(xor, [solved])
    found.losses[0, 0] = np.inf
    found.predictions[0, 0] = np.nan
    assert named_outcomes(diagnose(cohort, found)) == ["learned"]


def test_dead_layers() -> None:
    off = np.array([[0, 0], [3, 0], [0, 3], [3, 3], [2, 2]])
    runs = diagnose(*measured(xor, [right_half] * 5, units_off=off, units_off_initial=off[::-1].copy()))
    assert named_outcomes(runs) == ["unsettled", "dead", "dead", "dead", "unsettled"]
    assert runs.dead_layer.tolist() == [0, 1, 2, 1, 0]
    assert runs.dead_units.tolist() == [0, 3, 3, 6, 4]
    assert runs.dead_units_initial.tolist() == [4, 6, 3, 3, 0]


def test_layers_of_unlike_width_are_dead_by_their_own_width() -> None:
    c = resolve({"layers": [4, 2], "epochs": 10})
    runs = diagnose(*measured(c, [right_half] * 3, units_off=np.array([[2, 1], [4, 0], [3, 2]])))
    assert runs.dead_layer.tolist() == [0, 1, 2]


def test_the_first_rule_that_holds_names_the_outcome() -> None:
    dead = np.array([[3, 0]] * 3)
    spoiled = [np.nan, 0.9, 0.8, 0.2]
    runs = diagnose(*measured(xor, [spoiled, solved, right_half], units_off=dead))
    assert named_outcomes(runs) == ["diverged", "learned", "dead"]
    assert runs.dead_layer.tolist() == [1, 1, 1]  # the layer is named whatever the outcome


def test_the_linear_control_has_no_layer_to_be_dead() -> None:
    c = resolve({"depth": 0, "task": "and", "epochs": 10})
    runs = diagnose(*measured(c, [[0.1, 0.2, 0.3, 0.9], [0.5] * 4]))
    assert named_outcomes(runs) == ["learned", "unsettled"]
    assert runs.dead_layer.tolist() == runs.dead_units.tolist() == runs.dead_units_initial.tolist() == [0, 0]


def test_every_output_counts() -> None:
    c = resolve({"task": "half_adder", "epochs": 10})
    good = np.abs(c.targets() - np.float32(0.1))
    bad = good.copy()
    bad[3, 1] = 0.3
    runs = diagnose(*measured(c, [good, bad]))
    assert runs.learned.tolist() == [True, False]
    assert runs.accuracy.tolist() == [1.0, 0.875]
    np.testing.assert_allclose(runs.margin, [0.8, -0.4], rtol=1e-6)
    np.testing.assert_array_equal(table_margin(np.stack([good, bad]), c.targets()), runs.margin)


def test_an_example_of_each_outcome() -> None:
    spoiled = np.array([np.nan, 0.9, 0.8, 0.2], np.float32)
    cohort, found = measured(xor, [right_half, solved, spoiled, solved, right_half])
    runs = diagnose(cohort, found)
    kept = examples(cohort, found, runs)
    assert sorted((e.outcome, e.seed) for e in kept) == [("diverged", 12), ("learned", 11), ("unsettled", 10)]
    assert {e.run for e in kept} == {f"{xor.id}-{seed}" for seed in (10, 11, 12)}
    for e in kept:
        np.testing.assert_array_equal(e.predictions, found.predictions[e.seed - 10])
        np.testing.assert_array_equal(e.epochs, cohort.snapshots)


def test_the_lowest_seed_wins_whatever_the_order() -> None:
    cohort, found = measured(xor, [solved] * 3)
    shuffled = Cohort(xor, np.array([9, 4, 7], np.uint32))
    (kept,) = examples(shuffled, found, diagnose(shuffled, found))
    assert kept.seed == 4
    assert len(cohort) == 3
