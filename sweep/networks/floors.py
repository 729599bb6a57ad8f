"""Rows that a network gives one output, and the lowest loss that such a network can have.

A network that gives several rows one output fits them together: over `n` rows, `k` of them ones, the best common
prediction is `k/n`. The floor of the loss is then the sum over the groups of rows of `(n/N) H(k/n)` for cross-entropy
(in nats, `H` the entropy of a coin), of `(n/N) (k/n)(1 - k/n)` for the squared error, averaged over the outputs; the
other losses: `Head.entry_floor`. A group of rows of one target adds nothing, unless no answer to it has a loss of 0.
With drawn samples, how often a row was
drawn replaces its count.

Notation: predictions and targets `[model, row, output]`, counts `[model, row]`, groups `[model, output, row]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.layers import Head
from sweep.networks.tasks import Task

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Partitions:
    """The rows of each model and output in groups of one prediction.

    groups `[model, output, row]`: a number for the group of each row, -1 where all rows of its group have one target.
    Of classes, which a row has one of, all outputs make the groups: their axis has length 1.
    floors `[model]`: the lowest loss of a network with these groups.
    """

    groups: Integers
    floors: Doubles


def partition(
    predictions: npt.NDArray[np.float32], targets: npt.NDArray[np.float32], counts: Doubles, *, head: Head, gap: float
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
    if head.has_classes:
        groups = _common(groups)
    n_models, n_outputs, n_rows = p.shape
    place = (np.arange(n_models * n_outputs).reshape(n_models, n_outputs, 1) * n_rows + groups).ravel()
    ones = counts_of * (targets.T > head.border)
    weight = np.bincount(place, counts_of.ravel(), n_models * n_outputs * n_rows)
    share = np.bincount(place, ones.ravel(), len(weight)) / np.where(weight > 0, weight, 1.0)
    losses = (weight * head.entry_floor(share, n_outputs)).reshape(n_models, n_outputs * n_rows).sum(axis=1)
    is_mixed = ((share > 0) & (share < 1))[place].reshape(p.shape) & (counts_of > 0)
    mixed = np.where(is_mixed, groups, -1)
    shown = mixed.max(axis=1, keepdims=True) if head.has_classes else mixed
    return Partitions(shown, losses / (counts.sum(axis=1) * head.averaged(n_outputs)))


def _common(groups: Integers) -> Integers:
    """Groups of rows that are together in every output, `[model, output, row]`: the same for all outputs."""
    n_models, n_outputs, n_rows = groups.shape
    model = np.arange(n_models)[:, None] * n_rows
    found = groups[:, 0]
    for other in range(1, n_outputs):
        _, place = np.unique((model + found) * n_rows + groups[:, other], return_inverse=True)
        first = np.full(place.max(initial=0) + 1, n_rows)
        np.minimum.at(first, place.ravel(), np.tile(np.arange(n_rows), n_models))
        found = first[place].reshape(n_models, n_rows)  # a group's number: its first row
    return np.repeat(found[:, None], n_outputs, axis=1)


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


def merged_floor(configuration: Configuration, merged: str) -> float:
    """The lowest loss of a network that merges these rows (`00+11`, `0:00+11`) and fits the others; NaN for none.

    Of the table itself: with drawn samples the floor depends on the seed, and this is NaN.

    >>> from sweep.networks.settings import resolve
    >>> round(merged_floor(resolve({}), "00+11+01"), 6)
    0.477386
    """
    c = configuration
    if not merged or c.samples is not None:
        return float("nan")
    names = list(c.task.row_names or map(str, range(c.task.n_rows)))
    made = np.tile(np.arange(c.task.n_rows, dtype=np.float32)[:, None] + 1, (1, c.n_outputs))
    for group in merged.split():
        output, colon, rows = group.rpartition(":")
        places = [names.index(row) for row in rows.split("+")]
        columns = slice(None) if c.head.has_classes else int(output) if colon else 0
        made[places, columns] = places[0] + 1
    found = partition(made[None], c.targets(), np.ones((1, c.task.n_rows)), head=c.head, gap=0.0)
    return float(found.floors[0])


def loss_floors(task: Task, head: Head) -> list[tuple[float, str]]:
    """Where the loss rests when one group of rows of unlike target gets one output and all other rows are fitted.

    The floor of a group of n of N rows is n/N of `Head.mixture_loss`, and what fitted rows cost; with it the group's
    size in words. Empty for tables of several outputs or of more than 8 rows, which have too many.

    >>> from sweep.networks.settings import resolve
    >>> xor = resolve({})
    >>> [(round(x, 6), name) for x, name in loss_floors(xor.task, xor.head)]
    [(0.346574, '2 merged'), (0.477386, '3 merged'), (0.693147, 'all merged')]
    """
    if task.n_outputs != 1 or task.n_rows > 8 or len(np.unique(task.inputs, axis=0)) < task.n_rows:
        return []
    n_ones = int(task.targets.sum())
    floors: dict[float, str] = {}
    for ones in range(1, n_ones + 1):
        for zeros in range(1, task.n_rows - n_ones + 1):
            n, p = ones + zeros, ones / (ones + zeros)
            name = "all merged" if n == task.n_rows else f"{n} merged"
            left = np.array([n_ones - ones, task.n_rows - n_ones - zeros])
            total = float(n * head.mixture_loss(p) + left @ head.mixture_loss([1.0, 0.0]))
            floors.setdefault(round(total / task.n_rows, 9), name)
    return sorted(floors.items())
