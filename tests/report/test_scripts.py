"""What is to be pasted is run: network, start, loss, optimizer, data and batches are those of the configuration."""

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from support.untyped import sweep

from sweep.networks import vocabulary
from sweep.networks.activations import activate
from sweep.networks.configuration import Configuration
from sweep.networks.forward import predict
from sweep.networks.settings import resolve
from sweep.report.scripts import keras_script, pytorch_script, script
from sweep.training.initial import plainly
from sweep.training.keras.libraries import tensorflow_and_keras
from sweep.training.keras.referee import new_loss, new_optimizer

TABLE = {"inputs": [[0.3, -1.25], [1e-7, 3.0], [2.5, 1e20]], "targets": [[0, 1], [1, 1], [1, 0]]}
ACTIVATIONS: tuple[Any, ...] = (
    *("linear", "relu", "selu", "tanh", "sigmoid", "softplus", "softsign", "silu", "gelu", "hard_sigmoid", "relu6"),
    {"name": "leaky_relu", "negative_slope": 0.3},
    {"name": "elu", "alpha": 0.5},
    {"name": "gelu", "approximate": True},
    *("leaky_relu", "elu"),
)
INITIALIZERS: tuple[Any, ...] = (
    *("zeros", "ones", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform"),
    *("random_normal", "random_uniform", "truncated_normal", "variance_scaling"),
    {"name": "constant", "value": 0.25},
    {"name": "random_normal", "stddev": 0.01},
    {"name": "random_uniform", "minval": 0.0, "maxval": 1.0},
    {"name": "truncated_normal", "mean": 0.5, "stddev": 0.02},
    {"name": "variance_scaling", "scale": 2.0, "mode": "fan_avg", "distribution": "untruncated_normal"},
)
OPTIMIZERS: tuple[Any, ...] = (
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "rmsprop", "rho": 0.8, "centered": True},
    {"name": "adam", "amsgrad": True, "epsilon": 1e-4},
    {"name": "adamw", "weight_decay": 0.0},
    {"name": "adamax", "weight_decay": 0.01},
    {"name": "adagrad", "initial_accumulator_value": 0.2},
    *vocabulary.optimizers,
)
RATES: tuple[Any, ...] = (
    0.0123,
    {"name": "exponential_decay", "initial_learning_rate": 0.1, "decay_steps": 50, "decay_rate": 0.5},
    {"name": "cosine_decay", "initial_learning_rate": 0.0, "decay_steps": 90, "warmup_target": 0.1, "warmup_steps": 5},
    {"name": "piecewise_constant_decay", "boundaries": [10, 20], "values": [0.1, 0.01, 0.001]},
)
REGULARIZERS: tuple[Any, ...] = ("l2", {"name": "l1", "l1": 0.1}, {"name": "l1_l2", "l1": 0.01, "l2": 0.02})
HEADS: tuple[dict[str, Any], ...] = (
    {"loss": {"name": "binary_crossentropy", "label_smoothing": 0.1}},
    {"loss": "mean_squared_error"},
    {},
    {"output": "softmax"},
    {"output": "linear", "loss": {"name": "huber", "delta": 0.5}},
    {"output": "tanh", "loss": "hinge", "targets": "bipolar"},
    {"output": {"activation": "relu", "use_bias": False}, "loss": "mean_absolute_error"},
    {"output": "linear", "loss": "squared_hinge"},
    {"output": "hard_sigmoid", "loss": "binary_crossentropy"},
)


def drawn(n: int) -> list[Configuration]:
    """Configurations of everything that a network may be, every value of the lists above among them."""
    rng = np.random.default_rng(5)
    choices = [itertools.cycle(rng.permutation(np.array(x, object))) for x in (ACTIVATIONS, INITIALIZERS, OPTIMIZERS)]
    made: list[Configuration] = []
    for i in range(n):
        activations, initializers = ([next(choices[k]) for _ in range(3)] for k in (0, 1))
        layers: list[Any] = [
            {"units": 2 + j, "activation": activations[j], "kernel_initializer": initializers[j]} for j in range(2)
        ]
        layers[i % 2] |= {"bias_initializer": ("as_kernel", initializers[2])[i // 2 % 2]}
        layers[1] |= {"use_bias": i % 5 != 0}
        layers[0] |= {"kernel_regularizer": REGULARIZERS[i % 3]} if i % 7 == 1 else {}
        layers[1] |= {"bias_regularizer": REGULARIZERS[i % 3]} if i % 7 == 2 else {}
        head = HEADS[i % len(HEADS)]
        settings = {
            "task": ({"name": "parity", "bits": 3}, "xor", TABLE)[0 if "output" in head else i % 3],
            "layers": layers if i % 4 else [3] * (i + 1),
            "optimizer": next(choices[2]),
            "learning_rate": RATES[i % 4 if i % 3 else 0],
            "batch_size": (1, 3, "full")[i % 3],
            "epochs": 7 + i,
            "shuffle": i % 4 > 0,
            **({"samples": 50, "shuffle": True} if i % 3 == 1 else {"dropout": 0.25} if i % 3 else {}),
        }
        made.append(resolve({**settings, **head}))
    return made


def run(lines: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(lines), made)
    return made


def same_rows(found: Any, table: Any, samples: int | None) -> bool:
    """Whether the data are the table, or drawn from it."""
    if samples is None:
        return np.array_equal(found, table)
    return len(found) == samples and {tuple(x) for x in found.tolist()} <= {tuple(x) for x in table.tolist()}


@pytest.mark.parametrize("c", drawn(24), ids=lambda c: c.id)
def test_what_a_keras_script_builds_is_the_configuration(c: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    _, keras = tensorflow_and_keras()
    fitted: list[Any] = []
    monkeypatch.setattr(keras.Model, "fit", lambda *given, **named: fitted.append((given[1:], named)))
    monkeypatch.setattr(keras.Model, "predict", lambda *given, **named: None)
    made = run(keras_script(c))
    ((x, y), named) = fitted[0]
    assert same_rows(x, c.inputs(), c.samples) and same_rows(y, c.targets(), c.samples)
    assert {k: v for k, v in named.items() if k != "verbose"} == {
        "batch_size": c.batch_size,
        "epochs": c.epochs,
        **({} if c.shuffle else {"shuffle": False}),
    }
    model = made["model"]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    dropped = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropped == [layer.dropout for layer in c.hidden if layer.dropout]
    assert [x.units for x in dense] == [layer.units for layer in c.layers]
    for found, layer, n_in in zip(dense, c.layers, c.n_units, strict=False):
        z = np.linspace(-3, 3, 12).reshape(3, 4)
        np.testing.assert_allclose(found.activation(keras.ops.array(z)), activate(layer.activation, z), atol=1e-6)
        assert found.use_bias == layer.use_bias
        shape = (n_in, layer.units)
        kernel, bias = layer.kernel_initializer, layer.bias_initializer
        drawn_as = [(found.kernel_initializer, kernel)]
        if layer.use_bias:
            bias = plainly(kernel, shape) if bias.name == "as_kernel" else bias
            drawn_as.append((found.bias_initializer, bias))
        for initializer, wanted in drawn_as:
            expected = keras.initializers.get({"class_name": wanted.name, "config": dict(wanted.arguments)})
            assert type(initializer) is type(expected)
            assert {**initializer.get_config(), "seed": None} == {**expected.get_config(), "seed": None}
        for regularizer, wanted in (
            (found.kernel_regularizer, layer.kernel_regularizer),
            (found.bias_regularizer, layer.bias_regularizer),
        ):
            assert (regularizer is None) == (wanted.name == "none")
            if regularizer is not None:
                assert type(regularizer).__name__ == wanted.name.upper().replace("_", "")
                assert {k: float(v) for k, v in regularizer.get_config().items()} == pytest.approx(
                    dict(wanted.arguments)
                )
    optimizer, expected = model.optimizer.get_config(), new_optimizer(c.optimizer, c.learning_rate).get_config()
    rates = [x.pop("learning_rate") for x in (optimizer, expected)]
    if not isinstance(c.learning_rate, vocabulary.Named):
        assert rates[0] == pytest.approx(rates[1])
    else:
        wanted = dict(c.learning_rate.arguments)
        assert rates[0]["class_name"].lower() == c.learning_rate.name.replace("_", "")
        given = {k: v for k, v in rates[0]["config"].items() if k in wanted}
        assert given == {k: list(v) if isinstance(v, tuple) else v for k, v in wanted.items()}
    assert type(model.optimizer).__name__.lower() == c.optimizer.name
    assert {**optimizer, "name": None} == {**expected, "name": None}
    p, y = np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, c.n_outputs)).astype(np.float32)
    loss = keras.losses.get(made["model"].loss)
    assert float(keras.ops.mean(loss(y, p))) == pytest.approx(float(new_loss(c.loss)(y, p)), rel=1e-5)


def test_a_keras_script_trains_and_answers() -> None:
    made = run(keras_script(resolve({"task": "or", "depth": 0, "learning_rate": 0.1, "epochs": 60})))
    answers = made["model"].predict(made["table"], verbose=0)
    assert ((answers > 0.5) == made["y"]).all()


@pytest.mark.slow
def test_scripts_of_keras_learn_as_often_as_was_said() -> None:
    """Ten configurations of unlike rates; 24 seeds of each by the script, 512 by the native engine."""
    for i in range(10):
        start: Any = [{"name": "random_normal", "stddev": 0.5}, "he_uniform"][i % 2]
        settings = {"width": 2 + i % 4, "activation": ["tanh", "relu"][i // 5], "kernel_initializer": start}
        settings |= {"learning_rate": 0.1, "epochs": 60, "loss": HEADS[i % 2].get("loss", "binary_crossentropy")}
        rate = sweep.train(settings, seeds=512)["learned"].mean()
        learned = 0
        for seed in range(24):
            lines = [
                f"seed = {seed}" if line.startswith("seed =") else line for line in keras_script(resolve(settings))
            ]
            made = run(lines)
            learned += bool(((made["model"].predict(made["table"], verbose=0) > 0.5) == made["y"]).all())
        assert binomtest(learned, 24, min(max(rate, 0.002), 0.998)).pvalue > 1e-4, (settings, learned, rate)


def test_whose_script_it_is() -> None:
    keras, torch = resolve({}), resolve({"framework": "pytorch"})
    assert script(torch, keras)[0] == "Keras"
    assert script(keras, torch)[0] == "PyTorch"
    # no such formula there
    for optimizer in ("nadam", {"name": "sgd", "weight_decay": 0.1}):
        other = resolve({"optimizer": optimizer})
        assert pytorch_script(other) is None
        assert script(other, torch) == ("Keras", keras_script(other))


# PyTorch, where there is one


def torch_run(c: Configuration, seed: int = 0) -> dict[str, Any]:
    lines = pytorch_script(c)
    assert lines is not None
    return run([f"seed = {seed}" if line.startswith("seed =") else line for line in lines])


@pytest.mark.parametrize("c", [c for c in drawn(24) if pytorch_script(c)], ids=lambda c: c.id)
def test_what_a_pytorch_script_builds_is_the_configuration(c: Configuration) -> None:
    torch = pytest.importorskip("torch")
    made = torch_run(c)
    assert same_rows(made["x"].numpy(), c.inputs(), c.samples) and same_rows(made["y"].numpy(), c.targets(), c.samples)
    linear = [m for m in made["model"] if isinstance(m, torch.nn.Linear)]
    assert [m.p for m in made["model"] if isinstance(m, torch.nn.Dropout)] == [x.dropout for x in c.hidden if x.dropout]
    weights = np.random.default_rng(1).normal(size=c.n_parameters).astype(np.float32)
    start = 0
    for m in linear:
        for variable in (m.weight.T, m.bias):
            if variable is not None:
                n = variable.numel()
                variable.data[:] = torch.tensor(weights[start : start + n].reshape(variable.shape))
                start += n
    assert start == c.n_parameters
    points = np.random.default_rng(2).normal(size=(5, c.task.n_inputs))
    sums = made["model"](torch.tensor(points, dtype=torch.float32))
    expected = predict(c, weights, points)
    answers = sums
    if c.head.takes_sums:
        answers = torch.softmax(sums, -1) if c.head.has_classes else torch.sigmoid(sums)
    np.testing.assert_allclose(answers.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    y = c.targets()[np.arange(5) % c.task.n_rows]
    found = float(made["loss"](sums, torch.tensor(y)).detach())
    entries = c.head.entry_losses(expected, y.astype(np.float64))
    assert found == pytest.approx(entries.sum() / (5 * c.head.averaged(c.n_outputs)), rel=1e-3, abs=1e-5)
    (group,) = made["optimizer"].param_groups
    given = dict(c.optimizer.arguments)
    assert group["lr"] == c.learning_rate
    assert group.get("eps", 0) == given.get("epsilon", 0)
    assert group.get("betas", (0, 0)) == (given.get("beta_1", 0), given.get("beta_2", 0))
    assert group["weight_decay"] == given["weight_decay"]
    assert group.get("momentum", 0) == given.get("momentum", 0)


def test_a_pytorch_network_starts_as_the_configuration_says() -> None:
    torch = pytest.importorskip("torch")
    wide = {"task": {"name": "parity", "bits": 8}, "width": 200, "epochs": 1, "optimizer": {"name": "sgd"}}
    for i, kernel in enumerate(INITIALIZERS):
        c = resolve({**wide, "kernel_initializer": kernel, "bias_initializer": INITIALIZERS[-i], "learning_rate": 1e-9})
        lines = pytorch_script(c)
        assert lines is not None
        layer = run(lines)["model"][0]
        for found, variable in ((layer.weight, c.variables[0]), (layer.bias, c.variables[1])):
            wanted = plainly(variable.initializer, variable.drawn_as)
            drawn_as = dict(wanted.arguments)
            values = found.detach().double()
            n = values.numel()
            if wanted.name == "constant":
                assert torch.allclose(values, torch.full_like(values, drawn_as["value"]), atol=1e-6)
            elif wanted.name == "random_uniform":
                low, high = float(drawn_as["minval"]), float(drawn_as["maxval"])
                assert low - 1e-6 <= values.min() < low + 0.1 * (high - low)
                assert high + 1e-6 >= values.max() > high - 0.1 * (high - low)
            else:
                spread = float(drawn_as["stddev"]) * (0.8796 if wanted.name == "truncated_normal" else 1)
                assert abs(values.mean() - float(drawn_as["mean"])) < 5 * spread / n**0.5
                assert abs(values.std() / spread - 1) < 5 / n**0.5


def test_scripts_of_pytorch_learn_as_often_as_was_said() -> None:
    pytest.importorskip("torch").set_num_threads(1)
    for settings in ({"activation": "tanh"}, {"width": 3, "loss": "mean_squared_error"}):
        given: dict[str, Any] = {"framework": "pytorch", "width": 2, "learning_rate": 0.1, "epochs": 100, **settings}
        rate = sweep.train(given, seeds=512)["learned"].mean()
        learned = 0
        for seed in range(32):
            made = torch_run(resolve(given), seed)
            answers = made["model"](made["table"])
            border = 0.5 if "loss" in given else 0.0  # cross-entropy is taken of the sums
            learned += bool(((answers > border) == (made["y"] > 0.5)).all())
        assert 0.1 < rate < 0.9
        assert binomtest(learned, 32, rate).pvalue > 1e-4, (settings, learned, rate)
