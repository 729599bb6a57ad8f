"""An unfinished results folder as it stands: its tables from the runs that are stored, and how far it is."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sweep.experiment import file as experiment_file
from sweep.networks.measurements import Example, merge_examples
from sweep.results.columns import settings_columns
from sweep.results.configurations import Recorded
from sweep.results.contents import planned_runs
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.results.storages import study_to_read
from sweep.results.stored import Stored
from sweep.results.tables import configurations_table, read_configurations, read_runs, runs_table
from sweep.runs.cohort import Subject
from sweep.runs.runs import Entry
from sweep.search.allocation import Allocation
from sweep.search.reading import stored_trials
from sweep.training.trainer import TrainerName


@dataclass(frozen=True)
class SoFar(Results):
    """The results of a sweep that is running, or was stopped: `entries` are the configurations that have runs.

    trainer: what trains them; stored: what the folder holds; n_planned: how many runs there will be, as far as is
    known.
    """

    trainer: TrainerName
    stored: Stored
    entries: Sequence[Entry[Subject]]
    n_planned: int

    @property
    def so_far(self) -> str:
        """How far it is, in words."""
        n_done = sum(len(e.runs) for e in self.entries)
        return f"unfinished: {n_done:,} of {self.n_planned:,} runs so far, verdicts may still change"

    @cached_property
    def runs(self) -> Any:
        """What runs.csv would be now."""
        return self.read_runs(lambda column: True)

    def read_runs(self, only: Callable[[str], bool]) -> Any:
        """The columns of that which `only` holds for."""
        columns = settings_columns(self.experiment)
        content = runs_table(self.entries, columns, self.trainer.name, self.trainer.device)
        return read_runs(io.BytesIO(content), only, subject=self.experiment.subject)

    @cached_property
    def configurations(self) -> Any:
        """What configurations.csv would be now."""
        return read_configurations(io.BytesIO(self.table.encode()), self.experiment.subject)

    @cached_property
    def table(self) -> str:
        """The same as text."""
        columns = settings_columns(self.experiment)
        return configurations_table(self.entries, columns, Allocation.of(self.experiment)).decode()

    @cached_property
    def settings(self) -> dict[str, Recorded]:
        """The settings of each configuration, by its id."""
        kind, place = self.experiment.kind, str(self.folder.experiment)
        found = ((e.configuration.id, kind.settings_of(e.configuration)) for e in self.entries)
        return {identity: Recorded(place, identity, own, kind) for identity, own in found}

    @cached_property
    def manifest(self) -> Manifest:
        """What is known of how it is made: no file is vouched for yet, and nothing was confirmed."""
        known = self.folder.read_manifest()
        named = {"engine": self.trainer.name, "device": self.trainer.device}
        return replace(known, **named, files={}, confirmation=None)

    @cached_property
    def examples(self) -> list[Example]:
        """One run of each outcome in full, of the configurations that have runs."""
        own = {e.configuration.id for e in self.entries}
        return merge_examples(x for x in self.stored.examples if x.configuration in own)


def load_so_far(path: str | os.PathLike[str], storage: str | None = None) -> Results:
    """The results in a folder, of a sweep that is not finished as far as it is.

    `storage`: where its study is, as the user says. Raises `ResultsError` where there are none, or no run is stored.
    """
    folder = Folder(Path(path))
    folder.check_has_experiment()
    if not folder.is_unfinished():
        folder.check_is_finished()
        return Results(folder)
    experiment = experiment_file.load(folder.experiment, folder.read_manifest().subject)
    trained_by = folder.trained_by()
    if trained_by is None:
        raise ResultsError(f"{path}: an unfinished sweep, of which no run is stored yet")
    trainer = TrainerName(*trained_by.rsplit(" on ", 1))
    stored = Stored(folder, trained_by, experiment.subject)
    is_grid = experiment.study.sampler == "grid"
    place = None if is_grid else study_to_read(folder, experiment, storage)
    trials = () if place is None else stored_trials(experiment, place, study_name(experiment, trainer))
    allocation, planned = Allocation.of(experiment), planned_runs(experiment, trials)
    block = experiment.seeds.seeds()
    known = [stored.runs(one.configuration) for one in planned]
    known = [runs.take(np.isin(runs.seed, block)) for runs in known]
    n_planned = int(allocation.wanted(known).sum())
    found = zip(planned, allocation.cut(known), strict=True)
    entries = [Entry(one.trial, one.configuration, runs) for one, runs in found if len(runs)]
    n_planned += max(0, experiment.n_trials - len(trials)) * allocation.counts()[0] * (not is_grid)
    if not entries:
        raise ResultsError(f"{path}: an unfinished sweep, of which no run is stored yet")
    return SoFar(folder, trainer, stored, entries, n_planned)
