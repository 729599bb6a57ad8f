"""What no training can reach, in words: for one network, or for the configurations of an experiment together."""

import math
from collections.abc import Sequence

from sweep.networks.configuration import Configuration
from sweep.networks.limits import limits
from sweep.report.words import counted


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


def _up(share: float) -> str:
    """A share in percent, rounded up: an upper bound stays one."""
    return f"{math.ceil(1000 * share - 1e-9) / 10:g}%"
