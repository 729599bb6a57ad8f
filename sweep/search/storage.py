"""Where a study is kept: a journal file, or a database by its URL."""

import json
import os
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import JournalStorage, get_storage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from sweep.experiment.experiment import shown_storage
from sweep.experiment.regular_files import regular
from sweep.runs.errors import SettingError

n_digits = 6  # of a digest, in the name of a study
_begins = b'{"op_code":'


def _cut_damaged_tail(journal: Path) -> None:
    """Cut a journal back to its last entry before damage: Optuna would glue its next one to a torn line.

    Entries are appended, so that what a crash leaves behind is at the end. Trials that are cut off are asked for again.
    A file that does not begin with an entry, whole or torn, is no journal: it stays, and `SettingError` is raised.
    """
    if not os.path.lexists(journal):
        return
    with open(journal, "rb+", opener=regular) as file:
        whole = 0
        for line in file:
            if not line.endswith(b"\n") or not _is_entry(line):
                if not whole and not _is_torn_entry(line):
                    found = f"{journal} cannot be used: it does not begin as a journal does"
                    raise SettingError(("study", "storage"), found, "allowed: the study that a sweep left, or no file")
                file.truncate(whole)
                return
            whole += len(line)


def _is_entry(line: bytes) -> bool:
    try:
        entry: Any = json.loads(line.decode())
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "op_code" in entry


def _is_torn_entry(line: bytes) -> bool:
    """Whether a line is the beginning of an entry, or the zeros that a power cut may leave in place of one."""
    return not line.endswith(b"\n") and (line.startswith(_begins[: len(line)]) or not line.strip(b"\0"))


class Journal(BaseJournalBackend):
    """A journal file that is brought to disk when it is asked to be, not with every entry.

    An entry costs milliseconds when it waits for the disk, and a trial has a dozen. The rows are durable on their own
    before the study is told, so a study whose last entries are lost with the power asks for the same trials again.
    There is no lock: whole lines are appended by one call each, and a lock would outlive a process that is killed.
    """

    def __init__(self, path: Path) -> None:
        _cut_damaged_tail(path)
        open(path, "ab", opener=regular).close()
        self._path = path
        self._file = JournalFileBackend(str(path))

    def __str__(self) -> str:
        return str(self._path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on."""
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, one line each."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with open(self._path, "ab", opener=regular) as file:
            file.write(lines.encode())

    def sync(self) -> None:
        """Wait until all entries are on disk."""
        with open(self._path, "ab", opener=regular) as file:
            os.fsync(file.fileno())


class ReadOnlyJournal(BaseJournalBackend):
    """A journal file that is only read; a torn last line is passed over."""

    def __init__(self, path: Path) -> None:
        open(path, "rb", opener=regular).close()
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on."""
        return JournalFileBackend(str(self._path)).read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refuse."""
        raise PermissionError(f"{self._path}: opened to be read")


class CopiedJournal(BaseJournalBackend):
    """The entries of a journal file as they are now; what is appended stays in memory."""

    def __init__(self, path: Path) -> None:
        self._logs = list(ReadOnlyJournal(path).read_logs(0))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on."""
        return iter(self._logs[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries."""
        self._logs += json.loads(json.dumps(logs))


# what a damaged journal may raise while Optuna plays it back
_damages = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


def refusals(storage: Path | Journal | str) -> tuple[type[Exception], ...]:
    """What opening or reading a storage may raise. SQLAlchemy, slow to import, is asked for its own only where used."""
    known = (StorageInternalError, ImportError, *_damages)
    if not isinstance(storage, str):
        return known
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError, *known)


def reason_of(error: Exception) -> str:
    """Why a storage refused, in one line: what the database said, where Optuna wraps it."""
    return str(error.__cause__ or error).strip().partition("\n")[0] or type(error).__name__


def stored_name(storage: Any, name: str) -> str | None:
    """Under which name a storage has the study `sweep-<12 digits of a digest>`; None where it has none.

    Earlier versions stored it under that name, today its title stands before the first six digits.
    """
    ending = f"-{name.rpartition('-')[2][:n_digits]}"
    known = optuna.get_all_study_names(storage)
    return name if name in known else next((x for x in known if x.endswith(ending)), None)


def open_study(storage: Journal | str, name: str, title: str, goals: Sequence[tuple[str, str]]) -> optuna.Study:
    """The study of this name; a new one is stored as its title and the first digits of the name.

    goals: each objective's metric, and whether it is to be `high` or `low`. Opening a study that exists writes nothing.
    `SettingError` where the storage refuses.
    """
    sampler = optuna.samplers.RandomSampler(0)  # never asked: every suggestion brings its own
    try:
        opened = JournalStorage(storage) if isinstance(storage, Journal) else get_storage(storage)
        known = stored_name(opened, name)
        if known is not None:
            return optuna.load_study(storage=opened, study_name=known, sampler=sampler)
        named = f"{title}-{name.rpartition('-')[2][:n_digits]}"
        directions: list[Any] = ["maximize" if goal == "high" else "minimize" for _, goal in goals]
        made = optuna.create_study(storage=opened, study_name=named, directions=directions, sampler=sampler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            made.set_metric_names([metric for metric, _ in goals])
        return made
    except refusals(storage) as error:
        raise SettingError(
            ("study", "storage"),
            f"{shown_storage(str(storage))} cannot be used: {reason_of(error)}",
            "allowed: journal, or a URL that Optuna can open",
        ) from None


@contextmanager
def lost_storage(storage: str) -> Generator[None]:
    """Turn what Optuna raises when a database goes away in the middle of a sweep into a `SettingError`."""
    if "://" not in storage:
        yield
        return
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        message = f"{shown_storage(storage)} is lost: {reason_of(error)}"
        raise SettingError(("study", "storage"), message, "the same command goes on when it is there again") from None
