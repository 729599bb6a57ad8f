"""What the page holds of networks beyond their runs: in words, what no training can reach, their code, wrong rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.report.limits import describe_limits
from sweep.report.scripts import script
from sweep.report.words import say_network

max_code_rows = 256  # a table of more rows is no code to paste
max_wrong = 10
max_shown_inputs = 16


def summarise_networks(known: Mapping[str, Configuration], below: float) -> dict[str, Any]:
    """Of each network, in the order of `known`: its words, the bounds under a share of `below`, and its code."""
    networks = list(known.values())
    return {
        "words": [say_network(c) for c in networks],
        "bounds": ["; ".join(describe_limits([c], below)) for c in networks],
        "code": summarise_code(networks),
    }


def summarise_code(networks: Iterable[Configuration]) -> dict[str, Any]:
    """A script for each network, whose many equal lines are kept once: the lines, and the places of each script's.

    `frameworks`: what each is written for; empty, as its places are, where the table is too long to paste.
    """
    places: dict[str, int] = {}
    of: list[list[int]] = []
    frameworks: list[str] = []
    for c in networks:
        framework, lines = script(c, c) if c.task.n_rows <= max_code_rows else ("", [])
        of.append([places.setdefault(line, len(places)) for line in lines])
        frameworks.append(framework)
    return {"lines": list(places), "of": of, "frameworks": frameworks}


def rows_most_often_wrong(kept: Sequence[Example], known: Mapping[str, Configuration]) -> dict[str, Any] | None:
    """The rows that most of the example runs answer wrong, of one task whose predictions no table has; else None.

    `rows`: the place of each, its inputs, its targets and how many of `n` runs answer it wrong, at most ten.
    """
    tasks = {c.task for c in known.values()}
    if len(tasks) != 1 or any(c.prediction_names for c in known.values()):
        return None
    (task,) = tasks
    wrong = np.zeros(task.n_rows, np.int64)
    n = 0
    for example in kept:
        c = known.get(example.configuration)
        if c is not None and len(example.predictions[-1]) == task.n_rows:
            sides = c.head.sides(example.predictions[-1], c.targets())
            wrong += ~(sides > 0).all(axis=-1)  # what is not finite is not right either
            n += 1
    worst = np.argsort(-wrong, kind="stable")[:max_wrong]
    rows = [
        {
            "row": int(r),
            "x": task.inputs[r, :max_shown_inputs].tolist(),
            "y": task.targets[r].tolist(),
            "n": int(wrong[r]),
        }
        for r in worst
        if wrong[r]
    ]
    return {"n": n, "rows": rows, "n_inputs": task.n_inputs} if rows else None
