"""Files that are replaced in one step, and names for them."""

import hashlib
import itertools
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from sweep.runs.errors import UserError


class ResultsError(UserError):
    """A results folder that cannot be used as asked: the message says which, what was found, what is allowed."""


def check_new(path: Path) -> None:
    """Raise `ResultsError` where a file that is to be written is there already."""
    if path.exists():
        raise ResultsError(f"{path}: exists already; choose another name")


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Replace a file in one step: a reader sees the old content or the new, also after a power cut.

    The new content may come in blocks, so that it is never in memory as a whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            for block in (content,) if isinstance(content, bytes) else content:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise naming_file(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def naming_file(error: OSError, path: Path) -> OSError:
    """The error with the file that it is about: where a disk is full, the system names none."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of these libraries, as a manifest has them."""
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def free_name(path: Path) -> Path:
    """The first name that nothing has: `runs.csv.old-1`, `runs.csv.old-2`, ..."""
    names = (path.with_name(f"{path.name}.old-{i}") for i in itertools.count(1))
    return next(name for name in names if not name.exists())
