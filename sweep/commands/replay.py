"""One run again: whether it gives the same row, and how it came to its outcome.

Notation: snapshot, an epoch at which the table was evaluated; see `sweep.networks.snapshots`.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose
from sweep.networks.floors import merged_floor
from sweep.networks.forward import layer_sums
from sweep.networks.measurements import Example, Floats, Integers
from sweep.networks.snapshots import nine_tenths
from sweep.results.columns import hyperparameter_columns
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.selection import select_configuration
from sweep.results.tables import runs_table
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Entry, Runs
from sweep.runs.success import Success
from sweep.training import choice
from sweep.training.rest import with_descents
from sweep.training.trainer import TrainerName

# how far apart the predictions of a saved model and of the training may be: float32 rounding of one forward pass
save_tolerance = 1e-5


@dataclass(frozen=True)
class ChangedCell:
    """A cell of the row that came out otherwise: texts as in runs.csv."""

    column: str
    in_row: str
    now: str


@dataclass(frozen=True)
class Replay:
    """A run trained again.

    engine and trainer: what trained it now, and what had trained the row (`native on cpu`); differences: the cells that
    came out otherwise, the engine's name not counted; example: epochs, losses, predictions and weights; runs: its one
    row; descent: by how large a part a descent from the end lowered the training loss, NaN where none was tried;
    units_off: hidden units that are off on each row after training, layer by layer `[row, unit]`;
    units_off_initial `[layer]`: how many were off on every row before; floors: the lowest losses of networks that merge
    rows, by what they merge (`00+11`), for tables of up to 8 rows and one output.
    """

    configuration: Configuration
    engine: str
    trainer: str
    differences: tuple[ChangedCell, ...]
    example: Example
    runs: Runs
    descent: float
    units_off: tuple[npt.NDArray[np.bool_], ...]
    units_off_initial: Integers
    success: Success

    @property
    def is_same(self) -> bool:
        """Whether every value equals the row's, and the same engine and device trained both."""
        return not self.differences and self.engine == self.trainer

    @property
    def has_same_outcome(self) -> bool:
        """Whether the run ended as its row says."""
        return not any(d.column == "outcome" for d in self.differences)


def replay(results: Results, run: str, *, engine: str = "native") -> Replay:
    """Train a run of a results folder again, by `engine`; `run` is `<configuration>-<seed>`.

    The configuration may be the beginning of an id or `width=8,optimizer=adam`. Raises `ResultsError`, `EngineError`.
    """
    results.folder.check_has_experiment()
    configuration, row = find_run(results, run)
    chosen = choice.choose(engine, row["device"] if engine == row["engine"] else "auto", [configuration])
    success = results.experiment.criterion
    cohort = Cohort(configuration, np.array([int(row["seed"])], np.uint32), success)
    measured = with_descents(cohort, chosen.train(cohort))
    runs = diagnose(cohort, measured)
    example = Example(
        configuration.id,
        int(row["seed"]),
        outcomes[runs.outcome[0]],
        cohort.configuration.snapshots,
        measured.losses[0],
        measured.predictions[0],
        measured.weights[0],
    )
    own = _row(Entry(int(row["trial"]), configuration, runs), row, (chosen.name, chosen.device))
    return Replay(
        configuration=configuration,
        engine=str(TrainerName.of(chosen)),
        trainer=str(TrainerName.recorded(row)),
        differences=_differences(row, own),
        example=example,
        runs=runs,
        descent=float(measured.descents[0]),
        units_off=units_off(configuration, example.weights),
        units_off_initial=measured.units_off_initial[0],
        success=success,
    )


def find_run(results: Results, run: str) -> tuple[Configuration, Mapping[str, str]]:
    """The network and the row of runs.csv that `run` names. Raises `ResultsError`."""
    identity, row = find_row(results, run)
    return results.configuration(identity), row


def find_row(results: Results, run: str) -> tuple[str, Mapping[str, str]]:
    """The id of the configuration and the row of runs.csv that `run` names. Raises `ResultsError`."""
    named, dash, seed = run.rpartition("-")
    if not dash or not seed.isdecimal():
        raise ResultsError(f"{run}: no run; allowed: <configuration>-<seed>, as in the first column of runs.csv")
    identity = select_configuration(results.configurations, named)
    row = results.cells_of(f"{identity}-{int(seed)}")
    if row is None:
        seeds = results.runs.loc[results.runs["configuration"] == identity, "seed"].tolist()
        shown = " ".join(map(str, seeds[:8])) + (f" ... {seeds[-1]}" if len(seeds) > 8 else "")
        raise ResultsError(f"{run}: {identity} has no run with seed {int(seed)}; allowed: {shown}")
    return identity, row


def _row(entry: Entry[Configuration], row: Mapping[str, str], trainer: tuple[str, str]) -> dict[str, str]:
    """The row that a run makes, every cell as it would stand in the file."""
    content = runs_table([entry], hyperparameter_columns(row), *trainer).decode()
    return next(csv.DictReader(io.StringIO(content)))


def _differences(row: Mapping[str, str], own: Mapping[str, str]) -> tuple[ChangedCell, ...]:
    columns = [c for c in row if c not in ("engine", "device")]
    return tuple(ChangedCell(c, row[c], own.get(c, "")) for c in columns if row[c] != own.get(c, ""))


def units_off(configuration: Configuration, weights: Floats) -> tuple[npt.NDArray[np.bool_], ...]:
    """Which hidden units are off (relu, sum at or below 0) on each row: layer by layer `[row, unit]`.

    Units of other activations are never off.
    """
    hidden = layer_sums(configuration, weights, configuration.inputs().astype(np.float64))[:-1]
    layers = configuration.hidden
    return tuple((sums <= 0) & (layer.activation.name == "relu") for layer, sums in zip(layers, hidden, strict=True))


@dataclass(frozen=True)
class Evidence:
    """The numbers behind an outcome.

    change: by how large a part of itself the loss moved over the last tenth of the epochs; floor: the loss of the best
    network with the rows merged as `merged_rows` says, NaN where none are; first_infinite: the first epoch kept whose
    loss or predictions are not finite, None where all are.
    """

    change: float
    floor: float
    first_infinite: int | None


def evidence(replayed: Replay) -> Evidence:
    """What speaks for the outcome of a run."""
    e, c = replayed.example, replayed.configuration
    late = e.losses[e.epochs >= nine_tenths(c.epochs)].astype(np.float64)
    with np.errstate(invalid="ignore"):
        change = float((late.max() - late.min()) / late[-1]) if late[-1] > 0 else 0.0
        is_infinite = ~np.isfinite(e.losses) | ~np.isfinite(e.predictions).all(axis=(1, 2))
    first = int(e.epochs[is_infinite.argmax()]) if is_infinite.any() else None
    return Evidence(change, merged_floor(c, str(replayed.runs["merged_rows"][0])), first)


def marked_floors(replayed: Replay) -> dict[str, float]:
    """Floors to hold a run's loss against, by name: of all rows merged, of those that the run merged.

    Of a table of four rows and one output also those of every other single group. None with drawn samples, nor with a
    regularizer, under which a loss may rest above them.
    """
    c = replayed.configuration
    if c.samples is not None or c.is_regularized:
        return {}
    names = c.task.row_names or tuple(map(str, range(c.task.n_rows)))
    targets = np.array(c.task.targets)
    everything = " ".join(f"{output}:{'+'.join(names)}" for output in range(c.task.n_outputs))
    groups = {"all rows merged": everything, "rows merged here": str(replayed.runs["merged_rows"][0])}
    if c.task.n_rows == 4 and c.task.n_outputs == 1:
        pairs = [names[int(np.flatnonzero(targets[:, 0] == y)[0])] for y in (0, 1) if (targets == y).any()]
        others = [name for name in names if name not in pairs]
        groups |= {"2 of 4 rows merged": "+".join(pairs), "3 of 4 rows merged": "+".join([*pairs, *others[:1]])}
    found: dict[float, str] = {}
    for name, group in groups.items():
        floor = round(merged_floor(c, group), 9)
        if floor > 0:
            found.setdefault(floor, name)
    return {found[floor]: floor for floor in sorted(found, reverse=True)}


@dataclass(frozen=True)
class Saved:
    """A written model: the largest difference of its predictions, read back, from the run's."""

    path: Path
    difference: float

    @property
    def is_equal(self) -> bool:
        """Whether the predictions are the same to float32 rounding; predictions that are not finite never are."""
        return self.difference <= save_tolerance


def check_save_path(path: Path) -> None:
    """Raise `ResultsError` for a file name that Keras cannot write."""
    if path.suffix != ".keras":
        raise ResultsError(f"{path}: found the ending {path.suffix or 'none'}; allowed: .keras")


def save(replayed: Replay, path: Path) -> Saved:
    """Write the trained network as a Keras model, read it back in safe mode and compare its predictions.

    Imports TensorFlow. Raises `EngineError`, `ResultsError`.
    """
    check_save_path(path)
    from sweep.training.keras.saving import save_network

    predictions = save_network(replayed.configuration, replayed.example.weights, path)
    return Saved(path, float(np.abs(predictions - replayed.example.predictions[-1]).max()))
