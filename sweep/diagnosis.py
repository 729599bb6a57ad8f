"""How a run ended: its outcome and its row of the runs table, from the measurements alone.

The first that holds: `diverged`, a weight, a prediction or the loss is not finite; `learned`, the smallest
`(2y - 1)(2p - 1)` of the table is above the margin asked for; `dead`, every unit of some hidden layer is off on every
row, so that no gradient passes it; else `unsettled`.
"""

import numpy as np
import numpy.typing as npt

from sweep.runs import Cohort, Example, Integers, Measurements, Runs, outcomes


def table_margin(predictions: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The smallest `(2y - 1)(2p - 1)` over rows and outputs, in [-1, 1]; predictions `[model, row, output]`."""
    sides = (targets + targets - np.float32(1)) * (predictions + predictions - np.float32(1))
    return sides.min(axis=(1, 2))


def _first_dead_layer(units_off: Integers, layers: tuple[int, ...]) -> Integers:
    if not layers:
        return np.zeros(len(units_off), np.int64)
    is_dead = units_off == np.array(layers)
    return np.where(is_dead.any(axis=1), is_dead.argmax(axis=1) + 1, 0)


def diagnose(cohort: Cohort, measurements: Measurements) -> Runs:
    """The rows of the runs table that a cohort's measurements make."""
    configuration = cohort.configuration
    targets = configuration.targets()
    predictions = measurements.predictions[:, -1]
    final_loss = measurements.losses[:, -1]
    is_finite = np.isfinite(measurements.weights).all(axis=1) & np.isfinite(predictions).all(axis=(1, 2))
    is_finite &= np.isfinite(final_loss)
    margin = table_margin(predictions, targets)
    learned = is_finite & (margin > np.float32(cohort.margin))
    dead_layer = _first_dead_layer(measurements.units_off, configuration.layers)
    outcome = np.select(
        [~is_finite, learned, dead_layer > 0],
        [outcomes.index(name) for name in ("diverged", "learned", "dead")],
        outcomes.index("unsettled"),
    )
    return Runs(
        seed=cohort.seeds,
        final_loss=final_loss,
        accuracy=((predictions > np.float32(0.5)) == (targets > 0)).mean(axis=(1, 2)),
        learned=learned,
        margin=margin,
        epochs_to_learn=np.where(learned, measurements.last_unlearned + 1, -1),
        outcome=outcome.astype(np.int8),
        merged_rows=np.full(len(cohort), "", "U1"),
        dead_units_initial=measurements.units_off_initial.sum(axis=1),
        dead_units=measurements.units_off.sum(axis=1),
        dead_layer=dead_layer,
        predictions=predictions,
    )


def examples(cohort: Cohort, measurements: Measurements, runs: Runs) -> list[Example]:
    """One run of each outcome that occurs, the one of the lowest seed."""
    chosen: list[Example] = []
    for code in np.unique(runs.outcome):
        models = np.flatnonzero(runs.outcome == code)
        model = models[np.argmin(runs.seed[models])]
        chosen.append(
            Example(
                configuration=cohort.configuration.id,
                seed=int(runs.seed[model]),
                outcome=outcomes[code],
                epochs=cohort.snapshots,
                losses=measurements.losses[model].copy(),
                predictions=measurements.predictions[model].copy(),
                weights=measurements.weights[model].copy(),
            )
        )
    return chosen
