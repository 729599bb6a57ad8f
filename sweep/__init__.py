"""xor-sweep: find out which neural-network configurations reliably learn.

results = sweep.run("experiments/xor.yaml")     # a whole experiment; results.configurations, results.runs
results = sweep.load("results/xor")             # one that was run before
runs = sweep.train({"width": 8}, seeds=1000)    # one configuration, many seeds, at once
"""

import importlib
from typing import Any

_homes = {"run": "sweep.loop", "train": "sweep.loop", "load": "sweep.results"}

__all__ = ["load", "run", "train"]  # pyright: ignore[reportUnsupportedDunderAll]  (loaded when first used)


def __getattr__(name: str) -> Any:
    if name not in _homes:
        raise AttributeError(f"module sweep has no attribute {name}")
    return getattr(importlib.import_module(_homes[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
