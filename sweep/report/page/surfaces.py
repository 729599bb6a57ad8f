"""Decision surfaces: what a trained network of two inputs answers between the rows of its table.

Notation: a surface is a grid `[y, x]` of one output; x is the first input, y the second.
"""

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.forward import layer_sums

Grid = npt.NDArray[np.float64]

n_cells = 24
room = 0.25
max_surface_parameters = 100_000


def plane_range(inputs: npt.ArrayLike, room: float) -> tuple[float, float, float, float]:
    """The part of the plane around a table's inputs `[row, 2]`: x from, x to, y from, y to.

    On each side it has `room` times what they spread, or that of a spread of 1 where all are equal.

    >>> plane_range([[0, 3], [1, 3]], 0.25)
    (-0.25, 1.25, 2.75, 3.25)
    """
    table = np.asarray(inputs, float)
    low, high = table.min(axis=0), table.max(axis=0)
    spread = np.where(high > low, high - low, 1.0) * room
    return (
        float(low[0] - spread[0]),
        float(high[0] + spread[0]),
        float(low[1] - spread[1]),
        float(high[1] + spread[1]),
    )


def plane(configuration: Configuration, weights: npt.NDArray[np.float32], x: Grid, y: Grid) -> list[Grid]:
    """The sums of every layer, outputs last, over a grid of encoded inputs: `[y, x, unit]`."""
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return [sums.reshape(len(y), len(x), -1) for sums in layer_sums(configuration, weights, points)]


def surface(configuration: Configuration, weights: npt.NDArray[np.float32]) -> Grid | None:
    """Predictions of the first target over 24 x 24 cells, at their centres, y rising; None where it has no plane.

    0 is the lower target, 1 the upper; of two classes for one target that is the second. None too for weights that are
    not finite, too many, or those of another network.
    """
    is_usable = len(weights) == configuration.n_parameters <= max_surface_parameters and np.isfinite(weights).all()
    if configuration.task.n_inputs != 2 or not is_usable:
        return None
    limits = plane_range(configuration.task.inputs, room)
    steps = (np.arange(n_cells) + 0.5) / n_cells
    x, y = limits[0] + steps * (limits[1] - limits[0]), limits[2] + steps * (limits[3] - limits[2])
    if configuration.encoding == "bipolar":
        x, y = 2 * x - 1, 2 * y - 1
    head, output = configuration.head, configuration.n_outputs - configuration.task.n_outputs
    return head.shares(head.answers(plane(configuration, weights, x, y)[-1])[:, :, output])
