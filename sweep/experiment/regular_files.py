"""Files that a stranger may have made: opened where they are regular files, so that reading ends and writing stays.

A link would lead a write out of the folder, a pipe or a device would keep a reader for ever. Errors are `OSError`s with
the file's name, as of any file that cannot be opened.
"""

import errno
import os
import stat
from pathlib import Path

# the system's own, where it has them; a pipe that nobody writes to is opened at once
_cautious = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_writing = os.O_WRONLY | os.O_RDWR


def regular(path: str, flags: int) -> int:
    """Open a regular file that is no link, for `open(path, mode, opener=regular)`.

    A file that is to be written has no second name either, and is cut only when all of that is known.
    """
    try:
        descriptor = os.open(path, (flags & ~os.O_TRUNC) | _cautious, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed", path) from None
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "no regular file", path) from None
        raise
    try:
        _check(os.fstat(descriptor), path, is_written=bool(flags & _writing))
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(found: os.stat_result, path: str, *, is_written: bool) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no regular file", path)
    if is_written and found.st_nlink > 1:
        raise OSError(errno.EMLINK, "a file with a second name (a hard link), which would change too", path)


def read_regular(path: Path, longest: int | None = None) -> bytes:
    """The bytes of a regular file; `OSError` where there are more than `longest`."""
    with open(path, "rb", opener=regular) as file:
        content = file.read(-1 if longest is None else longest + 1)
    if longest is not None and len(content) > longest:
        raise OSError(errno.EFBIG, f"longer than {longest:,} bytes", str(path))
    return content


def read_text(path: Path) -> str:
    r"""The text of a regular file in UTF-8, its lines ended by `\n`."""
    with open(path, encoding="utf-8-sig", opener=regular) as file:
        return file.read()


def check_inside(folder: Path, path: Path) -> None:
    """Raise `OSError` where what lies between the two is a link, which would lead elsewhere, or no folder."""
    for above in [folder / part for part in path.relative_to(folder).parents if part != Path()]:
        if above.is_symlink():
            raise OSError(errno.ELOOP, "a link, which is not followed", str(above))
        if above.exists() and not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
