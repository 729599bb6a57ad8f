"""Networks whose layers differ in everything a layer has: each engine against a float64 training."""

from dataclasses import replace

import numpy as np
import pytest
from support.reference import trajectory
from test_engine_contract import engines

from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named
from sweep.runs.cohort import Cohort

layers = [
    {"units": 5, "activation": "tanh", "dropout": 0.25, "kernel_initializer": "he_normal"},
    {"units": 3, "activation": {"name": "leaky_relu", "negative_slope": 0.3}, "use_bias": False},
    {"units": 6, "activation": "softplus", "dropout": 0.5, "bias_initializer": "ones"},
]


@pytest.mark.parametrize("name", engines)
@pytest.mark.parametrize("options", [{}, {"loss": "mean_squared_error", "optimizer": "adam", "learning_rate": 0.01}])
def test_unlike_layers_train_as_in_float64(name: str, options: dict[str, object]) -> None:
    sgd = {"optimizer": "sgd", "learning_rate": 0.1}
    usual = resolve({"task": "half_adder", "layers": layers, "batch_size": 3, "epochs": 4, **sgd, **options})
    output = replace(usual.output, use_bias=False, kernel_initializer=Named("lecun_normal"))
    asked = Cohort(replace(usual, layers=(*usual.hidden, output)), np.arange(3, dtype=np.uint32))
    engine = engines[name]()
    assert engine.refusal(asked.configuration) is None
    measured = engine.train(asked)
    assert measured.units_off.shape == (3, 3)
    for model in range(3):
        *_, wanted = trajectory(asked, model)
        np.testing.assert_allclose(measured.weights[model], wanted, rtol=1e-4, atol=1e-5)
