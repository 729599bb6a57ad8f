"""Outputs, losses and targets: each engine against a float64 training, and against Keras."""

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.reference import trajectory
from test_engine_contract import engines
from test_parity import DISTURBANCE, TOLERANCE

from sweep.networks import vocabulary
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import initializers, named
from sweep.runs.cohort import Cohort
from sweep.runs.errors import SettingError
from sweep.training.initial import initial_weights

three_classes = {
    "inputs": [[0.3, -1.25], [-0.7, 0.4], [1.5, 0.9], [0.05, -0.35], [2.2, 1.3]],
    "targets": [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]],
}
tables: dict[str, Any] = {"xor": "xor", "half adder": "half_adder", "three classes": three_classes}
# options that what is new meets, one row of them for each case in turn
others: list[dict[str, Any]] = [
    {"layers": [5], "activation": "tanh", "optimizer": {"name": "sgd", "learning_rate": 0.1}, "batch_size": 3},
    {"layers": [4, 3], "activation": "relu", "optimizer": {"name": "adam", "learning_rate": 0.01}, "dropout": 0.3},
    {"layers": [], "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}, "batch_size": 2},
    {"layers": [3, {"units": 17, "activation": "elu"}], "optimizer": "rmsprop", "samples": 7, "batch_size": 3},
    {"layers": [6], "activation": "softplus", "optimizer": {"name": "nadam"}, "use_bias": False, "batch_size": 1},
]


def heads() -> list[dict[str, Any]]:
    """Every output with every loss and coding of targets that makes sense, on a table that has such targets."""
    found: list[dict[str, Any]] = []
    for output, loss, targets in itertools.product(
        vocabulary.output_activations, vocabulary.losses, vocabulary.target_codings
    ):
        for task in ("three classes", "half adder", "xor")[:: 1 if len(found) % 2 else -1]:
            head = {"output": output, "loss": loss, "targets": targets, "task": tables[task]}
            try:
                resolve(head)
            except SettingError:
                continue
            found.append(head)
            break
    return found


def case(head: dict[str, Any], i: int) -> dict[str, Any]:
    return {**head, "epochs": 5, "kernel_initializer": "glorot_normal", **others[i % len(others)]}


cases = [case(head, i) for i, head in enumerate(heads())]
cases.append(case({"loss": {"name": "huber", "delta": 0.3}, "output": "linear", "task": "half_adder"}, 0))
smoothing = {"label_smoothing": 0.3}
penalties = {
    "kernel_regularizer": {"name": "l1_l2", "l1": 0.01, "l2": 0.02},
    "output": {"activation": "softmax", "kernel_regularizer": "l1", "bias_regularizer": {"name": "l2", "l2": 0.1}},
}
cosine = {"name": "cosine_decay", "initial_learning_rate": 0.02, "decay_steps": 7}
for i, smoothed in enumerate(
    [
        {"loss": {"name": "binary_crossentropy", **smoothing}, "task": "half_adder"},
        {"loss": {"name": "binary_crossentropy", **smoothing}, "output": "tanh"},
        {"loss": {"name": "binary_crossentropy", **smoothing}, "targets": "one_hot", "task": three_classes},
        {"loss": {"name": "categorical_crossentropy", **smoothing}, "task": three_classes},
        {"loss": {"name": "categorical_crossentropy", **smoothing}, **penalties},
        {"loss": "mean_squared_error", **penalties, "task": three_classes},
    ]
):
    made = case(smoothed, i)
    optimizer = {"name": made["optimizer"]} if isinstance(made["optimizer"], str) else made["optimizer"]
    cases += [made, {**made, "optimizer": {**optimizer, "learning_rate": cosine}}]
cases.append(case({"output": {"activation": "linear", "use_bias": False}, "loss": "mean_squared_error"}, 1))


def label(settings: dict[str, Any]) -> str:
    head = resolve(settings).head
    return f"{head.activation.label()}-{head.loss.label(vocabulary.losses)}-{head.coding}"


def cohort(settings: dict[str, Any]) -> NetworkCohort:
    return Cohort(resolve(settings), np.array([3, 4, 5], np.uint32))


# of the engines that compile seconds for each: every loss, coding and kind of output; the others in the slow tests
quick = {
    "linear-mean_squared_error-binary",
    "linear-binary_crossentropy-binary",
    "relu-mean_absolute_error-binary",
    "tanh-huber-bipolar",
    "tanh-squared_hinge-bipolar",
    "linear-hinge-binary",
    "sigmoid-mean_absolute_error-one_hot",
    "softmax-categorical_crossentropy-one_hot",
    "tanh-binary_crossentropy(label_smoothing=0.3)-binary",
    "softmax-categorical_crossentropy(label_smoothing=0.3)-one_hot",
    "softmax-mean_squared_error-one_hot",
}


def cases_of(name: str) -> list[Any]:
    is_quick = [name == "native" or label(c) in quick for c in cases]
    return [
        pytest.param(name, c, id=f"{name}-{label(c)}", marks=() if now else pytest.mark.slow)
        for c, now in zip(cases, is_quick, strict=True)
    ]


@cache
def path(i: int, model: int, disturbance: float) -> npt.NDArray[np.float64]:
    return trajectory(cohort(cases[i]), model, disturbance)


def step_of(i: int, model: int) -> float:
    """The tolerance of `test_parity`: 1% of one step's movement."""
    moved = np.sqrt((np.diff(path(i, model, 0.0), axis=0) ** 2).mean(axis=1))
    return TOLERANCE * float(np.median(moved))


def is_settled(i: int, model: int) -> bool:
    """Whether float32 can hold the training to the tolerance, see `test_parity`."""
    exact, disturbed = (path(i, model, d)[-1] for d in (0.0, DISTURBANCE))
    return bool(np.abs(disturbed - exact).max() <= step_of(i, model))


@pytest.mark.parametrize(("name", "settings"), [p for name in engines for p in cases_of(name)])
def test_every_head_trains_as_in_float64(name: str, settings: dict[str, Any]) -> None:
    engine, i = engines[name](), cases.index(settings)
    asked = cohort(settings)
    assert engine.refusal(asked.configuration) is None
    measured = engine.train(asked)
    for model in range(len(asked)):
        if is_settled(i, model):
            assert np.abs(measured.weights[model] - path(i, model, 0.0)[-1]).max() <= step_of(i, model)


def test_few_are_left_out() -> None:
    assert np.mean([is_settled(i, model) for i in range(len(cases)) for model in range(3)]) > 0.85


@pytest.mark.parametrize(("name", "settings"), [p for name in engines for p in cases_of(name)])
def test_losses_and_learning_are_those_of_the_predictions(name: str, settings: dict[str, Any]) -> None:
    asked = cohort(settings)
    c, measured = asked.configuration, engines[name]().train(asked)
    p, y = measured.predictions.astype(np.float64), c.targets().astype(np.float64)
    losses = c.head.entry_losses(p, y).sum(axis=(2, 3)) / (c.task.n_rows * c.head.averaged(c.n_outputs))
    np.testing.assert_allclose(measured.losses, losses, rtol=1e-5, atol=1e-6)
    assert list(c.snapshots) == list(range(6))
    is_learned = c.head.margin(measured.predictions, c.targets()) > 0
    expected = [max(np.flatnonzero(~row), default=-1) for row in is_learned]
    np.testing.assert_array_equal(measured.last_unlearned, expected)


@pytest.mark.parametrize("name", engines)
def test_categorical_cross_entropy_is_taken_from_the_sums(name: str) -> None:
    """Sums of 0 and 50 where the first is true cost 50 nats, however saturated the softmax is."""
    settings = {"task": {"inputs": [[1.0], [1.0]], "targets": [[0], [0]]}, "layers": [], "output": "softmax"}
    start = {"kernel_initializer": "zeros", "epochs": 1, "optimizer": "sgd", "learning_rate": 0.0}
    block = cohort({**settings, **start})
    one = replace(block, seeds=block.seeds[:1])
    # no initializer makes unlike biases: two networks whose sums differ by their kernels
    drawn = replace(one.configuration.output, kernel_initializer=named("random_normal", {"stddev": 50.0}, initializers))
    c = replace(one.configuration, layers=(drawn,))
    asked = Cohort(c, np.arange(8, dtype=np.uint32))
    measured = engines[name]().train(asked)
    z = initial_weights(asked)[:, :2].astype(np.float64)
    expected = np.logaddexp(z[:, 0], z[:, 1]) - z[:, 0]
    assert expected.max() > 30
    np.testing.assert_allclose(measured.losses[:, 0], expected, rtol=1e-6, atol=1e-6)
