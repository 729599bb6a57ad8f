"""The runs that a folder holds already, from its table and from the blocks of an unfinished sweep."""

from typing import Any

from sweep.results.folder import Folder
from sweep.results.tables import read_runs, runs_from_table
from sweep.runs.cohort import Subject
from sweep.runs.runs import Runs, merge, no_runs


class Stored:
    """What earlier executions left: the runs of each configuration, and `examples`.

    `trainer`: engine and device; `subject`: what the runs are of. Raises `ResultsError` for runs of another one,
    and for files that are damaged.
    """

    def __init__(self, folder: Folder, trainer: str, subject: str) -> None:
        self._rows = _rows_by_configuration(folder, trainer, subject)
        self._parts, kept = folder.read_parts(trainer)
        self.examples = folder.read_examples() + kept

    def runs(self, configuration: Subject) -> Runs:
        """The runs of a configuration, sorted by seed."""
        blocks = [no_runs]
        if configuration.id in self._rows:
            blocks.append(runs_from_table(self._rows[configuration.id], configuration))
        if configuration.id in self._parts:
            blocks.append(self._parts[configuration.id])
        return merge(blocks)


def _rows_by_configuration(folder: Folder, trainer: str, subject: str) -> dict[str, Any]:
    """The rows of runs.csv, by configuration."""
    if not folder.runs.exists():
        return {}
    folder.check_runs()
    table = read_runs(folder.runs, subject=subject)
    for found in sorted(set(table["engine"] + " on " + table["device"])):
        folder.check_trainer(found, trainer)
    return {str(identity): rows for identity, rows in table.groupby("configuration", sort=False)}
