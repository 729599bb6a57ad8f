"""The rows of a network that a function builds: what `engines.fits` brought back, as columns of runs.csv."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sweep.networks.diagnosis import course_of, judge_course, merged_groups
from sweep.networks.floors import loss_floors
from sweep.networks.layers import Head
from sweep.networks.settings import resolve
from sweep.networks.tasks import Task, table_task
from sweep.results.tables import frame, whole_numbers
from sweep.runs.errors import SettingError
from sweep.runs.outcomes import outcomes
from sweep.training.functions import name_of
from sweep.training.keras.own_model import Fit, Job, Probe


def table_of(job: Job, fits: Sequence[Fit], tried: Probe) -> Any:
    """A row for each run, with the columns of runs.csv that its model, loss and data have, in their order and type.

    Hyperparameters are the function's own affair; docs/method.md says what leaves a column out.
    """
    name = name_of(job.build)
    task = _task(job, fits)
    probabilities = _probabilities(fits, task)
    codes = judge(job, fits)
    table: dict[str, Any] = {
        "run": [f"{name}-{f.seed}" for f in fits],
        "epochs": job.epochs,
        "batch_size": job.batch_size,
        "seed": [f.seed for f in fits],
        "engine": "keras",
        "n_parameters": [f.n_parameters for f in fits],
        "final_loss": np.array([_finite(f.losses[-1]) for f in fits], np.float32),
    }
    if not all(math.isnan(f.accuracy) for f in fits):
        table["accuracy"] = [f.accuracy for f in fits]
    table["learned"] = [f.learned for f in fits]
    if any(f.probabilities is not None for f in fits) or not all(math.isnan(f.margin) for f in fits):
        table["margin"] = np.array([_finite(f.margin) for f in fits], np.float32)
    table["epochs_to_learn"] = whole_numbers([f.epochs_to_learn if f.learned else None for f in fits])
    table["outcome"] = codes
    if task is not None and tried.floors is not None:
        table["merged_rows"] = _merged_rows(task, tried.floors, probabilities, fits, codes)
    if fits[0].dead_units is not None:
        table["dead_units_initial"] = [f.dead_units_initial for f in fits]
        table["dead_units"] = [f.dead_units for f in fits]
    if fits[0].dead_layer is not None:
        table["dead_layer"] = whole_numbers([f.dead_layer or None for f in fits])
    names = task.prediction_names if task is not None else ()
    flat = probabilities.reshape(len(fits), -1)
    table |= {name: np.where(np.isfinite(flat[:, i]), flat[:, i], np.nan) for i, name in enumerate(names)}
    return frame(table)


def floors_of(job: Job, fits: Sequence[Fit], tried: Probe) -> list[tuple[float, str]]:
    """The floors of the loss, where it has any that are known."""
    task = _task(job, fits)
    return [] if task is None or tried.floors is None else loss_floors(task, _head(tried.floors))


def _finite(x: float) -> float:
    return x if math.isfinite(x) else math.nan


def _task(job: Job, fits: Sequence[Fit]) -> Task | None:
    """The data as a table of rows of 0 and 1 to be told apart, where it is one; inputs -1 and 1 are bits too."""
    x, y = (np.asarray(part) if hasattr(part, "shape") else None for part in job.data)
    if x is None or y is None or x.ndim != 2 or any(f.probabilities is None for f in fits):
        return None
    if np.isin(x, (-1, 1)).all():
        x = (x + 1) / 2
    try:
        return table_task(x.tolist(), y.reshape(len(y), -1).astype(float).tolist())
    except SettingError:
        return None


def _probabilities(fits: Sequence[Fit], task: Task | None) -> Any:
    """The answers of every run, float32 `[run, row, output]`; empty where the data is no table."""
    if task is None:
        return np.zeros((len(fits), 0, 0), np.float32)
    shape = (len(fits), task.n_rows, task.n_outputs)
    return np.array([f.probabilities for f in fits], np.float32).reshape(shape)


def _head(loss: str) -> Head:
    """The head of a model whose loss has known floors: the usual output under it."""
    return resolve({"loss": loss}).head


def _merged_rows(task: Task, loss: str, probabilities: Any, fits: Sequence[Fit], codes: Sequence[str]) -> list[str]:
    """The rows of unlike target that a stuck run gives one answer, where its loss is at the floor of that."""
    losses = np.array([f.losses[-1] for f in fits])
    counts = np.ones((len(fits), task.n_rows))
    names = merged_groups(task, _head(loss), np.nan_to_num(probabilities), losses, counts)
    return [str(name) if code == "stuck" else "" for name, code in zip(names, codes, strict=True)]


def judge(job: Job, fits: Sequence[Fit]) -> list[str]:
    """How each run ended: `diverged`, `learned`, `dead`, or by the course of its loss, by the rules of `diagnosis`.

    Changes count in parts of the loss, or of what one row adds to it before training where that is larger.
    """
    losses = np.array([f.losses for f in fits])
    n_rows = _n_rows(job.data[0])
    with np.errstate(invalid="ignore"):
        course = course_of(losses, np.array(job.snapshots), job.epochs, np.abs(losses[:, 0]) / n_rows)
        codes = judge_course(course)
    return [
        "diverged" if not f.is_finite else "learned" if f.learned else "dead" if f.dead_layer else outcomes[code]
        for f, code in zip(fits, codes, strict=True)
    ]


def leaves(data: Any) -> Iterator[Any]:
    """The arrays of x or y, which may be a list or a mapping of arrays."""
    if isinstance(data, Mapping):
        data = [data[key] for key in sorted(data)]
    if isinstance(data, list | tuple) and data and not np.isscalar(data[0]):
        for part in data:
            yield from leaves(part)
    else:
        yield np.asarray(data)


def _n_rows(x: Any) -> int:
    return len(next(leaves(x)))
