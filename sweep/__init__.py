"""xor-sweep: find out which neural-network configurations reliably learn.

results = sweep.run("experiments/xor.yaml")     # a whole experiment; results.configurations, results.runs
results = sweep.load("results/xor")             # one that was run before
runs = sweep.train({"width": 8}, seeds=1000)    # one configuration, many seeds, at once
runs = sweep.train(build=function, data=(x, y))  # any Keras model at all: function(seed) returns it, compiled
settings = sweep.from_keras(model)              # the settings of a compiled Keras network, for sweep.train
found = sweep.rescue(results, "width=2")        # what would have rescued the seeds that failed; found.table()
again = sweep.replay(results, "width=2-7")       # one run trained again
"""

import importlib
from typing import Any

_homes = {
    "from_keras": "sweep.training.keras.importing",
    "load": "sweep.results.trainings",
    "replay": "sweep.commands.replay",
    "rescue": "sweep.commands.rescue.rescue",
    "run": "sweep.commands.run",
    "train": "sweep.api",
}

__all__ = ["from_keras", "load", "replay", "rescue", "run", "train"]  # pyright: ignore[reportUnsupportedDunderAll]  (lazy)


def __getattr__(name: str) -> Any:
    if name not in _homes:
        raise AttributeError(f"module sweep has no attribute {name}")
    return getattr(importlib.import_module(_homes[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
