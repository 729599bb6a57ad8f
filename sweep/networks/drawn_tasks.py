"""Tasks that are drawn once, from a seed of their own: points of the plane in two classes, the same on every machine.

Notation: shares in [0, 1) `[row, 2]`, of which each row has two, and two more for its noise; points `[row, 2]`.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from sweep.networks.randomness import Stream, words
from sweep.networks.strict import Doubles, cos_sin, normal_quantile
from sweep.networks.tasks import Task, max_rows
from sweep.networks.vocabulary import Argument, Named, Signature

Classes = npt.NDArray[np.int64]
# the points of each row, and its class, of two shares, of the class that its place gives it and of the arguments
Rule = Callable[[Doubles, Classes, Named], tuple[Doubles, Classes]]

noise = "noise"


def _moons(shares: Doubles, side: Classes, chosen: Named) -> tuple[Doubles, Classes]:
    """Two half circles of radius 1, the second upside down with its end inside of the first."""
    x, y = cos_sin(shares[:, 0] / 2)
    return np.stack([np.where(side, 1 - x, x), np.where(side, 0.5 - y, y)], axis=1), side


def _circles(shares: Doubles, side: Classes, chosen: Named) -> tuple[Doubles, Classes]:
    """A circle of radius 1, and around the same centre one of radius 1/2."""
    return np.stack(cos_sin(shares[:, 0]), axis=1) * np.where(side, 0.5, 1.0)[:, None], side


def _spirals(shares: Doubles, side: Classes, chosen: Named) -> tuple[Doubles, Classes]:
    """Two arms from the centre out to a radius of 1, one half a turn behind the other."""
    turns = shares[:, 0] * float(chosen["turns"]) + side / 2
    return np.stack(cos_sin(turns), axis=1) * shares[:, :1], side


def _quadrants(shares: Doubles, side: Classes, chosen: Named) -> tuple[Doubles, Classes]:
    """Points of the square from -1 to 1; the class is whether the product of both coordinates is above 0."""
    points = shares * 2 - 1
    return points, (points[:, 0] * points[:, 1] > 0).astype(np.int64)


def _signature(usual_noise: float, **others: Argument) -> Signature:
    return {
        "rows": Argument(200, low=2, high=max_rows),
        noise: Argument(usual_noise, low=0.0, high=10.0),
        **others,
        "seed": Argument(0, low=0, high=2**32 - 1),
    }


_rules: Mapping[str, tuple[Signature, Rule]] = {
    "moons": (_signature(0.1), _moons),
    "circles": (_signature(0.1), _circles),
    "spirals": (_signature(0.02, turns=Argument(1.75, low=0.0, high=100.0, open_low=True)), _spirals),
    "quadrants": (_signature(0.0), _quadrants),
}
signatures: Mapping[str, Signature] = {name: rule[0] for name, rule in _rules.items()}


def drawn_task(chosen: Named) -> Task:
    """The table of a drawn task.

    Row after row belongs to the classes in turn, but for `quadrants`, whose points decide. Each point is moved
    by normal noise of that standard deviation in both directions, its class stays. A table of more rows begins with the
    rows of one of fewer.

    >>> from sweep.networks.vocabulary import named
    >>> drawn_task(named("circles", {"rows": 2, "noise": 0}, signatures)).targets.tolist()
    [[0], [1]]
    """
    n, rule = int(chosen["rows"]), _rules[chosen.name][1]
    bits = words(np.array([chosen["seed"]], np.uint32), Stream.TABLE, 4 * n, 0).reshape(n, 4)
    shares = (bits.astype(np.float64) + 0.5) * 2.0**-32
    points, classes = rule(shares[:, :2], np.arange(n) % 2, chosen)
    if chosen[noise]:
        points = points + float(chosen[noise]) * normal_quantile(shares[:, 2:])
    return Task(points, classes[:, None], chosen)
