"""The door for Python: what `sweep` exports.

Each function is a few lines over those of `commands`, as the command of its name is.
"""

import io
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

from sweep.commands.check import n_confirmation, plan, spread
from sweep.commands.model_table import floors_of, table_of
from sweep.commands.replay import replay
from sweep.commands.rescue.rescue import rescue
from sweep.commands.run import Observer, execute, ignore
from sweep.commands.settle import check_settle
from sweep.commands.study import plan_study
from sweep.commands.train import ask
from sweep.commands.train_model import (
    check_job,
    choose_n_workers,
    fit_all,
    identity_of,
    in_worker,
    seconds_to_start,
    seconds_worth_processes,
    why_not_elsewhere,
)
from sweep.experiment.file import read_success, with_tables
from sweep.experiment.seeds import seed_block
from sweep.experiment.table_files import TableFiles
from sweep.networks.criterion import check_success
from sweep.networks.settings import resolve
from sweep.report.page.own_page import write_page
from sweep.report.terminal.progress import watched
from sweep.report.terminal.train import count_lines
from sweep.results.columns import hyperparameter_columns
from sweep.results.folder import Folder
from sweep.results.lock import locked
from sweep.results.results import Results
from sweep.results.tables import read_runs, runs_table
from sweep.results.trainings import Store, count_outcomes, load
from sweep.runs.errors import SettingError, at
from sweep.runs.runs import Entry
from sweep.runs.success import above_margin
from sweep.statistics.intervals import wilson
from sweep.training.costs import describe_seconds
from sweep.training.functions import Function, Lost
from sweep.training.keras.importing import from_keras
from sweep.training.keras.own_model import Criterion, Fit, Job, Probe, probe
from sweep.training.torch_models import from_torch

__all__ = ["Lost", "from_keras", "from_torch", "load", "replay", "rescue", "run", "study", "train"]

Build = Callable[[int], Any]
Seeds = SupportsIndex | Iterable[SupportsIndex]


def run(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    ray: str | None = None,
    limit: float = 24.0,
    fresh: bool = False,
    confirm: int = n_confirmation,
    settle: str | None = None,
    observe: Observer = ignore,
) -> Results:
    """Run an experiment file, or go on with it, and return its results.

    `out` is the results folder, `results/<name of the file>` where not given. `workers`: threads, or the cores of the
    cluster at the address `ray` (`local` starts Ray here) that are used at a time, all where not given. `limit`: hours
    of training above which the sweep is refused with the estimate. `fresh` moves an existing folder aside. `confirm`:
    on how many fresh seeds the configuration that the answer names is trained again, 0 for none. `settle`: `smaller`
    gives the inconclusive configurations below the smallest reliable one up to 1,024 fresh seeds, until each is
    settled. Raises `ExperimentFileError`, `EngineError`, `ExecutorError`, `ResultsError`.
    """
    check_settle(settle)
    limit_here = limit if ray is None else math.inf
    planned = plan(path, engine=engine, device=device, workers=workers, limit=limit_here, confirm=confirm)
    with spread(planned, ray, workers, limit) as planned:
        return execute(planned, out, fresh=fresh, is_settling=settle is not None, observe=observe)


def study(
    train: Function,
    *,
    vary: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | Mapping[str, int] = 64,
    success: str = "success >= 1",
    target: float = 0.9,
    confidence: float = 0.95,
    sampler: str = "grid",
    trials: int | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    retries: int = 1,
    fresh: bool = False,
    confirm: int = n_confirmation,
    observe: Observer = ignore,
) -> Results:
    """Try a function of one's own, `train(settings, seed)`, under many seeds, or go on with it; return the results.

    The function returns a number, true or false, or a mapping of numbers by name; a single one is called as `success`
    calls it. `vary` and `fixed` are settings as in an experiment file, under any names; `seeds` a count, a list, or
    `{"count": 8, "up_to": 256}`. `success`: which comparison makes a run a success. Each run has a process, which an
    exception, a signal or `timeout`, in seconds, ends alone; a run that was lost (killed from outside, or
    `sweep.Lost`) is tried again `retries` times on its seed. A function that another process cannot import is called
    here, without limits. The folder is `out`, `results/<name of the function>` where not given.

    Raises `ExperimentFileError`, `SettingError`, `ResultsError`, and `TrainerError` where every first run crashes.
    """
    sections = {
        "fixed": dict(fixed or {}),
        "vary": {**(vary or {}), "seed": seeds},
        "study": {"sampler": sampler, "trials": trials},
        "reliability": {"success": success, "target": target, "confidence": confidence},
    }
    planned = plan_study(train, sections, workers=workers, timeout=timeout, retries=retries, confirm=confirm)
    return execute(planned, out, fresh=fresh, observe=observe)


@overload
def train(
    settings: Mapping[str, Any],
    seeds: Seeds = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
    success: str | None = None,
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

    `train({"width": 2, "depth": 3}, seeds=1000)`: see `train_settings`. `train(build=function, data=(x, y),
    seeds=50)`: see `train_built`.
    """
    if settings is not None:
        return train_settings(settings, *given, **options)
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
    job = check_job(Job(build, data, epochs, batch_size, learned))
    wanted = seed_block(seeds).seeds().tolist()
    tried = probe(job, wanted[0])
    if out is None:
        fits: dict[int, Fit] = {}
        _train_left(job, wanted, tried, fits, workers, quiet, None)
    else:
        store = Store(Path(out), identity_of(job, tried))
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
    n_workers = choose_n_workers(job, workers, len(left), seconds)
    if not quiet:
        _say_plan(job, tried, len(left), n_workers, seconds)
    known = {seed: fits[seed] for seed in wanted if seed in fits}
    with watched(len(wanted), quiet=quiet) as watch:
        try:
            for done in fit_all(job, left, n_workers):
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


def _say_plan(job: Job, tried: Probe, n_seeds: int, n_workers: int, seconds: float) -> None:
    start = seconds_to_start if n_workers > 1 else 0.0
    words = [
        f"{n_seeds:,} seeds x {job.epochs:,} epochs",
        f"{tried.n_parameters:,} parameters",
        "this process" if n_workers == 1 else f"{n_workers} processes",
        f"about {describe_seconds(start + seconds / n_workers)}",
    ]
    reason = why_not_elsewhere(job) if n_workers == 1 and seconds > seconds_worth_processes else None
    print("; ".join(words) + (f" ({reason})" if reason else ""), file=sys.stderr, flush=True)


def train_settings(
    settings: Mapping[str, Any],
    seeds: Seeds = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
    success: str | None = None,
) -> Any:
    """Train one configuration under many seeds: a DataFrame with the columns of runs.csv.

    `settings` are hyperparameters as in an experiment file (a task's file lies in the current folder); `seeds` a count
    or the seeds themselves. A run has learned above this `margin`, or where `success` holds, `accuracy >= 0.95`. Raises
    `SettingError`, `EngineError`, `ResultsError` where it would take more memory than there is; `TypeError` for a seed
    that is no whole number.
    """
    configuration = resolve(with_tables(settings, TableFiles(Path())))
    with at("success"):
        criterion = read_success(success) or above_margin(margin)
        check_success(criterion)
    if success is not None and margin:
        raise SettingError(("margin",), f"found {margin:g} beside success", "allowed: one of the two")
    asked = ask(configuration, seed_block(seeds), engine=engine, device=device, workers=workers, success=criterion)
    entry = Entry(0, configuration, asked.train().runs)
    content = runs_table(
        [entry], hyperparameter_columns({*settings, *configuration.unlike}), asked.engine.name, asked.engine.device
    )
    return read_runs(io.BytesIO(content))
