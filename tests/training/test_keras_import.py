"""Networks of one's own: what Keras saved comes back as the same configuration, and what cannot is named."""

import functools
import importlib
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from support.shell import call

import sweep
from sweep.experiment import file as experiment_file
from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Argument, Named
from sweep.runs.errors import SettingError
from sweep.training.imported import Obstacles
from sweep.training.keras.files import KerasFileError, delta_not_kept, read_model
from sweep.training.keras.importing import import_model, trained_as_it_is
from sweep.training.keras.libraries import without_start_up_noise

with without_start_up_noise():
    keras = importlib.import_module("keras")
K: Any = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, in saving


def activation(value: Named) -> Any:
    function = getattr(keras.activations, value.name)
    return functools.partial(function, **dict(value.arguments)) if value.arguments else function


def initializer(value: Named, seed: int | None) -> Any:
    config = dict(value.arguments)
    if value.name not in ("zeros", "ones", "constant"):
        config["seed"] = seed  # pyright: ignore[reportArgumentType]  (a seed may be None)
    return getattr(keras.initializers, value.name.title().replace("_", ""))(**config)


def built(c: Configuration, *, is_functional: bool = False, has_logits: bool = False, is_apart: bool = False) -> Any:
    """The configuration as somebody writes it in Keras: one of several ways."""
    stack: list[Any] = []

    def dense(of: Layer, function: Any) -> None:
        kernel, bias = initializer(of.kernel_initializer, len(stack)), initializer(of.bias_initializer, None)
        common = {"use_bias": of.use_bias, "kernel_initializer": kernel, "bias_initializer": bias}
        stack.append(K.Dense(of.units, activation=None if is_apart else function, **common))
        if is_apart:
            stack.append(K.Activation(function))

    for of in c.hidden:
        dense(of, activation(of.activation))
        if of.dropout:
            stack.append(K.Dropout(of.dropout, seed=3))
    dense(c.output, None if has_logits else activation(c.output.activation))
    if is_functional:
        first = last = keras.Input((c.task.n_inputs,))
        for layer in stack:
            last = layer(last)
        model = keras.Model(first, last)
    else:
        model = keras.Sequential([keras.Input((c.task.n_inputs,)), *stack])
    arguments: dict[str, Any] = {k: v for k, v in c.optimizer.arguments if (k, v) != ("weight_decay", 0.0)}
    if c.optimizer.name == "adamw":
        arguments["weight_decay"] = c.optimizer["weight_decay"]
    name = "".join(map(str.capitalize, c.loss.name.split("_")))
    name = "SparseCategoricalCrossentropy" if is_apart and name.startswith("Categorical") else name
    of_loss = {k: v for k, v in c.loss.arguments if v}
    loss = getattr(keras.losses, name)(**of_loss, **({"from_logits": True} if has_logits else {}))
    kind = type(keras.optimizers.get(c.optimizer.name))
    model.compile(kind(learning_rate=c.learning_rate, **arguments), loss, metrics=["accuracy"])
    return model


def values_of(argument: Argument) -> st.SearchStrategy[Any]:
    if argument.choices:
        return st.sampled_from(argument.choices)
    if isinstance(argument.default, bool):
        return st.booleans()
    return st.sampled_from([argument.default, 0.25, 0.5])


def named_settings(signatures: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(signatures)).flatmap(
        lambda name: st.fixed_dictionaries({}, optional={k: values_of(a) for k, a in signatures[name].items()}).map(
            lambda arguments: {"name": name, **arguments}
        )
    )


initial_values = named_settings(vocabulary.initializers)
of_a_layer: dict[str, st.SearchStrategy[Any]] = {
    "activation": named_settings(vocabulary.activations),
    "dropout": st.sampled_from([0.0, 0.1, 0.5]),
    "use_bias": st.booleans(),
    "kernel_initializer": initial_values,
    "bias_initializer": initial_values.filter(lambda v: v["name"] in ("zeros", "ones", "constant")),
}
heads: list[dict[str, Any]] = [
    {},
    {"loss": "mean_squared_error"},
    {"output": "linear"},
    {"output": "tanh", "loss": {"name": "huber", "delta": 0.5}},
    {"output": {"activation": "relu", "use_bias": False}, "loss": "mean_absolute_error"},
    {"output": "softmax"},
    {"output": {"activation": "softmax", "kernel_initializer": "he_normal"}, "loss": "mean_squared_error"},
]
configurations = st.builds(
    lambda settings, head, task: {**settings, **head, "task": "xor" if "softmax" in str(head) else task},
    st.fixed_dictionaries(
        {
            "layers": st.lists(
                st.integers(1, 5) | st.fixed_dictionaries({"units": st.integers(1, 5)}, optional=of_a_layer),
                max_size=3,
            )
        },
        optional={
            **of_a_layer,
            "optimizer": named_settings(vocabulary.optimizers),
            "learning_rate": st.sampled_from([0.001, 0.0123456, 1e-4, 3.0]),
        },
    ),
    st.sampled_from(heads),
    st.sampled_from(["xor", "full_adder", "parity"]),
)


def assert_same_again(settings: dict[str, Any], **ways: bool) -> None:
    c = resolve(settings)
    ways["has_logits"] = ways.get("has_logits", False) and c.head.takes_sums
    found = import_model(built(c, **ways))
    assert (found.n_inputs, found.n_outputs) == (c.task.n_inputs, c.n_outputs)
    assert resolve({**found.settings, "task": settings["task"]}) == c


@limits(max_examples=30, derandomize=True, deadline=None)
@given(configurations, st.booleans(), st.booleans(), st.booleans())
def test_what_keras_builds_comes_back(
    settings: dict[str, Any], is_functional: bool, has_logits: bool, is_apart: bool
) -> None:
    assert_same_again(settings, is_functional=is_functional, has_logits=has_logits, is_apart=is_apart)


@pytest.mark.parametrize("name", vocabulary.optimizers)
def test_every_optimizer_comes_back(name: str) -> None:
    assert_same_again({"task": "xor", "layers": [2], "optimizer": name})


@pytest.mark.parametrize("key", ["kernel_initializer", "bias_initializer"])
@pytest.mark.parametrize("name", vocabulary.initializers)
def test_every_initializer_comes_back(name: str, key: str) -> None:
    assert_same_again({"task": "xor", "layers": [2], key: name})


@pytest.mark.parametrize("name", vocabulary.output_activations)
def test_every_output_comes_back(name: str) -> None:
    loss = "categorical_crossentropy" if name == "softmax" else "mean_squared_error"
    assert_same_again({"task": "xor", "layers": [2], "output": name, "loss": loss})


@pytest.mark.parametrize("name", vocabulary.activations)
def test_every_activation_comes_back(name: str) -> None:
    assert_same_again({"task": "xor", "layers": [2, 3], "activation": name})


def network(*stack: Any, optimizer: Any = "adam", loss: Any = "binary_crossentropy", **compiling: Any) -> Any:
    model = keras.Sequential([keras.Input((2,)), *stack])
    model.compile(optimizer, loss, **compiling)
    return model


def sigmoid() -> Any:
    return K.Dense(1, activation="sigmoid", name="out")


def hidden(units: int = 2, **given: Any) -> Any:
    return K.Dense(units, **{"activation": "relu", "name": "one", **given})


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (lambda: [K.Dense(2), K.ReLU()], "relu"),
        (lambda: [K.Dense(2), K.ReLU(negative_slope=0.1)], {"name": "leaky_relu", "negative_slope": 0.1}),
        (lambda: [K.Dense(2), K.LeakyReLU()], {"name": "leaky_relu", "negative_slope": 0.3}),
        (lambda: [K.Dense(2, activation=K.LeakyReLU(negative_slope=0.2))], "leaky_relu"),
        (lambda: [K.Dense(2), K.ELU(alpha=0.5)], {"name": "elu", "alpha": 0.5}),
        (lambda: [K.Dense(2, activation="swish")], "silu"),
        (lambda: [K.Dense(2)], "linear"),
        (lambda: [K.Dense(2, activation="tanh"), K.Activation("linear")], "tanh"),
    ],
)
def test_activations_by_other_names(stack: Callable[[], list[Any]], expected: Any) -> None:
    assert sweep.from_keras(network(*stack(), sigmoid()))["activation"] == expected


def test_settings_name_what_is_not_the_default() -> None:
    assert sweep.from_keras(network(hidden(), K.Dropout(0.0), K.Dense(2, activation="relu"), sigmoid())) == {
        "width": 2,
        "depth": 2,
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "loss": "binary_crossentropy",
    }
    only = network(sigmoid(), optimizer=keras.optimizers.SGD(0.5, momentum=0.9), loss="mse")
    assert sweep.from_keras(only) == {
        "depth": 0,
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "learning_rate": 0.5,
        "loss": "mean_squared_error",
    }


@pytest.mark.parametrize("loss", ["bce", keras.losses.binary_crossentropy, keras.losses.BinaryCrossentropy()])
def test_a_loss_has_several_names(loss: Any) -> None:
    assert sweep.from_keras(network(hidden(), sigmoid(), loss=loss))["loss"] == "binary_crossentropy"


def without_input() -> Any:
    model = keras.Sequential([sigmoid()])
    model.compile("adam", "mse")
    return model


def branched() -> Any:
    first = keras.Input((2,))
    joined = K.Concatenate(name="join")([hidden()(first), first])
    return compiled(first, sigmoid()(joined))


def shared() -> Any:
    first, layer = keras.Input((2,)), hidden()
    return compiled(first, sigmoid()(layer(layer(first))))


def two_inputs() -> Any:
    first, second = keras.Input((2,)), keras.Input((2,))
    return compiled([first, second], sigmoid()(K.Add()([first, second])))


def compiled(inputs: Any, outputs: Any) -> Any:
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy")
    return model


def frozen() -> Any:
    model = network(hidden(), sigmoid())
    model.layers[0].trainable = False
    return model


def adapted() -> Any:
    model = network(hidden(), sigmoid())
    model.layers[0].enable_lora(1)
    return model


def excluded() -> Any:
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return network(hidden(), sigmoid(), optimizer=optimizer)


class Own(keras.Sequential):
    """A model with its own training step might do anything."""


def own() -> Any:
    model = Own([keras.Input((2,)), sigmoid()])
    model.compile("adam", "mse")
    return model


def by(**optimizer: Any) -> Callable[[], Any]:
    return lambda: network(hidden(), sigmoid(), optimizer=keras.optimizers.Adam(**optimizer))


def under(loss: Any, end: str | None = "sigmoid") -> Callable[[], Any]:
    return lambda: network(hidden(), K.Dense(1, activation=end, name="out"), loss=loss)


def of(*stack: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: network(*(make() for make in stack))


def two(**given: Any) -> Callable[[], Any]:
    return lambda: K.Dense(2, **{"activation": "relu", "name": "two", **given})


logits = keras.losses.BinaryCrossentropy(from_logits=True)
schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
refused: dict[str, tuple[Callable[[], Any], tuple[str, ...], str]] = {
    "no model": (lambda: 3, ("model",), "found int"),
    "own class": (own, ("model",), "a model of its own class, Own"),
    "no inputs": (without_input, ("model",), "its inputs are not known"),
    "uncompiled": (lambda: keras.Sequential([keras.Input((2,)), sigmoid()]), ("model",), "not compiled"),
    "two inputs": (two_inputs, ("model",), "2 inputs and 1 outputs"),
    "branches": (branched, ("join",), "Concatenate joins 2 branches"),
    "shared": (shared, ("one",), "used twice"),
    "batch normalisation": (of(hidden, lambda: K.BatchNormalization(name="bn"), sigmoid), ("bn",), "BatchNorm"),
    "flatten": (of(lambda: K.Flatten(name="flat"), sigmoid), ("flat",), "a layer Flatten"),
    "nested": (of(lambda: keras.Sequential([hidden()], name="inner"), sigmoid), ("inner",), "a layer Sequential"),
    "no dense": (lambda: compiled(i := keras.Input((2,)), K.Activation("sigmoid", name="a")(i)), ("a",), "before the"),
    "unknown regularizer": (
        of(lambda: hidden(kernel_regularizer="orthogonal_regularizer"), sigmoid),
        ("one", "kernel_regularizer"),
        "found OrthogonalRegularizer",
    ),
    "unknown schedule": (
        by(learning_rate=keras.optimizers.schedules.CosineDecayRestarts(0.1, 10)),
        ("optimizer", "learning_rate"),
        "the schedule CosineDecayRestarts",
    ),
    "bias constraint": (
        of(lambda: hidden(bias_constraint="non_neg"), sigmoid),
        ("one", "bias_constraint"),
        "found NonNeg",
    ),
    "activity regularizer": (
        of(lambda: hidden(activity_regularizer="l1"), sigmoid),
        ("one", "activity_regularizer"),
        "found L1",
    ),
    "float16": (of(lambda: hidden(dtype="mixed_float16"), sigmoid), ("one", "dtype"), "found mixed_float16"),
    "frozen": (frozen, ("one", "trainable"), "found false"),
    "dropout on inputs": (of(lambda: K.Dropout(0.1, name="d"), sigmoid), ("d",), "before the first Dense"),
    "dropout at the end": (of(sigmoid, lambda: K.Dropout(0.1)), ("out",), "Dropout after the output layer"),
    "two dropouts": (
        of(hidden, lambda: K.Dropout(0.1), lambda: K.Dropout(0.1, name="d"), sigmoid),
        ("d",),
        "a second Dropout",
    ),
    "noise shape": (
        of(hidden, lambda: K.Dropout(0.1, noise_shape=(1, 2), name="d"), sigmoid),
        ("d", "noise_shape"),
        "found [1, 2]",
    ),
    "unknown activation": (
        of(lambda: hidden(activation="hard_tanh"), sigmoid),
        ("one", "activation"),
        "found hard_tanh",
    ),
    "two activations": (of(hidden, lambda: K.Activation("tanh", name="a"), sigmoid), ("a",), "a second activation"),
    "unknown initializer": (
        of(lambda: hidden(kernel_initializer="orthogonal"), sigmoid),
        ("one", "kernel_initializer"),
        "found Orthogonal",
    ),
    "unknown optimizer": (
        lambda: network(sigmoid(), optimizer="adadelta"),
        ("optimizer",),
        "found Adadelta",
    ),
    "clipnorm": (by(clipnorm=1.0), ("optimizer", "clipnorm"), "found 1.0"),
    "clipvalue": (by(clipvalue=1.0), ("optimizer", "clipvalue"), "found 1.0"),
    "global clipnorm": (by(global_clipnorm=1.0), ("optimizer", "global_clipnorm"), "found 1.0"),
    "average": (by(use_ema=True), ("optimizer", "use_ema"), "found true"),
    "accumulation": (by(gradient_accumulation_steps=2), ("optimizer", "gradient_accumulation_steps"), "found 2"),
    "loss scale": (by(loss_scale_factor=2.0), ("optimizer", "loss_scale_factor"), "found 2.0"),
    "decay in part": (excluded, ("optimizer", "exclude_from_weight_decay"), "leaves out some"),
    "no loss": (under(None), ("loss",), "no loss"),
    "unknown loss": (under("poisson"), ("loss",), "found poisson"),
    "relu with another ceiling": (
        of(lambda: K.Dense(2), lambda: K.ReLU(5, name="r"), sigmoid),
        ("r", "activation"),
        "ReLU with max_value 5",
    ),
    "tanh behind dropout": (
        of(lambda: K.Dense(2), lambda: K.Dropout(0.1), lambda: K.Activation("tanh", name="a"), sigmoid),
        ("a",),
        "tanh behind Dropout",
    ),
    "hidden softmax": (
        of(lambda: hidden(activation="softmax"), sigmoid),
        ("one", "activation"),
        "softmax at a hidden layer",
    ),
    "sigmoid of classes": (
        under("categorical_crossentropy"),
        ("out", "activation"),
        "sigmoid under categorical_crossentropy",
    ),
    "softmax of one unit": (
        under("categorical_crossentropy", "softmax"),
        ("out", "activation"),
        "softmax of one unit, which is 1 whatever it is given",
    ),
    "class that is left out": (
        lambda: network(
            K.Dense(2, activation="softmax"), loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=1)
        ),
        ("loss", "ignore_class"),
        "found 1",
    ),
    "own loss": (under(lambda y, p: y - p), ("loss",), "found <lambda>"),
    "own activation": (of(lambda: hidden(activation=lambda x: x), sigmoid), ("one", "activation"), "found <lambda>"),
    "own initializer": (
        of(lambda: hidden(kernel_initializer=lambda shape, dtype: 0), sigmoid),
        ("one", "kernel_initializer"),
        "found <lambda>",
    ),
    "lora": (adapted, ("one", "lora_rank"), "found 1"),
    "list of losses": (under(["mse"]), ("loss",), "a list or a mapping"),
    "sum": (under(keras.losses.MeanSquaredError(reduction="sum")), ("loss", "reduction"), "found 'sum'"),
    "loss weights": (lambda: network(sigmoid(), loss_weights=[2.0]), ("loss_weights",), "weights for the loss"),
    "sigmoid and logits": (under(logits), ("out", "activation"), "found sigmoid at the output, under from_logits=True"),
    "softmax": (under("binary_crossentropy", "softmax"), ("out", "activation"), "found softmax"),
}


@pytest.mark.parametrize("name", refused)
def test_what_a_configuration_cannot_say_is_refused_by_name_and_place(name: str) -> None:
    make, place, found = refused[name]
    model = make()
    with pytest.raises(SettingError) as caught:
        sweep.from_keras(model)
    assert caught.value.place == place
    assert found in caught.value.found
    assert caught.value.allowed


taken: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "dropout in part": (
        of(hidden, lambda: K.Dropout(0.1), two(), sigmoid),
        {"layers": [2, {"units": 2, "dropout": 0.0}], "dropout": 0.1},
    ),
    "unlike activations": (
        of(hidden, two(activation="tanh"), sigmoid),
        {"layers": [2, {"units": 2, "activation": "tanh"}]},
    ),
    "a ceiling": (of(lambda: K.Dense(2), lambda: K.ReLU(6), sigmoid), {"width": 2, "activation": "relu6"}),
    "relu behind dropout": (
        of(lambda: K.Dense(2), lambda: K.Dropout(0.1), K.ReLU, sigmoid),
        {"width": 2, "dropout": 0.1},
    ),
    "nothing in the way": (
        of(lambda: K.Dropout(0.0), hidden, lambda: K.Activation("linear"), sigmoid, lambda: K.Dropout(0.0)),
        {"width": 2},
    ),
    "unlike initializers": (
        of(lambda: hidden(kernel_initializer="he_normal"), sigmoid),
        {
            "width": 2,
            "kernel_initializer": "he_normal",
            "output": {"activation": "sigmoid", "kernel_initializer": "glorot_uniform"},
        },
    ),
    "bias in part": (
        of(lambda: hidden(use_bias=False), sigmoid),
        {"width": 2, "use_bias": False, "output": {"activation": "sigmoid", "use_bias": True}},
    ),
    "clipped": (under("binary_crossentropy", None), {"width": 2, "output": "linear"}),
    "linear regression": (under("mse", None), {"width": 2, "output": "linear", "loss": "mean_squared_error"}),
    "regularizers": (
        of(lambda: hidden(kernel_regularizer="l2", bias_regularizer=keras.regularizers.L1L2(0.1, 0.0)), sigmoid),
        {
            "width": 2,
            "kernel_regularizer": "l2",
            "bias_regularizer": {"name": "l1", "l1": 0.1},
            "output": {"activation": "sigmoid", "kernel_regularizer": "none", "bias_regularizer": "none"},
        },
    ),
    "schedule": (
        by(learning_rate=schedule),
        {
            "width": 2,
            "learning_rate": {
                "name": "exponential_decay",
                "initial_learning_rate": 0.1,
                "decay_steps": 10,
                "decay_rate": 0.9,
            },
        },
    ),
    "pieces": (
        by(learning_rate=keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001])),
        {
            "width": 2,
            "learning_rate": {
                "name": "piecewise_constant_decay",
                "boundaries": [10, 20],
                "values": [0.1, 0.01, 0.001],
            },
        },
    ),
    "warm-up": (
        by(learning_rate=keras.optimizers.schedules.CosineDecay(0.0, 100, warmup_target=0.1, warmup_steps=10)),
        {
            "width": 2,
            "learning_rate": {
                "name": "cosine_decay",
                "initial_learning_rate": 0.0,
                "decay_steps": 100,
                "warmup_target": 0.1,
                "warmup_steps": 10,
            },
        },
    ),
    "label smoothing": (
        under(keras.losses.BinaryCrossentropy(label_smoothing=0.1)),
        {"width": 2, "loss": {"name": "binary_crossentropy", "label_smoothing": 0.1}},
    ),
    "hinge": (under("hinge", "tanh"), {"width": 2, "output": "tanh", "loss": "hinge"}),
    "two classes": (
        lambda: network(hidden(), K.Dense(2), K.Softmax(), loss="sparse_categorical_crossentropy"),
        {"width": 2, "output": "softmax"},
    ),
    "logits of classes": (
        lambda: network(hidden(), K.Dense(2), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        {"width": 2, "output": "softmax"},
    ),
}


@pytest.mark.parametrize("name", taken)
def test_layers_in_any_order_that_means_the_vocabulary(name: str) -> None:
    make, expected = taken[name]
    assert resolve(sweep.from_keras(make())) == resolve(expected)


def test_many_classes_want_a_table_of_classes() -> None:
    first = keras.Input((2,))
    model = keras.Model(first, K.Dense(3, activation="softmax")(first))
    model.compile("adam", "categorical_crossentropy")
    found = import_model(model)
    task = {"inputs": [[0, 0], [0, 1], [1, 1]], "targets": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    assert (found.n_outputs, resolve({**found.settings, "task": task}).n_outputs) == (3, 3)


def test_every_obstacle_is_named_at_once() -> None:
    odd = [hidden(activation="softmax", bias_constraint="non_neg"), K.BatchNormalization(name="bn"), sigmoid()]
    optimizer = keras.optimizers.Adam(clipnorm=1.0, use_ema=True)
    with pytest.raises(Obstacles) as caught:
        sweep.from_keras(network(*odd, optimizer=optimizer, loss="categorical_crossentropy"))
    places = [".".join(map(str, error.place)) for error in caught.value.every]
    assert places == [
        "one.bias_constraint",
        "bn",
        "one.activation",
        "optimizer.clipnorm",
        "optimizer.use_ema",
        "out.activation",
    ]
    text = str(caught.value)
    assert text.splitlines()[-1] == f"as it is: {trained_as_it_is}"
    assert all(f"{place}: " in text for place in places)


def test_what_a_refusal_ends_with_trains_the_model() -> None:
    def build(seed: int) -> Any:
        return network(hidden(), K.BatchNormalization(), sigmoid())

    given = {"build": build, "x": np.eye(2, dtype=np.float32), "y": np.array([[0], [1]])}
    line = trained_as_it_is.replace("data=", "seeds=1, epochs=2, batch_size=2, quiet=True, data=")
    assert len(eval(line.partition("  #")[0], {"sweep": sweep, **given})) == 1


@pytest.mark.parametrize("name", ["no model", "uncompiled", "no loss", "no inputs"])
def test_a_refusal_offers_nothing_that_does_not_work(name: str) -> None:
    with pytest.raises(Obstacles) as caught:
        sweep.from_keras(refused[name][0]())
    assert not caught.value.otherwise


def test_seeds_of_initializers_are_said_not_to_be_used(tmp_path: Path) -> None:
    model = network(hidden(kernel_initializer=keras.initializers.HeNormal(seed=3)), sigmoid())
    with pytest.warns(UserWarning, match="Seeds of its initializers and dropout are not used"):
        sweep.from_keras(model)
    model.save(tmp_path / "m.keras")
    text = call("import", tmp_path / "m.keras").stdout
    assert text.startswith("# The network of m.keras. Seeds of its initializers and dropout are not used: each seed")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"shape": (2, 3)}, "shape (None, 2, 3)"),
        ({"shape": (2,), "batch_size": 4}, "shape (4, 2)"),
        ({"shape": (2,), "dtype": "int32"}, "int32"),
    ],
)
def test_inputs_are_rows_of_numbers(given: dict[str, Any], found: str) -> None:
    first = keras.Input(**given)
    with pytest.raises(SettingError) as caught:
        sweep.from_keras(compiled(first, sigmoid()(first)))
    assert caught.value.place == ("input",)
    assert found in caught.value.found


# files


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers of two ReLU units, trained a little, as a user saves them."""
    keras.utils.set_random_seed(0)
    model = network(*(K.Dense(2, activation="relu") for _ in range(3)), sigmoid())
    model.fit(np.array([[0, 0], [0, 1]], np.float32), np.array([[0], [1]], np.float32), verbose=0)
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return path


def test_an_imported_file_is_an_experiment(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    result = call("import", saved, "epochs=300", "--seeds", "16", "--out", out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {out}; next: sweep run {out}\n")
    experiment = experiment_file.load(out)
    (point,) = experiment.grid()
    assert experiment.configuration(point) == resolve({"width": 2, "depth": 3, "epochs": 300})
    assert len(experiment.seeds) == 16
    text = out.read_text()
    assert "batch_size: 32          # of fit: put yours\n" in text
    assert "  epochs: 300\n" in text
    assert call("check", out).stdout.startswith(f"{out}: ok\n")
    assert call("import", saved, "epochs=300", "--seeds", "16").stdout == text
    assert call("import", saved, "--out", out).stderr == f"{out}: exists already; choose another name\n"


@limits(max_examples=8, derandomize=True, deadline=None)
@given(configurations, st.booleans())
def test_what_keras_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, given: Any, is_apart: bool) -> None:
    c = resolve({**given, "activation": "tanh"})
    path = tmp_path_factory.getbasetemp() / "again.keras"
    built(c, is_apart=is_apart).save(path)
    found = read_model(path)
    if c.loss.name == "huber":  # Keras does not keep its delta
        assert found.remark.endswith(delta_not_kept)
        c = resolve({**given, "activation": "tanh", "loss": "huber"})
    assert resolve({**found.settings, "task": given["task"]}) == c


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["width=3"], "width: the model says what it is\n  allowed: task, encoding"),
        (["task=full_adder"], "task: full_adder has 3 and 2\n  allowed: a task of the model's 2 inputs and 1 output"),
    ],
)
def test_the_model_decides_its_shape(saved: Path, arguments: list[str], message: str) -> None:
    result = call("import", saved, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{saved}: {message}")


@pytest.mark.parametrize(
    ("n_inputs", "n_outputs", "task"),
    [(2, 1, "xor"), (5, 1, "{name: parity, bits: 5}"), (2, 2, "half_adder"), (3, 2, "full_adder")],
)
def test_the_task_to_begin_with_has_the_models_shape(n_inputs: int, n_outputs: int, task: str, tmp_path: Path) -> None:
    first = keras.Input((n_inputs,))
    compiled(first, K.Dense(n_outputs, activation="sigmoid")(first)).save(tmp_path / "m.keras")
    assert f"  task: {task} " in call("import", tmp_path / "m.keras").stdout


def test_a_shape_without_a_task_needs_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = keras.Input((4,))
    compiled(first, K.Dense(3, activation="sigmoid")(first)).save("m.keras")
    assert "no task of our own has its 4 inputs and 3 outputs" in call("import", "m.keras").stderr
    Path("data.csv").write_text("a,b,c,d,x,y,z\n1,2,3,4,0,0,1\n2,2,3,4,0,1,1\n")
    task = "task={file: data.csv, targets: [x, y, z]}"
    assert call("import", "m.keras", task, "--out", "mine.yaml").exit_code == 0
    assert call("check", "mine.yaml").exit_code == 0


def test_lambda_layers_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    network(K.Lambda(lambda x: x), sigmoid()).save(path)
    result = call("import", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{path}: Keras cannot load it in safe mode: ")
    assert result.stderr.count("\n") == 1


def edited(path: Path, out: Path, edit: Callable[[Any], None]) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                edit(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return out


def test_files_that_are_no_models(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    for name, made in {
        "cut.keras": content[:3000],
        "text.keras": b"no",
        "model.h5": content,
        "empty.keras": b"",
    }.items():
        (tmp_path / name).write_bytes(made)
        with pytest.raises(KerasFileError, match=f"{name}: no .keras file"):
            read_model(tmp_path / name)
    with pytest.raises(KerasFileError, match="no such file"):
        read_model(tmp_path / "none.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme", "no model")
    edits: list[Callable[[Any], Any]] = [lambda c: c.clear(), lambda c: c.update(class_name="Nothing")]
    edits += [lambda c: c["config"]["layers"][1]["config"].update(units=-1), lambda c: c.update(config=[])]
    paths = [edited(saved, tmp_path / f"edited{i}.keras", edit) for i, edit in enumerate(edits)]
    for path in (tmp_path / "other.keras", *paths):
        with pytest.raises(KerasFileError, match="Keras cannot load it in safe mode: .") as caught:
            read_model(path)
        assert "\n" not in str(caught.value)


def test_any_damage_is_answered(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    draw = np.random.default_rng(1)
    path = tmp_path / "damaged.keras"
    n_refused = 0
    for _ in range(25):
        damaged = bytearray(content)
        for place in draw.integers(0, len(content), 20):
            damaged[place] = draw.integers(256)
        path.write_bytes(damaged)
        try:
            read_model(path)
        except KerasFileError as error:
            n_refused += 1
            assert str(error).startswith(f"{path}: ")
    assert n_refused > 5


def test_loading_says_nothing_and_warns_of_nothing(saved: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_model(saved)
    assert not caught


def test_a_file_takes_no_size_on_trust(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before Keras is asked, which would unpack and build all of it."""
    monkeypatch.setattr("keras.saving.load_model", lambda *_, **__: pytest.fail("Keras was asked"))

    def with_layers(n: int) -> Callable[[Any], None]:
        return lambda config: config["config"]["layers"].extend(config["config"]["layers"][1:2] * n)

    large = [
        edited(saved, tmp_path / "many.keras", with_layers(3000)),
        edited(saved, tmp_path / "wide.keras", lambda c: c["config"]["layers"][1]["config"].update(units=10**9)),
        tmp_path / "bomb.keras",
    ]
    with zipfile.ZipFile(large[-1], "w", zipfile.ZIP_DEFLATED) as archive, archive.open("config.json", "w") as member:
        for _ in range(64):
            member.write(b" " * (1 << 20))
    for path in large:
        with pytest.raises(KerasFileError, match=f"{path.name}: .*\\n  allowed: "):
            read_model(path)


def test_a_name_in_a_model_does_nothing_to_the_terminal(saved: Path, tmp_path: Path) -> None:
    named = edited(saved, tmp_path / "m.keras", lambda c: c["config"]["layers"][1]["config"].update(name="a\x1b[31m"))
    edit: Callable[[Any], None] = lambda c: c["config"]["layers"][1]["config"].update(trainable=False)  # noqa: E731
    result = call("import", edited(named, tmp_path / "x\x1b[31m\n.keras", edit))
    assert "\x1b" not in result.stdout + result.stderr
    written = call("import", edited(saved, tmp_path / "y\nvary: {}.keras", lambda c: None))
    assert written.exit_code == 0 and "\nvary: {}.keras" not in written.stdout
