"""What is asked of a trainer: a subject under a block of seeds.

Notation: `model` counts the runs of a cohort.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from sweep.runs.success import Success, above_margin

Seeds = npt.NDArray[np.uint32]


class Subject(Protocol):
    """What is tried under seeds: a configuration of a network, or settings of something else."""

    @property
    def id(self) -> str:
        """`c` and 12 hex digits: a digest of everything that decides a run except the seed."""
        ...

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained, by which the smaller of two is told; 0 where nothing says so."""
        ...

    def labels(self) -> Mapping[str, Any]:
        """Every setting as it stands in the tables."""
        ...


AnySubject = TypeVar("AnySubject", bound=Subject, covariant=True)


def digest_id(canonical: str) -> str:
    """The id of a subject by a text that is the same for equal ones: `c` and 12 hex digits of its SHA-256.

    >>> digest_id("{}")
    'c44136fa355b3'
    """
    return "c" + hashlib.sha256(canonical.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Cohort(Generic[AnySubject]):
    """One configuration with a block of seeds.

    `seeds`: uint32 `[model]`. `success`: when a run counts as learned. `streams` gives a purpose other seeds than
    these, for analyses that keep the weights and change the order.
    """

    configuration: AnySubject
    seeds: Seeds
    success: Success = above_margin(0.0)
    streams: Mapping[int, Seeds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for block in (self.seeds, *self.streams.values()):
            if block.ndim != 1 or block.dtype != np.uint32 or len(block) != len(self.seeds):
                raise ValueError(f"seeds must be uint32 [model], found {block.dtype} {block.shape}")

    def __len__(self) -> int:
        return len(self.seeds)

    def stream_seeds(self, stream: int) -> Seeds:
        """The seeds that decide one purpose: uint32 `[model]`."""
        return self.streams.get(stream, self.seeds)

    def split(self, size: int) -> list[Self]:
        """The cohort in pieces of at most `size` models, in order."""
        cuts = [slice(i, i + size) for i in range(0, len(self), size)]
        return [self.part(cut) for cut in cuts]

    def part(self, cut: slice | npt.NDArray[np.int64]) -> Self:
        """The cohort of some of its models, a stretch or by their places."""
        return replace(self, seeds=self.seeds[cut], streams={k: v[cut] for k, v in self.streams.items()})


@dataclass(frozen=True)
class Broken:
    """Runs of a configuration that an exception kept from being trained or judged, with its traceback."""

    configuration: str
    seeds: tuple[int, ...]
    traceback: str
