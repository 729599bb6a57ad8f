"""The certificate of rest: a descent from the end weights of each run that failed, by the native engine.

A run is at rest where no descent is found that lowers what its training lowers, by a part of it that the tolerances of
`sweep.networks.diagnosis` say. The descent is Adam's, on all rows at once and without dropout; drawn samples,
regularizers and the decay of weights stay. Its numbers are the native kernel's whatever trained the run, so that they
depend on the end weights and on nothing else.
"""

from dataclasses import dataclass, replace

import numpy as np

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import drawn_counts, is_open, training_losses
from sweep.networks.layers import Layer
from sweep.networks.measurements import Floats, Measurements, NetworkCohort
from sweep.networks.vocabulary import Named, factors, named, plain_regularizer
from sweep.training.native import NativeEngine

# parameters times rows of the largest network that a descent is tried of: about 30 ms of a core for each run
MAX_WORK = 50_000
# a loss below this is held against this
LEAST_LOSS = 1e-3


@dataclass(frozen=True)
class Descent:
    """How long the descent is, and its rate; how these were chosen: docs/method.md."""

    epochs: int = 1_000
    rate: float = 0.03

    def of(self, c: Configuration) -> Configuration:
        """How a network of this configuration is trained from its end weights.

        The decay of SGD's weights is the gradient of their squares. That of the others stands beside steps that know
        nothing of the gradient's size, as Adam's own does.
        """
        decay = float(c.optimizer["weight_decay"])
        of_squares, of_adam = (decay / 2, 0.0) if c.optimizer.name == "sgd" else (0.0, decay)
        return replace(
            c,
            layers=tuple(_decayed(layer, of_squares) for layer in c.layers),
            optimizer=named("adam", {"weight_decay": of_adam}, vocabulary.optimizers),
            learning_rate=self.rate,
            batch_size=c.rows_per_epoch,
            epochs=self.epochs,
        )


def _decayed(layer: Layer, factor: float) -> Layer:
    """A layer without dropout, for whose squared weights so much is added beside what its regularizers add."""

    def added(regularizer: Named) -> Named:
        l1, l2 = factors(regularizer)
        return plain_regularizer(named("l1_l2", {"l1": l1, "l2": l2 + factor}, vocabulary.regularizers))

    bias = added(layer.bias_regularizer) if layer.use_bias else layer.bias_regularizer
    return replace(layer, dropout=0.0, kernel_regularizer=added(layer.kernel_regularizer), bias_regularizer=bias)


def with_descents(cohort: NetworkCohort, measured: Measurements, by: Descent = Descent()) -> Measurements:
    """The measurements with `descents` of those models that neither diverged nor learned nor died.

    As they are where the network is too large, or has an activation that the kernel lacks.
    """
    c = cohort.configuration
    models = np.flatnonzero(is_open(cohort, measured))
    if not len(models) or c.n_parameters * c.task.n_rows > MAX_WORK:
        return measured
    from sweep.training.native.functions import is_known

    if not all(is_known(layer.activation) for layer in c.layers):
        return measured
    descents = measured.descents.copy()
    descents[models] = _falls(replace(cohort, configuration=by.of(c)).part(models), measured.weights[models])
    return replace(measured, descents=descents)


def _falls(cohort: NetworkCohort, start: Floats) -> Floats:
    """By how large a part of itself each descent from `start` lowered the training loss; 1 where it learned."""
    found = NativeEngine().train(cohort, start)
    models = np.arange(len(cohort))
    losses = training_losses(cohort, found, models, drawn_counts(cohort, models)) + found.penalties
    lowest = np.fmin.reduce(losses, axis=1)  # a descent may leave the finite numbers
    falls = (losses[:, 0] - lowest) / np.maximum(losses[:, 0], LEAST_LOSS)
    has_learned = found.last_unlearned < cohort.configuration.epochs
    return np.where(has_learned, 1.0, falls).astype(np.float32)
