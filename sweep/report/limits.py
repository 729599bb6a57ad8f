"""What no training can reach, in words: for one network, or for the configurations of an experiment together."""

import math
from collections.abc import Sequence

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.limits import limits
from sweep.report.words import counted

largest_scaled = 10.0  # of an input's size


def describe_limits(configurations: Sequence[Configuration], below: float) -> list[str]:
    """A line for each reason why a share of at least `below` cannot answer every row right; the strictest first.

    >>> from sweep.networks.settings import resolve
    >>> describe_limits([resolve({"depth": 0})], 0.9)
    ['no seed can answer every row right: it is linear, and no straight cut parts the rows of xor']
    """
    bounds: dict[str, list[float]] = {}
    for c in configurations:
        for limit in [x for x in limits(c)[:1] if x.share < below]:
            bounds.setdefault(limit.reason, []).append(limit.share)
    lines: list[str] = []
    for reason, shares in sorted(bounds.items(), key=lambda item: min(item[1])):
        n, low, high = len(shares), min(shares), max(shares)
        of = f"{n:,} of {counted(len(configurations), 'configuration')}: " if len(configurations) > 1 else ""
        to = "" if low == high else f"{_up(low)} to "
        can = f"at most {to}{_up(high)} of all seeds can" if high else "no seed can"
        lines.append(f"{of}{can} answer every row right: {reason}")
    return lines


def describe_unscaled(configurations: Sequence[Configuration]) -> list[str]:
    """A line for each table with a column of large numbers: initial weights are made for inputs of about 1.

    >>> from sweep.networks.settings import resolve
    >>> table = {"inputs": [[0.5, 900], [0.1, 1200]], "targets": [[0], [1]]}
    >>> describe_unscaled([resolve({"task": table}), resolve({})])
    ['table-161c15: input 1 goes up to 1,200, where weights begin as for inputs of about 1: scale it']
    """
    lines: list[str] = []
    for task in dict.fromkeys(c.task for c in configurations):
        sizes = np.abs(np.array(task.inputs)).max(axis=0)
        large = np.flatnonzero(sizes > largest_scaled)
        if len(large):
            others = f" and {counted(len(large) - 1, 'other')}" if len(large) > 1 else ""
            verb, it = ("go", "them") if others else ("goes", "it")
            named = f"{task.label}: input {large[0]}{others} {verb} up to {sizes.max():,.6g}"
            lines.append(f"{named}, where weights begin as for inputs of about 1: scale {it}")
    return lines


def _up(share: float) -> str:
    """A share in percent, rounded up: an upper bound stays one."""
    return f"{math.ceil(1000 * share - 1e-9) / 10:g}%"
