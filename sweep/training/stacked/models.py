"""The models that a function builds, as states to be stacked."""

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweep.runs.endings import max_told
from sweep.training.keras.built import Job, describe, made_model
from sweep.training.keras.marking import keras
from sweep.training.own import Given
from sweep.training.stacked.program import State
from sweep.training.stacked.values import Unstackable


def leave_tensorflow_out() -> None:
    """Let Keras believe that there is no TensorFlow, which it would import, for seconds, to seed or to describe.

    A module of the caller's may still import it.
    """
    if "tensorflow" not in sys.modules:
        sys.modules["tensorflow"] = None  # pyright: ignore[reportArgumentType]  (so Python says: cannot be imported)
        keras().utils.set_random_seed(0)
        del sys.modules["tensorflow"]


def ready(job: Job, settings: Mapping[str, Any], seed: int) -> Any:
    """The model of a seed with every variable that `fit` would make. Raises `SettingError`, and what `build` raises."""
    keras().utils.clear_session(free_memory=False)  # collecting garbage takes a tenth of a second
    keras().config.set_dtype_policy(job.policy)
    keras().utils.set_random_seed(seed)
    model = made_model(job, settings, seed)
    size = settings["batch_size"]
    batch = keras().tree.map_structure(lambda leaf: leaf[:size], job.rows)
    model._symbolic_build(data_batch=batch)  # as `fit` begins  # pyright: ignore[reportPrivateUsage]
    return model


def state_of(model: Any) -> State:
    """The variables of a model, arrays."""
    of = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    return State(*([np.asarray(variable.value) for variable in variables] for variables in of))


def structure(model: Any) -> str:
    """What models must have in common to be stacked: everything but seeds and values of variables."""
    return re.sub(r'"(seed|learning_rate)": [^,}\]]*|\'learning_rate\': [^,}]*', "", describe(model))


def check(model: Any) -> None:
    """Raise `Unstackable` for a model of which a step is not what its variables say."""
    if model.run_eagerly:
        raise Unstackable("the model is compiled with run_eagerly=True")
    layers = model._flatten_layers()  # pyright: ignore[reportPrivateUsage]
    policies = {layer.dtype_policy.name for layer in layers} - {"float32"}
    if policies or hasattr(model.optimizer, "inner_optimizer"):
        raise Unstackable(f"the model computes in {', '.join(sorted(policies)) or 'mixed precision'}")


def build_each(
    job: Job, settings: Mapping[str, Any], seeds: Sequence[int], like: str
) -> tuple[list[State], dict[int, Given]]:
    """The states of the seeds whose models can be built, in order, and what came of the others, by place.

    like: the `structure` that all must have. Raises `Unstackable` where one has another.
    """
    states: list[State] = []
    crashed: dict[int, Given] = {}
    for place, seed in enumerate(seeds):
        try:
            model = ready(job, settings, seed)
        except Exception:  # whatever the user's function raises is how that run ended
            crashed[place] = Given(outcome="crashed", told=traceback.format_exc()[-max_told:])
            continue
        if structure(model) != like:
            raise Unstackable(f"build gives seed {seed} a model of another structure than the first seed")
        states.append(state_of(model))
    return states, crashed
