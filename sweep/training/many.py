"""A function that makes the runs of many seeds at once, side by side in arrays, as a trainer.

It is called in this process. Before its runs count, a probe splits and permutes a block: no seed may touch another.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sweep.runs.cohort import Cohort, Seeds
from sweep.runs.endings import max_told
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits
from sweep.runs.settings import Settings
from sweep.training.functions import name_of
from sweep.training.own import Ended, Given, TrainerError, as_kept, checked, numbers_of, outcome_of
from sweep.training.trainer import Guard, Kept, OnCount

ManyFunction = Callable[[Mapping[str, Any], Seeds], object]
Columns = Mapping[str, npt.NDArray[np.float64]]

block_size = 256  # seeds of one call at most, after which what came is stored
probe_size = 8
# sums over arrays of another length may be rounded otherwise; what one seed does to another is larger
tolerance = 1e-6


@dataclass
class ManySeeds:
    """A trainer that makes the runs of up to 256 seeds by one call of a function.

    `device`, `title`, `is_threaded`, `n_programs`: see `Trainer`.
    """

    function: ManyFunction
    is_probed: bool = field(default=False, init=False)
    device: str = field(default="cpu", init=False)
    is_threaded: bool = field(default=False, init=False)
    n_programs: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"function {name_of(self.function)} of many seeds"

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.name

    def close(self) -> None:
        """Keep nothing."""

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Make the runs of cohorts; see `Trainer`. Raises `TrainerError` where a seed touches another."""
        return in_blocks(cohorts, self._probed, on_count, guard)

    def _probed(self, block: Cohort[Settings]) -> list[Given]:
        if not self.is_probed and len(block) > 1:
            self._probe(block)
        return self._made(block)

    def _made(self, block: Cohort[Settings]) -> list[Given]:
        """What the runs of a block came to; where the function raises, those of its halves, down to those that do."""
        started, metric = perf_counter(), block.success.metric
        try:
            columns = self._columns(block, block.seeds)
        except Exception:  # whatever the user's function raises is how that run ended
            if len(block) == 1:
                seconds = perf_counter() - started
                return [Given(outcome="crashed", told=traceback.format_exc()[-max_told:], seconds=seconds)]
            half = len(block) // 2
            return [*self._made(block.part(slice(half))), *self._made(block.part(slice(half, None)))]
        each = (perf_counter() - started) / len(block)
        rows = ({name: float(values[i]) for name, values in columns.items()} for i in range(len(block)))
        return [checked(Given(row, seconds=each), metric, block.configuration.values) for row in rows]

    def _columns(self, block: Cohort[Settings], seeds: Seeds) -> Columns:
        """What the function gives for these seeds, by name `[seed]`. Raises `ValueError` for something else."""
        metric = block.success.metric
        value = self.function(block.configuration.values, seeds.copy())
        given = cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {metric: value}
        columns = {name: np.asarray(x) for name, x in given.items()}
        for name, values in columns.items():
            if values.shape != (len(seeds),):
                raise ValueError(f"{name}: found the shape {values.shape}; allowed: ({len(seeds)},), a number a seed")
        numbers_of({name: values[0] for name, values in columns.items()}, metric)
        return {name: values.astype(np.float64) for name, values in columns.items()}

    def _probe(self, block: Cohort[Settings]) -> None:
        """Compare a few seeds together, in another order, and in two halves; a block that crashes says nothing."""
        seeds = block.seeds[:probe_size]
        half = len(seeds) // 2
        try:
            whole = self._columns(block, seeds)
            turned = {name: values[::-1] for name, values in self._columns(block, seeds[::-1]).items()}
            parts = [self._columns(block, own) for own in (seeds[:half], seeds[half:])]
        except Exception:  # the runs themselves will say so, each for itself
            return
        split = {name: np.concatenate([part[name] for part in parts if name in part]) for name in whole}
        for how, other in (("in another order", turned), ("in two halves", split)):
            self._compare(seeds, whole, other, how)
        self.is_probed = True

    def _compare(self, seeds: Seeds, whole: Columns, other: Columns, how: str) -> None:
        """Raise `TrainerError` where the same seeds gave something else, called as `how` says."""
        for name, values in whole.items():
            now = other.get(name, np.zeros(0))
            if now.shape != values.shape:
                now = np.full(len(values), np.nan)
            is_same = np.isclose(values, now, tolerance, 0.0, equal_nan=True)
            if not is_same.all():
                place = int(np.argmin(is_same))
                found = f"seed {seeds[place]} gives {name} {values[place]:.9g} among {len(seeds)} seeds"
                raise TrainerError(
                    f"{self.name}: {found}, and {now[place]:.9g} with the same ones {how}; a run may depend on nothing "
                    "but its settings and its seed"
                )


def in_blocks(
    cohorts: Sequence[Cohort[Any]], make: Callable[[Cohort[Settings]], list[Given]], on_count: OnCount, guard: Guard
) -> Iterator[Kept]:
    """What is kept of cohorts, of which `make` makes the runs of up to 256 seeds in their order; see `Trainer`."""
    for block in (block for cohort in cohorts for block in cohort.split(block_size)):
        if guard.is_stopped():
            return
        ended = [Ended(place, given, 1) for place, given in enumerate(make(block))]
        on_count(len(block), sum(outcome_of(e.given, block.success) == "learned" for e in ended))
        yield as_kept(block, ended)._replace(ends_batch=True)


def as_trainer(function: ManyFunction, limits: Limits) -> ManySeeds:
    """A function of settings and seeds as a trainer. Raises `SettingError` for limits: its runs have no process."""
    if not limits.are_none:
        found = "found limits of a run, with a function of many seeds, which is called in this process"
        raise SettingError(("limits",), found, "allowed: none")
    return ManySeeds(function)
