"""What is asked of an engine, and what comes back: arrays over `model`, never an object per run.

Notation: a cohort is one configuration with a block of seeds; `model` counts the runs inside it. Epochs count from 1;
epoch 0 is the state before training. A snapshot is an epoch at which the table is evaluated and kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.randomness import Stream

Seeds = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
OverModels = TypeVar("OverModels", "Measurements", "Runs")

max_snapshots = 64
max_snapshot_values = 4096


def snapshot_epochs(epochs: int, n_values: int) -> Integers:
    """The epochs of a training that are kept: first, nine tenths, last, and others closer together at the beginning.

    At most 64, fewer for tables of many values (`n_values`: rows times outputs), so that a run never keeps more than
    4,096 predictions unless the table itself has more in three epochs.
    """
    n = int(np.clip(max_snapshot_values // n_values, 3, max_snapshots))
    spread = epochs * (np.arange(n - 1) / (n - 2)) ** 2  # the nine tenths take the last place
    return np.unique(np.append(np.floor(spread).astype(np.int64), [nine_tenths(epochs), epochs]))


def nine_tenths(epochs: int) -> int:
    """The epoch that begins the last tenth of a training."""
    return epochs - max(1, epochs // 10)


@dataclass(frozen=True)
class Cohort:
    """One configuration with a block of seeds: the unit that an engine trains.

    `seeds`: uint32 `[model]`. `streams` gives a purpose other seeds than these, for analyses that keep the weights and
    change the order. `margin`: a table counts as learned above this margin.
    """

    configuration: Configuration
    seeds: Seeds
    margin: float = 0.0
    streams: Mapping[Stream, Seeds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for block in (self.seeds, *self.streams.values()):
            if block.ndim != 1 or block.dtype != np.uint32 or len(block) != len(self.seeds):
                raise ValueError(f"seeds must be uint32 [model], found {block.dtype} {block.shape}")

    def __len__(self) -> int:
        return len(self.seeds)

    def stream_seeds(self, stream: Stream) -> Seeds:
        """The seeds that decide one purpose: uint32 `[model]`."""
        return self.streams.get(stream, self.seeds)

    @cached_property
    def snapshots(self) -> Integers:
        """The epochs at which the table is evaluated and kept: `[snapshot]`, rising."""
        task = self.configuration.task
        return snapshot_epochs(self.configuration.epochs, task.n_rows * task.n_outputs)

    def split(self, size: int) -> list[Self]:
        """The cohort in pieces of at most `size` models, in order."""
        cuts = [slice(i, i + size) for i in range(0, len(self), size)]
        return [self.part(cut) for cut in cuts]

    def part(self, cut: slice) -> Self:
        """The cohort of some of its models."""
        return replace(self, seeds=self.seeds[cut], streams={k: v[cut] for k, v in self.streams.items()})


def _per_model(dtype: type, *axes: str) -> dict[str, Any]:
    """What is said of a field of `Measurements`: its numbers, and its axes after `model`."""
    return {"dtype": dtype, "axes": axes}


@dataclass(frozen=True)
class Measurements:
    """What an engine measured of a cohort, dropout off in every evaluation. Each array begins with the axis `model`.

    losses: mean over the table; weights: after training, variables in Keras's order; last_unlearned: the last epoch
    after which the table was not learned, -1 where it always was; units_off_initial and units_off: hidden units with
    output and slope zero on every row, before and after training.
    """

    losses: Floats = field(metadata=_per_model(np.float32, "snapshot"))
    predictions: Floats = field(metadata=_per_model(np.float32, "snapshot", "row", "output"))
    weights: Floats = field(metadata=_per_model(np.float32, "parameter"))
    last_unlearned: Integers = field(metadata=_per_model(np.int64))
    units_off_initial: Integers = field(metadata=_per_model(np.int64, "layer"))
    units_off: Integers = field(metadata=_per_model(np.int64, "layer"))

    @classmethod
    def empty(cls, cohort: Cohort, n: int | None = None) -> Self:
        """Room for the measurements of `n` models of a cohort, all of them where not given; the numbers are unset."""
        c = cohort.configuration
        sizes = {
            "snapshot": len(cohort.snapshots),
            "row": c.task.n_rows,
            "output": c.task.n_outputs,
            "parameter": c.n_parameters,
            "layer": c.depth,
        }
        n = len(cohort) if n is None else n
        arrays: dict[str, Any] = {
            f.name: np.empty((n, *(sizes[axis] for axis in f.metadata["axes"])), f.metadata["dtype"])
            for f in fields(cls)
        }
        return cls(**arrays)

    def count_learned(self, cohort: Cohort) -> int:
        """How many models had learned the table after the last epoch."""
        return int((self.last_unlearned < cohort.configuration.epochs).sum())

    def part(self, cut: slice) -> Self:
        """The measurements of some of the models."""
        return type(self)(**{f.name: getattr(self, f.name)[cut] for f in fields(self)})

    def check(self, cohort: Cohort) -> Self:
        """These measurements, their shapes and types checked against the cohort they answer."""
        expected = self.empty(cohort)
        for f in fields(self):
            found, wanted = getattr(self, f.name), getattr(expected, f.name)
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                raise ValueError(f"{f.name}: found {found.dtype} {found.shape}, expected {wanted.dtype} {wanted.shape}")
        return self


@dataclass(frozen=True)
class Broken:
    """Runs of a configuration that an exception kept from being trained or diagnosed, with its traceback."""

    configuration: str
    seeds: tuple[int, ...]
    traceback: str


def concatenate(pieces: Sequence[OverModels]) -> OverModels:
    """The measurements, or the runs, of a cohort from those of its pieces, in order."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    return type(first)(**{f.name: np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(first)})


def join(cohort: Cohort, pieces: Sequence[tuple[Cohort, Measurements]]) -> tuple[Cohort, Measurements]:
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
class Runs:
    """The rows of the runs table that belong to one configuration: arrays over `model`, in the order of their seeds.

    `outcome` counts in `sweep.runs.outcomes`. epochs_to_learn is -1 where the table was not learned at the end,
    dead_layer 0 where no layer is dead; numbers that are not finite stay so here and are left out of the files.
    predictions `[model, row, output]`.
    """

    seed: Seeds
    final_loss: Floats
    accuracy: npt.NDArray[np.float64]
    learned: npt.NDArray[np.bool_]
    margin: Floats
    epochs_to_learn: Integers
    outcome: npt.NDArray[np.int8]
    merged_rows: npt.NDArray[np.str_]
    dead_units_initial: Integers
    dead_units: Integers
    dead_layer: Integers
    predictions: Floats

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, index: npt.NDArray[Any]) -> Self:
        """The rows that an index or mask over `model` picks."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def no_runs(configuration: Configuration) -> Runs:
    """Runs of a configuration that has none yet."""
    whole, narrow = np.zeros(0, np.int64), np.zeros(0, np.float32)
    task = configuration.task
    return Runs(
        seed=np.zeros(0, np.uint32),
        final_loss=narrow,
        accuracy=np.zeros(0),
        learned=np.zeros(0, np.bool_),
        margin=narrow,
        epochs_to_learn=whole,
        outcome=np.zeros(0, np.int8),
        merged_rows=np.zeros(0, "U1"),
        dead_units_initial=whole,
        dead_units=whole,
        dead_layer=whole,
        predictions=np.zeros((0, task.n_rows, task.n_outputs), np.float32),
    )


def merge(blocks: Sequence[Runs]) -> Runs:
    """Blocks of one configuration as one, sorted by seed; a seed that stands in several is taken once."""
    joined = concatenate(blocks)
    return joined.take(np.unique(joined.seed, return_index=True)[1])


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


@dataclass(frozen=True)
class Entry:
    """A configuration in a sweep: the index of the trial that first suggested it, and its runs so far."""

    trial: int
    configuration: Configuration
    runs: Runs


def lowest_seeds(kept: Iterable[Example]) -> list[Example]:
    """Of each configuration and outcome the example of the lowest seed, in the order of first appearance."""
    best: dict[tuple[str, str], Example] = {}
    for example in kept:
        key = (example.configuration, example.outcome)
        if key not in best or example.seed < best[key].seed:
            best[key] = example
    return list(best.values())
