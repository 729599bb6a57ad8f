"""What the long tests share: they can record how much they tried, for the page of reliability."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Record = Callable[[str, int], None]


@pytest.fixture
def record() -> Record:
    """Adds a number to what is named, in the file that XOR_SWEEP_RECORD names; without it nothing is recorded."""
    name = os.environ.get("XOR_SWEEP_RECORD")

    def add(what: str, n: int) -> None:
        if name:
            with Path(name).open("a") as file:
                file.write(json.dumps([what, n]) + "\n")

    return add
