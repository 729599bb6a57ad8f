"""What a results folder holds, read once, and what its experiment plans."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment import file as experiment_file
from sweep.experiment.experiment import Experiment, shown_storage
from sweep.experiment.file import ExperimentFileError
from sweep.experiment.regular_files import read_regular
from sweep.networks.configuration import Configuration
from sweep.results.columns import settings_columns
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.resume import study_name
from sweep.results.storages import StorageNotAsked, study_to_read
from sweep.results.tables import read_runs, runs_from_table
from sweep.runs.cohort import Subject
from sweep.runs.errors import SettingError
from sweep.runs.runs import Entry, Runs, no_runs
from sweep.search.allocation import Allocation
from sweep.search.reading import StoredTrial, stored_trials
from sweep.training.trainer import TrainerName

max_named = 5


def at_most(findings: Iterable[str], file: Path, what: str) -> list[str]:
    """The first few findings of one kind, and how many more there are."""
    listed = list(findings)
    more = len(listed) - max_named
    return listed if more <= 1 else [*listed[:max_named], f"{file.name}: {more:,} more {what}"]


@dataclass(frozen=True)
class Planned:
    """A configuration that the experiment asks for: the trial that first suggested it, and the seeds planned."""

    trial: int
    configuration: Subject
    seeds: npt.NDArray[np.uint32]


def planned_seeds(experiment: Experiment) -> npt.NDArray[np.uint32]:
    """The seeds that each configuration is trained under, rising."""
    return experiment.seeds.seeds()


def planned_runs(experiment: Experiment, trials: Sequence[StoredTrial]) -> list[Planned]:
    """What the experiment asks for: a grid says so itself, other samplers by the trials of the study."""
    points: Iterable[tuple[int, Mapping[str, Any]]] = ((t.index, t.point) for t in trials)
    if experiment.study.sampler == "grid":
        points = zip(range(experiment.n_trials), experiment.grid(), strict=False)
    planned: dict[str, Planned] = {}
    for index, point in points:
        configuration = experiment.configuration(point)
        planned.setdefault(configuration.id, Planned(index, configuration, planned_seeds(experiment)))
    return list(planned.values())


@dataclass(frozen=True)
class Table:
    """A table's cells as they stand in the file."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """A column's cells."""
        i = self.columns.index(name)
        return [row[i] for row in self.rows]


def parse_cells(content: bytes, name: str) -> Table:
    """Read a table of equal rows. Raises `ResultsError`."""
    try:
        header, *rows = map(tuple, csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise ResultsError(f"{name}: cannot be read: {error}") from None
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise ResultsError(f"{name}: line {i + 2}: {len(row)} cells under {len(header)} columns")
    return Table(header, tuple(rows))


@dataclass(frozen=True)
class Contents:
    """A results folder as it was read.

    trials: the study's, and why they cannot be read where they cannot; planned: what the experiment asks for; table:
    runs.csv by its cells, frame: the same as a DataFrame.
    """

    folder: Folder
    experiment: Experiment
    manifest: Manifest
    trainer: TrainerName
    trials: Sequence[StoredTrial]
    study_problem: str | None
    planned: Sequence[Planned]
    table: Table
    frame: Any

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The hyperparameters that the tables show."""
        return settings_columns(self.experiment)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The place of each planned run in runs.csv, by its name; of a name that stands twice the first."""
        wanted = {run for planned in self.planned for run in run_names(planned)}
        places: dict[str, int] = {}
        for i, run in enumerate(self.table.column("run")):
            if run in wanted:
                places.setdefault(run, i)
        return places

    @cached_property
    def entries(self) -> list[Entry[Subject]]:
        """The rows that the experiment planned, as the sweep would hold them."""
        entries: list[Entry[Subject]] = []
        for p in self.planned:
            places = [self.rows[run] for run in run_names(p) if run in self.rows]
            if places:
                runs = runs_from_table(self.frame.iloc[places], p.configuration)
                entries.append(Entry(p.trial, p.configuration, runs))
            else:
                entries.append(Entry(p.trial, p.configuration, no_runs))
        return entries

    @property
    def networks(self) -> list[Entry[Configuration]]:
        """The entries that have runs and whose configurations are networks."""
        found = ((e, e.configuration) for e in self.entries)
        return [Entry(e.trial, c, e.runs) for e, c in found if len(e.runs) and isinstance(c, Configuration)]


def run_names(planned: Planned) -> Iterator[str]:
    """The names of a configuration's runs."""
    return (f"{planned.configuration.id}-{seed}" for seed in planned.seeds.tolist())


def read_contents(folder: Folder, storage: str | None = None) -> tuple[Contents | None, list[str]]:
    """What a folder holds; None where its experiment or its runs cannot be read. With what was found on the way.

    `storage`: where the study is, as the user says; see `study_to_read`.
    """
    findings: list[str] = []
    try:
        manifest = folder.read_manifest()
    except ResultsError as error:
        findings.append(_of_file(error, folder))
        manifest = Manifest()
    try:
        experiment = experiment_file.load(folder.experiment, manifest.subject)
        table, frame = (
            parse_cells(read_regular(folder.runs), folder.runs.name),
            read_runs(folder.runs, subject=manifest.subject),
        )
    except FileNotFoundError:
        return None, findings  # named with the files
    except (ExperimentFileError, ResultsError) as error:
        return None, [*findings, _of_file(error, folder)]
    first = dict(zip(table.columns, table.rows[0], strict=True)) if table.rows else {}
    trainer = TrainerName.recorded(vars(manifest), first)
    trials, problem = _read_study(folder, experiment, trainer, storage)
    planned = _settled(planned_runs(experiment, trials), experiment, frame)
    return Contents(folder, experiment, manifest, trainer, trials, problem, planned, table, frame), findings


def _settled(planned: Sequence[Planned], experiment: Experiment, frame: Any) -> Sequence[Planned]:
    """With the seeds that the rows themselves ask for, where their number is not fixed."""
    if experiment.seeds.up_to is None:
        return planned
    by_id = {str(identity): rows for identity, rows in frame.groupby("configuration", sort=False)}
    runs: list[Runs] = []
    for p in planned:
        rows = by_id.get(p.configuration.id, frame[:0])
        rows = rows[rows["seed"].isin(p.seeds)].drop_duplicates("seed").sort_values("seed")
        runs.append(runs_from_table(rows, p.configuration))
    wanted = Allocation.of(experiment).wanted(runs)
    return [replace(p, seeds=p.seeds[:n]) for p, n in zip(planned, wanted, strict=True)]


def _of_file(error: Exception, folder: Folder) -> str:
    return str(error).replace(f"{folder.path}{os.sep}", "")


def _read_study(
    folder: Folder, experiment: Experiment, trainer: TrainerName, storage: str | None
) -> tuple[list[StoredTrial], str | None]:
    try:
        place = study_to_read(folder, experiment, storage)
        return stored_trials(experiment, place, study_name(experiment, trainer)), None
    except StorageNotAsked as error:
        return [], f"study.storage: {error.found}; {error.allowed}"
    except SettingError as error:
        place = storage or folder.study_of(experiment)
        name = place.name if isinstance(place, Path) else shown_storage(place)
        return [], f"{name}: {error.found.replace(f'{folder.path}{os.sep}', '')}"
