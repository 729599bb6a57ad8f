"""Tables of many rows in the native engine: rows go through the networks in blocks, and no border of one shows."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.reference import trajectory

from sweep.networks.criterion import metric_values
from sweep.networks.forward import layer_sums
from sweep.networks.measurements import Measurements, NetworkCohort, concatenate
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.success import Success
from sweep.training import native
from sweep.training.initial import initial_weights
from sweep.training.native import NativeEngine

Settings = Mapping[str, Any]


def moons(rows: int, **more: Any) -> dict[str, Any]:
    return {"name": "moons", "rows": rows, "noise": 0.2, **more}


def classes(rows: int, inputs: int = 5, n: int = 3) -> dict[str, Any]:
    """Rows around the centre of a class each."""
    draw = np.random.default_rng(rows)
    labels = draw.integers(n, size=rows)
    labels[:n] = range(n)
    points = draw.normal(size=(n, inputs))[labels] + draw.normal(size=(rows, inputs))
    return {"inputs": points.round(3).tolist(), "classes": labels.tolist()}


def cohort(settings: Settings, n: int = 3, success: str = "margin > 0") -> NetworkCohort:
    configuration = resolve({"width": 4, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.05, **settings})
    return Cohort(configuration, np.arange(n, dtype=np.uint32), success=Success.parse(success))


def assert_equal_bits(a: Measurements, b: Measurements) -> None:
    for field in fields(Measurements):
        assert getattr(a, field.name).tobytes() == getattr(b, field.name).tobytes(), field.name


# around 256 rows, above which the order of rows has other bits and the criterion is evaluated at the snapshots; batches
# that end in each part of a block, that are longer than the table's blocks once were, and the whole table
BORDERS: Sequence[Settings] = [
    {"task": moons(255), "batch_size": 64},
    {"task": moons(256), "batch_size": 7},
    {"task": moons(257), "batch_size": 33},
    {"task": moons(257), "batch_size": 2, "epochs": 1},
    {"task": moons(258), "batch_size": "full", "activation": "tanh"},
    {"task": moons(259), "batch_size": "full", "dropout": 0.3},
    {"task": moons(600), "batch_size": 301, "dropout": 0.2, "depth": 2},
    {"task": moons(600, test=0.35), "batch_size": 50, "shuffle": False},
    {"task": classes(261), "batch_size": 10, "activation": "tanh"},
    {"task": classes(300), "batch_size": "full", "targets": "binary", "output": "sigmoid"},
    {"task": classes(1030, inputs=70, n=11), "batch_size": 128, "epochs": 1},
]


@pytest.mark.parametrize("settings", BORDERS, ids=lambda s: f"{len(str(s))}-{s['batch_size']}")
def test_weights_are_those_of_a_float64_training(settings: Settings) -> None:
    asked = cohort(settings)
    for model, weights in enumerate(NativeEngine().train(asked).weights):
        path = trajectory(asked, model)
        moved = np.abs(np.diff(path, axis=0)).max()
        np.testing.assert_allclose(weights, path[-1], atol=0.01 * moved)


@pytest.mark.parametrize("settings", BORDERS, ids=lambda s: f"{len(str(s))}-{s['batch_size']}")
def test_any_company_gives_equal_bits(settings: Settings) -> None:
    asked = cohort(settings, 19)
    together = NativeEngine().train(asked)
    assert_equal_bits(concatenate([NativeEngine().train(piece) for piece in asked.split(7)]), together)


@pytest.mark.parametrize(
    "settings",
    [
        {"task": {"name": "parity", "bits": 4}, "batch_size": 5, "dropout": 0.2, "epochs": 5},
        {"task": {"name": "parity", "bits": 4}, "batch_size": "full", "epochs": 5},
        {"task": {"name": "parity", "bits": 3}, "batch_size": 3, "epochs": 5},
        {"task": {"name": "parity", "bits": 3}, "samples": 20, "batch_size": 6, "epochs": 5},
        {"task": "xor", "batch_size": 2, "epochs": 5},
    ],
    ids=str,
)
def test_blocks_that_stay_in_memory_change_no_bit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cohort(settings, 20)
    staying = NativeEngine().train(asked)
    monkeypatch.setattr(native, "MAX_KEPT", 0)
    assert_equal_bits(NativeEngine().train(asked), staying)


def test_memory_of_a_tile_does_not_grow_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(native, "compiled_kernel", lambda: lambda plan, *_: asked.append(plan.n_elements))
    for rows in (3000, 60_000):
        NativeEngine().train(cohort({"task": moons(rows, test=0.5), "width": 32, "batch_size": 32}, 1))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("metric", ["loss", "test_loss"])
def test_the_criterion_is_evaluated_at_the_snapshots(metric: str) -> None:
    asked = cohort({"task": moons(400, test=0.25), "epochs": 100, "optimizer": "adam", "batch_size": 100}, 40)
    c, measured = asked.configuration, NativeEngine().train(asked)
    values = measured.losses if metric == "loss" else measured.test_losses
    assert 10 < len(c.snapshots) < 100
    success = Success(metric, "<", float(np.median(values[:, -1])))
    expected = [max([*c.snapshots[~row], -1]) for row in success.holds(values)]
    assert len(set(expected)) > 3
    np.testing.assert_array_equal(NativeEngine().train(replace(asked, success=success)).last_unlearned, expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"task": moons(400, test=0.25)},
        {"task": classes(400) | {"test": 0.25}},
        {"task": moons(400, test=0.25), "targets": "bipolar", "output": "tanh", "loss": "mean_squared_error"},
    ],
    ids=["sigmoid", "softmax", "tanh"],
)
@pytest.mark.parametrize("metric", ["accuracy", "test_accuracy", "margin", "max_error"])
def test_every_criterion_holds_at_the_end_where_it_does(settings: Settings, metric: str) -> None:
    asked = cohort({**settings, "epochs": 40, "optimizer": "adam", "batch_size": 50}, 40)
    c, measured = asked.configuration, NativeEngine().train(asked)
    is_of_test = metric.startswith("test_")
    predictions = measured.test_predictions if is_of_test else measured.predictions
    values: npt.NDArray[Any] = metric_values(metric, c, predictions[:, -1], measured.losses[:, -1])
    for comparison in (">", ">=", "<", "<="):
        success = Success(metric, comparison, float(np.median(values)))
        holds = success.holds(values)
        assert holds.any()
        last = NativeEngine().train(replace(asked, success=success)).last_unlearned
        np.testing.assert_array_equal(last < c.epochs, holds, err_msg=comparison)


def test_units_that_are_off_are_off_on_every_row() -> None:
    settings = {"task": moons(300), "layers": [6, 5], "epochs": 40, "learning_rate": 0.5}
    asked = Cohort(resolve(settings), np.arange(20, dtype=np.uint32))
    c, measured = asked.configuration, NativeEngine().train(asked)
    for weights, found in (
        (initial_weights(asked), measured.units_off_initial),
        (measured.weights, measured.units_off),
    ):
        sums = [layer_sums(c, w, c.inputs().astype(np.float64))[:-1] for w in weights]
        expected = [[int((layer <= 0).all(axis=0).sum()) for layer in layers] for layers in sums]
        np.testing.assert_array_equal(found, expected)
    assert measured.units_off.any()
