"""What tests of all rooms share."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.folders import SMALL, swept

Record = Callable[[str, int], None]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a small sweep, only to be read; a module may have another under this name."""
    return swept(tmp_path_factory.mktemp("finished"), SMALL, "my results")


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture(scope="session", autouse=True)
def width() -> Iterator[None]:
    """What is printed is as wide as for a pipe, though workers of pytest-xdist have `COLUMNS`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered between commands is remembered elsewhere than at home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def record() -> Record:
    """Of the long tests: adds a number to what is named, in the file that XOR_SWEEP_RECORD names.

    The page of reliability says how much they tried. Without the file nothing is recorded.
    """
    name = os.environ.get("XOR_SWEEP_RECORD")

    def add(what: str, n: int) -> None:
        if name:
            with Path(name).open("a") as file:
                file.write(json.dumps([what, n]) + "\n")

    return add
