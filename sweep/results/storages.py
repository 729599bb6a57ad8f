"""Which databases the folders made here keep their studies in, said by a file outside of them.

A folder names the storage of its study. Whoever made the folder chose that name, so a command that only reads a folder
contacts a database where its user names it, or where a sweep of this user made the folder with it.
"""

import json
import os
from pathlib import Path

from sweep.experiment.experiment import Experiment, shown_storage
from sweep.results.folder import Folder
from sweep.runs.errors import SettingError


class StorageNotAsked(SettingError):
    """A storage that only a folder names, and nobody who may be believed."""


def _record() -> Path:
    """The file: a line for each folder and storage, passwords left out."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "xor-sweep" / "storages.jsonl"


def _line(folder: Folder, storage: str) -> str:
    return json.dumps([str(folder.path.resolve()), shown_storage(storage)])


def _is_known(folder: Folder, storage: str) -> bool:
    record = _record()
    return record.is_file() and _line(folder, storage) in record.read_text("utf-8").splitlines()


def remember(folder: Folder, storage: str) -> None:
    """Note that the study of this folder, which a sweep makes here, is kept in this storage."""
    if not _is_known(folder, storage):
        record = _record()
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a", encoding="utf-8") as file:
            file.write(_line(folder, storage) + "\n")


def study_to_read(folder: Folder, experiment: Experiment, told: str | None = None) -> Path | str:
    """Where a command that reads a folder finds the study: its journal, or a storage that may be asked.

    `told`: the storage that the user names. Raises `StorageNotAsked` where only the folder names one.
    """
    study = told or folder.study_of(experiment)
    if told or isinstance(study, Path) or _is_known(folder, study):
        return study
    raise StorageNotAsked(
        ("study", "storage"),
        f"{shown_storage(study)} was not asked: the folder names it, and was not made here",
        "allowed: --storage URL, the storage to ask",
    )
