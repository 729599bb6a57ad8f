"""What is fixed in the compiled programs of the fused engine, and so how many of them a sweep needs; without Keras."""

from dataclasses import dataclass

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.layers import Head
from sweep.networks.snapshots import max_snapshot_values, max_snapshots
from sweep.networks.vocabulary import Named
from sweep.runs.success import Success, above_margin

# models of the smallest program, smaller ones only where these do not fit the memory; and of the largest
MIN_MODELS = 64
MAX_MODELS = {"cpu": 256, "gpu": 65536}
# a table of so many rows is a step's slots, whatever the batch size
MAX_SMALL_TABLE = 16
SIZE_STEP = 4
# bytes that the arrays of a program may take
MAX_BYTES = {"cpu": 1 << 28, "gpu": 1 << 34}
# bytes beyond which a program of more than the fewest models is slower on a CPU, whose cache they leave
MAX_CACHED_BYTES = 6 << 20


def padded(n: int) -> int:
    """The power of four from `n` up: sizes in these steps keep programs few.

    >>> [padded(n) for n in (1, 3, 64, 65)]
    [1, 4, 64, 256]
    """
    size = 1
    while size < n:
        size *= SIZE_STEP
    return size


def program_size(n: int, most: int) -> int:
    """For how many models the program is that trains `n`, at most `most`, of them.

    >>> program_size(3, 256), program_size(100, 256), program_size(100, 128)
    (64, 256, 128)
    """
    return min(max(padded(n), MIN_MODELS), most)


def models_that_fit(c: Configuration, device: str) -> int:
    """How many models of a configuration a program may hold: a power of four.

    By a rough count of the arrays: weights with their gradients and the optimizer's state, signals of a step and their
    gradients, predictions kept, samples drawn.
    """
    shape = ProgramShape.of(c, 1)
    n_rows = max(shape.n_rows, shape.n_test_rows)
    numbers = 8 * c.n_parameters + 8 * sum(c.n_units) * max(shape.n_slots, n_rows)
    numbers += 2 * shape.n_kept * (shape.n_rows + shape.n_test_rows) * c.n_outputs + 2 * (c.samples or 0)
    most = MAX_MODELS[device]
    if device == "cpu" and 4 * numbers * most > MAX_CACHED_BYTES:
        most = MIN_MODELS
    while most > 1 and 4 * numbers * most > MAX_BYTES[device]:
        most //= SIZE_STEP
    return most


@dataclass(frozen=True)
class ProgramShape:
    """What is fixed in a compiled program. `n_samples`: of drawn data sets; None for the table itself.

    metric and comparison: of the criterion, whose threshold is a value at run time. is_small: see `Task`.
    """

    n_models: int
    n_rows: int
    n_slots: int
    n_samples: int | None
    n_units: tuple[int, ...]
    activations: tuple[Named, ...]
    has_bias: tuple[bool, ...]
    optimizer: Named
    head: Head
    is_regularized: bool
    schedule: Named | None
    metric: str = "margin"
    comparison: str = ">"
    n_test_rows: int = 0
    is_small: bool = True

    @classmethod
    def of(cls, c: Configuration, n_models: int, success: Success = above_margin(0.0)) -> "ProgramShape":  # noqa: B008
        """The shape that so many models of a configuration need."""
        n = c.task.n_rows
        n_slots = n if n <= MAX_SMALL_TABLE or c.samples is not None else min(n, padded(c.batch_size))
        activations = tuple(layer.activation for layer in c.hidden)
        has_bias = tuple(layer.use_bias for layer in c.layers)
        layers = (c.n_units, activations, has_bias)
        schedule = c.learning_rate if isinstance(c.learning_rate, Named) else None
        trained = (c.optimizer, c.head, c.is_regularized, schedule)
        is_count = success.metric.endswith("accuracy")  # whose whole numbers lie above a bound or below
        comparison = success.comparison[0] if is_count else success.comparison
        rows = (c.task.n_test_rows, c.task.is_small)
        return cls(n_models, n, n_slots, c.samples, *layers, *trained, success.metric, comparison, *rows)

    @property
    def variable_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the trained variables of one network, in Keras's order."""
        shapes: list[tuple[int, ...]] = []
        for n_in, n_out, has_bias in zip(self.n_units, self.n_units[1:], self.has_bias, strict=False):
            shapes += [(n_in, n_out), (n_out,)] if has_bias else [(n_in, n_out)]
        return shapes

    @property
    def n_snapshots(self) -> int:
        """Room for snapshots: the most that a training of such a table keeps."""
        if not self.is_small:
            return max_snapshots
        return int(np.clip(max_snapshot_values // (self.n_rows * self.n_units[-1]), 3, max_snapshots))

    @property
    def n_kept(self) -> int:
        """Room for predictions: of every snapshot of a small table, else of the last."""
        return self.n_snapshots if self.is_small else 1


def shapes_of(c: Configuration, n_models: int, device: str) -> frozenset[ProgramShape]:
    """The programs that train so many models, where they fit the memory: of full pieces, and of the last one."""
    most = models_that_fit(c, device)
    pieces = ([most] if n_models >= most else []) + ([n_models % most] if n_models % most else [])
    return frozenset(ProgramShape.of(c, program_size(n, most)) for n in pieces)
