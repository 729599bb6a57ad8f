"""`sweep.train`: a configuration by its settings, or any Keras model at all that a function of one's own builds.

A model of one's own is trained by plain `model.fit`, one seed after the other, over several processes where that pays.
The function never comes from a file. With a folder each run is kept when it is done (`results.trainings`).
"""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from sweep.commands.model_table import leaves
from sweep.runs.errors import SettingError
from sweep.training import functions, threads
from sweep.training.keras.marking import as_arrays
from sweep.training.keras.own_model import Fit, Job, Probe, fit

# below this many seconds in one process, starting others takes longer than they spare
seconds_worth_processes = 30.0
# what a process needs to import Keras
seconds_to_start = 8.0
in_worker = "XOR_SWEEP_WORKER"


def check_job(job: Job) -> Job:
    """The job with its data as arrays. Raises `SettingError` for what cannot be trained."""
    for name, function in (("build", job.build), ("learned", job.learned)):
        if not callable(function) and not (name == "learned" and function is None):
            allowed = "allowed: a function of a seed" if name == "build" else "allowed: a function of model, x and y"
            raise SettingError((name,), f"found {type(function).__name__}", allowed)
    pair: Any = job.data
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SettingError(("data",), f"found {type(pair).__name__}", "allowed: (x, y)")
    try:
        x, y = map(as_arrays, pair)
    except ValueError as error:  # rows of unequal length
        raise SettingError(("data",), f"no arrays: {error}", "allowed: (x, y), arrays or lists of numbers") from None
    for name, part in (("x", x), ("y", y)):
        for leaf in leaves(part):
            if leaf.dtype.kind not in "biuf":
                raise SettingError(("data",), f"{name} of type {leaf.dtype}", "allowed: arrays of numbers")
            if not leaf.size or leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
                found = f"{name} has no rows" if not leaf.size else f"{name} has numbers that are not finite"
                raise SettingError(("data",), found, "allowed: (x, y) with at least one row, finite numbers")
    numbers: dict[str, Any] = {"epochs": job.epochs, "batch_size": job.batch_size}
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SettingError((name,), f"found {value!r}", "allowed: a whole number from 1 up")
    return replace(job, data=(x, y))


def choose_n_workers(job: Job, workers: int | None, n_seeds: int, seconds: float) -> int:
    """How many processes: as asked for, else as many as pay. Raises `SettingError` where none can have the function."""
    if workers is not None and workers < 1:
        raise SettingError(("workers",), f"found {workers}", "allowed: a whole number from 1 up")
    reason = why_not_elsewhere(job)
    if workers is None:
        pays = seconds > seconds_worth_processes and reason is None
        return min(threads.available_cores(), n_seeds) if pays else 1
    if workers > 1 and reason is not None:
        raise SettingError(("workers",), f"found {workers}, but {reason}", "allowed: 1, or a function in a module")
    return min(workers, n_seeds)


def why_not_elsewhere(job: Job) -> str | None:
    """Why another process cannot have the functions, in words; None where it can."""
    for function in filter(None, (job.build, job.learned)):
        reason = functions.why_not_elsewhere(function)
        if reason is not None:
            return f"{functions.name_of(function)} {reason}"
    return None


# processes ------------------------------------------------------------------------------------------------------------

_job: list[Job] = []  # of a worker process


def _keep(job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches every process: these end without a traceback
    _job.append(job)


def _fit_here(seed: int) -> Fit:
    return _noted(_job[0], seed)


def _noted(job: Job, seed: int) -> Fit:
    try:
        return fit(job, seed)
    except Exception as error:
        error.add_note(f"in the run of seed {seed}")
        raise


def fit_all(job: Job, seeds: Sequence[int], n_workers: int) -> Iterator[Fit]:
    """The runs, each when it is done."""
    if n_workers == 1:
        for seed in seeds:
            yield _noted(job, seed)
        return
    context = multiprocessing.get_context("spawn")
    with (
        _environment_of_workers(n_workers),
        ProcessPoolExecutor(n_workers, context, initializer=_keep, initargs=(job,)) as pool,
    ):
        futures = [pool.submit(_fit_here, seed) for seed in seeds]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            found = "a process ended that should have trained"
            allowed = 'allowed: in a script, the call of sweep.train under if __name__ == "__main__":; or workers=1'
            raise SettingError(("workers",), found, allowed) from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _environment_of_workers(n_workers: int) -> Generator[None]:
    """Variables that the processes find at their start: each has its share of the cores."""
    share = str(max(1, threads.available_cores() // n_workers))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    wanted = {in_worker: "1", "TF_CPP_MIN_LOG_LEVEL": "2", **dict.fromkeys(names, share)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def identity_of(job: Job, tried: Probe) -> dict[str, Any]:
    """What a folder must agree with to be gone on with."""
    digest = hashlib.sha256()
    for leaf in (*leaves(job.data[0]), *leaves(job.data[1])):
        digest.update(f"{leaf.dtype} {leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    return {
        "build": functions.name_of(job.build),
        "epochs": job.epochs,
        "batch_size": job.batch_size,
        "learned": "training accuracy 1" if job.learned is None else functions.name_of(job.learned),
        "data": digest.hexdigest(),
        "model": hashlib.sha256(tried.description.encode()).hexdigest(),
    }
