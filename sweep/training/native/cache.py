"""The compiled kernel on disk: kept where its user alone can write, and loaded where it is as it was written.

Numba unpickles what it finds in its cache and runs it: a damaged file ends the process, or every run, and whoever can
write there runs code as the user.
"""

import hashlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import Any

_sums = "sha256"  # the name of the file that vouches for the others


def cache_folder(folder: Path, digest: str) -> Path | None:
    """Where the compiled kernel is kept: beside its source, else in the user's cache; None where neither can be."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # begins with ~ where there is no home
    places = [folder / "__pycache__" / "kernel"] if os.access(folder, os.W_OK) else []
    if not caches.startswith("~"):
        places.append(Path(caches) / "xor-sweep" / "kernel")
    return next((place / digest for place in places if _is_ours_alone(place / digest)), None)


def _is_ours_alone(folder: Path) -> bool:
    """Whether a folder, made where it is not there, belongs to this user and nobody else can write to it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    is_ours = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return is_ours and stat.S_ISDIR(found.st_mode) and os.access(folder, os.W_OK)


def _digests(folder: Path) -> bytes:
    """The SHA-256 of every file of Numba's, a line each, as `sha256sum` writes them; nothing where one just goes."""
    try:
        files = sorted(path for path in folder.rglob("*.nb[ic]") if path.is_file())
        sums = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    except FileNotFoundError:  # another process found the folder damaged
        return b""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()


def take_whole(folder: Path) -> bool:
    """Whether the folder holds a kernel that is as it was written. What is not is removed, to be compiled again."""
    digests, sums = _digests(folder), folder / _sums
    if digests and sums.is_file() and sums.read_bytes() == digests:
        return True
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # another process may do the same
        else:
            path.unlink(missing_ok=True)
    return False


def _seal(folder: Path) -> None:
    """Vouch for what was compiled."""
    temporary = folder / f"{_sums}.{os.getpid()}.tmp"
    temporary.write_bytes(_digests(folder))
    os.replace(temporary, folder / _sums)


class Kernel:
    """A function that Numba compiles at its first call, or takes from its cache in `folder`, vouched for there.

    Every call must have arguments of the first one's types: nothing looks at them again, which would take as long as a
    hundred epochs of XOR.
    """

    def __init__(self, function: Any, folder: Path | None) -> None:
        self._function = function
        self.folder = folder
        self._lock = threading.Lock()
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> None:
        """Call it; where it has to be compiled, what came of that is vouched for before it is called."""
        with self._lock:
            if self._compiled is None:
                from numba import typeof

                self._compiled = self._function.compile(tuple(map(typeof, arguments)))
                if self.folder is not None:
                    _seal(self.folder)
        self._compiled(*arguments)
