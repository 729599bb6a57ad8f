"""Decision surfaces: what a trained network of two inputs answers between the rows of its table.

Notation: a surface is a square grid of predictions `[y, x]` of one output; x is the first input, y the second.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.dimensions import Choices
from sweep.experiment.experiment import Experiment
from sweep.networks.configuration import Configuration
from sweep.networks.forward import predict
from sweep.networks.settings import hyperparameters, resolve
from sweep.networks.tasks import Task
from sweep.runs.errors import SettingError

Grid = npt.NDArray[np.float64]

n_cells = 24
room = 0.25
max_surface_parameters = 100_000


def _task_settings(experiment: Experiment) -> list[Any]:
    """Every task that the experiment file names, as it stands there."""
    found = [mapping["task"] for mapping in (experiment.fixed, *experiment.cases) if "task" in mapping]
    varied = experiment.vary.get("task")
    return [*found, *(varied.values if isinstance(varied, Choices) else ()), "xor"]


def tasks_by_label(experiment: Experiment) -> dict[str, Any]:
    """The settings of each task of an experiment by the label that the tables have."""
    return {resolve({"task": setting}).task.label: setting for setting in reversed(_task_settings(experiment))}


def parse_label(label: str) -> dict[str, Any]:
    """A name with arguments as it stands in the tables, as the mapping that an experiment file would have.

    >>> parse_label("sgd(momentum=0.9,nesterov=true)")
    {'name': 'sgd', 'momentum': 0.9, 'nesterov': True}
    """
    name, _, rest = label.partition("(")
    arguments = re.findall(r"(\w+)=([^,)]+)", rest)
    return {"name": name, **{key: _plain(value) for key, value in arguments}}


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def configuration_of(row: Mapping[str, Any], tasks: Mapping[str, Any]) -> Configuration | None:
    """The configuration that a row of configurations.csv stands for; None where the row's id is not its own."""
    import pandas as pd

    settings: dict[str, Any] = {}
    for name in hyperparameters:
        value: Any = row.get(name)
        if name in ("width", "depth", "task") or value is None or bool(pd.isna(value)):
            continue
        is_named = name in ("activation", "optimizer", "kernel_initializer", "bias_initializer")
        settings[name] = parse_label(value) if is_named else value
    units = [int(n) for n in str(row["width"]).split("-")]
    settings |= (
        {"depth": 0} if row["depth"] == 0 else {"layers": units * int(row["depth"]) if len(units) == 1 else units}
    )
    try:
        found = resolve({**settings, "task": tasks[row["task"]]})
    except (SettingError, KeyError):
        return None
    return found if found.id == row["configuration"] else None


def surface_range(task: Task) -> tuple[float, float, float, float] | None:
    """The part of the plane that is drawn: x from, x to, y from, y to; None for a task of another number of inputs."""
    if task.n_inputs != 2:
        return None
    table = np.array(task.inputs, float)
    low, high = table.min(axis=0), table.max(axis=0)
    spread = np.where(high > low, high - low, 1.0) * room
    return (
        float(low[0] - spread[0]),
        float(high[0] + spread[0]),
        float(low[1] - spread[1]),
        float(high[1] + spread[1]),
    )


def surface(configuration: Configuration, weights: npt.NDArray[np.float32], output: int = 0) -> Grid | None:
    """Predictions `[y, x]` of one output over 24 x 24 cells, at their centres, y rising; None where it has no plane."""
    limits = surface_range(configuration.task)
    if limits is None or not np.isfinite(weights).all() or len(weights) > max_surface_parameters:
        return None
    steps = (np.arange(n_cells) + 0.5) / n_cells
    x, y = limits[0] + steps * (limits[1] - limits[0]), limits[2] + steps * (limits[3] - limits[2])
    points = np.stack([np.tile(x, n_cells), np.repeat(y, n_cells)], axis=1)
    if configuration.encoding == "bipolar":
        points = 2 * points - 1
    with np.errstate(over="ignore"):
        return predict(configuration, weights, points)[:, output].reshape(n_cells, n_cells)
