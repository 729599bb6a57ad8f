"""What is asked of the process that trains stacked models, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Question:
    """What is asked.

    job: a `built.Job`, pickled, so that a module of the caller's that cannot be imported is an answer; settings and
    seeds: of a cohort; is_trial: whether to find out if these models can be trained at once, and how fast.
    """

    job: bytes
    settings: Mapping[str, Any]
    seeds: npt.NDArray[np.uint32]
    is_trial: bool = False


class Unstackable(Exception):
    """Models that cannot be trained at once; the text says why, in words that follow `one seed after the other:`."""
