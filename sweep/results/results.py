"""The results of a sweep: a folder of files, and its tables."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.tables import read_table


@dataclass(frozen=True)
class Results:
    """A finished results folder: its tables as pandas DataFrames, its manifest."""

    folder: Folder

    @cached_property
    def runs(self) -> Any:
        """runs.csv: one row per run, sorted by trial, then seed."""
        return read_table(self.folder.runs)

    def read_runs(self, only: Callable[[str], bool]) -> Any:
        """The columns of runs.csv that `only` holds for."""
        return read_table(self.folder.runs, only)

    @cached_property
    def configurations(self) -> Any:
        """configurations.csv: one row per configuration, the most reliable first."""
        return read_table(self.folder.configurations)

    @cached_property
    def manifest(self) -> Manifest:
        """How it was made: versions, engine, digests, counts, confirmation, timings."""
        return self.folder.read_manifest()


def load(path: str | os.PathLike[str]) -> Results:
    """The results in a folder; raises `ResultsError` where there are none (a sweep in progress has no tables yet)."""
    folder = Folder(Path(path))
    folder.check_has_experiment()
    if not folder.is_finished():
        raise ResultsError(f"{path}: an unfinished sweep; sweep run with the same experiment goes on with it")
    return Results(folder)
