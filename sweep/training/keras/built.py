"""Any Keras model at all: one that a function of one's own builds, trained by plain `model.fit`, as a run of a trainer.

A run begins with `keras.utils.set_random_seed(seed)`, then `build(seed, **settings)`: everything that the model draws
follows from its seed. Everything is evaluated without dropout: the numbers at the snapshots, as `Model.evaluate` says
them; after every epoch whether the model has learned.
"""

import functools
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.networks.diagnosis import merged_groups
from sweep.networks.settings import resolve
from sweep.networks.snapshots import snapshot_epochs
from sweep.networks.tasks import Task, table_task
from sweep.runs.curves import Curve, Points
from sweep.runs.errors import SettingError
from sweep.runs.success import Success
from sweep.training.courses import course_of_loss
from sweep.training.functions import Function
from sweep.training.keras.marking import (
    Hidden,
    Marking,
    answered_at_once,
    floor_loss,
    hidden,
    keras,
    marking,
    pieces,
)
from sweep.training.own import Given

Criterion = Callable[[Any, Any, Any], bool]

of_training = ("epochs", "batch_size")  # settings that `model.fit` takes, all others are the function's
asked = Success("success", ">=", 1.0)  # what a criterion of the caller's own is stored as
max_table_rows = 256  # of data that is looked at as a table of bits
# epochs whose time is taken, after one that compiles
n_timed_epochs = 2


@dataclass(frozen=True)
class Job:
    """What is trained under every seed.

    build: a function of a seed, and of the settings `names` by name, that returns a compiled Keras model; data, test:
    what `model.fit` takes as x and y, and x and y that are only evaluated; success: a comparison of a number, or a
    function of the model, x and y, asked after every epoch; policy: Keras's policy of numbers; weights: what each row
    counts in the loss `[row]`, None where all count 1.
    """

    build: Callable[..., Any]
    data: tuple[Any, Any]
    test: tuple[Any, Any] | None
    success: Success | Criterion
    names: tuple[str, ...] = ()
    policy: str = "float32"
    weights: Any = None

    @property
    def rows(self) -> tuple[Any, ...]:
        """What `model.fit` takes: x, y, and the weights of the rows where there are such."""
        return self.data if self.weights is None else (*self.data, self.weights)

    @property
    def criterion(self) -> Success:
        """The comparison that says of a run's numbers whether it learned."""
        return self.success if isinstance(self.success, Success) else asked

    def as_function(self) -> Function:
        """The job as a function of settings and a seed, which is called and found as `build` is."""
        return functools.update_wrapper(functools.partial(fit, self), self.build)


@dataclass(frozen=True)
class Probe:
    """A model that was trained for a few epochs: its description, its parameters, and the time that a run will take.

    start: seconds that a configuration takes before its first run; of the one that was tried they are over.
    """

    description: str
    n_parameters: int
    seconds: float
    start: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What was seen of a run: the points of its curve, and its end.

    last_unlearned: the last of all `epochs` at which it had not learned, -1 for none; answers: to all rows, None where
    they are not held against targets; units: of each layer that is looked at, how many are off before, how many after,
    and how many there are.
    """

    points: Points
    last_unlearned: int
    epochs: int
    is_finite: bool
    answers: Any
    units: tuple[Sequence[int], Sequence[int], Sequence[int]]


def fresh_model(job: Job, settings: Mapping[str, Any], seed: int) -> Any:
    """The model of a seed; what earlier models left in Keras's memory is dropped. Raises `SettingError`."""
    library = keras()
    library.utils.clear_session()
    library.config.set_dtype_policy(job.policy)  # a thread and a process begin without the caller's
    library.utils.set_random_seed(seed)
    return made_model(job, settings, seed)


def made_model(job: Job, settings: Mapping[str, Any], seed: int) -> Any:
    """What the function gives now. Raises `SettingError` where that is no compiled model."""
    library = keras()
    model = job.build(seed, **{name: settings[name] for name in job.names})
    if not isinstance(model, library.Model):
        raise SettingError(("build",), f"returned {type(model).__name__}", "allowed: a compiled Keras model")
    if not model.compiled:
        raise SettingError(("build",), "returned a model that is not compiled", "allowed: one after model.compile(..)")
    return model


class Watch:
    """A model while it is trained: what is evaluated before the first epoch and after each."""

    def __init__(self, model: Any, job: Job, settings: Mapping[str, Any]) -> None:
        self.model, self.job = model, job
        self.epochs, self.batch_size = (settings[name] for name in of_training)
        self.points: list[tuple[float, Mapping[str, float]]] = []
        self.last_unlearned = -1
        self.marks = self._marks(job.data)
        self._test_marks = None if job.test is None else self._marks(job.test)
        self._wanted = set(snapshot_epochs(self.epochs, 1).tolist())
        self.record(-1)

    def _marks(self, data: tuple[Any, Any]) -> Marking | None:
        _, part = next(pieces(data[0], answered_at_once))
        return marking(self.model, data[1], self.model.predict_on_batch(part))

    def record(self, epoch: int, logs: Any = None) -> None:
        """Evaluate after an epoch, from 0; -1 is the state before training."""
        if epoch + 1 in self._wanted:
            self.points.append((epoch + 1, self.numbers()))
        if not self.has_learned():
            self.last_unlearned = epoch + 1

    def numbers(self) -> dict[str, float]:
        """What the model's compiled loss and metrics and its right answers say, of the data and of `test`."""
        found = self._evaluate(self.job.rows, self.marks)
        if self.job.test is not None:
            tested = self._evaluate(self.job.test, self._test_marks)
            found |= {f"test_{name}": value for name, value in tested.items()}
        return found

    def _evaluate(self, rows: tuple[Any, ...], marks: Marking | None) -> dict[str, float]:
        x, y, weights = (*rows, None)[:3]
        size = max(self.batch_size, answered_at_once)
        given = self.model.evaluate(x, y, batch_size=size, sample_weight=weights, verbose=0, return_dict=True)
        found = {name: float(value) for name, value in given.items()}
        if marks is not None:
            found["accuracy"] = float(marks.is_right(self.answers(x, marks), 0).mean())
        return found

    def has_learned(self) -> bool:
        """Whether the model has learned by the criterion, as it is now."""
        success, marks = self.job.success, self.marks
        if not isinstance(success, Success):
            return bool(success(self.model, *self.job.data))
        if success == Success("accuracy", ">=", 1.0) and marks is not None:  # up to the first rows with a wrong answer
            x = self.job.data[0]
            answered = ((first, self.model.predict_on_batch(part)) for first, part in pieces(x, answered_at_once))
            return all(marks.is_right(answers, first).all() for first, answers in answered)
        return bool(success.holds(self.numbers().get(success.metric, math.nan)))

    def answers(self, x: Any, marks: Marking) -> Any:
        """The answers to all rows of x."""
        found: list[Any] = []
        for first, part in pieces(x, answered_at_once):
            done = sum(map(len, found))
            found.append(self.model.predict_on_batch(part)[done - first :])
        return np.concatenate(found)[: len(marks.targets)]


def probe(job: Job, settings: Mapping[str, Any], seed: int) -> Probe:
    """Train the model of a seed for a few epochs: can it be, how long does it take? Raises `SettingError`."""
    start = time.perf_counter()
    model = fresh_model(job, settings, seed)
    x, y = job.data
    try:
        watch = Watch(model, job, settings)
        model.fit(x, y, epochs=1, batch_size=watch.batch_size, sample_weight=job.weights, verbose=0)
    except SettingError:
        raise
    except (ValueError, TypeError) as error:
        reason = " ".join(re.sub(r"\x1b\[\d+m", "", str(error)).split())  # Keras prints some of it bold
        found = f"the model cannot be trained on it: {reason}"
        raise SettingError(("data",), found, "allowed: x and y that fit the model") from error
    once = time.perf_counter() - start
    known = watch.points[0][1]
    if isinstance(job.success, Success) and job.success.metric not in known:
        found = f"found {job.success}, but the model, its loss and its targets give {', '.join(known)}"
        raise SettingError(("success",), found, "allowed: one of these, or a function (model, x, y)")
    start = time.perf_counter()
    model.fit(x, y, epochs=n_timed_epochs, batch_size=watch.batch_size, sample_weight=job.weights, verbose=0)
    watch.has_learned()
    of_epoch = (time.perf_counter() - start) / n_timed_epochs
    start = time.perf_counter()
    watch.numbers()
    of_evaluation = time.perf_counter() - start
    seconds = once + watch.epochs * of_epoch + len(snapshot_epochs(watch.epochs, 1)) * of_evaluation
    return Probe(describe(model), n_trained(model), seconds)


def describe(model: Any) -> str:
    """What makes two models the same training: their layers as far as Keras can say them, optimizer and loss."""
    layers = model.to_json() if type(model).__name__ in ("Sequential", "Functional") else type(model).__name__
    shapes = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    loss = getattr(model.loss, "name", None) or getattr(model.loss, "__name__", None) or str(model.loss)
    return f"{layers} {shapes} {model.optimizer.get_config()} {loss}"


def n_trained(model: Any) -> int:
    """Trained numbers: those of frozen layers and the averages of a normalization are not."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def fit(job: Job, settings: Mapping[str, Any], seed: int) -> Given:
    """Train one model from beginning to end; what came of it, see docs/method.md."""
    model = fresh_model(job, settings, seed)
    x, y = job.data
    watch = Watch(model, job, settings)
    layers = hidden(model)
    off_initial = layers.count_off(x)[0] if layers else []
    callback = keras().callbacks.LambdaCallback(on_epoch_end=watch.record)
    fitted = {"epochs": watch.epochs, "batch_size": watch.batch_size, "sample_weight": job.weights}
    model.fit(x, y, **fitted, verbose=0, callbacks=[callback])
    is_finite = all(np.isfinite(w).all() for w in model.get_weights())
    answers = None if watch.marks is None else watch.answers(x, watch.marks)
    off, units = layers.count_off(x) if layers else ([], [])
    seen = Seen(watch.points, watch.last_unlearned, watch.epochs, is_finite, answers, (off_initial, off, units))
    return ended(job, model, watch.marks, layers, seen)


def ended(job: Job, model: Any, marks: Marking | None, layers: Hidden | None, seen: Seen) -> Given:
    """What came of a run, by what was seen of it: its columns in the tables, see docs/method.md."""
    numbers = dict(seen.points[-1][1])
    is_finite = seen.is_finite and math.isfinite(numbers["loss"])
    learned = is_finite and seen.last_unlearned < seen.epochs
    if job.criterion is asked:
        numbers[asked.metric] = float(learned)
    if learned:
        numbers["epochs_to_learn"] = seen.last_unlearned + 1
    if layers:
        off_initial, off, units = seen.units
        numbers |= {"dead_units_initial": sum(off_initial), "dead_units": sum(off)}
        dead = [i for i, (n, of) in enumerate(zip(off, units, strict=True), 1) if n == of and layers.is_chain]
        numbers |= {"dead_layer": dead[0]} if dead else {}
    told, merged = read_answers(job, model, marks, seen)
    outcome = "" if is_finite else "diverged"
    return Given(numbers | told, outcome, curve=seen.points, words={} if learned or not merged else merged)


def read_answers(job: Job, model: Any, marks: Marking | None, seen: Seen) -> tuple[dict[str, float], dict[str, str]]:
    """Of targets 0 and 1, the margin; of a small table of them the answers, and rows at rest that are given one."""
    if marks is None or marks.is_of_classes:
        return {}, {}
    probabilities = marks.probabilities(seen.answers)
    told = {"margin": marks.margin(probabilities, 0)}
    task, loss = _task(*job.data), floor_loss(model)
    if task is None:
        return told, {}
    told |= dict(zip(task.prediction_names, map(float, probabilities.ravel()), strict=False))
    if loss is None or course_of_loss(Curve.of(seen.points)) != "at rest":
        return told, {}
    answers, losses = probabilities.reshape(1, task.n_rows, task.n_outputs), [seen.points[-1][1]["loss"]]
    head = resolve({"loss": loss}).head  # the usual output under it
    names = merged_groups(task, head, answers, np.array(losses), np.ones((1, task.n_rows)))
    return told, {"merged_rows": str(names[0])}


def _task(x: Any, y: Any) -> Task | None:
    """The data as a table of rows of 0 and 1 to be told apart, where it is one; inputs -1 and 1 are bits too."""
    if not hasattr(x, "shape") or x.ndim != 2 or len(x) > max_table_rows:
        return None
    bits = (x + 1) / 2 if np.isin(x, (-1, 1)).all() else x
    try:
        return table_task(bits.tolist(), y.reshape(len(y), -1).astype(float).tolist())
    except SettingError:
        return None
