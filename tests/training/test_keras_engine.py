"""The referee: that it is the Keras that anybody would write, and how it behaves in a process."""

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.networks.randomness import Stream, row_order, sample_counts, urn_batches
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named
from sweep.runs.cohort import Cohort
from sweep.training.initial import initial_weights
from sweep.training.keras import referee
from sweep.training.keras.libraries import without_start_up_noise
from sweep.training.keras.referee import KerasEngine

optimizers: tuple[Any, ...] = (
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "rmsprop", "momentum": 0.5, "centered": True},
    {"name": "adam", "amsgrad": True},
    {"name": "adam", "weight_decay": 0.01},
    "adamw",
    "adagrad",
    "adamax",
    "nadam",
    "lion",
)


def cohort(n_models: int = 2, **settings: Any) -> NetworkCohort:
    return Cohort(resolve(settings), np.arange(n_models, dtype=np.uint32))


def plain_keras(c: Configuration) -> Any:
    """The configuration as a user writes it: layers, `compile`, nothing of ours."""
    keras = importlib.import_module("keras")
    functions = {"relu": "relu", "tanh": "tanh", "elu": keras.layers.ELU(0.5), "gelu": "gelu"}
    model = keras.Sequential([keras.layers.Input((c.task.n_inputs,))])
    for layer in c.hidden:
        model.add(keras.layers.Dense(layer.units, activation=functions[layer.activation.name], use_bias=layer.use_bias))
    model.add(keras.layers.Dense(c.task.n_outputs, activation="sigmoid", use_bias=c.output.use_bias))
    kinds: Mapping[str, Any] = {
        kind.__name__.lower(): kind
        for kind in (keras.optimizers.SGD, keras.optimizers.RMSprop, keras.optimizers.Adam, keras.optimizers.AdamW)
        + (keras.optimizers.Adagrad, keras.optimizers.Adamax, keras.optimizers.Nadam, keras.optimizers.Lion)
    }
    arguments = {k: v for k, v in c.optimizer.arguments if (k, v) != ("weight_decay", 0.0)}
    model.compile(kinds[c.optimizer.name](learning_rate=c.learning_rate, **arguments), c.loss.name)
    return model


def train_plainly(asked: NetworkCohort, model: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """The weights after `train_on_batch` over the same batches; without dropout."""
    c = asked.configuration
    network = plain_keras(c)
    start, variables = 0, []
    for v in c.variables:
        variables.append(initial_weights(asked)[model, start : start + v.size].reshape(v.shape))
        start += v.size
    network.set_weights(variables)
    for epoch in range(c.epochs):
        for rows in batches(asked, model, epoch):
            network.train_on_batch(c.inputs()[rows], c.targets()[rows])
    return network.get_weights()


def batches(asked: NetworkCohort, model: int, epoch: int) -> list[Any]:
    """The rows of each batch; drawn samples are written out, as a user's data set would have them."""
    c = asked.configuration
    rows = np.arange(c.task.n_rows)
    if c.samples is not None:
        drawn = sample_counts(asked.stream_seeds(Stream.SAMPLE), c.samples, c.task.n_rows)
        counts = urn_batches(asked.stream_seeds(Stream.ORDER), epoch, drawn, c.batch_size)[model]
        return [np.repeat(rows, n) for n in counts]
    order = rows if c.is_full_batch else row_order(asked.stream_seeds(Stream.ORDER), epoch, c.task.n_rows)[model]
    return [order[first : first + c.batch_size] for first in range(0, c.task.n_rows, c.batch_size)]


@pytest.mark.parametrize("i", range(len(optimizers)))
def test_trains_as_train_on_batch_does(i: int) -> None:
    asked = cohort(
        optimizer=optimizers[i],
        learning_rate=0.01,
        epochs=4,
        task=("xor", "half_adder", "full_adder")[i % 3],
        layers=[[6], [4, 3]][i % 2],
        activation=("relu", "tanh", {"name": "elu", "alpha": 0.5}, "gelu")[i % 4],
        batch_size=(3, "full", 1)[i % 3],
        loss=("binary_crossentropy", "mean_squared_error")[i % 2],
        use_bias=i != 3,
    )
    expected = np.concatenate([np.ravel(v) for v in train_plainly(asked, 1)])
    found = KerasEngine().train(asked).weights[1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert np.abs(found - initial_weights(asked)[1]).max() > 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 7, "batch_size": 3, "optimizer": "adam"},
        {"samples": 12, "batch_size": "full", "optimizer": "sgd", "task": "half_adder", "loss": "mean_squared_error"},
        {"samples": 3, "batch_size": 2, "optimizer": "rmsprop", "task": "full_adder", "layers": []},
        {"samples": 2, "optimizer": "sgd", "task": {"inputs": [[0.7]], "targets": [[1]]}},
    ],
)
def test_drawn_samples_are_a_data_set_written_out(settings: Mapping[str, Any]) -> None:
    asked = cohort(**settings, learning_rate=0.02, epochs=4)
    measured = KerasEngine().train(asked)
    expected = np.concatenate([np.ravel(v) for v in train_plainly(asked, 1)])
    np.testing.assert_allclose(measured.weights[1], expected, rtol=0, atol=2e-6)
    assert np.abs(expected - initial_weights(asked)[1]).max() > 1e-3


def test_drawn_samples_are_evaluated_on_the_table() -> None:
    """With 2 samples some row is in no batch; losses are still those of the whole table."""
    asked = cohort(4, samples=2, epochs=3)
    measured = KerasEngine().train(asked)
    p, y = measured.predictions.astype(np.float64), asked.configuration.targets()
    losses = -np.log(np.where(y == 1, p, 1 - p)).mean(axis=(2, 3))
    np.testing.assert_allclose(measured.losses, losses, rtol=1e-5)


def test_samples_have_seeds_of_their_own() -> None:
    """The data set follows the stream of samples, the batches that of the order."""
    asked = cohort(3, samples=9, batch_size=2, epochs=2)
    other = np.arange(50, 53, dtype=np.uint32)
    for stream in (Stream.SAMPLE, Stream.ORDER):
        separated = replace(asked, streams={stream: other})
        expected = np.concatenate([np.ravel(v) for v in train_plainly(separated, 1)])
        found = KerasEngine().train(separated).weights[1]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
        assert np.abs(found - KerasEngine().train(asked).weights[1]).max() > 1e-4


def test_any_samples_and_batches_share_a_program() -> None:
    asked = [cohort(samples=n, batch_size=size, epochs=2, width=5) for n, size in ((7, 3), (10, 10), (20, 4))]
    KerasEngine().train(asked[0])
    program = referee.compiled_program(referee.NetworkShape.of(asked[0].configuration))
    before = referee.compiled_program.cache_info()
    for block in asked[1:]:
        KerasEngine().train(block)
    assert program.n_traces == 1
    assert referee.compiled_program.cache_info().misses == before.misses


def test_a_second_cohort_compiles_nothing() -> None:
    engine = KerasEngine()
    engine.train(cohort(epochs=2, dropout=0.1, learning_rate=0.01, batch_size=3, width=3))
    before = referee.compiled_program.cache_info()
    program = referee.compiled_program(
        referee.NetworkShape.of(cohort(dropout=0.1, batch_size=3, width=3).configuration)
    )
    count = program.n_traces
    engine.train(cohort(epochs=70, dropout=0.4, learning_rate=0.1, batch_size=3, width=3, task="nand", n_models=3))
    assert program.n_traces == count == 1
    assert referee.compiled_program.cache_info().misses == before.misses


def test_a_reused_program_is_as_good_as_new() -> None:
    """Weights, every optimizer variable, the step count and the learning rate begin again."""
    for optimizer in ("adam", "nadam", "adagrad", {"name": "rmsprop", "centered": True, "momentum": 0.9}):
        asked = cohort(epochs=5, optimizer=optimizer, learning_rate=0.01, batch_size=2, width=3)
        referee.compiled_program.cache_clear()
        fresh = KerasEngine().train(asked).weights
        KerasEngine().train(cohort(epochs=9, optimizer=optimizer, learning_rate=0.3, batch_size=2, width=3))
        np.testing.assert_array_equal(KerasEngine().train(asked).weights, fresh)


@pytest.mark.parametrize("drawn", [{"dropout": 0.3}, {"samples": 5}])
def test_long_trainings_go_in_pieces(monkeypatch: pytest.MonkeyPatch, drawn: Mapping[str, Any]) -> None:
    asked = cohort(epochs=23, batch_size=3, width=3, depth=2, learning_rate=0.05, **drawn)
    whole = KerasEngine().train(asked)
    for values_held in (1, 80, 160):  # one epoch at a time, and a few
        monkeypatch.setattr(referee, "max_values_held", values_held)
        pieces = KerasEngine().train(asked)
        for name in ("weights", "losses", "predictions", "last_unlearned", "units_off"):
            np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_dropout_masks_scale_what_they_keep() -> None:
    """One linear unit with weight 1, no bias, learning rate 1: the output weight moves by the kept, scaled input."""
    asked = cohort(
        64,
        task={"inputs": [[1.0]], "targets": [[1]]},
        layers=[1],
        activation="linear",
        use_bias=False,
        kernel_initializer="ones",
        dropout=0.75,
        optimizer="sgd",
        learning_rate=1.0,
        epochs=1,
    )
    moved = KerasEngine().train(asked).weights[:, 1] - 1.0
    assert set(np.round(moved, 6)) == {0.0, np.round(np.float32(4 / (1 + np.exp(4.0))), 6)}
    assert 4 <= np.count_nonzero(moved) <= 30


@pytest.mark.parametrize(
    ("activation", "bias", "is_off"),
    [
        (Named("relu"), -1.0, True),
        (Named("relu"), 1.0, False),
        (Named("leaky_relu", (("negative_slope", 0.2),)), -1.0, False),
        (Named("leaky_relu", (("negative_slope", 0.0),)), -1.0, True),
        (Named("tanh"), 100.0, False),  # saturated: its slope is 0, its output 1
        (Named("sigmoid"), -200.0, True),
        (Named("sigmoid"), 200.0, False),
        (Named("silu"), -200.0, True),
        (Named("gelu", (("approximate", False),)), -50.0, True),
        (Named("elu", (("alpha", 1.0),)), -200.0, False),  # saturated at -1
        (Named("softplus"), -200.0, True),
        (Named("softsign"), -200.0, False),
    ],
    ids=str,
)
def test_a_unit_is_off_with_output_and_slope_zero(activation: Named, bias: float, is_off: bool) -> None:
    asked = cohort(
        1,
        activation={"name": activation.name, **dict(activation.arguments)},
        layers=[2],
        kernel_initializer="zeros",
        bias_initializer={"name": "constant", "value": bias},
        learning_rate=0.0,
        epochs=1,
    )
    measured = KerasEngine().train(asked)
    assert measured.units_off_initial.tolist() == measured.units_off.tolist() == [[2 * is_off]]


def test_a_cohort_of_none() -> None:
    asked = Cohort(resolve({"epochs": 2}), np.empty(0, np.uint32))
    assert len(KerasEngine().train(asked).check(asked).weights) == 0


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter, without the Keras settings of this one."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS", "TF_"))}
    inherited |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run([sys.executable, "-c", program], env=inherited, capture_output=True, text=True, check=True)


train_two = """
import sys
import numpy as np
from sweep.training.keras.referee import KerasEngine
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
engine = KerasEngine()
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
asked = Cohort(resolve({"epochs": 20, "dropout": 0.2, "batch_size": 3}), np.arange(2, dtype=np.uint32))
print(engine.train(asked).weights.tobytes().hex())
"""


def test_a_process_of_its_own() -> None:
    """Nothing heavy is imported before it is needed, nothing is said on stderr, and the bits are the same ones."""
    done = python(train_two)
    here = KerasEngine().train(cohort(epochs=20, dropout=0.2, batch_size=3))
    assert done.stdout.strip() == here.weights.tobytes().hex()
    assert done.stderr == ""


refused = """
import numpy as np
from sweep.training.engine import EngineError
from sweep.training.keras.referee import KerasEngine
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
try:
    KerasEngine().train(Cohort(resolve({}), np.arange(1, dtype=np.uint32)))
except EngineError as error:
    print(error)
"""


def test_another_backend_is_refused() -> None:
    assert "KERAS_BACKEND is jax" in python(refused, KERAS_BACKEND="jax").stdout


def test_what_others_say_on_stderr_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_start_up_noise():
        os.write(2, b"I0000 00:00:1.2 3 port.cc:153] noise\nsomething is wrong\n")
    assert capfd.readouterr().err == "something is wrong\n"
