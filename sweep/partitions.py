"""Rows that a network gives one output, and the lowest loss that such a network can have.

A network that gives several rows one output fits them together: over `n` rows, `k` of them ones, the best common
prediction is `k/n`. The floor of the loss is then the sum over the groups of rows of `(n/N) H(k/n)` for cross-entropy
(in nats, `H` the entropy of a coin), of `(n/N) (k/n)(1 - k/n)` for the squared error, averaged over the outputs; a
group of rows of one target adds nothing. With drawn samples, how often a row was drawn replaces its count.

Notation: predictions and targets `[model, row, output]`, counts `[model, row]`, groups `[model, output, row]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def mixture_loss(share: npt.ArrayLike, loss: str) -> Doubles:
    """The lowest loss of one prediction for rows of which a `share` are ones: their entropy in nats, or their variance.

    >>> mixture_loss([0.0, 0.5], "mean_squared_error").tolist()
    [0.0, 0.25]
    """
    p = np.asarray(share, np.float64)
    if loss == "mean_squared_error":
        return p * (1 - p)
    q = np.stack([p, 1 - p])
    return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=0)


@dataclass(frozen=True)
class Partitions:
    """The rows of each model and output in groups of one prediction.

    groups `[model, output, row]`: a number for the group of each row, -1 where all rows of its group have one target;
    floors `[model]`: the lowest loss of a network with these groups.
    """

    groups: Integers
    floors: Doubles


def partition(
    predictions: npt.NDArray[np.float32], targets: npt.NDArray[np.float32], counts: Doubles, *, loss: str, gap: float
) -> Partitions:
    """Group the rows whose predictions differ by at most `gap` from the next; rows that were not drawn are in no group.

    predictions `[model, row, output]`, targets `[row, output]`, counts `[model, row]`.
    """
    p = predictions.transpose(0, 2, 1).astype(np.float64)
    counts_of = np.broadcast_to(counts[:, None, :], p.shape)
    p = np.where(counts_of > 0, p, np.inf)  # rows that were not drawn stand last
    order = np.argsort(p, axis=2, kind="stable")
    ordered = np.take_along_axis(p, order, axis=2)
    with np.errstate(invalid="ignore"):  # the distance of two rows that were not drawn
        is_next = ordered[:, :, 1:] - ordered[:, :, :-1] > gap
    rank = np.zeros(p.shape, np.int64)
    np.cumsum(is_next, axis=2, out=rank[:, :, 1:])
    groups = np.empty_like(rank)
    np.put_along_axis(groups, order, rank, axis=2)
    n_models, n_outputs, n_rows = p.shape
    place = (np.arange(n_models * n_outputs).reshape(n_models, n_outputs, 1) * n_rows + groups).ravel()
    ones = counts_of * targets.T
    weight = np.bincount(place, counts_of.ravel(), n_models * n_outputs * n_rows)
    share = np.bincount(place, ones.ravel(), len(weight)) / np.where(weight > 0, weight, 1.0)
    losses = (weight * mixture_loss(share, loss)).reshape(n_models, n_outputs * n_rows).sum(axis=1)
    is_mixed = ((share > 0) & (share < 1))[place].reshape(p.shape) & (counts_of > 0)
    return Partitions(np.where(is_mixed, groups, -1), losses / (counts.sum(axis=1) * n_outputs))


def name_groups(groups: Integers, row_names: Sequence[str]) -> npt.NDArray[np.str_]:
    """The groups of each model in words: rows joined by `+`, groups by a space, several outputs each by its number.

    >>> name_groups(np.array([[[1, -1, -1, 1]], [[0, 0, 1, 1]]]), ["00", "01", "10", "11"]).tolist()
    ['00+11', '00+01 10+11']
    >>> name_groups(np.array([[[2, -1, -1, 2], [-1, 0, -1, 0]]]), ["00", "01", "10", "11"]).tolist()
    ['0:00+11 1:01+11']
    """
    if not len(groups):
        return np.zeros(0, "U1")
    patterns, inverse = np.unique(groups.reshape(len(groups), -1), axis=0, return_inverse=True)
    names = [_name(pattern.reshape(groups.shape[1:]), row_names) for pattern in patterns]
    return np.array(names, np.str_)[inverse.ravel()]


def _name(groups: Integers, row_names: Sequence[str]) -> str:
    named: list[str] = []
    for output, of_output in enumerate(groups):
        prefix = f"{output}:" if len(groups) > 1 else ""
        for group in dict.fromkeys(of_output[of_output >= 0].tolist()):
            named.append(prefix + "+".join(row_names[row] for row in np.flatnonzero(of_output == group).tolist()))
    return " ".join(named)
