"""Networks whose layers differ in everything a layer has: each engine against a float64 training."""

from dataclasses import replace

import numpy as np
import pytest
from support.reference import trajectory
from test_engine_contract import engines

from sweep.networks.layers import Layer
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named, activations, named
from sweep.runs.cohort import Cohort

hidden = (
    Layer(5, Named("tanh"), 0.25, True, Named("he_normal"), Named("zeros")),
    Layer(3, named("leaky_relu", {"negative_slope": 0.3}, activations), 0.0, False, Named("ones"), Named("zeros")),
    Layer(6, Named("softplus"), 0.5, True, Named("glorot_uniform"), Named("ones")),
)


@pytest.mark.parametrize("name", engines)
@pytest.mark.parametrize("options", [{}, {"loss": "mean_squared_error", "optimizer": "adam", "learning_rate": 0.01}])
def test_unlike_layers_train_as_in_float64(name: str, options: dict[str, object]) -> None:
    usual = resolve(
        {"task": "half_adder", "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 3, "epochs": 4, **options}
    )
    output = replace(usual.output, use_bias=False, kernel_initializer=Named("lecun_normal"))
    asked = Cohort(replace(usual, layers=(*hidden, output)), np.arange(3, dtype=np.uint32))
    engine = engines[name]()
    assert engine.refusal(asked.configuration) is None
    measured = engine.train(asked)
    assert measured.units_off.shape == (3, 3)
    for model in range(3):
        *_, wanted = trajectory(asked, model)
        np.testing.assert_allclose(measured.weights[model], wanted, rtol=1e-4, atol=1e-5)
