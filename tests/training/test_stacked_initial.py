"""Initial values of many seeds in one program: those of building each model, to rounding, where Keras draws them."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import jax
import numpy as np
from support import stacked_models
from support.stacked_models import XOR, table
from sweep.runs.success import Success
from sweep.training.keras.built import Job
from sweep.training.stacked import work

worker = work.Stacked("cpu")
work.seconds_worth_a_program = 0.0
seeds = list(range(3, 15))

def states(build, data):
    job = Job(build, data, None, Success.parse("loss < 1"))
    prepared = work.Prepared(job, {"epochs": 1, "batch_size": 4}, seeds, None)
    return prepared.states(seeds)[0], prepared

found, prepared = states(stacked_models.dropped, XOR)
assert prepared._initial is not None
for seed, state in zip(seeds, found, strict=True):
    each = prepared._noted(seed)[0]  # weights, the state of dropout's generator, the optimizer's slots
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(each), strict=True):
        assert one.dtype == other.dtype and np.allclose(one, other, 1e-6, 1e-7)
kernels = np.array([state.trained[0] for state in found])
assert len(np.unique(kernels)) == kernels.size and abs(kernels.mean()) < 0.3  # a seed of its own for each

built, prepared = states(stacked_models.given_weights, table())  # weights that the function sets itself
assert prepared._initial is None
assert not np.array_equal(built[0].trained[0], built[1].trained[0])
"""


def test_a_program_gives_the_values_of_building_each() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keras_draws_as_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from sweep.training.stacked.initial import draws

    keras.utils.set_random_seed(7)
    assert draws(7, 2) == [keras.initializers.GlorotUniform().seed, keras.random.SeedGenerator().state.numpy()[0]]
