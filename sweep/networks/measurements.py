"""What an engine measures of a cohort of networks: arrays over `model`, never an object per run.

A snapshot is an epoch at which the table is evaluated and kept (`Configuration.snapshots`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.runs.cohort import Cohort

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
NetworkCohort = Cohort[Configuration]


def _per_model(dtype: type, *axes: str) -> dict[str, Any]:
    """What is said of a field of `Measurements`: its numbers, and its axes after `model`."""
    return {"dtype": dtype, "axes": axes}


@dataclass(frozen=True)
class Measurements:
    """What an engine measured of a cohort, dropout off in every evaluation. Each array begins with the axis `model`.

    losses: mean over the table; penalties: what regularizers add to it, zeros without; weights: after training,
    variables in Keras's order; last_unlearned: the last epoch after which the cohort's criterion did not hold, -1 where
    it always did; units_off_initial and units_off: hidden units with output and slope zero on every row, before and
    after training; descents: by how large a part of itself a descent from these weights lowered the training loss, 1
    where it learned, NaN where none was tried, as engines leave it (`sweep.training.rest`).
    """

    losses: Floats = field(metadata=_per_model(np.float32, "snapshot"))
    penalties: Floats = field(metadata=_per_model(np.float32, "snapshot"))
    predictions: Floats = field(metadata=_per_model(np.float32, "snapshot", "row", "output"))
    weights: Floats = field(metadata=_per_model(np.float32, "parameter"))
    last_unlearned: Integers = field(metadata=_per_model(np.int64))
    units_off_initial: Integers = field(metadata=_per_model(np.int64, "layer"))
    units_off: Integers = field(metadata=_per_model(np.int64, "layer"))
    descents: Floats = field(metadata=_per_model(np.float32))

    @classmethod
    def empty(cls, cohort: NetworkCohort, n: int | None = None) -> Self:
        """Room for the measurements of `n` models of a cohort, all of them where not given.

        The numbers are unset, and no descent is tried.
        """
        c = cohort.configuration
        sizes = {
            "snapshot": len(c.snapshots),
            "row": c.task.n_rows,
            "output": c.n_outputs,
            "parameter": c.n_parameters,
            "layer": c.depth,
        }
        n = len(cohort) if n is None else n
        arrays: dict[str, Any] = {
            f.name: np.empty((n, *(sizes[axis] for axis in f.metadata["axes"])), f.metadata["dtype"])
            for f in fields(cls)
        }
        arrays["descents"].fill(np.nan)
        return cls(**arrays)

    def count_learned(self, cohort: NetworkCohort) -> int:
        """How many models had learned the table after the last epoch."""
        return int((self.last_unlearned < cohort.configuration.epochs).sum())

    def part(self, cut: slice) -> Self:
        """The measurements of some of the models."""
        return type(self)(**{f.name: getattr(self, f.name)[cut] for f in fields(self)})

    def check(self, cohort: NetworkCohort) -> Self:
        """These measurements, their shapes and types checked against the cohort they answer."""
        expected = self.empty(cohort)
        for f in fields(self):
            found, wanted = getattr(self, f.name), getattr(expected, f.name)
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                raise ValueError(f"{f.name}: found {found.dtype} {found.shape}, expected {wanted.dtype} {wanted.shape}")
        return self


def concatenate(pieces: Sequence[Measurements]) -> Measurements:
    """The measurements of a cohort from those of its pieces, in order."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    return type(first)(**{f.name: np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(first)})


def join(
    cohort: NetworkCohort, pieces: Sequence[tuple[NetworkCohort, Measurements]]
) -> tuple[NetworkCohort, Measurements]:
    """A cohort from its pieces, in order, with their measurements; from less than all, the cohort of those."""
    if not pieces:
        return cohort.part(slice(0)), Measurements.empty(cohort, 0)
    parts, measured = [part for part, _ in pieces], concatenate([measurements for _, measurements in pieces])
    if sum(map(len, parts)) == len(cohort):
        return cohort, measured
    seeds = np.concatenate([p.seeds for p in parts])
    streams = {k: np.concatenate([p.streams[k] for p in parts]) for k in cohort.streams}
    return replace(cohort, seeds=seeds, streams=streams), measured


@dataclass(frozen=True)
class Example:
    """One run kept in full.

    epochs and losses `[snapshot]`, predictions `[snapshot, row, output]`, weights after training `[parameter]`.
    """

    configuration: str
    seed: int
    outcome: str
    epochs: Integers
    losses: Floats
    predictions: Floats
    weights: Floats

    @property
    def run(self) -> str:
        """The run's name in runs.csv."""
        return f"{self.configuration}-{self.seed}"
