"""What may be done to any table before it is learned: a share of its rows held out, its inputs scaled."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.randomness import Stream, words
from sweep.networks.tasks import Task
from sweep.networks.vocabulary import Argument, Named, Signature
from sweep.runs.errors import SettingError, show

scales = ("none", "standard", "minmax")
signature: Signature = {
    "scale": Argument("none", choices=scales),
    "test": Argument(0.0, low=0.0, high=1.0, open_high=True),
    "test_seed": Argument(0, low=0, high=2**32 - 1),
}


def prepared(task: Task, given: Mapping[str, object]) -> Task:
    """A task as its settings `scale`, `test` and `test_seed` make it. Raises `SettingError`.

    `test` is the share of the rows that are held out, at least one, drawn with equal chances by `test_seed`. `standard`
    makes the mean of each input 0 and its standard deviation 1, `minmax` its range that from 0 to 1, both over the rows
    that are trained on; an input that is the same in all of them becomes 0. A task that has a name is named after what
    was done to it too.
    """
    values = {key: _value(key, given.get(key, argument.usual)) for key, argument in signature.items()}
    if task.named is not None:
        told = [key for key in signature if values["test" if key == "test_seed" else key] not in ("none", 0)]
        arguments = (*task.named.arguments, *((key, values[key]) for key in told))
        task = replace(task, named=Named(task.named.name, arguments))
    if values["test"]:
        task = _with_rows_held_out(task, values["test"], values["test_seed"])
    return _scaled(task, values["scale"])


def _value(key: str, value: object) -> Any:
    try:
        return signature[key].coerce(value)
    except ValueError as error:
        raise SettingError((key,), f"found {show(value)}", f"allowed: {error}") from None


def _with_rows_held_out(task: Task, share: float, seed: int) -> Task:
    n = task.n_rows
    n_test = max(1, math.floor(n * share + 0.5))
    if n_test >= n:
        raise SettingError(
            ("test",), f"found {share}, {n_test} of {n} rows", "allowed: a share that leaves rows to learn"
        )
    keys = words(np.array([seed], np.uint32), Stream.TABLE, n, 1)[0]
    is_test = np.zeros(n, np.bool_)
    is_test[np.argsort(keys, kind="stable")[:n_test]] = True
    return replace(_rows_where(task, ~is_test), held_out=_rows_where(task, is_test))


def _rows_where(task: Task, is_chosen: npt.NDArray[np.bool_]) -> Task:
    places = tuple(np.flatnonzero(is_chosen).tolist())
    return replace(task, inputs=task.inputs[is_chosen], targets=task.targets[is_chosen], places=places)


def _scaled(task: Task, scale: str) -> Task:
    if scale == "none":
        return task
    x = task.inputs
    if scale == "minmax":
        middle, size = x.min(axis=0), np.ptp(x, axis=0)
    else:  # sums that are rounded once, whatever order a machine adds in
        middle = np.array([math.fsum(column) / len(x) for column in x.T])
        size = np.sqrt(np.array([math.fsum(column) / len(x) for column in ((x - middle) ** 2).T]))
    size = np.where(size > 0, size, 1.0)
    held_out = task.held_out and replace(task.held_out, inputs=(task.held_out.inputs - middle) / size)
    return replace(task, inputs=(x - middle) / size, held_out=held_out)
