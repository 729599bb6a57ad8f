"""What came back of runs: arrays over `model`, never an object per run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self

import numpy as np
import numpy.typing as npt

from sweep.runs.cohort import AnySubject, Seeds
from sweep.runs.outcomes import outcomes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Runs:
    """Runs of one configuration: arrays over `model`, in the order of their seeds.

    `outcome` counts in `sweep.runs.outcomes`. `measured`: what the trainer or the diagnosis says beside, by the name of
    its column; what was not measured is not there. Numbers that are not finite stay so here and are left out of files.
    """

    seed: Seeds
    outcome: npt.NDArray[np.int8]
    measured: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seed)

    def __getitem__(self, column: str) -> Array:
        """What was measured of each run. Raises `KeyError` for what was not."""
        return self.measured[column]

    @property
    def learned(self) -> npt.NDArray[np.bool_]:
        """Which runs learned."""
        return self.outcome == outcomes.index("learned")

    def take(self, index: npt.NDArray[Any]) -> Self:
        """The runs that an index or mask over `model` picks."""
        return type(self)(self.seed[index], self.outcome[index], {k: v[index] for k, v in self.measured.items()})


no_runs = Runs(np.zeros(0, np.uint32), np.zeros(0, np.int8))


def merge(blocks: Sequence[Runs]) -> Runs:
    """Blocks of one configuration as one, sorted by seed; a seed that stands in several is taken once."""
    joined = concatenate(blocks)
    return joined.take(np.unique(joined.seed, return_index=True)[1])


def concatenate(blocks: Sequence[Runs]) -> Runs:
    """Blocks of one configuration one after the other; where a block has no such column, NaN, of text nothing."""
    blocks = [block for block in blocks if len(block)] or [no_runs]
    if len(blocks) == 1:
        return blocks[0]
    nothing = {name: "" if values.dtype.kind == "U" else np.nan for b in blocks for name, values in b.measured.items()}
    return Runs(
        np.concatenate([b.seed for b in blocks]),
        np.concatenate([b.outcome for b in blocks]),
        {k: np.concatenate([b.measured.get(k, np.full(len(b), gap)) for b in blocks]) for k, gap in nothing.items()},
    )


@dataclass(frozen=True)
class Entry(Generic[AnySubject]):
    """A configuration in a sweep: the index of the trial that first suggested it, and its runs so far."""

    trial: int
    configuration: AnySubject
    runs: Runs
