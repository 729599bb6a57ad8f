"""One sweep at a time in a results folder: a lock that the system takes back from a process, however it ends."""

import os
import platform
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from sweep.experiment.regular_files import regular
from sweep.results.files import ResultsError


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Hold a lock on `file`, which names its holder and is gone afterwards.

    What a killed process left there locks nothing. Raises `ResultsError` with the other process where one holds it.
    Without an effect on Windows, whose files have no such lock.
    """
    if sys.platform == "win32":
        yield
        return
    with _open_locked(file) as opened:
        try:
            opened.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            opened.write(f"process {os.getpid()} on {platform.node()}, since {since}\n".encode())
            yield
        finally:
            file.unlink(missing_ok=True)


_begins = b"process "


def _check_is_lock(opened: FileIO, file: Path) -> None:
    """Raise `ResultsError` for a file that no sweep left: it would be overwritten, and removed at the end."""
    opened.seek(0)
    if opened.read(len(_begins)) not in (b"", _begins):
        opened.close()
        raise ResultsError(f"{file}: no lock of a sweep; move it away, or choose another --out")


def _open_locked(file: Path) -> FileIO:
    import fcntl

    while True:
        opened = FileIO(file, "a+", opener=regular)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.exists() and os.path.samestat(os.fstat(opened.fileno()), file.stat()):
                _check_is_lock(opened, file)
                return opened
            opened.close()  # its holder removed it before it was ours
        except OSError as error:
            opened.seek(0)
            holder = opened.read(1000).decode(errors="replace").strip() or "one that begins just now"
            opened.close()
            if not isinstance(error, BlockingIOError):
                raise
            found = f"{file.parent}: in use by another sweep: {holder}"
            raise ResultsError(f"{found}; let it end, or choose another --out") from None
