"""The results of a sweep: a folder of files, and its tables."""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sweep.experiment import file as experiment_file
from sweep.experiment.experiment import Experiment
from sweep.experiment.regular_files import read_text, regular
from sweep.experiment.subjects import kinds
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.results.configurations import Recorded, read_settings
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.tables import read_configurations, read_runs


@dataclass(frozen=True)
class Results:
    """A results folder: its tables as pandas DataFrames, its manifest; finished, where nothing else is said."""

    folder: Folder

    @property
    def so_far(self) -> str | None:
        """How far an unfinished sweep is, in words; None of a finished one."""
        return None

    @cached_property
    def table(self) -> str:
        """configurations.csv as text."""
        return read_text(self.folder.configurations)

    @cached_property
    def examples(self) -> list[Example]:
        """One run of each outcome of each configuration in full."""
        return self.folder.read_examples()

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that it is of. Raises `ExperimentFileError` for a file that was damaged."""
        return experiment_file.load(self.folder.experiment, self.manifest.subject)

    @cached_property
    def runs(self) -> Any:
        """runs.csv: one row per run, sorted by trial, then seed."""
        return read_runs(self.folder.runs, subject=self.manifest.subject)

    def read_runs(self, only: Callable[[str], bool]) -> Any:
        """The columns of runs.csv that `only` holds for."""
        return read_runs(self.folder.runs, only, subject=self.manifest.subject)

    @cached_property
    def configurations(self) -> Any:
        """configurations.csv: one row per configuration, the most reliable first."""
        return read_configurations(self.folder.configurations, self.manifest.subject)

    @cached_property
    def settings(self) -> dict[str, Recorded]:
        """configurations.jsonl: the settings of each configuration, by its id."""
        return read_settings(self.folder.settings, kinds[self.manifest.subject])

    def configuration(self, identity: str) -> Configuration:
        """The configuration of this id. Raises `ResultsError` where no line of configurations.jsonl makes it."""
        if identity not in self.settings:
            raise ResultsError(f"{self.folder.settings}: no configuration {identity}")
        found = self.settings[identity].subject
        if not isinstance(found, Configuration):
            self.folder.check_has_networks()
            raise TypeError(f"{identity} is no network")
        return found

    def cells_of(self, run: str) -> dict[str, str] | None:
        """The cells of a run as they stand in runs.csv, by column; None where it has no such row."""
        path = self.folder.runs
        try:
            with open(path, encoding="utf-8", newline="", opener=regular) as file:
                return next((row for row in csv.DictReader(file) if row.get("run") == run), None)
        except (OSError, csv.Error, UnicodeDecodeError) as error:
            raise ResultsError(f"{path}: cannot be read: {error}") from None

    @cached_property
    def manifest(self) -> Manifest:
        """How it was made: versions, engine, digests, counts, confirmation, timings."""
        return self.folder.read_manifest()


def load(path: str | os.PathLike[str]) -> Results:
    """The results in a folder; raises `ResultsError` where there are none (a sweep in progress has no tables yet)."""
    folder = Folder(Path(path))
    folder.check_has_experiment()
    folder.check_is_finished()
    return Results(folder)
