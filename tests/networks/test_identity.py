"""Ids are for ever: what could be said keeps the id that it had."""

import json
from pathlib import Path

import pytest

from sweep.networks.settings import resolve

LINES = Path(__file__).with_name("identities.txt").read_text().splitlines()[1:]


@pytest.mark.parametrize("line", LINES)
def test_a_configuration_keeps_its_id(line: str) -> None:
    identity, settings = line.split(" ", 1)
    assert resolve(json.loads(settings)).id == identity
