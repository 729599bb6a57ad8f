"""`sweep.train`: a configuration by its settings, or any Keras model at all that a function of one's own builds.

A model of one's own is trained by plain `model.fit`, one seed after the other, over several processes where that pays.
The function never comes from a file. With a folder each run is kept when it is done (`own_results`).
"""

import hashlib
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np

from sweep import executors, training
from sweep.engines.answers import as_arrays
from sweep.engines.fits import Criterion, Fit, Job, Probe, fit, probe
from sweep.own_results import Store, count_outcomes
from sweep.own_table import floors_of, leaves, name_of, table_of
from sweep.planning import describe_seconds
from sweep.reliability import wilson
from sweep.report.own_page import write_page
from sweep.results import Folder
from sweep.results.lock import locked
from sweep.vocabulary import SettingError
from sweep.watching import count_lines, watched

Build = Callable[[int], Any]
Seeds = SupportsIndex | Iterable[SupportsIndex]

# below this many seconds in one process, starting others takes longer than they spare
seconds_worth_processes = 30.0
# what a process needs to import Keras
seconds_to_start = 8.0
in_worker = "XOR_SWEEP_WORKER"


@overload
def train(
    settings: Mapping[str, Any],
    seeds: Seeds = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
) -> Any: ...


@overload
def train(
    *,
    build: Build,
    data: tuple[Any, Any],
    seeds: Seeds = 50,
    epochs: int = 1000,
    batch_size: int = 32,
    learned: Criterion | None = None,
    workers: int | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> Any: ...


def train(settings: Mapping[str, Any] | None = None, *given: Any, **options: Any) -> Any:
    """Train one network under many seeds: a DataFrame with a row for each, its columns those of runs.csv.

    `train({"width": 2, "depth": 3}, seeds=1000)`: see `sweep.training.train`. `train(build=function, data=(x, y),
    seeds=50)`: see `train_built`.
    """
    if settings is not None:
        return training.train(settings, *given, **options)
    if "build" not in options:
        raise TypeError("sweep.train() needs settings, or build=function and data=(x, y)")
    return train_built(*given, **options)


def train_built(
    build: Build,
    data: tuple[Any, Any],
    seeds: Seeds = 50,
    *,
    epochs: int = 1000,
    batch_size: int = 32,
    learned: Criterion | None = None,
    workers: int | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> Any:
    """Train the compiled Keras models that `build(seed)` returns, each on `data`, x and y: a row for each seed.

    epochs, batch_size: of `model.fit`. learned: a function (model, x, y) that says whether a model has learned, asked
    before training and after every epoch; a training accuracy of 1 where it is not given. Columns of runs.csv that the
    model, its loss or the data do not have are left out (docs/method.md). workers: processes, as many as pay where it
    is not given; several need a function that another process can import, and in a script the call under
    `if __name__ == "__main__":`. out: a folder that keeps each run when it is done; the same call goes on there, and
    its tables and page are of all seeds that were ever trained there (`sweep.load`, `sweep show`). Says
    on stderr how long it will take, how far it is and what came of it, unless `quiet`. Keras's and NumPy's global seeds
    are set on the way.

    Raises `SettingError` for what cannot be trained, `ResultsError` for a folder of another training; what `build`
    raises, with a note of the seed.
    """
    if os.environ.get(in_worker):
        sys.exit(3)  # a process of ours runs the script that called; the one that started it says what to do
    job = _checked(Job(build, data, epochs, batch_size, learned))
    wanted = training.seed_block(seeds).seeds().tolist()
    tried = probe(job, wanted[0])
    if out is None:
        fits: dict[int, Fit] = {}
        _train_left(job, wanted, tried, fits, workers, quiet, None)
    else:
        store = Store(Path(out), _identity(job, tried))
        with locked(store.folder.lock):
            fits = {f.seed: f for f in store.read()}
            _train_left(job, wanted, tried, fits, workers, quiet, store)
            every = [fits[seed] for seed in sorted(fits)]
            write_page(store.finish(table_of(job, every, tried), floors_of(job, every, tried)))
    asked = [fits[seed] for seed in wanted]
    table = table_of(job, asked, tried)
    if not quiet:
        counts = count_outcomes(table)
        lines = count_lines(wilson(counts["learned"], len(table), 0.95), counts)
        if len(wanted) > 1 and len({tuple(f.losses) for f in asked}) == 1:
            lines.append("every seed gave the same run, so this says nothing of others: does build fix a seed itself?")
        if out is not None:
            lines.append(f"look: {Folder(Path(out)).report}   rows: {Folder(Path(out)).runs}")
        print("\n".join(lines), file=sys.stderr, flush=True)
    return table


def _train_left(
    job: Job,
    wanted: Sequence[int],
    tried: Probe,
    fits: dict[int, Fit],
    workers: int | None,
    quiet: bool,
    store: Store | None,
) -> None:
    """Add what `fits` lacks of the seeds wanted, and keep each run where there is a store."""
    left = [seed for seed in wanted if seed not in fits]
    if not left:
        return
    seconds = tried.seconds * len(left)
    n_workers = _n_workers(job, workers, len(left), seconds)
    if not quiet:
        _say_plan(job, tried, len(left), n_workers, seconds)
    known = {seed: fits[seed] for seed in wanted if seed in fits}
    with watched(len(wanted), quiet=quiet) as watch:
        try:
            for done in _fits(job, left, n_workers):
                fits[done.seed] = known[done.seed] = done
                if store:
                    store.add(done)
                watch(len(known), sum(f.learned for f in known.values()))
        except KeyboardInterrupt:
            kept = (
                f"kept in {store.folder.path}; the same call goes on"
                if store
                else "nothing is kept, without out=FOLDER"
            )
            print(f"\ninterrupted after {len(known)} of {len(wanted)} seeds: {kept}", file=sys.stderr, flush=True)
            raise


def _checked(job: Job) -> Job:
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


def _n_workers(job: Job, workers: int | None, n_seeds: int, seconds: float) -> int:
    """How many processes: as asked for, else as many as pay. Raises `SettingError` where none can have the function."""
    if workers is not None and workers < 1:
        raise SettingError(("workers",), f"found {workers}", "allowed: a whole number from 1 up")
    reason = _why_not_elsewhere(job)
    if workers is None:
        pays = seconds > seconds_worth_processes and reason is None
        return min(executors.available_cores(), n_seeds) if pays else 1
    if workers > 1 and reason is not None:
        raise SettingError(("workers",), f"found {workers}, but {reason}", "allowed: 1, or a function in a module")
    return min(workers, n_seeds)


def _why_not_elsewhere(job: Job) -> str | None:
    """Why another process cannot have the functions, in words; None where it can."""
    for function in filter(None, (job.build, job.learned)):
        name = name_of(function)
        if getattr(function, "__module__", "") == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
            return f"{name} is defined in a notebook or at a prompt, where another process cannot import it"
        try:
            pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError):
            return f"{name} is no function at the head of a module, so another process cannot import it"
    return None


def _say_plan(job: Job, tried: Probe, n_seeds: int, n_workers: int, seconds: float) -> None:
    start = seconds_to_start if n_workers > 1 else 0.0
    words = [
        f"{n_seeds:,} seeds x {job.epochs:,} epochs",
        f"{tried.n_parameters:,} parameters",
        "this process" if n_workers == 1 else f"{n_workers} processes",
        f"about {describe_seconds(start + seconds / n_workers)}",
    ]
    reason = _why_not_elsewhere(job) if n_workers == 1 and seconds > seconds_worth_processes else None
    print("; ".join(words) + (f" ({reason})" if reason else ""), file=sys.stderr, flush=True)


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


def _fits(job: Job, seeds: Sequence[int], n_workers: int) -> Iterator[Fit]:
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
    threads = str(max(1, executors.available_cores() // n_workers))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    wanted = {in_worker: "1", "TF_CPP_MIN_LOG_LEVEL": "2", **dict.fromkeys(names, threads)}
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


def _identity(job: Job, tried: Probe) -> dict[str, Any]:
    """What a folder must agree with to be gone on with."""
    digest = hashlib.sha256()
    for leaf in (*leaves(job.data[0]), *leaves(job.data[1])):
        digest.update(f"{leaf.dtype} {leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    return {
        "build": name_of(job.build),
        "epochs": job.epochs,
        "batch_size": job.batch_size,
        "learned": "training accuracy 1" if job.learned is None else name_of(job.learned),
        "data": digest.hexdigest(),
        "model": hashlib.sha256(tried.description.encode()).hexdigest(),
    }
