"""xor-sweep: find out which neural-network configurations reliably learn.

results = sweep.run("experiments/xor.yaml")     # a whole experiment; results.configurations, results.runs
results = sweep.load("results/xor")             # one that was run before
runs = sweep.train({"width": 8}, seeds=1000)    # one configuration, many seeds, at once
runs = sweep.train(build=function, data=(x, y))  # any Keras model at all: function(seed) returns it, compiled
results = sweep.study(function, vary={"lr": [0.1, 0.01]})  # anything: function(settings, seed) returns numbers
sweep_ = sweep.open("mine.yaml")                # ask and tell: job = sweep_.ask(); sweep_.tell(job, {"accuracy": 0.97})
settings = sweep.from_keras(model)              # the settings of a compiled Keras network, for sweep.train
settings = sweep.from_torch(model, loss, optimizer)  # those of a PyTorch network
found = sweep.rescue(results, "width=2")        # what would have rescued the seeds that failed; found.table()
again = sweep.replay(results, "width=2-7")       # one run trained again
"""

import importlib

# their types are in __init__.pyi
_errors = ("EngineError", "ExecutorError", "ExperimentFileError", "ResultsError", "SettingError", "TrainerError")
_functions = ("from_keras", "from_torch", "load", "open", "replay", "rescue", "run", "study", "train")
__all__ = ["Lost", "Results", "UserError", *_errors, *_functions]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    """What the door for Python has, which is opened when something is asked of it."""
    if name not in __all__:
        raise AttributeError(f"module sweep has no attribute {name}")
    return getattr(importlib.import_module("sweep.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
