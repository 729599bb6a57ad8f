"""Networks that people asked about, as experiments: their rates are those of another training, in float64.

Each is a setup from a public question about a small network that does not learn, or learns sometimes. Both samples are
drawn independently; they are compared by the difference of two rates in its standard errors.
"""

from typing import Any

import numpy as np
import pytest
from support.many import n_learned

from sweep.experiment import file as experiment_file
from sweep.experiment.writing import experiment_text
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.training.native import NativeEngine

MAX_Z = 4.0
N_QUICK, N_SLOW = 120, 2000
# rows taken by a network in its training, beyond which it is left to the slow tests
QUICK_ROWS = 10_000

sgd = {"optimizer": "sgd"}
bits = {"inputs": [[float(i)] for i in range(100)], "targets": [[i % 2] for i in range(100)]}
bipolar = {"encoding": "bipolar", "targets": "bipolar", "output": "tanh", "loss": "mean_squared_error"}
uniform = {"name": "random_uniform", "minval": -1.0, "maxval": 1.0}
squares = {"loss": "mean_squared_error"}
sigmoids = {"activation": "sigmoid", "width": 2}

setups: dict[str, dict[str, Any]] = {
    "two sigmoid units, then two of softmax under categorical cross-entropy": {
        **sigmoids,
        **sgd,
        "output": "softmax",
        "learning_rate": 0.01,
        "batch_size": 32,
        "epochs": 4000,
    },
    "the same at a rate at which some learn": {
        **sigmoids,
        **sgd,
        "output": "softmax",
        "learning_rate": 1.0,
        "batch_size": 32,
        "epochs": 2000,
    },
    "two tanh units, a row at a time by adam": {"activation": "tanh", "width": 2, "batch_size": 1, "epochs": 20_000},
    "equivalence by two leaky relu": {
        "task": "xnor",
        "width": 2,
        "activation": {"name": "leaky_relu", "negative_slope": 0.3},
        "learning_rate": 0.01,
    },
    "five unlike layers behind a single unit, a relu output, drawn rows": {
        "layers": [
            {"units": 1, "activation": "sigmoid"},
            {"units": 3, "activation": "sigmoid"},
            {"units": 5, "activation": "relu"},
            {"units": 4, "activation": "sigmoid"},
            {"units": 3, "activation": "sigmoid"},
        ],
        "output": "relu",
        "samples": 500,
        "batch_size": 32,
        "epochs": 15,
    },
    "-1 and 1 in and out of tanh": {
        **bipolar,
        **sgd,
        "activation": "tanh",
        "width": 2,
        "learning_rate": 0.1,
        "epochs": 1000,
    },
    "an output without a bias, a long plateau": {
        **sigmoids,
        **sgd,
        **squares,
        "output": {"use_bias": False},
        "bias_initializer": uniform,
        "kernel_initializer": uniform,
        "learning_rate": 1.0,
        "epochs": 6000,
    },
    "ten relu under softmax of two classes": {
        **sgd,
        "width": 10,
        "kernel_initializer": "random_normal",
        "output": "softmax",
        "learning_rate": 0.1,
        "epochs": 500,
    },
    "few units with another framework's start": {
        **sgd,
        "framework": "pytorch",
        "width": 3,
        "learning_rate": 0.1,
        "epochs": 2000,
    },
    "a linear output under the squared error, another framework's start": {
        **sigmoids,
        **squares,
        "framework": "pytorch",
        "output": "linear",
        "learning_rate": 0.03,
        "epochs": 1000,
    },
    "two tanh layers, a linear output, weights that decay by the loss": {
        **sgd,
        **squares,
        "activation": "tanh",
        "layers": [8, 4],
        "output": "linear",
        "kernel_regularizer": {"name": "l2", "l2": 0.005},
        "bias_regularizer": {"name": "l2", "l2": 0.005},
        "learning_rate": 0.05,
        "epochs": 2000,
    },
    "the same, decaying so much that some do not fit": {
        **sgd,
        **squares,
        "activation": "tanh",
        "layers": [8, 4],
        "output": "linear",
        "kernel_regularizer": {"name": "l2", "l2": 0.02},
        "bias_regularizer": {"name": "l2", "l2": 0.02},
        "learning_rate": 0.1,
        "epochs": 1000,
    },
    "ten thousand single rows": {
        **sgd,
        **squares,
        "activation": "sigmoid",
        "width": 4,
        "samples": 10_000,
        "batch_size": 1,
        "epochs": 1,
        "learning_rate": 0.07,
    },
    "two sigmoid units from -1 to 1, a row at a time": {
        **sigmoids,
        **sgd,
        **squares,
        "kernel_initializer": uniform,
        "bias_initializer": uniform,
        "learning_rate": 0.5,
        "batch_size": 1,
        "epochs": 5000,
    },
    "three sigmoid units without biases, from nearly nothing": {
        "activation": "sigmoid",
        "width": 3,
        "use_bias": False,
        "kernel_initializer": {"name": "random_uniform", "minval": -0.01, "maxval": 0.01},
        "optimizer": {"name": "sgd", "momentum": 0.7},
        "learning_rate": 0.02,
        "batch_size": 1,
        "epochs": 500,
    },
    "two relu that begin alike, the output as usual": {
        **sgd,
        "layers": [{"units": 2, "kernel_initializer": {"name": "constant", "value": 0.01}}],
        "learning_rate": 0.1,
        "epochs": 2000,
    },
    "even or odd from the number itself, linear": {
        **sgd,
        **squares,
        "task": bits,
        "layers": [],
        "output": "linear",
        "learning_rate": 0.1,
        "epochs": 20,
    },
}


def asked(settings: dict[str, Any]) -> Configuration:
    """The configuration that an experiment with these settings has."""
    [configuration] = experiment_file.parse(experiment_text(settings, n_seeds=1, head="asked")).networks
    return configuration


def learned(c: Configuration, n: int) -> int:
    block = Cohort(c, np.arange(5000, 5000 + n, dtype=np.uint32))
    return int(diagnose(block, NativeEngine().train(block)).learned.sum())


def difference(settings: dict[str, Any], n: int) -> float:
    """The rates of the engine and of the float64 training under `n` seeds: their difference in standard errors."""
    c = asked(settings)
    ours, theirs = learned(c, n), n_learned(c, n, seed=7)
    pooled = (ours + theirs) / (2 * n)
    error = np.sqrt(2 * pooled * (1 - pooled) / n)
    return 0.0 if ours == theirs else abs(ours - theirs) / n / float(error)


def n_rows(settings: dict[str, Any]) -> int:
    c = asked(settings)
    return c.epochs * c.rows_per_epoch


@pytest.mark.parametrize("name", [name for name, settings in setups.items() if n_rows(settings) <= QUICK_ROWS])
def test_rates_agree(name: str) -> None:
    assert difference(setups[name], N_QUICK) <= MAX_Z


@pytest.mark.slow
@pytest.mark.parametrize("name", setups)
def test_rates_agree_closely(name: str) -> None:
    assert difference(setups[name], N_SLOW) <= MAX_Z


def test_a_line_through_unscaled_numbers_diverges() -> None:
    c = asked(setups["even or odd from the number itself, linear"])
    block = Cohort(c, np.arange(50, dtype=np.uint32))
    found = diagnose(block, NativeEngine().train(block))
    assert {outcomes[code] for code in found.outcome} == {"diverged"}
