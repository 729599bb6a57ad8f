"""What a trained network answers anywhere between the rows of its table, in float64: for pictures, never for results.

Notation: points `[point, input]`; sums `[point, unit]`, what a layer's units add up before their activation.
"""

import numpy as np
import numpy.typing as npt

from sweep.networks.activations import activate
from sweep.networks.configuration import Configuration

Doubles = npt.NDArray[np.float64]


def layer_sums(configuration: Configuration, weights: npt.NDArray[np.float32], points: Doubles) -> list[Doubles]:
    """Every layer's sums at encoded inputs `points` `[point, input]`, outputs last; weights `[parameter]`, no dropout.

    Numbers that are not finite pass through.
    """
    signal = points
    sums: list[Doubles] = []
    start = 0
    with np.errstate(all="ignore"):
        for layer, n_in in zip(configuration.layers, configuration.n_units, strict=False):
            end = start + n_in * layer.units
            total = signal @ weights[start:end].astype(np.float64).reshape(n_in, layer.units)
            start = end
            if layer.use_bias:
                total = total + weights[start : start + layer.units]
                start += layer.units
            sums.append(total)
            signal = activate(layer.activation, total)
    return sums


def predict(configuration: Configuration, weights: npt.NDArray[np.float32], points: Doubles) -> Doubles:
    """Predictions `[point, output]` at encoded inputs `points` `[point, input]`."""
    return configuration.head.answers(layer_sums(configuration, weights, points)[-1])
