"""The compiled kernel on disk: whose folder it is in, and what becomes of one that was damaged."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training.native import NativeEngine, compiled_kernel
from sweep.training.native.cache import cache_folder, take_whole

PACKAGE = Path(__file__).parents[2] / "sweep"


def test_the_kernel_is_kept_where_one_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent, caches, file = tmp_path / "absent", tmp_path / "caches", tmp_path / "file"
    file.touch()
    assert cache_folder(tmp_path, "d") == tmp_path / "__pycache__" / "kernel" / "d"
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))
    kept = cache_folder(absent, "d")
    assert kept is not None and kept.is_dir()
    assert kept == caches / "xor-sweep" / "kernel" / "d"
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert cache_folder(absent, "d") is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(file))
    assert cache_folder(absent, "d") is None


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    beside = cache_folder(tmp_path, "d")
    assert beside is not None and beside.stat().st_mode & 0o777 == 0o700
    beside.chmod(0o720)
    ours = cache_folder(tmp_path, "d")
    assert ours is not None and ours == tmp_path / "caches" / "xor-sweep" / "kernel" / "d"
    ours.chmod(0o702)
    assert cache_folder(tmp_path, "d") is None


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    own = os.getuid()
    assert cache_folder(tmp_path, "d") is not None
    monkeypatch.setattr("os.getuid", lambda: own + 1)
    assert cache_folder(tmp_path, "d") is None


def test_a_link_is_no_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    beside = cache_folder(tmp_path, "d")
    assert beside is not None
    beside.rename(tmp_path / "elsewhere")
    beside.symlink_to(tmp_path / "elsewhere")
    assert cache_folder(tmp_path, "d") != beside


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small compiled function."""
    folder = tmp_path_factory.mktemp("compiled")
    assert [run(folder), run(folder)] == ["compiled 3", "loaded 3"]
    return folder


PROGRAM = """
import sys
from pathlib import Path
import numba
from sweep.training.native.cache import Kernel, take_whole

folder = Path(sys.argv[1])
is_whole = take_whole(folder)
numba.config.CACHE_DIR = str(folder)
import small
small.out[0] = 0
function = numba.njit(cache=True)(small.add)
Kernel(function, folder)(1, 2, small.out)
assert is_whole == bool(function.stats.cache_hits)
print("loaded" if is_whole else "compiled", small.out[0])
"""


def run(folder: Path) -> str:
    """Take a small function from the cache in a folder, in a process of its own; what was done and what it gave."""
    source = folder.parent / "source"
    source.mkdir(exist_ok=True)
    if not (source / "small.py").exists():  # the cache knows its time of change
        (source / "small.py").write_text(
            "import numpy\nout = numpy.zeros(1, int)\ndef add(x, y, out):\n    out[0] = x + y\n"
        )
    environment = {**os.environ, "PYTHONPATH": f"{source}:{PACKAGE.parent}"}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("damage", [emptied, halved, flipped, Path.unlink], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc", "sha256"])
def test_a_damaged_cache_is_made_anew(compiled: Path, pattern: str, damage: Callable[[Path], None]) -> None:
    folder = compiled.parent / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(compiled, folder)
    (path,) = folder.rglob(pattern)
    damage(path)
    assert [run(folder), run(folder)] == ["compiled 3", "loaded 3"]


def test_the_kernel_of_this_process_is_vouched_for() -> None:
    NativeEngine().train(Cohort(resolve({"epochs": 1}), np.arange(1, dtype=np.uint32)))
    folder = compiled_kernel().folder
    assert folder is not None and take_whole(folder)
