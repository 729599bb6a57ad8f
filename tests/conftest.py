"""What the long tests share: they can record how much they tried, for the page of reliability."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Record = Callable[[str, int], None]


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered between commands is remembered elsewhere than at home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def record() -> Record:
    """Adds a number to what is named, in the file that XOR_SWEEP_RECORD names; without it nothing is recorded."""
    name = os.environ.get("XOR_SWEEP_RECORD")

    def add(what: str, n: int) -> None:
        if name:
            with Path(name).open("a") as file:
                file.write(json.dumps([what, n]) + "\n")

    return add
