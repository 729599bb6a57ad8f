"""What runs said that did not end by themselves: of each configuration and outcome the run of the lowest seed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

max_told = 4_000  # characters


@dataclass(frozen=True)
class Ending:
    """The last that a run said, the end of its errors' text, as it came: control characters are in it."""

    configuration: str
    seed: int
    outcome: str
    told: str

    def __post_init__(self) -> None:
        if [type(x) for x in (self.configuration, self.seed, self.outcome, self.told)] != [str, int, str, str]:
            raise ValueError("an ending that is none")

    @property
    def run(self) -> str:
        """The run's name."""
        return f"{self.configuration}-{self.seed}"


def shortened(told: str, n_lines: int) -> str:
    r"""How a run ended, which is the first line, and the last lines of what it said.

    >>> shortened("exit code 1\na\nb\nc", 2)
    'exit code 1\nb\nc'
    """
    first, *others = told.splitlines() or [""]
    return "\n".join([first, *others[-n_lines:]])


def pack(endings: Sequence[Ending]) -> dict[str, npt.NDArray[np.uint8]]:
    """Endings as an array for a file, a line of JSON for each; no array where there are none."""
    lines = "\n".join(json.dumps(asdict(ending)) for ending in endings)
    return {"endings": np.frombuffer(lines.encode(), np.uint8)} if endings else {}


def unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> list[Ending]:
    """The endings that `pack` made an array of. Raises `ValueError` or `TypeError` for an array that is none."""
    if "endings" not in arrays:
        return []
    return [Ending(**json.loads(line)) for line in arrays["endings"].tobytes().split(b"\n")]
