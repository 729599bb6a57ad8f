"""Functions that another process cannot import, of a script, a notebook or a closure: their models travel described."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sweep.runs.errors import SettingError
from sweep.training import functions
from sweep.training.keras.built import Job, describe, fresh_model
from sweep.training.keras.marking import keras
from sweep.training.stacked.values import Unstackable


@dataclass(frozen=True)
class FromDescription:
    """A function of a seed that gives the model of this text, as Keras writes it.

    description: of the models that the caller's function gives, as `built.describe` has it.
    """

    text: str
    description: str

    def __call__(self, seed: int) -> Any:
        """The compiled model; what it draws follows from Keras's seed now."""
        return keras().saving.deserialize_keras_object(json.loads(self.text))


def travelling(job: Job, settings: Mapping[str, Any], seeds: Any) -> Job:
    """A job whose function another process can have: itself, or one that gives the same models by their description.

    Of the first two seeds, one in the middle and the last both are built here and compared. Raises `Unstackable` where
    the models are not those that Keras builds anew from a description.
    """
    name = functions.name_of(job.build)
    if job.build.__module__ != "__main__" and functions.why_not_elsewhere(job.build) is None:
        return job
    compared = sorted({int(seeds[i]) for i in (0, min(1, len(seeds) - 1), len(seeds) // 2, -1)})
    try:
        first = fresh_model(job, settings, compared[0])
        build = FromDescription(_written(first), describe(first))
        again = replace(job, build=build, names=())
        is_said = all(_is_said(build, job, again, settings, seed) for seed in compared)
    except SettingError:
        raise
    except Exception as error:  # of the caller's function, or of an object that Keras cannot describe or build anew
        reason = str(error).strip().splitlines() or [""]
        raise Unstackable(f"{name} can neither be imported nor described: {reason[0][:200]}") from error
    if not is_said:
        raise Unstackable(f"{name} cannot be imported elsewhere, and gives models that are more than their description")
    return again


def _is_said(said: FromDescription, job: Job, again: Job, settings: Mapping[str, Any], seed: int) -> bool:
    """Whether the model of a seed is the one that its description gives, with the same values."""
    built = fresh_model(job, settings, seed)
    anew = fresh_model(again, settings, seed)
    pairs = zip(built.variables, anew.variables, strict=True)
    return (_written(built), describe(built), _written(anew)) == (said.text, said.description, said.text) and all(
        np.array_equal(np.asarray(a.value), np.asarray(b.value)) for a, b in pairs
    )


def _written(model: Any) -> str:
    """The description of a model."""
    return json.dumps(keras().saving.serialize_keras_object(model), sort_keys=True)
