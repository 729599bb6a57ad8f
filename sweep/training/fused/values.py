"""From a cohort to the values that a program is given, and from its answers to measurements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.criterion import Bound
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.networks.randomness import Stream, keep_threshold, sample_counts
from sweep.networks.vocabulary import Named, factors
from sweep.training.fused.program import Answers, Arguments
from sweep.training.fused.shapes import ProgramShape
from sweep.training.fused.streams import padded_units
from sweep.training.initial import initial_weights

Array = npt.NDArray[Any]


def arguments(cohort: NetworkCohort, shape: ProgramShape) -> Arguments:
    """A program's values for a cohort; where that has fewer models than the program, the last one is repeated."""
    c = cohort.configuration
    lanes = np.minimum(np.arange(shape.n_models), len(cohort) - 1)
    snapshots = np.full(shape.n_snapshots, -1, np.int32)
    snapshots[: len(cohort.configuration.snapshots)] = cohort.configuration.snapshots
    units = [padded_units(n) for n in c.widths]
    counts = np.zeros((shape.n_models, c.task.n_rows), np.int32)
    if c.samples is not None:
        counts[:] = sample_counts(cohort.stream_seeds(Stream.SAMPLE), c.samples, c.task.n_rows)[lanes]
    return Arguments(
        inputs=c.inputs(),
        targets=c.targets(),
        aims=c.head.aims(c.targets()),
        weights=np.ascontiguousarray(initial_weights(cohort)[lanes].T),
        seeds=np.stack([cohort.stream_seeds(s)[lanes] for s in (Stream.ORDER, Stream.DROPOUT)]),
        counts=np.ascontiguousarray(counts.T),
        snapshots=snapshots,
        learning_rate=np.array(0.0 if isinstance(c.learning_rate, Named) else c.learning_rate, np.float32),
        thresholds=np.repeat([keep_threshold(layer.dropout) for layer in c.hidden], units).astype(np.int32),
        scales=np.repeat([1 / (1 - layer.dropout) for layer in c.hidden], units).astype(np.float32),
        factors=np.array([factors(v.regularizer) for v in c.variables], np.float32),
        one=np.array(1, np.float32),
        is_whole=np.array(not c.has_order),
        batch_size=np.array(c.batch_size, np.int32),
        epochs=np.array(c.epochs, np.int32),
        threshold=np.array(_threshold(cohort), np.float32),
    )


def _threshold(cohort: NetworkCohort) -> float:
    """With what the criterion's number is compared; of the accuracy that is the count of right answers."""
    if cohort.success.metric != "accuracy":
        return cohort.success.threshold
    bound = Bound.of(cohort.success, cohort.configuration)
    return bound.sign * bound.bound


def measurements(cohort: NetworkCohort, values: Sequence[Array]) -> Measurements:
    """A cohort's measurements from a program's answers, the repeated models left out."""
    n, s = len(cohort), len(cohort.configuration.snapshots)
    found = Answers(*(np.moveaxis(value, -1, 0)[:n] for value in values))
    return Measurements(
        losses=np.ascontiguousarray(found.losses[:, :s]),
        penalties=np.ascontiguousarray(found.penalties[:, :s]),
        predictions=np.ascontiguousarray(found.predictions[:, :s]),
        weights=np.ascontiguousarray(found.weights),
        last_unlearned=found.last_unlearned.astype(np.int64),
        units_off_initial=found.units_off_initial.astype(np.int64),
        units_off=found.units_off.astype(np.int64),
        descents=np.full(n, np.nan, np.float32),
    ).check(cohort)
