"""Configurations: equal ones have one id, unlike ones have two, and no id ever changes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.networks import tasks, vocabulary
from sweep.networks.settings import (
    defaults,
    named_signatures,
    of_a_layer,
    regularizers,
    resolve,
    scalars,
    settings_of,
)
from sweep.networks.vocabulary import Argument, Signature
from sweep.runs.errors import SettingError

cosine = {"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 9}
parity = {
    "task": {"name": "parity", "bits": 3},
    "encoding": "bipolar",
    "layers": [4, 2],
    "activation": {"name": "leaky_relu", "negative_slope": 0.1},
    "dropout": 0.1,
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.05},
    "batch_size": 2,
    "epochs": 250,
    "loss": "mean_squared_error",
}


def test_ids_never_change():
    """Results folders name configurations by these: a new id is a new configuration to whoever reads them."""
    assert resolve({}).canonical_json() == (
        '{"activation":["relu",{}],"batch_size":4,"bias_initializer":["zeros",{}],"dropout":0.0,"encoding":"binary",'
        '"epochs":1000,"kernel_initializer":["glorot_uniform",{}],"layers":[8],"learning_rate":0.001,'
        '"loss":"binary_crossentropy","optimizer":["adam",{"amsgrad":false,"beta_1":0.9,"beta_2":0.999,'
        '"epsilon":1e-07,"weight_decay":0.0}],"samples":null,"task":{"inputs":[[0.0,0.0],[0.0,1.0],[1.0,0.0],'
        '[1.0,1.0]],"targets":[[0],[1],[1],[0]]},"use_bias":true}'
    )
    assert resolve({}).id == "c3d37efe315d5"
    assert resolve(parity).id == "cc1e57a8708d1"
    assert resolve({"task": {"inputs": [[0.5], [-2]], "targets": [[0], [1]]}, "depth": 0}).id == "cedee660f827a"


equal: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "defaults spelled out": ({}, {k: v for k, v in defaults.items() if k != "layers"}),
    "default arguments": ({"optimizer": "adam"}, {"optimizer": {"name": "adam", "beta_1": 0.9, "epsilon": 1e-7}}),
    "order of arguments": (
        {"optimizer": {"name": "sgd", "momentum": 0.5, "nesterov": True}},
        {"optimizer": {"nesterov": True, "momentum": 0.5, "name": "sgd"}},
    ),
    "rate in either place": (
        {"optimizer": {"name": "sgd", "learning_rate": 0.1}},
        {"optimizer": "sgd", "learning_rate": 0.1},
    ),
    "rate of Keras for sgd": ({"optimizer": "sgd"}, {"optimizer": "sgd", "learning_rate": 0.01}),
    "rate of Keras for adam": ({"optimizer": "adam"}, {"optimizer": "adam", "learning_rate": 0.001}),
    "no rate given": ({"learning_rate": None}, {}),
    "batch beyond the table": ({"batch_size": 4}, {"batch_size": 10**9}),
    "full batch": ({"batch_size": 4}, {"batch_size": "full"}),
    "layers for width and depth": ({"layers": [3, 3]}, {"width": 3, "depth": 2}),
    "a layer as a mapping": ({"layers": [3, {"units": 2}]}, {"layers": [3, 2]}),
    "layers that say what they share": (
        {"layers": [{"units": 3, "activation": "tanh"}, {"units": 3, "activation": {"name": "tanh"}}]},
        {"width": 3, "depth": 2, "activation": "tanh"},
    ),
    "what no layer takes": ({"layers": [{"units": 3, "dropout": 0}], "dropout": 0.5}, {"width": 3}),
    "no bias of a layer, no initializer": (
        {"layers": [{"units": 3, "use_bias": False, "bias_initializer": "ones"}]},
        {"layers": [{"units": 3, "use_bias": False}]},
    ),
    "an output as a mapping": ({"output": {"activation": "tanh"}}, {"output": "tanh"}),
    "an output that says what is shared": ({"output": {"use_bias": True}}, {}),
    "softmax takes its loss and classes": (
        {"output": "softmax"},
        {"output": "softmax", "loss": "categorical_crossentropy", "targets": "one_hot"},
    ),
    "categorical cross-entropy takes softmax": ({"loss": "categorical_crossentropy"}, {"output": {"name": "softmax"}}),
    "a softmax in a mapping": ({"output": {"activation": "softmax"}}, {"output": "softmax"}),
    "a full batch knows no order": ({"shuffle": False}, {}),
    "biases drawn as a kernel that knows no fans": (
        {"kernel_initializer": "random_normal", "bias_initializer": "as_kernel"},
        {"kernel_initializer": "random_normal", "bias_initializer": "random_normal"},
    ),
    "another framework's defaults": (
        {"framework": "pytorch", "layers": [4, {"units": 3, "activation": "leaky_relu"}]},
        {
            "layers": [4, {"units": 3, "activation": {"name": "leaky_relu", "negative_slope": 0.01}}],
            "kernel_initializer": {
                "name": "variance_scaling",
                "scale": 1 / 3,
                "mode": "fan_in",
                "distribution": "uniform",
            },
            "bias_initializer": "as_kernel",
            "optimizer": {"name": "adam", "epsilon": 1e-8},
        },
    ),
    "rmsprop of another framework": (
        {"framework": "pytorch", "optimizer": "rmsprop", "kernel_initializer": "zeros", "bias_initializer": "zeros"},
        {
            "kernel_initializer": "zeros",
            "optimizer": {"name": "rmsprop", "learning_rate": 0.01, "rho": 0.99, "epsilon": 1e-16},
        },
    ),
    "what is named in another framework": (
        {
            "framework": "pytorch",
            "kernel_initializer": "zeros",
            "bias_initializer": "zeros",
            "optimizer": "sgd",
            "learning_rate": 0.1,
        },
        {"kernel_initializer": "zeros", "optimizer": {"name": "sgd", "learning_rate": 0.1}},
    ),
    "a regularizer of no factor": ({"kernel_regularizer": {"name": "l2", "l2": 0}}, {}),
    "two regularizers, one of no factor": (
        {"kernel_regularizer": {"name": "l1_l2", "l2": 0.01}},
        {"kernel_regularizer": "l2"},
    ),
    "no bias, no regularizer": ({"use_bias": False, "bias_regularizer": "l1"}, {"use_bias": False}),
    "a regularizer of all layers": (
        {"layers": [2, {"units": 2, "kernel_regularizer": "l1"}], "kernel_regularizer": "l1"},
        {"width": 2, "depth": 2, "kernel_regularizer": "l1"},
    ),
    "a schedule in the optimizer": (
        {"optimizer": {"name": "sgd", "learning_rate": cosine}},
        {"optimizer": "sgd", "learning_rate": {**cosine, "alpha": 0, "warmup_target": None}},
    ),
    "a warm-up to nowhere": ({"learning_rate": {**cosine, "warmup_steps": 5}}, {"learning_rate": cosine}),
    "no smoothing": ({"loss": {"name": "binary_crossentropy", "label_smoothing": 0}}, {}),
    "no layers for depth 0": ({"layers": []}, {"depth": 0}),
    "whole number as a float": ({"width": 2, "epochs": 10}, {"width": 2.0, "epochs": 1e1}),
    "float as a whole number": ({"dropout": 0, "learning_rate": 1}, {"dropout": 0.0, "learning_rate": 1.0}),
    "minus zero": ({"learning_rate": 0.0, "dropout": -0.0}, {"learning_rate": -0.0}),
    "depth 0 has no width": ({"depth": 0, "width": 2}, {"depth": 0, "width": 99}),
    "depth 0 has no activation": ({"depth": 0, "activation": "tanh"}, {"depth": 0, "activation": "linear"}),
    "depth 0 has no dropout": ({"depth": 0, "dropout": 0.5}, {"depth": 0}),
    "no bias, no initializer": ({"use_bias": False, "bias_initializer": "ones"}, {"use_bias": False}),
    "a given table": (
        {"task": "xor"},
        {"task": {"inputs": [[0, 0], [0, 1], [1, 0], [1, 1]], "targets": [[0], [1], [1], [0]]}},
    ),
    "a task of two bits": ({"task": "xor"}, {"task": {"name": "parity", "bits": 2}}),
}

unlike: list[dict[str, Any]] = [
    {},
    {"task": "and"},
    {"encoding": "bipolar"},
    {"width": 9},
    {"depth": 2},
    {"depth": 0},
    {"layers": [8, 4]},
    {"layers": [4, 8]},
    {"layers": [4, {"units": 8, "activation": "tanh"}]},
    {"layers": [4, {"units": 8, "use_bias": False}]},
    {"activation": "tanh"},
    {"activation": "leaky_relu"},
    {"activation": {"name": "leaky_relu", "negative_slope": 0.3}},
    {"dropout": 0.1},
    {"use_bias": False},
    {"kernel_initializer": "he_normal"},
    {"kernel_initializer": {"name": "random_normal", "stddev": 0.1}},
    {"bias_initializer": "ones"},
    {"bias_initializer": "as_kernel"},
    {"kernel_regularizer": "l1"},
    {"kernel_regularizer": "l2"},
    {"kernel_regularizer": {"name": "l2", "l2": 0.1}},
    {"bias_regularizer": "l2"},
    {"layers": [{"units": 8, "kernel_regularizer": "l2"}]},
    {"output": {"kernel_regularizer": "l2"}},
    {"loss": {"name": "binary_crossentropy", "label_smoothing": 0.1}},
    {"learning_rate": {"name": "cosine_decay", "initial_learning_rate": 0.001, "decay_steps": 9}},
    {"learning_rate": {"name": "cosine_decay", "initial_learning_rate": 0.001, "decay_steps": 8}},
    {"learning_rate": {"name": "piecewise_constant_decay", "boundaries": [1], "values": [0.001, 0.001]}},
    {"batch_size": 2},
    {"batch_size": 2, "shuffle": False},
    {"activation": "relu6"},
    {"optimizer": "sgd"},
    {"optimizer": {"name": "adam", "amsgrad": True}},
    {"optimizer": "adamw"},
    {"learning_rate": 0.0011},
    {"batch_size": 3},
    {"samples": 4},
    {"samples": 5},
    {"epochs": 999},
    {"loss": "mean_squared_error"},
    {"loss": "huber"},
    {"loss": {"name": "huber", "delta": 0.5}},
    {"loss": "hinge"},
    {"output": "linear"},
    {"output": "softmax"},
    {"output": {"use_bias": False}},
    {"targets": "one_hot"},
    {"output": "tanh", "loss": "hinge"},
    {"output": "tanh", "loss": "hinge", "targets": "bipolar"},
    {"task": {"inputs": [[0, 0], [0, 1], [1, 1], [1, 0]], "targets": [[0], [1], [0], [1]]}},  # other order of rows
]


@pytest.mark.parametrize(("one", "other"), equal.values(), ids=list(equal))
def test_equal_configurations_have_one_id(one: dict[str, Any], other: dict[str, Any]):
    assert resolve(one).id == resolve(other).id
    assert resolve(one).canonical_json() == resolve(other).canonical_json()


def test_unlike_configurations_have_different_ids():
    ids = [resolve(given_settings).id for given_settings in unlike]
    assert len(set(ids)) == len(unlike)
    for name in ids:
        assert name[0] == "c"
        assert len(name) == 13
        assert int(name[1:], 16) >= 0


def test_every_hyperparameter_decides_the_id():
    assert {key for changed in unlike for key in changed} | {"framework"} == set(defaults)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "width": st.integers(1, 50),
            "depth": st.integers(0, 4),
            "dropout": st.floats(0, 0.99),
            "activation": st.sampled_from(sorted(vocabulary.activations)),
            "optimizer": st.sampled_from(sorted(vocabulary.optimizers)),
            "kernel_initializer": st.sampled_from(sorted(vocabulary.initializers)),
            "learning_rate": st.floats(0, 3e38),
            "batch_size": st.integers(1, 10),
            "use_bias": st.booleans(),
        },
    )
)
def test_a_digest_is_a_function_of_what_is_trained(given_settings: dict[str, Any]):
    """Resolving what was resolved changes nothing, whatever the order of the settings."""
    c = resolve(given_settings)
    plain = json.loads(c.canonical_json())
    again: dict[str, Any] = {
        key: {"name": value[0], **value[1]} if key.endswith(("er", "activation")) else value
        for key, value in plain.items()
    }
    assert resolve(dict(reversed(again.items()))).id == c.id


def values_of(a: Argument) -> st.SearchStrategy[Any]:
    """The values that an argument may take."""
    if a.many:
        return st.lists(values_of(replace(a, many=False)), min_size=1, max_size=3)
    if a.or_none:
        return st.none() | values_of(replace(a, or_none=False))
    if isinstance(a.default, bool):
        return st.booleans()
    if isinstance(a.default, str):
        return st.sampled_from(a.choices)
    low, high = max(a.low, -vocabulary.max_number), min(a.high, vocabulary.max_number)
    if isinstance(a.default, int):
        return st.integers(int(low), int(min(high, 2**31 - 1)))
    return st.floats(low, high, exclude_min=a.open_low, exclude_max=a.open_high and a.high < vocabulary.max_number)


def with_arguments(name: str, signature: Signature) -> st.SearchStrategy[Any]:
    """A name with all arguments that it needs, and some others."""
    values = {key: values_of(a) for key, a in signature.items()}
    wanted = {key: values.pop(key) for key, a in signature.items() if a.is_required}
    return st.fixed_dictionaries({"name": st.just(name), **wanted}, optional=values)


def names_with_arguments(signatures: Mapping[str, Signature]) -> st.SearchStrategy[Any]:
    """A name by itself, or with some of its arguments."""
    return st.one_of(*(st.just(name) | with_arguments(name, signature) for name, signature in signatures.items()))


given_tables = st.integers(1, 3).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "inputs": st.lists(st.lists(st.floats(-3e38, 3e38), min_size=n, max_size=n), min_size=2, max_size=2),
            "targets": st.lists(st.lists(st.integers(0, 1), min_size=n, max_size=n), min_size=2, max_size=2),
        }
    )
)
own_layer = st.fixed_dictionaries(
    {"units": st.integers(1, 9)},
    optional={
        key: names_with_arguments(named_signatures[key]) if key in named_signatures else values_of(scalars[key])
        for key in of_a_layer
    },
)
own_layers = st.lists(st.integers(1, 9) | own_layer, max_size=4)
all_settings = st.fixed_dictionaries(
    {},
    optional={
        **{key: values_of(a) for key, a in scalars.items() if key not in ("width", "depth")},
        **{key: names_with_arguments(signatures) for key, signatures in named_signatures.items()},
        "task": names_with_arguments(tasks.signatures) | given_tables,
        "learning_rate": values_of(vocabulary.learning_rate)
        | st.one_of(*(with_arguments(name, signature) for name, signature in vocabulary.schedules.items())),
        "layers": own_layers,
        "output": names_with_arguments(vocabulary.output_activations)
        | st.fixed_dictionaries(
            {},
            optional={
                "activation": names_with_arguments(vocabulary.output_activations),
                "kernel_initializer": names_with_arguments(vocabulary.initializers),
                "bias_initializer": names_with_arguments(vocabulary.initializers),
                "use_bias": st.booleans(),
            },
        ),
    },
)


def resolvable(given_settings: dict[str, Any]) -> bool:
    try:
        return bool(resolve(given_settings))
    except SettingError:  # samples with dropout, an encoding of other values than bits, a multiplexer of 4 bits
        return False


@settings(max_examples=300, derandomize=True, deadline=None)
@given(all_settings.filter(resolvable))
def test_a_configuration_is_what_its_settings_make(given_settings: dict[str, Any]):
    c = resolve(given_settings)
    written = json.dumps(settings_of(c), allow_nan=False)
    again = resolve(json.loads(written))
    assert again == c
    assert (again.id, again.labels()) == (c.id, c.labels())
    assert json.dumps(settings_of(again)) == written


def test_settings_are_as_a_person_writes_them():
    assert settings_of(resolve(parity)) == {
        **parity,
        "samples": None,
        "bias_initializer": "zeros",
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
        "learning_rate": 0.05,
    }
    plain = {
        key: value
        for key, value in defaults.items()
        if key not in ("layers", "output", "targets", "shuffle", "framework", *regularizers)
    }
    assert settings_of(resolve({})) == {**plain, "learning_rate": 0.001, "batch_size": 4}
    assert list(settings_of(resolve({}))) == list(plain)
    assert settings_of(resolve({"depth": 0}))["depth"] == 0
    table = {"inputs": [[0.5], [-2.0]], "targets": [[0], [1]]}
    assert settings_of(resolve({"task": table}))["task"] == table
    head = {"output": {"activation": "tanh", "use_bias": False}, "loss": "hinge", "targets": "bipolar"}
    assert {key: settings_of(resolve(head))[key] for key in head} == head
    assert settings_of(resolve({"output": "softmax"}))["output"] == "softmax"


def test_unlike_layers_say_what_differs():
    c = resolve({"layers": [{"units": 4, "activation": "tanh"}, {"units": 2, "use_bias": False}], "epochs": 7})
    assert [(x.units, x.activation.name, x.use_bias) for x in c.layers] == [
        (4, "tanh", True),
        (2, "relu", False),
        (1, "sigmoid", True),
    ]
    assert settings_of(c)["layers"] == [4, {"units": 2, "activation": "relu", "use_bias": False}]
    assert settings_of(c)["activation"] == "tanh"
    assert (c.labels()["activation"], c.unlike) == ("tanh-relu", ("activation", "use_bias"))
    assert resolve({"layers": [4, 2]}).unlike == ()


def test_resolved_values_and_shapes():
    c = resolve(parity)
    assert c.n_units == (3, 4, 2, 1)
    assert [v.shape for v in c.variables] == [(3, 4), (4, 2), (2, 1)]
    assert c.n_parameters == 12 + 8 + 2
    assert resolve({"layers": [4, 2]}).n_parameters == (2 * 4 + 4) + (4 * 2 + 2) + (2 + 1)
    assert (c.depth, c.rows_per_epoch, c.steps_per_epoch, c.is_full_batch) == (2, 8, 4, False)
    assert resolve({"batch_size": 3}).steps_per_epoch == 2
    assert resolve({}).is_full_batch
    drawn = resolve({"samples": 100})
    assert (drawn.samples, drawn.rows_per_epoch, drawn.batch_size, drawn.steps_per_epoch) == (100, 100, 32, 4)
    assert resolve({"samples": 20}).batch_size == resolve({"samples": 20, "batch_size": "full"}).batch_size == 20
    assert resolve({"samples": 20}).is_full_batch
    assert resolve({"depth": 0}).n_units == (2, 1)
    assert c.optimizer["momentum"] == 0.9
    assert "learning_rate" not in dict(c.optimizer.arguments)
    assert c.learning_rate == 0.05


def test_encoding():
    assert resolve({}).inputs().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert resolve({"encoding": "bipolar"}).inputs().tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert resolve({"encoding": "bipolar"}).inputs().dtype == np.float32
    assert resolve({"encoding": "bipolar"}).targets().tolist() == [[0], [1], [1], [0]]


def test_labels():
    labels = resolve(parity).labels()
    assert list(labels) == [key for key in defaults if key not in ("layers", "framework")]
    assert labels["task"] == "parity(bits=3)"
    assert labels["width"] == "4-2"
    assert labels["depth"] == 2
    assert labels["activation"] == "leaky_relu(negative_slope=0.1)"
    assert labels["optimizer"] == "sgd(momentum=0.9,nesterov=true)"
    assert labels["learning_rate"] == 0.05
    assert labels["batch_size"] == 2
    assert resolve({"layers": [3, 3]}).labels()["width"] == 3
    assert resolve({"depth": 0, "activation": "tanh"}).labels()["activation"] == "linear"
    assert resolve({"depth": 0}).labels()["width"] == 0


@pytest.mark.parametrize(
    ("given_settings", "place", "found"),
    [
        ({"widht": 2}, ("widht",), "no such hyperparameter"),
        ({"width": 0}, ("width",), "found 0"),
        ({"width": "8"}, ("width",), "found '8'"),
        ({"width": 10**400}, ("width",), "found a whole number of 1329 bits"),
        ({"width": float("nan")}, ("width",), "found nan"),
        ({"epochs": True}, ("epochs",), "found true"),
        ({"batch_size": "all"}, ("batch_size",), "found 'all'"),
        ({"batch_size": None}, ("batch_size",), "found null"),
        ({"use_bias": 1}, ("use_bias",), "found 1"),
        ({"loss": "hinges"}, ("loss",), "no such name: hinges"),
        ({"loss": {"name": "huber", "delta": 0}}, ("loss", "delta"), "found 0"),
        ({"output": "softmx"}, ("output",), "no such name: softmx"),
        ({"output": {"units": 3}}, ("output", "units"), "no such key of the output layer"),
        ({"activation": "softmax"}, ("activation",), "softmax, which is for the output"),
        ({"targets": "onehot"}, ("targets",), "found 'onehot'"),
        (
            {"output": "softmax", "targets": "binary"},
            ("targets",),
            "binary with a softmax of one unit, which is 1 whatever it is given",
        ),
        (
            {"output": "softmax", "targets": "bipolar", "task": "half_adder"},
            ("targets",),
            "bipolar with a softmax, whose outputs sum to 1",
        ),
        ({"output": "softmax", "loss": "hinge"}, ("loss",), "hinge of classes"),
        ({"loss": "squared_hinge", "targets": "one_hot"}, ("loss",), "squared_hinge of classes"),
        (
            {"output": "softmax", "loss": "binary_crossentropy"},
            ("loss",),
            "binary_crossentropy of a softmax, whose sums Keras would take for those of sigmoids",
        ),
        (
            {"output": "linear", "loss": "categorical_crossentropy"},
            ("output",),
            "linear under categorical_crossentropy, which wants probabilities that sum to 1",
        ),
        (
            {"output": "tanh", "targets": "bipolar"},
            ("targets",),
            "bipolar under binary_crossentropy, which knows 0 and 1",
        ),
        (
            {"output": "relu", "targets": "bipolar", "loss": "hinge"},
            ("targets",),
            "bipolar with an output relu, which is never below 0: no answer to -1 would be right",
        ),
        (
            {"task": "half_adder", "output": "softmax"},
            ("task",),
            "2 targets a row that are no classes, with one_hot",
        ),
        ({"activation": ["relu"]}, ("activation",), "found ['relu']"),
        (
            {"activation": {"name": "relu", "max_value": 6}},
            ("activation", "max_value"),
            "relu has no argument max_value",
        ),
        ({"optimizer": {"name": "sgd", "learning_rate": -1}}, ("optimizer", "learning_rate"), "found -1"),
        (
            {"optimizer": {"name": "sgd", "learning_rate": 1}, "learning_rate": 1},
            ("learning_rate",),
            "given twice, here and in the optimizer",
        ),
        ({"layers": "42"}, ("layers",), "found '42'"),
        ({"layers": [4, True]}, ("layers", 1), "found true"),
        ({"layers": [4, {"units": 2, "dropout": 1}]}, ("layers", 1, "dropout"), "found 1"),
        (
            {"framework": "pytorch", "optimizer": "nadam"},
            ("framework",),
            "pytorch with nadam, which has another formula there",
        ),
        (
            {"framework": "pytorch", "optimizer": {"name": "adam", "weight_decay": 0.1}},
            ("framework",),
            "pytorch with a weight_decay of adam, which is a part of the gradient there",
        ),
        (
            {"framework": "pytorch", "optimizer": {"name": "sgd", "learning_rate": 1}, "learning_rate": 1},
            ("learning_rate",),
            "given twice, here and in the optimizer",
        ),
        ({"framework": "torch"}, ("framework",), "found 'torch'"),
        ({"samples": 8, "shuffle": False}, ("shuffle",), "false with samples, whose batches are drawn"),
        ({"kernel_initializer": "as_kernel"}, ("kernel_initializer",), "no such name: as_kernel"),
        ({"samples": 8, "layers": [{"units": 2, "dropout": 0.1}]}, ("samples",), "samples together with dropout"),
        ({"layers": [1] * 1001}, ("layers",), "1001 layers"),
        ({"layers": [4], "depth": 1}, ("layers",), "layers together with depth"),
        ({"task": {"inputs": [[0.5]], "targets": [[0]]}, "encoding": "bipolar"}, ("encoding",), None),
        ({"task": 3}, ("task",), "found 3"),
        ({"task": {"file": "a.csv"}}, ("task", "file"), "a task whose file was not read"),
        ({"samples": 0}, ("samples",), "found 0"),
        ({"samples": True}, ("samples",), "found true"),
        ({"samples": 8, "dropout": 0.1}, ("samples",), "samples together with dropout"),
        ({"samples": 8, "dropout": 0.1, "depth": 0}, ("samples",), "samples together with dropout"),
        (
            {"kernel_initializer": {"name": "variance_scaling", "mode": "fan"}},
            ("kernel_initializer", "mode"),
            "found 'fan'",
        ),
    ],
)
def test_settings_that_cannot_be(given_settings: dict[str, Any], place: tuple[str | int, ...], found: str | None):
    with pytest.raises(SettingError) as caught:
        resolve(given_settings)
    assert caught.value.place == place
    assert found is None or caught.value.found == found
    assert "allowed" in caught.value.allowed


def test_classes_are_targets_in_another_writing() -> None:
    inputs = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    three = resolve({"task": {"inputs": inputs, "classes": [0, 2, 1]}, "output": "softmax"})
    same = {"inputs": inputs, "targets": [[1, 0, 0], [0, 0, 1], [0, 1, 0]]}
    assert three == resolve({"task": same, "output": "softmax"})
    two = resolve({"task": {"inputs": inputs, "classes": [0, 1, 1]}})
    assert (two.coding, two.n_outputs, two.task.targets) == ("one_hot", 2, ((0,), (1,), (1,)))
    assert two == resolve({"task": {"inputs": inputs, "targets": [[0], [1], [1]]}, "targets": "one_hot"})
    assert resolve({"task": {"inputs": inputs, "classes": [0, 1, 1]}, "targets": "binary"}).n_outputs == 1
