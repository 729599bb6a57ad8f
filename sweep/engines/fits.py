"""Any Keras model at all: one that a function of one's own builds, trained by plain `model.fit`.

A run begins with `keras.utils.set_random_seed(seed)`, then `build(seed)`: everything that the model draws follows from
its seed. The loss is evaluated without dropout at the snapshots, as `Model.evaluate` says it.
"""

import importlib
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.engines.keras import without_start_up_noise
from sweep.runs import snapshot_epochs
from sweep.vocabulary import SettingError

Criterion = Callable[[Any, Any, Any], bool]

# rows that are evaluated at once
evaluation_batch = 1024
# epochs whose time is taken, after one that compiles
n_timed_epochs = 2


@dataclass(frozen=True)
class Job:
    """What is trained under every seed.

    build: a function of a seed that returns a compiled Keras model; data: what `model.fit` takes as x and y; learned: a
    function of the trained model, x and y, or None for a training accuracy of 1.
    """

    build: Callable[[int], Any]
    data: tuple[Any, Any]
    epochs: int
    batch_size: int
    learned: Criterion | None

    @property
    def snapshots(self) -> list[int]:
        """The epochs after which the loss is evaluated, 0 before the first."""
        return snapshot_epochs(self.epochs, 1).tolist()


@dataclass(frozen=True)
class Fit:
    """What came of one seed: losses at the job's snapshots; accuracy NaN where the targets have none."""

    seed: int
    n_parameters: int
    losses: Sequence[float]
    accuracy: float
    is_finite: bool
    learned: bool


@dataclass(frozen=True)
class Probe:
    """A model that was trained for a few epochs: its description, its parameters, and the time that a run will take."""

    description: str
    n_parameters: int
    seconds: float


def keras() -> Any:
    """The Keras of this process, on whichever backend it runs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns that each seed's model is a new one
    with without_start_up_noise():
        return importlib.import_module("keras")


def fresh_model(job: Job, seed: int) -> Any:
    """The model of a seed; what earlier models left in Keras's memory is dropped. Raises `SettingError`."""
    library = keras()
    library.utils.clear_session()
    library.utils.set_random_seed(seed)
    model = job.build(seed)
    if not isinstance(model, library.Model):
        raise SettingError(("build",), f"returned {type(model).__name__}", "allowed: a compiled Keras model")
    if not model.compiled:
        raise SettingError(("build",), "returned a model that is not compiled", "allowed: one after model.compile(..)")
    return model


def probe(job: Job, seed: int) -> Probe:
    """Train the model of a seed for a few epochs: can it be, how long does it take? Raises `SettingError`."""
    start = time.perf_counter()
    model = fresh_model(job, seed)
    x, y = job.data
    try:
        model.fit(x, y, epochs=1, batch_size=job.batch_size, verbose=0)
        evaluate(model, job)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        found = f"the model cannot be trained on it: {reason}"
        raise SettingError(("data",), found, "allowed: x and y that fit the model") from error
    once = time.perf_counter() - start
    if job.learned is None and math.isnan(accuracy(model, job)):
        found = "none, and the model's loss and targets have no accuracy"
        raise SettingError(("learned",), found, "allowed: a function (model, x, y) that says whether it learned")
    start = time.perf_counter()
    model.fit(x, y, epochs=n_timed_epochs, batch_size=job.batch_size, verbose=0)
    of_epoch = (time.perf_counter() - start) / n_timed_epochs
    start = time.perf_counter()
    evaluate(model, job)
    of_evaluation = time.perf_counter() - start
    seconds = once + job.epochs * of_epoch + len(job.snapshots) * of_evaluation
    return Probe(describe(model), model.count_params(), seconds)


def describe(model: Any) -> str:
    """What makes two models the same training: their layers as far as Keras can say them, optimizer and loss."""
    layers = model.to_json() if type(model).__name__ in ("Sequential", "Functional") else type(model).__name__
    shapes = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    loss = getattr(model.loss, "name", None) or getattr(model.loss, "__name__", None) or str(model.loss)
    return f"{layers} {shapes} {model.optimizer.get_config()} {loss}"


def fit(job: Job, seed: int) -> Fit:
    """Train one model from beginning to end."""
    model = fresh_model(job, seed)
    x, y = job.data
    losses: list[float] = []
    wanted = set(job.snapshots)

    def record(epoch: int, logs: Any = None) -> None:
        if epoch + 1 in wanted:
            losses.append(evaluate(model, job))

    record(-1)
    callback = keras().callbacks.LambdaCallback(on_epoch_end=record)
    model.fit(x, y, epochs=job.epochs, batch_size=job.batch_size, verbose=0, callbacks=[callback])
    reached = accuracy(model, job)
    is_finite = math.isfinite(losses[-1]) and all(np.isfinite(w).all() for w in model.get_weights())
    learned = reached == 1 if job.learned is None else bool(job.learned(model, x, y))
    return Fit(seed, model.count_params(), losses, reached, is_finite, learned and is_finite)


def evaluate(model: Any, job: Job) -> float:
    """The loss of the data, dropout off."""
    x, y = job.data
    size = max(job.batch_size, evaluation_batch)
    return float(model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)["loss"])


def accuracy(model: Any, job: Job) -> float:
    """The share of right answers: rows under a categorical cross-entropy, else entries of targets that are 0 or 1.

    NaN for targets that have no right and wrong.
    """
    x, y = job.data
    answers = model.predict(x, batch_size=max(job.batch_size, evaluation_batch), verbose=0)
    if not isinstance(answers, np.ndarray) or isinstance(y, list | tuple | dict):
        return math.nan
    targets = np.asarray(y)
    loss = keras().losses.get(model.loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if name == "sparse_categorical_crossentropy":
        return float((answers.argmax(axis=-1).ravel() == targets.ravel()).mean())
    if name == "categorical_crossentropy":
        return float((answers.argmax(axis=-1) == targets.argmax(axis=-1)).mean())
    if targets.size != answers.size or not np.isin(targets, (0, 1)).all():
        return math.nan
    takes_logits = hasattr(loss, "get_config") and loss.get_config().get("from_logits", False)
    return float(((answers.ravel() > (0.0 if takes_logits else 0.5)) == (targets.ravel() > 0)).mean())
