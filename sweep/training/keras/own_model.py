"""Any Keras model at all: one that a function of one's own builds, trained by plain `model.fit`.

A run begins with `keras.utils.set_random_seed(seed)`, then `build(seed)`: everything that the model draws follows from
its seed. Everything is evaluated without dropout: the loss at the snapshots, as `Model.evaluate` says it; after every
epoch whether the model has learned, by one forward pass that ends at the first rows with a wrong answer.
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.snapshots import snapshot_epochs
from sweep.networks.tasks import max_rows
from sweep.runs.errors import SettingError
from sweep.training.keras.marking import (
    Marking,
    answered_at_once,
    as_arrays,
    floor_loss,
    hidden,
    keras,
    marking,
    pieces,
)

Criterion = Callable[[Any, Any, Any], bool]

# epochs whose time is taken, after one that compiles
n_timed_epochs = 2


@dataclass(frozen=True)
class Job:
    """What is trained under every seed.

    build: a function of a seed that returns a compiled Keras model; data: what `model.fit` takes as x and y; learned: a
    function of the model, x and y, asked after every epoch, or None for a training accuracy of 1.
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
    """What came of one seed: losses at the job's snapshots.

    accuracy: the share of right answers, NaN where targets have no right and wrong; probabilities: the answers `[row,
    output]` to targets 0 or 1 of up to 256 rows, else None, and margin the smallest `(2y - 1)(2p - 1)` of them all,
    else NaN. epochs_to_learn: the first epoch from which it has learned to the end, -1 where it has not. dead_units and
    dead_layer as in runs.csv, the layers being the relu layers, None for a model whose layers cannot be read;
    dead_layer is 0 where no layer is dead, None for a model that is not one chain of layers.
    """

    seed: int
    n_parameters: int
    losses: Sequence[float]
    accuracy: float
    is_finite: bool
    learned: bool
    margin: float = math.nan
    epochs_to_learn: int = -1
    probabilities: Sequence[Sequence[float]] | None = None
    dead_units_initial: int | None = None
    dead_units: int | None = None
    dead_layer: int | None = None


@dataclass(frozen=True)
class Probe:
    """A model that was trained for a few epochs: its description, its parameters, and the time that a run will take.

    floors: the loss, where the floors of merged rows are known for it.
    """

    description: str
    n_parameters: int
    seconds: float
    floors: str | None = None


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


class Watch:
    """A model while it is trained: what is evaluated before the first epoch and after each."""

    def __init__(self, model: Any, job: Job) -> None:
        self.model, self.job = model, job
        self.x = as_arrays(job.data[0])
        self.losses: list[float] = []
        self.last_unlearned = -1
        self._wanted = set(job.snapshots)
        self.marks = self._marking()
        self.record(-1)

    def _marking(self) -> Marking | None:
        _, part = next(pieces(self.x, answered_at_once))
        return marking(self.model, as_arrays(self.job.data[1]), self.model.predict_on_batch(part))

    def record(self, epoch: int, logs: Any = None) -> None:
        """Evaluate after an epoch, from 0; -1 is the state before training."""
        if epoch + 1 in self._wanted:
            self.losses.append(evaluate(self.model, self.job))
        if not self.has_learned():
            self.last_unlearned = epoch + 1

    def has_learned(self) -> bool:
        """Whether the model has learned by the criterion, as it is now."""
        if self.job.learned is not None:
            return bool(self.job.learned(self.model, *self.job.data))
        marks = self.marks
        answered = ((first, self.model.predict_on_batch(part)) for first, part in pieces(self.x, answered_at_once))
        return marks is not None and all(marks.is_right(answers, first).all() for first, answers in answered)

    def answers(self) -> Any:
        """The answers to all rows, None where they cannot be marked."""
        if self.marks is None:
            return None
        n = len(self.marks.targets)
        found: list[npt.NDArray[Any]] = []
        for first, part in pieces(self.x, answered_at_once):
            done = sum(map(len, found))
            found.append(self.model.predict_on_batch(part)[done - first :])
        return np.concatenate(found)[:n]


def probe(job: Job, seed: int) -> Probe:
    """Train the model of a seed for a few epochs: can it be, how long does it take? Raises `SettingError`."""
    start = time.perf_counter()
    model = fresh_model(job, seed)
    x, y = job.data
    try:
        watch = Watch(model, job)
        model.fit(x, y, epochs=1, batch_size=job.batch_size, verbose=0)
    except SettingError:
        raise
    except (ValueError, TypeError) as error:
        reason = " ".join(re.sub(r"\x1b\[\d+m", "", str(error)).split())  # Keras prints some of it bold
        found = f"the model cannot be trained on it: {reason}"
        raise SettingError(("data",), found, "allowed: x and y that fit the model") from error
    once = time.perf_counter() - start
    if job.learned is None and watch.marks is None:
        found = "none, and the model's loss and targets have no accuracy"
        raise SettingError(("learned",), found, "allowed: a function (model, x, y) that says whether it learned")
    start = time.perf_counter()
    model.fit(x, y, epochs=n_timed_epochs, batch_size=job.batch_size, verbose=0)
    watch.has_learned()
    of_epoch = (time.perf_counter() - start) / n_timed_epochs
    start = time.perf_counter()
    evaluate(model, job)
    of_evaluation = time.perf_counter() - start
    seconds = once + job.epochs * of_epoch + len(job.snapshots) * of_evaluation
    return Probe(describe(model), n_trained(model), seconds, floor_loss(model))


def describe(model: Any) -> str:
    """What makes two models the same training: their layers as far as Keras can say them, optimizer and loss."""
    layers = model.to_json() if type(model).__name__ in ("Sequential", "Functional") else type(model).__name__
    shapes = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    loss = getattr(model.loss, "name", None) or getattr(model.loss, "__name__", None) or str(model.loss)
    return f"{layers} {shapes} {model.optimizer.get_config()} {loss}"


def n_trained(model: Any) -> int:
    """Trained numbers: those of frozen layers and the averages of a normalization are not."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def fit(job: Job, seed: int) -> Fit:
    """Train one model from beginning to end."""
    model = fresh_model(job, seed)
    x, y = job.data
    watch = Watch(model, job)
    layers = hidden(model)
    off_initial = layers.count_off(watch.x)[0] if layers else None
    callback = keras().callbacks.LambdaCallback(on_epoch_end=watch.record)
    model.fit(x, y, epochs=job.epochs, batch_size=job.batch_size, verbose=0, callbacks=[callback])
    is_finite = math.isfinite(watch.losses[-1]) and all(np.isfinite(w).all() for w in model.get_weights())
    learned = is_finite and watch.last_unlearned < job.epochs
    accuracy, margin, probabilities = read_answers(watch)
    off, units = layers.count_off(watch.x) if layers else (None, [])
    dead_layer = None
    if off is not None and layers is not None and layers.is_chain:
        dead = [i for i, (n, of) in enumerate(zip(off, units, strict=True), 1) if n == of]
        dead_layer = dead[0] if dead else 0
    return Fit(
        seed=seed,
        n_parameters=n_trained(model),
        losses=watch.losses,
        accuracy=accuracy,
        is_finite=is_finite,
        learned=learned,
        margin=margin,
        epochs_to_learn=watch.last_unlearned + 1 if learned else -1,
        probabilities=probabilities,
        dead_units_initial=None if off_initial is None else sum(off_initial),
        dead_units=None if off is None else sum(off),
        dead_layer=dead_layer,
    )


def read_answers(watch: Watch) -> tuple[float, float, Sequence[Sequence[float]] | None]:
    """Accuracy, margin and probabilities of a trained model, as `Fit` has them."""
    answers, marks = watch.answers(), watch.marks
    if marks is None:
        return math.nan, math.nan, None
    accuracy = float(marks.is_right(answers, 0).mean())
    if marks.is_of_classes:
        return accuracy, math.nan, None
    probabilities = marks.probabilities(answers)
    kept = probabilities.tolist() if len(answers) <= max_rows else None
    return accuracy, marks.margin(probabilities, 0), kept


def evaluate(model: Any, job: Job) -> float:
    """The loss of the data, dropout off."""
    x, y = job.data
    size = max(job.batch_size, answered_at_once)
    return float(model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)["loss"])
