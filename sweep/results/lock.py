"""One sweep at a time in a results folder: a lock that the system takes back from a process, however it ends."""

import os
import platform
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

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


def _open_locked(file: Path) -> FileIO:
    import fcntl

    while True:
        opened = FileIO(file, "a+")
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.exists() and os.path.samestat(os.fstat(opened.fileno()), file.stat()):
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
