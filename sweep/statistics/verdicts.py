"""What counts as reliable, and the words of a verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

verdicts = ("reliable", "inconclusive", "unreliable")
Family = Literal["none", "fwer", "fdr"]
families: tuple[Family, ...] = ("none", "fwer", "fdr")
Words = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Target:
    """What counts as reliable: a success rate of at least `target`, at `confidence`; both in (0, 1).

    `margin` in [0, 1): a run has learned when the smallest `(2y - 1)(2p - 1)` of its table is above it. `family`: what
    the error is of, see `verdicts_of`; None where the experiment leaves it to how its seeds are given.
    """

    target: float = 0.9
    confidence: float = 0.95
    margin: float = 0.0
    family: Family | None = None
