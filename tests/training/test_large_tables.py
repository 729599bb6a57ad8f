"""Tables of more than 256 rows, and rows held out, in every engine: what is measured is what the networks answer."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sweep.networks.configuration import Configuration
from sweep.networks.criterion import is_learned
from sweep.networks.forward import layer_sums
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.success import Success
from sweep.training.engine import Engine
from sweep.training.fused import FusedEngine
from sweep.training.keras.referee import KerasEngine
from sweep.training.native import NativeEngine

Settings = dict[str, Any]
engines = {"native": NativeEngine, "fused": FusedEngine, "keras": KerasEngine}

many: Settings = {
    "task": {"name": "spirals", "rows": 400, "turns": 0.5, "test": 0.25},
    "width": 6,
    "activation": "tanh",
    "learning_rate": 0.01,
    "batch_size": 32,
    "epochs": 20,
}
drawn = np.random.default_rng(0).normal(size=(300, 3))
classes: Settings = {
    "task": {"inputs": drawn.tolist(), "classes": (drawn.argmax(axis=1)).tolist(), "scale": "minmax", "test": 0.1},
    "layers": [9, 5],
    "dropout": 0.1,
    "output": "softmax",
    "learning_rate": 0.02,
    "batch_size": 50,
    "epochs": 90,
}
whole: Settings = {"task": {"name": "moons", "rows": 1000}, "batch_size": "full", "epochs": 5, "depth": 0}
few: Settings = {"task": {"name": "parity", "bits": 4, "test": 0.25}, "batch_size": 5, "epochs": 3}


@pytest.fixture(params=engines)
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = engines[request.param]()
    if made.refusal(resolve(many)):
        pytest.skip(f"the {made.name} engine has no such tables")
    return made


def cohort(settings: Settings, success: str = "accuracy >= 0.9", n: int = 5) -> NetworkCohort:
    return Cohort(resolve(settings), np.arange(n, dtype=np.uint32), Success.parse(success))


def answers(c: Configuration, weights: npt.NDArray[np.float32], inputs: npt.NDArray[np.float32]) -> Any:
    return c.head.answers(layer_sums(c, weights, inputs.astype(np.float64))[-1])


@pytest.mark.parametrize("settings", [many, classes, whole, few], ids=["many", "classes", "whole", "few"])
def test_predictions_and_losses_are_those_of_the_last_weights(engine: Engine, settings: Settings) -> None:
    asked = cohort(settings)
    measured = engine.train(asked).check(asked)
    c = asked.configuration
    for model, weights in enumerate(measured.weights):
        for inputs, targets, losses, predictions in (
            (c.inputs(), c.targets(), measured.losses, measured.predictions),
            (c.test_inputs(), c.test_targets(), measured.test_losses, measured.test_predictions),
        ):
            if not len(inputs):
                continue
            p = answers(c, weights, inputs)
            np.testing.assert_allclose(predictions[model, -1], p, atol=2e-6)
            loss = c.head.entry_losses(p, targets.astype(np.float64)).sum() / c.head.averaged(c.n_outputs) / len(p)
            np.testing.assert_allclose(losses[model, -1], loss, rtol=2e-5)
    assert (np.diff(measured.losses.mean(axis=0)) < 0.05).all()


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss", "margin"])
def test_a_criterion_is_evaluated_at_the_snapshots(engine: Engine, metric: str) -> None:
    """Every epoch of a short training is a snapshot, so that shorter trainings show what was seen on the way."""
    success = {"margin": "margin > -0.11", "test_loss": "test_loss < 0.45"}.get(metric, f"{metric} >= 0.775")
    asked = cohort({**many, "epochs": 4}, success, n=6)
    assert asked.configuration.evaluations.tolist() == list(range(5))
    found = engine.train(asked)
    expected = np.full(6, -1)
    for epochs in range(1, 5):
        part = cohort({**many, "epochs": epochs}, success, n=6)
        m = engine.train(part)
        of_rows = (m.test_predictions, m.test_losses) if metric.startswith("test") else (m.predictions, m.losses)
        judged = is_learned(part.success, part.configuration, of_rows[0][:, -1], of_rows[1][:, -1])
        expected = np.where(judged, expected, epochs)
    expected = np.where(expected < 0, found.last_unlearned, expected)  # learned from the first epoch on
    np.testing.assert_array_equal(found.last_unlearned, expected)
    assert len(set(expected.tolist())) > 1


@pytest.mark.parametrize("settings", [many, classes], ids=["many", "classes"])
def test_engines_agree_step_by_step(engine: Engine, settings: Settings) -> None:
    """Rows in the same order, masks alike: after an epoch weights agree to a small part of a step."""
    asked = cohort({**settings, "epochs": 1}, n=2)
    found, referee = engine.train(asked), KerasEngine().train(asked)
    np.testing.assert_allclose(found.weights, referee.weights, atol=2e-4)
    np.testing.assert_allclose(found.test_losses, referee.test_losses, rtol=1e-3)


def test_measurements_do_not_depend_on_company(engine: Engine) -> None:
    asked = cohort(many, n=3)
    together = engine.train(asked)
    alone = engine.train(asked.part(slice(1, 2)))
    tolerance = 0 if engine.name == "native" else 1e-4
    np.testing.assert_allclose(together.weights[1:2], alone.weights, atol=tolerance)
    np.testing.assert_allclose(together.test_predictions[1:2], alone.test_predictions, atol=tolerance)
