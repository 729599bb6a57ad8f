"""Small experiments, and the results folders that they make."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sweep
from sweep.commands.run import Observer, Progress

SMALL = """
fixed: {epochs: 60, learning_rate: 0.05}
vary:
  width: [2, 4, 8]
  optimizer: [adam, {name: sgd, momentum: 0.9, nesterov: true}]
  seed: 12
reliability: {target: 0.2}
"""
TABLES = ("runs.csv", "configurations.csv", "examples.npz")


class Stopped(Exception):
    """Of an observer that ends its sweep."""


def stop_after(n_calls: int) -> Observer:
    left = [n_calls]

    def observe(progress: Progress) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    return observe


def written(folder: Path, text: str, name: str = "e.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def swept(folder: Path, text: str, out: str = "out", **known: Any) -> Path:
    """The results folder `out` of an experiment of this text, `e.yaml`, both in a folder."""
    sweep.run(written(folder, text), folder / out, **known)
    return folder / out


def contents(folder: Path, names: Sequence[str] = TABLES) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All below a folder: when it was written, and what is in it."""
    paths = folder.rglob("*")
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths}
