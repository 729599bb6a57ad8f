"""How a run ended: its outcome and its row of the runs table, from the measurements alone.

The first that holds:

- `diverged`: a weight, a prediction or the loss is not finite;
- `learned`: the criterion holds, by default that the smallest signed margin of the table (`Head`) is above 0;
- `dead`: every unit of some layer is off on every row, so that no gradient passes it; of an output too;
- `stuck`: at rest. A descent from the end weights did not lower the loss by more than a tolerance (`certified`). Where
  none was tried, the loss was `flat`: it stayed within a tolerance over the last tenth of the epochs and, where it was
  still falling, is not expected to fall much in ten times the epochs. Where rows of unlike target have one prediction
  and the loss is at the floor of that partition, `merged_rows` names them;
- `unconverged`: the loss was still falling, nearly without a rise, or it was flat and a descent was found;
- `unsettled`: none of these, the loss wandered.

The loss looked at is the one that training lowers: the table's, or with drawn samples that of the drawn rows, and what
regularizers add. A partition's floor is one of the loss alone. Changes
count in parts of the loss, or of what one entry of the table adds to it at a prediction of 1/2 where that is larger.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.criterion import is_learned
from sweep.networks.floors import name_groups, partition
from sweep.networks.layers import Head
from sweep.networks.measurements import Example, Integers, Measurements, NetworkCohort
from sweep.networks.randomness import Stream, sample_counts
from sweep.networks.snapshots import nine_tenths
from sweep.networks.tasks import Task
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tolerances:
    """What tells the outcomes apart; how these numbers were chosen, and how often they misjudge, is in docs/method.md.

    descent: by how large a part of itself a descent lowers the training loss of a run that is not at rest. Where none
    was tried, rest: by how large a part of itself the loss of a `stuck` run may change over the last tenth of the
    epochs; drift: by how large a part it may be expected to fall in ten times the epochs, where it changed by more than
    `still`. fall: which part of all movement of a falling loss, up and down over the second half of the epochs, is its
    fall. gap: how far apart predictions are that count as one. floor: how far from a partition's floor the loss may be,
    in parts of that floor.
    """

    descent: float = 0.05
    rest: float = 0.01
    still: float = 5e-4
    drift: float = 0.05
    fall: float = 0.9
    gap: float = 0.005
    floor: float = 0.02


tolerances = Tolerances()


def _first_dead_layer(units_off: Integers, widths: tuple[int, ...]) -> Integers:
    if not widths:
        return np.zeros(len(units_off), np.int64)
    is_dead = units_off == np.array(widths)
    return np.where(is_dead.any(axis=1), is_dead.argmax(axis=1) + 1, 0)


def _is_output_off(head: Head, predictions: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Whether every unit of the output layer is off on every row, `[model]`: at 0, where it passes no gradient."""
    if head.activation.name not in ("relu", "relu6", "hard_sigmoid"):
        return np.zeros(len(predictions), np.bool_)
    return (predictions == 0).all(axis=(1, 2))


def drawn_counts(cohort: NetworkCohort, models: Integers) -> Doubles:
    """How often each row of the table is in the data set: `[model, row]`."""
    c = cohort.configuration
    if c.samples is None:
        return np.ones((len(models), c.task.n_rows))
    return sample_counts(cohort.stream_seeds(Stream.SAMPLE)[models], c.samples, c.task.n_rows).astype(np.float64)


def training_losses(cohort: NetworkCohort, measurements: Measurements, models: Integers, counts: Doubles) -> Doubles:
    """The loss that training lowers, dropout off, without what regularizers add: `[model, snapshot]`."""
    c = cohort.configuration
    if c.samples is None:
        return measurements.losses[models].astype(np.float64)
    targets = c.targets().astype(np.float64)
    predictions = measurements.predictions[models].astype(np.float64)
    n_entries = c.samples * c.head.averaged(c.n_outputs)
    return np.einsum("msro,mr->ms", c.head.entry_losses(predictions, targets), counts) / n_entries


@dataclass(frozen=True)
class Course:
    """How the loss of each model ended: arrays `[model]`, in parts of the loss.

    change: its range over the last tenth of the epochs; drift: its expected fall in ten times the epochs; fall: its
    fall over the second half in parts of all its movement there, negative for a rise.
    """

    change: Doubles
    drift: Doubles
    fall: Doubles


def describe_course(losses: Doubles, cohort: NetworkCohort) -> Course:
    """The end of the course of `losses` `[model, snapshot]`."""
    c = cohort.configuration
    of_a_tie = float(c.head.mixture_loss(0.5)) / (c.task.n_rows * c.task.n_outputs)
    return course_of(losses, cohort.configuration.snapshots, c.epochs, of_a_tie)


def course_of(losses: Doubles, snapshots: Integers, epochs: int, least: float | Doubles) -> Course:
    """The end of the course of `losses` `[model, snapshot]` at the epochs `snapshots`.

    least: what changes are counted in parts of where the loss is below it, a number or one for each model.
    """
    scale = np.maximum(losses[:, -1], least)
    tenth = losses[:, snapshots >= nine_tenths(epochs)]
    half = losses[:, snapshots >= epochs // 2]
    movement = np.abs(np.diff(half, axis=1)).sum(axis=1)
    return Course(
        change=np.ptp(tenth, axis=1) / scale,
        drift=_expected_fall(losses, snapshots, epochs) / scale,
        fall=(half[:, 0] - half[:, -1]) / np.where(movement > 0, movement, 1.0),
    )


def _expected_fall(losses: Doubles, snapshots: Integers, epochs: int) -> Doubles:
    """How far the loss would fall in ten times the epochs, if its speed went on as the power of time that it follows.

    The speed is known twice, from the last tenth of the epochs and from the tenth before: v ~ t^-p. With the epochs as
    the unit of time, the fall from 1 to 10 is the integral of v. It is large where the loss speeds up (p < 0).
    """
    last = nine_tenths(epochs)
    before = max(0, 2 * last - epochs)
    ahead = int(np.searchsorted(snapshots, before))
    start = losses[:, ahead]
    if snapshots[ahead] > before:
        share = (snapshots[ahead] - before) / (snapshots[ahead] - snapshots[ahead - 1])
        start = start + share * (losses[:, ahead - 1] - losses[:, ahead])
    middle = losses[:, int(np.searchsorted(snapshots, last))]
    speed = np.maximum(middle - losses[:, -1], 0) / (1 - last / epochs)
    if before == last:  # a single epoch
        return 9 * speed
    earlier = np.abs(start - middle) / ((last - before) / epochs)
    centre, centre_before = (last + epochs) / (2 * epochs), (before + last) / (2 * epochs)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.log(earlier / speed) / np.log(centre / centre_before)
    power = np.clip(np.where(speed > 0, power, 0.0), -30, 60)
    power = np.where(np.abs(power - 1) < 1e-6, 1 + 1e-6, power)
    return speed * centre**power * (10 ** (1 - power) - 1) / (1 - power)


def judge(course: Course, descents: npt.NDArray[np.floating[Any]], by: Tolerances = tolerances) -> Integers:
    """`stuck`, `unconverged` or `unsettled`, by the descents `[model]` and the course of the loss: codes `[model]`.

    A descent that found nothing is the certificate of rest, whatever the loss looked like; without one, a loss that
    looked flat was not at rest. Where none was tried the course alone speaks.
    """
    codes = judge_course(course, by)
    stuck, unconverged = outcomes.index("stuck"), outcomes.index("unconverged")
    codes = np.where((descents > by.descent) & (codes == stuck), unconverged, codes)
    return np.where(descents <= by.descent, stuck, codes)


def judge_course(course: Course, by: Tolerances = tolerances) -> Integers:
    """`stuck`, `unconverged` or `unsettled`, by the course of the loss alone: codes `[model]` in `outcomes`."""
    is_falling = course.fall >= by.fall
    is_at_rest = (course.change <= by.rest) & ~(is_falling & (course.drift > by.drift))
    is_at_rest |= course.change <= by.still
    names = ("stuck", "unconverged", "unsettled")
    stuck, unconverged, unsettled = map(outcomes.index, names)
    return np.where(is_at_rest, stuck, np.where(is_falling, unconverged, unsettled))


def merged_rows(
    cohort: NetworkCohort,
    predictions: npt.NDArray[np.float32],
    losses: Doubles,
    counts: Doubles,
    by: Tolerances = tolerances,
) -> npt.NDArray[np.str_]:
    """The rows of unlike target with one prediction, where the loss `[model]` is at the floor of that; else empty."""
    c = cohort.configuration
    return merged_groups(c.task, c.head, predictions, losses, counts, by)


def merged_groups(
    task: Task,
    head: Head,
    predictions: npt.NDArray[np.float32],
    losses: Doubles,
    counts: Doubles,
    by: Tolerances = tolerances,
) -> npt.NDArray[np.str_]:
    """The same for any networks of a task, `predictions` `[model, row, output]`, with this head."""
    targets = head.coded(task.targets)
    found = partition(predictions, targets, counts, head=head, gap=by.gap)
    is_at_floor = (found.floors > 0) & (np.abs(losses - found.floors) <= by.floor * found.floors)
    names = task.row_names or tuple(map(str, range(task.n_rows)))
    return name_groups(np.where(is_at_floor[:, None, None], found.groups, -1), names)


def _judge_failures(
    cohort: NetworkCohort, measurements: Measurements, models: Integers
) -> tuple[Integers, npt.NDArray[np.str_]]:
    """Outcome of the models that are open; merged rows of those that are at rest, or looked it."""
    counts = drawn_counts(cohort, models)
    losses = training_losses(cohort, measurements, models, counts)
    with np.errstate(invalid="ignore"):  # a loss may have been infinite on the way
        course = describe_course(losses + measurements.penalties[models], cohort)
    codes = judge(course, measurements.descents[models])
    stuck = outcomes.index("stuck")
    rows = np.flatnonzero((codes == stuck) | (judge_course(course) == stuck))
    named = merged_rows(cohort, measurements.predictions[models[rows], -1], losses[rows, -1], counts[rows])
    merged = np.full(len(models), "", named.dtype)
    merged[rows] = named
    return codes, merged


def _how_ended(
    cohort: NetworkCohort, measurements: Measurements
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Integers]:
    """Which models are finite, which learned, and the first layer, from 1, that is off, 0 where none is: `[model]`."""
    c = cohort.configuration
    predictions, final_loss = measurements.predictions[:, -1], measurements.losses[:, -1]
    is_finite = np.isfinite(measurements.weights).all(axis=1) & np.isfinite(predictions).all(axis=(1, 2))
    is_finite &= np.isfinite(final_loss)
    learned = is_finite & is_learned(cohort.success, c, predictions, final_loss)
    dead_layer = _first_dead_layer(measurements.units_off, c.widths)
    is_output_off = _is_output_off(c.head, predictions) & (dead_layer == 0)
    return is_finite, learned, np.where(is_output_off, c.depth + 1, dead_layer)


def is_open(cohort: NetworkCohort, measurements: Measurements) -> npt.NDArray[np.bool_]:
    """Which models neither diverged nor learned nor died, `[model]`: how they ended, their loss has to tell."""
    is_finite, learned, dead_layer = _how_ended(cohort, measurements)
    return is_finite & ~learned & (dead_layer == 0)


def diagnose(cohort: NetworkCohort, measurements: Measurements) -> Runs:
    """The rows of the runs table that a cohort's measurements make."""
    configuration = cohort.configuration
    head, targets = configuration.head, configuration.targets()
    predictions, final_loss = measurements.predictions[:, -1], measurements.losses[:, -1]
    is_finite, learned, dead_layer = _how_ended(cohort, measurements)
    outcome = np.select(
        [~is_finite, learned, dead_layer > 0],
        [outcomes.index(name) for name in ("diverged", "learned", "dead")],
        -1,
    )
    others = np.flatnonzero(outcome < 0)
    outcome[others], named = _judge_failures(cohort, measurements, others)
    merged = np.full(len(cohort), "", named.dtype)
    merged[others] = named
    is_certified = (outcome == outcomes.index("stuck")) & ~np.isnan(measurements.descents)
    rest = np.select([is_certified, outcome == outcomes.index("stuck")], ["certified", "flat"], "")
    measured: dict[str, npt.NDArray[Any]] = {
        "final_loss": final_loss,
        "accuracy": head.accuracy(predictions, targets),
        "margin": head.margin(predictions, targets),
        # of a compiled program the last evaluation may round otherwise than those before
        "epochs_to_learn": np.where(learned, np.minimum(measurements.last_unlearned + 1, configuration.epochs), -1),
        "rest": rest,
        "merged_rows": merged,
        "dead_units_initial": measurements.units_off_initial.sum(axis=1),
        "dead_units": measurements.units_off.sum(axis=1),
        "dead_layer": dead_layer,
    }
    if cohort.success.metric == "max_error":
        measured["max_error"] = head.largest_error(predictions, targets)
    shown = np.where(is_finite[:, None], predictions.argmax(axis=2), -1) if head.has_classes else predictions
    flat = shown.reshape(len(cohort), math.prod(shown.shape[1:]))
    measured |= {name: flat[:, i] for i, name in enumerate(configuration.prediction_names)}
    return Runs(cohort.seeds, outcome.astype(np.int8), measured)


def examples(cohort: NetworkCohort, measurements: Measurements, runs: Runs) -> list[Example]:
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
                epochs=cohort.configuration.snapshots,
                losses=measurements.losses[model].copy(),
                predictions=measurements.predictions[model].copy(),
                weights=measurements.weights[model].copy(),
            )
        )
    return chosen
