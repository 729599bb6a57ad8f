"""Decision surfaces: what a trained network of two inputs answers between the rows of its table.

Notation: a surface is a square grid of predictions `[y, x]` of one output; x is the first input, y the second.
"""

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.forward import predict
from sweep.networks.tasks import Task

Grid = npt.NDArray[np.float64]

n_cells = 24
room = 0.25
max_surface_parameters = 100_000


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
    """Predictions `[y, x]` of one output over 24 x 24 cells, at their centres, y rising; None where it has no plane.

    0 is the lower target, 1 the upper. None too for weights that are not finite, too many, or those of another network.
    """
    limits = surface_range(configuration.task)
    is_usable = len(weights) == configuration.n_parameters <= max_surface_parameters and np.isfinite(weights).all()
    if limits is None or not is_usable:
        return None
    steps = (np.arange(n_cells) + 0.5) / n_cells
    x, y = limits[0] + steps * (limits[1] - limits[0]), limits[2] + steps * (limits[3] - limits[2])
    points = np.stack([np.tile(x, n_cells), np.repeat(y, n_cells)], axis=1)
    if configuration.encoding == "bipolar":
        points = 2 * points - 1
    answers = configuration.head.shares(predict(configuration, weights, points)[:, output])
    return answers.reshape(n_cells, n_cells)
