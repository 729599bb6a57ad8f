"""Training without a sweep around it: cohorts, and one configuration at once."""

import io
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

from sweep import engines, executors
from sweep.diagnosis import diagnose
from sweep.engines import Engine
from sweep.executors import Guard
from sweep.experiment import SeedBlock
from sweep.experiment_file import with_tables
from sweep.model import Configuration, resolve
from sweep.results.folder import Entry
from sweep.results.tables import hyperparameter_columns, read_table, runs_table
from sweep.runs import Cohort, Measurements, Runs
from sweep.table_files import TableFiles
from sweep.vocabulary import SettingError


class Trained(NamedTuple):
    """A cohort, what the engine measured of it, and how its runs ended."""

    cohort: Cohort
    measurements: Measurements
    runs: Runs


def ignore_piece(cohort: Cohort, measurements: Measurements) -> None:
    """The listener that hears nothing."""


def ignore_count(n_done: int, n_learned: int) -> None:
    """The listener that counts nothing."""


def train_cohorts(
    engine: Engine,
    cohorts: Sequence[Cohort],
    workers: int,
    on_piece: Callable[[Cohort, Measurements], None] = ignore_piece,
    guard: Guard | None = None,
) -> Iterator[Trained]:
    """Train and diagnose cohorts, in order; `on_piece` is told of every piece of a cohort that is done.

    With a `guard` a cohort comes back without the models that could not be trained, else that is an exception.
    """
    for cohort, measurements in executors.train(engine, cohorts, workers, on_piece, guard):
        yield Trained(cohort, measurements, diagnose(cohort, measurements))


def train_block(
    configuration: Configuration,
    block: SeedBlock,
    engine: Engine,
    *,
    workers: int,
    margin: float = 0.0,
    on_count: Callable[[int, int], None] = ignore_count,
) -> Trained:
    """Train one configuration under a block of seeds; `on_count` is told how many runs are done, how many learned."""
    n_done, n_learned = 0, 0

    def count(piece: Cohort, measurements: Measurements) -> None:
        nonlocal n_done, n_learned
        n_done += len(piece)
        n_learned += int(diagnose(piece, measurements).learned.sum())
        on_count(n_done, n_learned)

    (trained,) = train_cohorts(engine, [Cohort(configuration, block.seeds(), margin)], workers, count)
    return trained


def seed_block(seeds: SupportsIndex | Iterable[SupportsIndex]) -> SeedBlock:
    """The block of a count of seeds, or of the seeds themselves. Raises `SettingError`, `TypeError`."""
    try:
        if isinstance(seeds, Iterable):
            return SeedBlock(listed=tuple(map(operator.index, seeds)))
        return SeedBlock(count=operator.index(seeds))
    except SettingError as error:
        raise SettingError(("seeds", *error.place), error.found, error.allowed) from None


def train(
    settings: Mapping[str, Any],
    seeds: SupportsIndex | Iterable[SupportsIndex] = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
) -> Any:
    """Train one configuration under many seeds: a DataFrame with the columns of runs.csv.

    `settings` are hyperparameters as in an experiment file (a task's file lies in the current folder); `seeds` a count
    or the seeds themselves. Raises `SettingError`, `EngineError`; `TypeError` for a seed that is no whole number.
    """
    configuration = resolve(with_tables(settings, TableFiles(Path())))
    block = seed_block(seeds)
    chosen = engines.choose(engine, device, [configuration])
    trained = train_block(configuration, block, chosen, workers=workers or executors.available_cores(), margin=margin)
    entry = Entry(0, configuration, trained.runs)
    content = runs_table([entry], hyperparameter_columns(settings), chosen.name, chosen.device)
    return read_table(io.BytesIO(content))
