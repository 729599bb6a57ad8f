"""Outcomes from measurements made by hand."""

import math
from typing import Any

import numpy as np
import pytest

from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose, examples
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.networks.randomness import sample_counts
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.runs.success import above_margin

xor = resolve({"width": 3, "depth": 2, "epochs": 10})
solved = np.array([0.1, 0.9, 0.8, 0.2], np.float32)
right_half = np.array([0.1, 0.9, 0.4, 0.2], np.float32)


def measured(configuration: Configuration, predictions: Any, **columns: Any) -> tuple[NetworkCohort, Measurements]:
    """Measurements of one model for each row of predictions, at the last snapshot."""
    last = np.asarray(predictions, np.float32).reshape(len(predictions), configuration.task.n_rows, -1)
    n = len(last)
    cohort = Cohort(configuration, np.arange(10, 10 + n, dtype=np.uint32), above_margin(columns.pop("margin", 0.0)))
    n_snapshots = len(cohort.configuration.snapshots)
    history = np.full((n, n_snapshots, *last.shape[1:]), 0.5, np.float32)
    history[:, -1] = last
    base: dict[str, Any] = {
        "losses": np.full((n, n_snapshots), 0.25, np.float32),
        "penalties": np.zeros((n, n_snapshots), np.float32),
        "predictions": history,
        "weights": np.zeros((n, configuration.n_parameters), np.float32),
        "last_unlearned": np.full(n, 4),
        "units_off_initial": np.zeros((n, configuration.depth), np.int64),
        "units_off": np.zeros((n, configuration.depth), np.int64),
        "descents": np.full(n, np.nan, np.float32),
    }
    return cohort, Measurements(**{**base, **columns}).check(cohort)


def named_outcomes(runs: Runs) -> list[str]:
    return [outcomes[code] for code in runs.outcome]


def test_learned_and_not() -> None:
    runs = diagnose(*measured(xor, [solved, right_half, 1 - solved]))
    assert named_outcomes(runs) == ["learned", "stuck", "stuck"]
    assert runs.learned.tolist() == [True, False, False]
    np.testing.assert_allclose(runs["margin"], [0.6, -0.2, -0.8], rtol=1e-6)
    assert runs["margin"].dtype == np.float32
    assert runs["accuracy"].tolist() == [1.0, 0.75, 0.0]
    assert runs["epochs_to_learn"].tolist() == [5, -1, -1]
    assert runs.seed.tolist() == [10, 11, 12]
    assert runs["merged_rows"].tolist() == [""] * 3


def test_epochs_to_learn_counts_from_the_state_before_training() -> None:
    runs = diagnose(*measured(xor, [solved] * 3, last_unlearned=np.array([-1, 0, 9])))
    assert runs["epochs_to_learn"].tolist() == [0, 1, 10]


def test_a_tie_is_not_learned() -> None:
    tie = [0.5, 0.9, 0.8, 0.2]
    below = [np.nextafter(np.float32(0.5), np.float32(0)), 0.9, 0.8, 0.2]
    other = [0.1, 0.9, 0.5, 0.2]
    runs = diagnose(*measured(xor, [tie, below, other]))
    assert runs.learned.tolist() == [False, True, False]
    assert runs["margin"].tolist()[0] == 0.0
    assert runs["accuracy"].tolist() == [1.0, 1.0, 0.75]  # Keras counts p > 0.5 as a one


def test_the_margin_asked_for_is_exceeded_not_met() -> None:
    quarter = [0.25, 0.75, 0.75, 0.25]
    assert diagnose(*measured(xor, [quarter], margin=0.5)).learned.tolist() == [False]
    assert diagnose(*measured(xor, [quarter], margin=0.49)).learned.tolist() == [True]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_whatever_is_not_finite_is_diverged(bad: float) -> None:
    n_snapshots = len(Cohort(xor, np.arange(1, dtype=np.uint32)).configuration.snapshots)
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
        assert runs["epochs_to_learn"].tolist() == [-1, 5]


def test_a_past_that_was_not_finite_is_forgiven() -> None:
    cohort, found = measured(xor, [solved])
    found.losses[0, 0] = np.inf
    found.predictions[0, 0] = np.nan
    assert named_outcomes(diagnose(cohort, found)) == ["learned"]


def test_dead_layers() -> None:
    off = np.array([[0, 0], [3, 0], [0, 3], [3, 3], [2, 2]])
    runs = diagnose(*measured(xor, [right_half] * 5, units_off=off, units_off_initial=off[::-1].copy()))
    assert named_outcomes(runs) == ["stuck", "dead", "dead", "dead", "stuck"]
    assert runs["dead_layer"].tolist() == [0, 1, 2, 1, 0]
    assert runs["dead_units"].tolist() == [0, 3, 3, 6, 4]
    assert runs["dead_units_initial"].tolist() == [4, 6, 3, 3, 0]


def test_layers_of_unlike_width_are_dead_by_their_own_width() -> None:
    c = resolve({"layers": [4, 2], "epochs": 10})
    runs = diagnose(*measured(c, [right_half] * 3, units_off=np.array([[2, 1], [4, 0], [3, 2]])))
    assert runs["dead_layer"].tolist() == [0, 1, 2]


def test_the_first_rule_that_holds_names_the_outcome() -> None:
    dead = np.array([[3, 0]] * 3)
    spoiled = [np.nan, 0.9, 0.8, 0.2]
    runs = diagnose(*measured(xor, [spoiled, solved, right_half], units_off=dead))
    assert named_outcomes(runs) == ["diverged", "learned", "dead"]
    assert runs["dead_layer"].tolist() == [1, 1, 1]  # the layer is named whatever the outcome


def test_the_linear_control_has_no_layer_to_be_dead() -> None:
    c = resolve({"depth": 0, "task": "and", "epochs": 10})
    runs = diagnose(*measured(c, [[0.1, 0.2, 0.3, 0.9], [0.5] * 4]))
    assert named_outcomes(runs) == ["learned", "stuck"]
    assert runs["dead_layer"].tolist() == runs["dead_units"].tolist() == runs["dead_units_initial"].tolist() == [0, 0]


def test_every_output_counts() -> None:
    c = resolve({"task": "half_adder", "epochs": 10})
    good = np.abs(c.targets() - np.float32(0.1))
    bad = good.copy()
    bad[3, 1] = 0.3
    runs = diagnose(*measured(c, [good, bad]))
    assert runs.learned.tolist() == [True, False]
    assert runs["accuracy"].tolist() == [1.0, 0.875]
    np.testing.assert_allclose(runs["margin"], [0.8, -0.4], rtol=1e-6)
    np.testing.assert_array_equal(c.head.margin(np.stack([good, bad]), c.targets()), runs["margin"])


def test_an_example_of_each_outcome() -> None:
    spoiled = np.array([np.nan, 0.9, 0.8, 0.2], np.float32)
    cohort, found = measured(xor, [right_half, solved, spoiled, solved, right_half])
    runs = diagnose(cohort, found)
    kept = examples(cohort, found, runs)
    assert sorted((e.outcome, e.seed) for e in kept) == [("diverged", 12), ("learned", 11), ("stuck", 10)]
    assert {e.run for e in kept} == {f"{xor.id}-{seed}" for seed in (10, 11, 12)}
    for e in kept:
        np.testing.assert_array_equal(e.predictions, found.predictions[e.seed - 10])
        np.testing.assert_array_equal(e.epochs, cohort.configuration.snapshots)


def test_the_lowest_seed_wins_whatever_the_order() -> None:
    cohort, found = measured(xor, [solved] * 3)
    shuffled = Cohort(xor, np.array([9, 4, 7], np.uint32))
    (kept,) = examples(shuffled, found, diagnose(shuffled, found))
    assert kept.seed == 4
    assert len(cohort) == 3


def course(*losses: list[float], **settings: Any) -> tuple[NetworkCohort, Measurements]:
    """Models that have one row of XOR wrong, with the losses of each given at equal distances over all epochs."""
    c = resolve({"epochs": 1000, **settings})
    cohort, found = measured(c, [right_half] * len(losses))
    for model, given in enumerate(losses):
        found.losses[model] = np.interp(cohort.configuration.snapshots, np.linspace(0, 1000, len(given)), given)
    return cohort, found


def test_stuck_unconverged_and_unsettled() -> None:
    at_rest = [0.7, 0.4, 0.4]
    nearly = [0.7, 0.4, 0.399]
    falling = [0.7, 0.6, 0.5]
    rising = [0.5, 0.6, 0.7]
    wandering = [0.6, *[0.5, 0.4] * 20]
    late = [0.7] * 10 + [0.4]
    runs = diagnose(*course(at_rest, nearly, falling, rising, wandering, late))
    assert named_outcomes(runs) == ["stuck", "stuck", "unconverged", "unsettled", "unsettled", "unconverged"]
    assert (runs["merged_rows"] == "").all()


def test_what_a_regularizer_adds_counts_for_rest_and_for_no_floor() -> None:
    """Judged is what training lowers: a loss that gives way to it is at rest or falling with it, and not wandering."""
    rising, falling = [0.3, 0.32, 0.34], [0.4, 0.3, 0.2]
    cohort, found = course(rising, rising, kernel_regularizer="l2")
    found.penalties[0] = np.interp(cohort.configuration.snapshots, np.linspace(0, 1000, 3), falling)
    assert named_outcomes(diagnose(cohort, found)) == ["unconverged", "unsettled"]
    found.penalties[:] = 2 - found.losses
    assert named_outcomes(diagnose(cohort, found)) == ["stuck", "stuck"]
    np.testing.assert_allclose(diagnose(cohort, found)["final_loss"], 0.34, rtol=1e-6)
    tied = [0.5, 0.5, 1.0, 0.0]
    for rest, added, named in ((np.log(2) / 2, 0.1, "00+01"), (np.log(2) / 2 - 0.1, 0.1, "")):
        cohort, found = measured(resolve({"kernel_regularizer": "l2"}), [tied])
        found.losses[:], found.penalties[:] = rest, added
        assert diagnose(cohort, found)["merged_rows"].tolist() == [named]


def test_a_loss_that_falls_faster_and_faster_is_not_at_rest() -> None:
    epochs = np.arange(1001)
    slowing = 0.4 + 4 / (epochs + 1)  # a tail: 1% above the floor, about as much left to fall
    speeding = 0.4 - 1e-5 * np.exp(epochs / 180)  # leaves a saddle
    still = 0.4 - 1e-7 * np.exp(epochs / 180)  # what it moves by is too little to tell
    runs = diagnose(*course(*[list(x) for x in (slowing, speeding, still)]))
    assert named_outcomes(runs) == ["stuck", "unconverged", "stuck"]


@pytest.mark.parametrize("epochs", [1, 2, 3, 9, 11])
def test_trainings_of_few_epochs_have_an_outcome(epochs: int) -> None:
    c = resolve({"epochs": epochs})
    cohort, found = measured(c, [right_half] * 2)
    found.losses[0] = np.linspace(0.7, 0.5, len(cohort.configuration.snapshots))
    assert named_outcomes(diagnose(cohort, found)) == ["unconverged", "stuck"]


@pytest.mark.parametrize("task", ["parity", "majority"])
def test_large_tables_of_few_snapshots_have_an_outcome(task: str) -> None:
    c = resolve({"task": {"name": task, "bits": 8}, "epochs": 100})
    cohort, found = measured(c, [np.full(256, 0.25), np.full(256, 0.25)])
    found.losses[0] = np.linspace(0.7, 0.5, len(cohort.configuration.snapshots))
    assert len(cohort.configuration.snapshots) < 20
    assert named_outcomes(diagnose(cohort, found)) == ["unconverged", "stuck"]


def test_a_loss_that_was_infinite_on_the_way_is_judged_by_its_end() -> None:
    cohort, found = course([0.7, 0.4, 0.4], [0.7, 0.4, 0.4])
    found.losses[0, 3] = np.inf
    found.losses[1, -2] = np.nan
    assert named_outcomes(diagnose(cohort, found)) == ["stuck", "unsettled"]


def merged(predictions: Any, rest: float, **settings: Any) -> list[str]:
    c = resolve({"epochs": 100, **settings})
    cohort, found = measured(c, predictions)
    found.losses[:] = rest
    runs = diagnose(cohort, found)
    assert set(named_outcomes(runs)) == {"stuck"}
    return runs["merged_rows"].tolist()


HALF, THIRD = math.log(2) / 2, 0.477386


@pytest.mark.parametrize(
    ("predictions", "loss", "squares", "rows"),
    [
        ([0.499, 0.999, 0.999, 0.501], None, 0.125, ""),  # both rows are zeros
        ([0.501, 0.999, 0.499, 0.001], HALF, 0.125, "00+10"),
        ([0.999, 0.499, 0.501, 0.001], 9.0, 9.0, ""),  # its floor is not where the loss is
        ([0.334, 0.333, 0.999, 0.333], THIRD, 1 / 6, "00+01+11"),
        ([0.5, 0.5, 0.5, 0.5], math.log(2), 0.25, "00+01+10+11"),
        ([0.5, 0.504, 0.496, 0.501], math.log(2), 0.25, "00+01+10+11"),
        ([0.4, 0.4, 0.6, 0.6], math.log(2), 0.25, "00+01 10+11"),
        ([0.6, 0.4, 0.6, 0.4], math.log(2), 0.25, "00+10 01+11"),
    ],
)
def test_merged_rows_at_their_floor(predictions: list[float], loss: float | None, squares: float, rows: str) -> None:
    if loss is not None:
        assert merged([predictions], loss) == [rows]
        assert merged([predictions], loss * 1.05) == [""]
        assert merged([predictions], loss * 0.95) == [""]
    assert merged([predictions], squares, loss="mean_squared_error") == [rows]


def test_merged_rows_of_several_outputs_and_of_a_given_table() -> None:
    sum_merged = [[0.5, 0], [1, 0], [0.5, 0], [0, 1]]
    both = [[0.5, 0], [0.5, 0], [1, 0.5], [0, 0.5]]
    floors = [HALF / 2, HALF]
    assert merged([sum_merged], floors[0], task="half_adder") == ["0:00+10"]
    assert merged([both], floors[1], task="half_adder") == ["0:00+01 1:10+11"]
    table = {"inputs": [[0.5], [1.5], [-2.0]], "targets": [[1], [0], [0]]}
    assert merged([[1 / 3] * 3, [0.5, 0.5, 0.0]], 0.636514, task=table) == ["0+1+2", ""]
    assert merged([[0.5, 0.5, 0.0]], math.log(2) * 2 / 3, task=table) == ["0+1"]


def test_drawn_rows_are_judged_by_how_often_they_were_drawn() -> None:
    c = resolve({"epochs": 100, "samples": 9})
    cohort, found = measured(c, [solved] * 20)
    counts = sample_counts(cohort.seeds, 9, 4)
    wanted: list[str] = []
    for model, n in enumerate(counts):
        share = n[1] / (n[0] + n[1]) if n[0] + n[1] else 0.3
        found.predictions[model] = np.array([share, share, 1 - 1e-6, 1.0]).reshape(4, 1)
        found.predictions[model, :, 3] = 0.0 if n[3] else 1.0  # a row that was not drawn goes where it likes
        wanted.append("00+01" if n[0] and n[1] else "")
    found.losses[:] = 3.0  # the table's loss is not what training lowers
    runs = diagnose(cohort, found)
    is_stuck = runs.outcome == outcomes.index("stuck")
    assert is_stuck.sum() > 10
    assert runs["merged_rows"][is_stuck].tolist() == [w for w, stuck in zip(wanted, is_stuck, strict=True) if stuck]
    assert {"00+01", ""} == set(wanted)
