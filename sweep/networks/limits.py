"""What no seed, no training and no luck can do: known of a configuration before it is trained.

All of it is about a network that answers every row of its table right, in exact arithmetic. Notation: rows
`[row, input]` as they are encoded; sums, what the output layer adds up before its activation.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sweep.networks.activations import activate
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.vocabulary import Named

Doubles = npt.NDArray[np.float64]

# larger tables than this many numbers are not asked whether a line separates them
max_numbers = 100_000
# what is no more than this part of the largest margin asked for is none
TOLERANCE = 1e-6
# activations that never fall; at the output also those that cross the border between two answers once
rising = ("relu", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "softplus", "softsign", "hard_sigmoid", "relu6")
crossing_once = (*rising, "linear", "softmax", "silu", "gelu")
# 0 on a sum of 0
through_zero = ("linear", "relu", "leaky_relu", "elu", "selu", "tanh", "softsign", "silu", "gelu", "relu6")
constant_initializers = ("zeros", "ones", "constant")


@dataclass(frozen=True)
class Limit:
    """A bound: at most `share` of all seeds end with every row right, 0 where none can, for a reason in words."""

    share: float
    reason: str


@lru_cache(maxsize=4096)
def limits(c: Configuration) -> tuple[Limit, ...]:
    """Every bound that is known, the lowest first.

    >>> from sweep.networks.settings import resolve
    >>> [limit.reason for limit in limits(resolve({"depth": 0}))]
    ['it is linear, and no straight cut parts the rows of xor']
    >>> [limit.share for limit in limits(resolve({"width": 2}))]
    [0.5625]
    """
    found = (contradiction(c), _zero_row(c), _no_cut(c), _live_units(c))
    return tuple(sorted((limit for limit in found if limit), key=lambda limit: limit.share))


def contradiction(c: Configuration) -> Limit | None:
    """Rows that are alike and have unlike targets: whatever answers one right answers another wrong."""
    rows, place = np.unique(c.inputs(), axis=0, return_inverse=True)
    if len(rows) == c.task.n_rows:
        return None
    targets = c.targets()
    wanted = targets.argmax(axis=1)[:, None] if c.head.has_classes else (targets > c.head.border).astype(np.int64)
    n_right = 0
    for column in wanted.T:
        counts = np.zeros((len(rows), int(wanted.max()) + 1), np.int64)
        np.add.at(counts, (place.ravel(), column), 1)
        n_right += int(counts.max(axis=1).sum())
    if n_right == wanted.size:
        return None
    return Limit(0.0, f"rows that are alike have unlike targets: at best an accuracy of {n_right / wanted.size:.4g}")


def _zero_row(c: Configuration) -> Limit | None:
    """Without any bias a row of zeros gets the answer to a sum of zero, whatever the weights are."""
    if any(layer.use_bias for layer in c.layers) or any(x.activation.name not in through_zero for x in c.hidden):
        return None
    zero = np.flatnonzero(~c.inputs().any(axis=1))
    if not len(zero):
        return None
    answer = c.head.answers(np.zeros((1, c.n_outputs))).astype(np.float32)
    if min(float(c.head.margin(answer, c.targets()[row : row + 1])) for row in zero.tolist()) > 0:
        return None
    shown = "-".join(f"{x:g}" for x in dict.fromkeys(answer[0].tolist()))
    return Limit(0.0, f"there is no bias, so the row of zeros always gets {shown}")


def _no_cut(c: Configuration) -> Limit | None:
    """Hidden layers that are linear, or one unit that rises or falls: each output cuts the rows straight."""
    if not _cuts_straight(c.hidden) or _is_separable(c, _is_homogeneous(c)):
        return None
    is_linear = all(layer.activation.name == "linear" for layer in c.hidden)
    what = "it is linear" if is_linear else "each of its layers has one unit"
    return Limit(0.0, f"{what}, and no straight cut parts the rows of {c.task.label}")


def _cuts_straight(hidden: tuple[Layer, ...]) -> bool:
    return all(
        layer.activation.name == "linear" or (layer.units == 1 and layer.activation.name in rising) for layer in hidden
    )


def _is_homogeneous(c: Configuration) -> bool:
    """Whether the sums are linear in the inputs, with nothing added."""
    return not any(layer.use_bias for layer in c.layers) and all(x.activation.name == "linear" for x in c.hidden)


def _is_separable(c: Configuration, is_homogeneous: bool) -> bool:
    """Whether straight cuts part the rows; of what is too large or unknown, as if they did."""
    x, y = c.inputs().astype(np.float64), c.targets()
    if x.size * c.n_outputs > max_numbers or c.output.activation.name not in crossing_once:
        return True
    level = _level(c.output.activation, c.head.border) if is_homogeneous and not c.head.has_classes else 0.0
    return _separates(x.tobytes(), y.tobytes(), x.shape[1], c.head.has_classes, is_homogeneous, level)


def _level(activation: Named, border: float) -> float:
    """The sum at which an output crosses the border between the two answers, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        is_above = float(activate(activation, np.array([middle]))[0]) > border
        low, high = (low, middle) if is_above else (middle, high)
    return 0.0 if abs(high) < 1e-9 else high


@lru_cache(maxsize=64)
def _separates(
    inputs: bytes, targets: bytes, n_inputs: int, has_classes: bool, is_homogeneous: bool, level: float
) -> bool:
    """Whether every output, or every class against all others, has a straight cut: by linear programming."""
    x = np.frombuffer(inputs, np.float64).reshape(-1, n_inputs)
    y = np.frombuffer(targets, np.float32).reshape(len(x), -1)
    x = x / np.maximum(np.abs(x).max(axis=0), 1e-300)
    if not is_homogeneous:
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    if has_classes:
        return _has_margin(_class_rows(x, y.argmax(axis=1), y.shape[1]), np.zeros(1))
    sides = np.where(y > 0, 1.0, -1.0)
    return all(_has_margin(side[:, None] * x, side * level) for side in sides.T)


def _class_rows(x: Doubles, chosen: npt.NDArray[np.int64], n_classes: int) -> Doubles:
    """What a weight for each class and input has to make positive: the true class less every other, row by row."""
    rows: list[Doubles] = []
    for values, true in zip(x, chosen.tolist(), strict=True):
        for other in range(n_classes):
            if other != true:
                row = np.zeros((n_classes, x.shape[1]))
                row[true], row[other] = values, -values
                rows.append(row.ravel())
    return np.stack(rows)


def _has_margin(rows: Doubles, levels: Doubles) -> bool:
    """Whether weights w exist with `rows @ w - levels > 0`: the largest margin of at most 1."""
    from scipy.optimize import linprog

    n_rows, n = rows.shape
    goal = np.zeros(n + 1)
    goal[-1] = -1.0
    found = linprog(
        goal,
        A_ub=np.concatenate([-rows, np.ones((n_rows, 1))], axis=1),
        b_ub=np.broadcast_to(-levels, n_rows),
        bounds=[(None, None)] * n + [(None, 1.0)],
    )
    # only what was solved is a proof
    return found.status != 0 or float(-found.fun) > TOLERANCE


def _live_units(c: Configuration) -> Limit | None:
    """Relu units of the first layer that are off on every row at the start and so for ever: too many of them.

    Off has a chance of 2^-n for n inputs where weights are symmetric, biases 0 and the rows from 0 up, those with a
    single input among them. One hidden layer needs two units for rows that no straight cut parts, any network one.
    """
    if not c.hidden or not _stays_off(c) or (c.task.targets == c.task.targets[0]).all():
        return None
    x = c.inputs()
    n, q = x.shape[1], 2.0 ** -x.shape[1]
    alone = {int(np.flatnonzero(row)[0]) for row in x if np.count_nonzero(row) == 1}
    if (x < 0).any() or len(alone) < n:
        return None
    width, needed = c.widths[0], 1
    if c.depth == 1 and not _is_separable(c, False):
        needed = 2
    if width < needed:
        return None  # a straight cut then
    share = 1 - sum(math.comb(width, k) * (1 - q) ** k * q ** (width - k) for k in range(needed))
    units = "two live units" if needed == 2 else "a live unit"
    at_least = "" if needed == 2 else " in the first layer"
    return Limit(share, f"it needs {units}{at_least}, and each unit is off from the start with a chance of {q:.4g}")


def _stays_off(c: Configuration) -> bool:
    """Whether a unit of the first layer that is off stays off, and is drawn so that the chance of it is known."""
    layer, optimizer = c.hidden[0], dict(c.optimizer.arguments)
    bias, kernel = layer.bias_initializer, layer.kernel_initializer
    has_no_bias = not layer.use_bias or bias.name == "zeros" or (bias.name == "constant" and bias["value"] == 0)
    arguments = dict(kernel.arguments)
    is_symmetric = kernel.name not in constant_initializers and not arguments.get("mean")
    is_symmetric &= arguments.get("minval", 0) == -float(arguments.get("maxval", 0))
    is_spread = bool(arguments.get("stddev", 1)) and arguments.get("maxval", 1) != 0
    is_relu = layer.activation.name in ("relu", "relu6")
    is_free = layer.kernel_regularizer.name == layer.bias_regularizer.name == "none"
    return is_relu and is_free and has_no_bias and is_symmetric and is_spread and not optimizer.get("weight_decay")
