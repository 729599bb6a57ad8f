"""The certificate of rest: what a descent from the end weights finds, and of whom one is tried."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.commands.rescue.search import count_failures
from sweep.networks import vocabulary
from sweep.networks.diagnosis import diagnose
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import named
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.success import Success
from sweep.training import rest
from sweep.training.native import NativeEngine
from sweep.training.rest import Descent, with_descents

# two relu units under this rate end in each way but `diverged`
TWO_UNITS: dict[str, Any] = {"width": 2, "learning_rate": 0.01, "epochs": 600, "batch_size": 2}


def trained(n: int, **settings: Any) -> tuple[NetworkCohort, Measurements]:
    cohort = Cohort(resolve(settings), np.arange(n, dtype=np.uint32))
    return cohort, with_descents(cohort, NativeEngine().train(cohort))


def ended(cohort: NetworkCohort, measured: Measurements) -> list[str]:
    return [outcomes[code] for code in diagnose(cohort, measured).outcome]


def test_a_descent_is_tried_of_runs_that_neither_learned_nor_died_nor_diverged() -> None:
    cohort, measured = trained(60, **TWO_UNITS)
    measured.weights[0] = np.inf
    runs = diagnose(cohort, with_descents(cohort, replace(measured, descents=np.full(60, np.nan, np.float32))))
    names = np.array(outcomes)[runs.outcome]
    found = with_descents(cohort, replace(measured, descents=np.full(60, np.nan, np.float32))).descents
    assert {"learned", "dead", "diverged", "stuck"} <= set(names)
    tried = ~np.isnan(found)
    assert set(names[tried]) <= {"stuck", "unconverged", "unsettled"}
    assert set(names[~tried]) <= {"learned", "dead", "diverged"}
    np.testing.assert_array_equal(runs["rest"], np.where(names == "stuck", "certified", ""))
    assert ((found <= 0.05)[tried] == (names == "stuck")[tried]).all()


def test_a_plateau_that_looks_flat_is_not_at_rest_and_a_merged_row_is() -> None:
    near_zero = {"name": "random_normal", "stddev": 0.01}
    settings: dict[str, Any] = {"width": 5, "activation": "sigmoid", "kernel_initializer": near_zero}
    plateau = trained(16, **settings, optimizer="sgd", learning_rate=0.03, epochs=2000)
    flat = replace(plateau[1], descents=np.full(16, np.nan, np.float32))
    assert set(ended(plateau[0], flat)) == {"stuck"}
    assert set(diagnose(plateau[0], flat)["rest"].tolist()) == {"flat"}
    assert set(ended(*plateau)) == {"unconverged"}
    assert (plateau[1].descents > 0.3).all()
    assert set(diagnose(*plateau)["merged_rows"].tolist()) == {"00+01+10+11"}
    assert set(count_failures(plateau[0].configuration, diagnose(*plateau))) == {"plateau"}
    runs = sweep.train({"width": 2, "learning_rate": 0.01, "epochs": 2000}, seeds=200)
    merged = runs[runs["merged_rows"].str.count(r"\+").between(1, 2)]
    assert len(merged) > 20
    assert set(merged["rest"]) == {"certified"}


def test_runs_that_looked_flat_and_were_not_at_rest_move_in_ten_times_the_epochs() -> None:
    settings = {"activation": "leaky_relu", "width": 2, "learning_rate": 0.01}
    cohort, measured = trained(300, **settings, epochs=4000)
    flat = np.array(ended(cohort, replace(measured, descents=np.full(300, np.nan, np.float32)))) == "stuck"
    found = np.flatnonzero(flat & (measured.descents > 0.05))
    longer = Cohort(resolve({**settings, "epochs": 40_000}), cohort.seeds[found])
    assert 5 <= len(found) < 0.2 * flat.sum()
    assert diagnose(longer, NativeEngine().train(longer)).learned.mean() > 0.6


def test_bits_depend_on_the_run_alone() -> None:
    cohort, measured = trained(70, **TWO_UNITS)
    assert (~np.isnan(measured.descents)).sum() > 20
    for cut in (slice(3, 4), slice(10, 41)):
        part = with_descents(cohort.part(cut), NativeEngine().train(cohort.part(cut)))
        assert part.descents.tobytes() == measured.descents[cut].tobytes()


def test_a_network_that_is_too_large_is_judged_by_its_flat_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort, measured = trained(60, **TWO_UNITS)
    c = cohort.configuration
    monkeypatch.setattr(rest, "MAX_WORK", c.n_parameters * c.task.n_rows)
    assert trained(60, **TWO_UNITS)[1].descents.tobytes() == measured.descents.tobytes()
    monkeypatch.setattr(rest, "MAX_WORK", c.n_parameters * c.task.n_rows - 1)
    found = trained(60, **TWO_UNITS)
    assert np.isnan(found[1].descents).all()
    assert set(diagnose(*found)["rest"].tolist()) == {"flat", ""}


def test_the_descent_keeps_what_the_training_lowers() -> None:
    settings: dict[str, Any] = {"samples": 9, "kernel_regularizer": {"name": "l1", "l1": 0.02}, "use_bias": False}
    usual = Descent().of(resolve({"dropout": 0.3, "batch_size": 1, "bias_regularizer": "l2"}))
    assert usual == resolve(
        {"optimizer": "adam", "learning_rate": 0.03, "epochs": 1000, "batch_size": "full", "bias_regularizer": "l2"}
    )
    drawn = Descent().of(resolve(settings))
    assert drawn == resolve(settings | {"learning_rate": 0.03, "batch_size": "full", "epochs": 1000})
    decaying = {"name": "adamw", "weight_decay": 0.25}
    adam = named("adam", {"weight_decay": 0.25}, vocabulary.optimizers)
    assert Descent().of(resolve({"optimizer": decaying})).optimizer == adam
    squares = Descent().of(resolve({"optimizer": {"name": "sgd", "weight_decay": 0.5}, **settings}))
    assert squares.optimizer == drawn.optimizer
    assert squares.output.kernel_regularizer.label() == "l1_l2(l1=0.02,l2=0.25)"
    assert squares.output.bias_regularizer.name == "none"


def test_the_decay_of_weights_is_part_of_what_rests() -> None:
    """SGD whose decay holds the weights small has nothing left to lower; without the decay a descent would."""
    decaying = {"name": "sgd", "weight_decay": 0.05}
    cohort, measured = trained(40, width=4, activation="tanh", optimizer=decaying, learning_rate=0.1, epochs=2000)
    assert set(ended(cohort, measured)) == {"stuck"}
    free = replace(cohort, configuration=resolve({"width": 4, "activation": "tanh", "epochs": 2000}))
    assert ended(free, with_descents(free, measured)).count("unconverged") >= 8


def test_a_descent_that_learns_is_one_however_little_it_lowers() -> None:
    c = resolve({"width": 8, "activation": "tanh", "learning_rate": 0.1, "epochs": 2000, "task": "and"})
    cohort = Cohort(c, np.arange(1, dtype=np.uint32), Success("loss", "<", -1.0))
    measured = NativeEngine().train(cohort)
    end = float(measured.losses[0, -1])
    assert end < 5e-5
    assert with_descents(cohort, measured).descents[0] < 0.05
    easier = replace(cohort, success=Success("loss", "<", 0.99 * end))
    assert not diagnose(easier, measured).learned[0]
    assert with_descents(easier, measured).descents[0] == 1
