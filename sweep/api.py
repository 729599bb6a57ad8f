"""The door for Python: what `sweep` exports.

Each function is a few lines over those of `commands`, as the command of its name is.
"""

import inspect
import io
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, SupportsIndex, overload

from pandas import DataFrame

from sweep.commands import replay as replays
from sweep.commands.asking import Asking
from sweep.commands.check import Plan, n_confirmation, plan, spread
from sweep.commands.progress import Observer
from sweep.commands.rescue import rescue as rescues
from sweep.commands.run import execute
from sweep.commands.settle import check_settle
from sweep.commands.study import of_function, plan_file, plan_study
from sweep.commands.train import ask
from sweep.commands.train_model import BuiltPlan, plan_built, seconds_to_start
from sweep.experiment.file import ExperimentFileError, read_success, with_tables
from sweep.experiment.seeds import SeedBlock, seed_block
from sweep.experiment.table_files import TableFiles
from sweep.networks.criterion import check_rows, check_success
from sweep.networks.settings import resolve
from sweep.report.page.page import rebuild, write_page
from sweep.report.shown import Replay, Rescue, Results, as_replay, as_rescue
from sweep.report.terminal.progress import is_watched, shown_progress
from sweep.report.terminal.train import count_lines
from sweep.results import results as stored
from sweep.results.columns import hyperparameter_columns
from sweep.results.files import ResultsError
from sweep.results.tables import read_runs, runs_table
from sweep.runs.errors import SettingError, UserError, at, visible
from sweep.runs.runs import Entry
from sweep.runs.success import above_margin
from sweep.statistics.intervals import wilson
from sweep.training.costs import describe_seconds
from sweep.training.engine import EngineError
from sweep.training.executor import ExecutorError
from sweep.training.functions import Function, Lost, end_where_imported
from sweep.training.keras.built import Criterion
from sweep.training.keras.importing import from_keras
from sweep.training.many import ManyFunction
from sweep.training.own import TrainerError
from sweep.training.torch_models import from_torch

__all__ = [
    "EngineError",
    "ExecutorError",
    "ExperimentFileError",
    "Lost",
    "Results",
    "ResultsError",
    "SettingError",
    "TrainerError",
    "UserError",
    "from_keras",
    "from_torch",
    "load",
    "open",
    "replay",
    "rescue",
    "run",
    "study",
    "train",
]

Build = Callable[..., Any]
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
    observe: Observer | None = None,
    train: Function | None = None,
) -> Results:
    """Run an experiment file, or go on with it, and return its results.

    `out` is the results folder, `results/<name of the file>` where not given. `workers`: threads, or the cores of the
    cluster at the address `ray` (`local` starts Ray here) that are used at a time, all where not given. `limit`: hours
    of training above which the sweep is refused with the estimate. `fresh` moves an existing folder aside. `confirm`:
    on how many fresh seeds the configuration that the answer names is trained again, 0 for none. `settle`: `smaller`
    gives the inconclusive configurations below the smallest reliable one up to 1,024 fresh seeds, until each is
    settled. `train`: a function of one's own instead of an engine, as in `study`; the file is of its settings, and
    `workers` are processes. `observe` is told how far it is; where it is not given, a terminal or a notebook shows that
    on stderr. Raises `ExperimentFileError`, `EngineError`, `ExecutorError`, `ResultsError`, and
    `TrainerError` where every first run of a function crashes.
    """
    check_settle(settle)
    if train is not None:
        for name, given, usual in (("engine", engine, "auto"), ("device", device, "auto"), ("limit", limit, 24.0)):
            if given != usual:
                raise SettingError((name,), f"found {given}, with a function of one's own", "allowed: none")
        own = plan_file(path, lambda _: of_function(train), workers=workers, confirm=confirm)
        with spread(own, ray, workers, math.inf) as own:
            return _execute(own, out, observe, fresh=fresh, is_settling=settle is not None)
    limit_here = limit if ray is None else math.inf
    planned = plan(path, engine=engine, device=device, workers=workers, limit=limit_here, confirm=confirm)
    with spread(planned, ray, workers, limit) as planned:
        return _execute(planned, out, observe, fresh=fresh, is_settling=settle is not None)


def _execute(
    planned: Plan,
    out: str | os.PathLike[str] | None,
    observe: Observer | None,
    *,
    fresh: bool,
    is_settling: bool = False,
) -> Results:
    with shown_progress(quiet=observe is not None or not is_watched()) as shown:
        found = execute(planned, out, fresh=fresh, is_settling=is_settling, observe=observe or shown)
    rebuild(found)
    return Results(found.folder)


def load(path: str | os.PathLike[str]) -> Results:
    """The results in a folder. Raises `ResultsError` where there are none (a sweep in progress has no tables yet)."""
    return Results(stored.load(path).folder)


def replay(results: stored.Results, run: str, *, engine: str = "native") -> Replay:
    """Train a run of a results folder again, by `engine`; `run` is `<configuration>-<seed>`.

    The configuration may be the beginning of an id or `width=8,optimizer=adam`. Raises `ResultsError`, `EngineError`.
    """
    return as_replay(replays.replay(results, run, engine=engine))


def rescue(
    results: stored.Results,
    configuration: str,
    *,
    engine: str = "auto",
    workers: int | None = None,
    observe: Observer | None = None,
) -> Rescue:
    """What would have rescued the failing seeds of a configuration in a results folder.

    `configuration`: its id, the beginning of one, or `width=8,optimizer=adam`. Its seeds are trained again, so that
    rows of another engine do not mix in. `observe`: as in `run`. Raises `ResultsError`, `EngineError`.
    """
    with shown_progress(quiet=observe is not None or not is_watched(), is_passing=True) as shown:
        found = rescues.rescue(results, configuration, engine=engine, workers=workers, observe=observe or shown)
    return as_rescue(found)


def study(
    train: Function | None = None,
    *,
    train_many: ManyFunction | None = None,
    vary: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    cases: Sequence[Mapping[str, Any]] = (),
    seeds: int | Sequence[int] | Mapping[str, Any] = 64,
    success: str = "success >= 1",
    target: float = 0.9,
    confidence: float = 0.95,
    family: str | None = None,
    sampler: str = "grid",
    trials: int | None = None,
    study_seed: int = 0,
    trials_per_round: int = 32,
    storage: str = "journal",
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    timeout: float | str | None = None,
    memory: float | str | None = None,
    stop: str | None = None,
    retries: int = 1,
    cores: int = 1,
    gpus: float = 0.0,
    objective: str | Sequence[str] = "success_rate",
    ray: str | None = None,
    fresh: bool = False,
    confirm: int = n_confirmation,
    settle: str | None = None,
    observe: Observer | None = None,
) -> Results:
    """Try a function of one's own, `train(settings, seed)`, under many seeds, or go on with it; return the results.

    The function returns a number, true or false, or a mapping of numbers by name; a single one is called as `success`
    calls it. `vary`, `fixed` and `cases` are settings as in an experiment file, under any names; `seeds` a count, a
    list, or `{"count": 8, "up_to": 256}`; `study_seed` is `seed` under `study` there, and other options have the file's
    names. `success`: which comparison makes a run a success. Each run has a process, which an exception, a signal or
    `timeout`, in seconds or as `"10 min"`, ends alone, and which has at most `memory`, in bytes or as `"2 GiB"`, for
    its data; a run that was lost (killed from outside, or `sweep.Lost`) is tried again `retries` times on its seed. A
    function that yields its points is given up by `stop`, `"accuracy < 0.2 at step 50"`. One that another process
    cannot import is called here, without timeout and memory. `objective`: what the sampler tpe looks for,
    `["success_rate", "seconds"]`. `cores` and, on a cluster, `gpus` are kept free for each run. `ray`, `settle`,
    `confirm`, `fresh`, `observe`: see `run`. The folder is `out`, `results/<name of the function>` where not given.

    `train_many(settings, seeds)` instead makes the runs of many seeds at once, in this process: it returns an array in
    the order of the seeds, or a mapping of arrays by name. Before its runs count, a few seeds are given to it in
    another order and in two halves: no seed may touch another.

    Raises `ExperimentFileError`, `SettingError`, `ResultsError`, and `TrainerError` where every first run crashes, or a
    seed touches another.
    """
    end_where_imported()
    check_settle(settle)
    chosen = {"objective": objective, "seed": study_seed, "trials_per_round": trials_per_round, "storage": storage}
    limits = {"timeout": timeout, "memory": memory, "stop": stop, "retries": retries, "cores": cores, "gpus": gpus}
    sections = {
        "fixed": dict(fixed or {}),
        "vary": {**(vary or {}), "seed": seeds},
        "cases": list(cases),
        "study": {"sampler": sampler, "trials": trials, **_unusual(chosen)},
        "reliability": {"success": success, "target": target, "confidence": confidence, **_unusual({"family": family})},
        "limits": _unusual(limits),
    }
    planned = plan_study(train, train_many, sections, workers=workers, confirm=confirm)
    with spread(planned, ray, workers, math.inf) as planned:
        return _execute(planned, out, observe, fresh=fresh, is_settling=settle is not None)


def _unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `study` that are not as they are where nobody names them: what the written experiment says."""
    usual = inspect.signature(study).parameters
    names = {"seed": "study_seed"}
    return {name: value for name, value in options.items() if value != usual[names.get(name, name)].default}


def open(  # its name is the contract's; nothing here opens a file
    path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, fresh: bool = False
) -> Asking:
    """Open an experiment file of settings to ask for its runs and tell what they came to; see `Asking`.

    `job = sweep_.ask()` gives a run, None where none is left; `sweep_.tell(job, {"accuracy": 0.97})` answers it. A job
    that nobody answered is asked again, by the next call of `open` too. The folder is `out`, `results/<name of the
    file>` where not given. Raises `ExperimentFileError`, `ResultsError`.
    """
    return Asking.of_file(path, out, fresh=fresh, finished=rebuild)


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
) -> DataFrame: ...


@overload
def train(
    *,
    build: Build,
    data: tuple[Any, ...],
    seeds: Seeds | Mapping[str, int] = 64,
    epochs: int = 1000,
    batch_size: int = 32,
    success: str | Criterion | None = None,
    test: tuple[Any, Any] | float | None = None,
    vary: None = None,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> DataFrame: ...


@overload
def train(
    *,
    build: Build,
    data: tuple[Any, ...],
    seeds: Seeds | Mapping[str, int] = 64,
    epochs: int = 1000,
    batch_size: int = 32,
    success: str | Criterion | None = None,
    test: tuple[Any, Any] | float | None = None,
    vary: Mapping[str, Any],
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> Results: ...


def train(
    settings: Mapping[str, Any] | None = None,
    seeds: Seeds | Mapping[str, int] = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
    success: str | Criterion | None = None,
    build: Build | None = None,
    data: tuple[Any, ...] | None = None,
    epochs: int = 1000,
    batch_size: int = 32,
    test: tuple[Any, Any] | float | None = None,
    vary: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> DataFrame | Results:
    """Train one network under many seeds: a DataFrame with a row for each, its columns those of runs.csv.

    `train({"width": 2, "depth": 3}, seeds=1000)`, with `margin`: see `train_settings`. `train(build=function,
    data=(x, y), seeds=64)`, with `epochs`, `test` and such: see `train_built`. `engine`, `device`, `workers` and
    `success` are of both. Raises `TypeError` for what is of the other way.
    """
    of_settings = {"margin": (margin, 0.0)}
    of_built = {"data": (data, None), "epochs": (epochs, 1000), "batch_size": (batch_size, 32), "test": (test, None)}
    of_built |= {"build": (build, None), "vary": (vary, None), "out": (out, None), "quiet": (quiet, False)}
    if settings is None and (build is None or data is None):
        raise TypeError("sweep.train() needs settings, or build=function and data=(x, y)")
    for name, (given, usual) in (of_settings if settings is None else of_built).items():
        if given is not usual and given != usual:
            ways = ("settings", "build=") if settings is None else ("build=", "settings")
            raise TypeError(f"sweep.train(): {name} is of a training of {ways[0]}, not of {ways[1]}")
    if settings is None:
        assert build is not None and data is not None
        return train_built(
            build,
            data,
            seeds,
            epochs=epochs,
            batch_size=batch_size,
            success=success,
            test=test,
            vary=vary,
            engine=engine,
            device=device,
            workers=workers,
            out=out,
            quiet=quiet,
        )
    if isinstance(seeds, Mapping) or callable(success):
        raise TypeError("sweep.train(): of settings, seeds are a count or the seeds, and success is a comparison")
    return train_settings(
        settings, seeds, engine=engine, device=device, workers=workers, margin=margin, success=success
    )


def train_built(
    build: Build,
    data: tuple[Any, ...],
    seeds: Seeds | Mapping[str, int] = 64,
    *,
    epochs: int = 1000,
    batch_size: int = 32,
    success: str | Criterion | None = None,
    test: tuple[Any, Any] | float | None = None,
    vary: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
) -> DataFrame | Results:
    """Train the compiled Keras models that `build(seed)` returns, each on `data`, x and y: the runs as a DataFrame.

    With `vary`, settings as in an experiment file, `build(seed, **settings)` is asked for each of them, and `Results`
    come back; `epochs` and `batch_size`, of `model.fit`, may be varied too. success: one comparison of a number that
    the model gives, or a function (model, x, y) that says whether it learned, asked after every epoch; a training
    accuracy of 1 where it is not given. test: x and y that are only evaluated, or a share of the rows that is kept for
    that. data may have a third part, the weights of the rows in the loss.

    engine: `stacked` trains all seeds of a configuration at once under JAX, on `device`, cpu or gpu; `fit` one after
    the other by `model.fit`; `auto` at once on the processor where that can be, else by `fit`, and says why. workers:
    processes of `fit`, as many as pay where it is not given; several need a function that another process can
    import, and in a script the call under `if __name__ == "__main__":`. out: a results folder like any other, with
    `vary` `results/<name of the function>` where it is not given, else nothing is kept. The same call goes on there, a
    larger count of seeds extends it. Says on stderr how long it will take, how far it is and what came of it, unless
    `quiet`. Keras's and NumPy's global seeds are set on the way. docs/method.md has the columns.

    Raises `SettingError` for what cannot be trained, `ResultsError` for a folder of another training, and what `build`
    raises under each of the first seeds; an exception of one run is how that run ended.
    """
    end_where_imported()
    wanted = dict(seeds) if isinstance(seeds, Mapping) else seed_block(seeds)
    if isinstance(wanted, SeedBlock):
        wanted = wanted.count if wanted.listed is None else list(wanted.listed)
    fixed, varied = {"epochs": epochs, "batch_size": batch_size}, {**(vary or {}), "seed": wanted}
    planned = plan_built(
        *(build, data, fixed, varied), success=success, test=test, workers=workers, engine=engine, device=device
    )
    if not quiet:
        _say_plan(planned)
    if vary is not None or out is not None:
        results = _execute_built(planned, out, quiet=quiet)
        write_page(results)
        _say(f"look: {results.folder.report}   rows: {results.folder.runs}", quiet=quiet)
        return results if vary is not None else results.runs
    with TemporaryDirectory(prefix="sweep-") as folder:
        return _execute_built(planned, Path(folder) / "train", quiet=quiet).runs


def _execute_built(planned: BuiltPlan, out: Path | str | None, *, quiet: bool) -> Results:
    try:
        with shown_progress(quiet=quiet) as observe:
            found = execute(planned.plan, out, observe=observe, say=lambda message: _say(message, quiet=quiet))
    except KeyboardInterrupt:
        _say("interrupted; with a folder the same call goes on", quiet=False)
        raise
    results = Results(found.folder)
    rows = results.runs
    counts = Counter(rows["outcome"])
    if planned.plan.experiment.n_trials == 1:
        lines = count_lines(wilson(counts["learned"], len(rows), 0.95), counts)
        numbers = rows.drop(columns=["run", "seed", "seconds", "attempts"])
        if len(rows) > 1 and len(numbers.drop_duplicates()) == 1:
            lines.append("every seed gave the same numbers, so this says nothing of others: does build fix a seed?")
        _say("\n".join(lines), quiet=quiet)
    return results


def _say(words: str, *, quiet: bool) -> None:
    if not quiet:
        print(visible(words), file=sys.stderr, flush=True)


def _say_plan(planned: BuiltPlan) -> None:
    n_workers, experiment = planned.plan.executor.n_workers, planned.plan.experiment
    start = seconds_to_start if n_workers > 1 else 0.0
    n = planned.plan.n_configurations
    words = [
        *([f"{n:,} configurations"] if n > 1 else []),
        f"{experiment.seeds.amount()} seeds x {experiment.fixed.get('epochs', 'varied')} epochs",
        f"{planned.tried.n_parameters:,} parameters",
        "all at once" if planned.is_stacked else "this process" if n_workers == 1 else f"{n_workers} processes",
        f"about {describe_seconds(start + planned.seconds / n_workers)}",
    ]
    _say("; ".join(words) + (f" ({planned.reason})" if planned.reason else ""), quiet=False)
    if planned.why_fit is not None:
        _say(f"one seed after the other, by model.fit: {planned.why_fit}", quiet=False)


def train_settings(
    settings: Mapping[str, Any],
    seeds: Seeds = 64,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    margin: float = 0.0,
    success: str | None = None,
) -> DataFrame:
    """Train one configuration under many seeds: a DataFrame with the columns of runs.csv.

    `settings` are hyperparameters as in an experiment file (a task's file lies in the current folder); `seeds` a count
    or the seeds themselves. A run has learned above this `margin`, or where `success` holds, `accuracy >= 0.95`. Raises
    `SettingError`, `EngineError`, `ResultsError` where it would take more memory than there is; `TypeError` for a seed
    that is no whole number.
    """
    configuration = resolve(with_tables(settings, TableFiles(Path())))
    with at("success"):
        criterion = above_margin(margin) if success is None else read_success(success)
        check_success(criterion)
        check_rows(criterion, configuration)
    if success is not None and margin:
        raise SettingError(("margin",), f"found {margin:g} beside success", "allowed: one of the two")
    asked = ask(configuration, seed_block(seeds), engine=engine, device=device, workers=workers, success=criterion)
    entry = Entry(0, configuration, asked.train().runs)
    content = runs_table(
        [entry], hyperparameter_columns({*settings, *configuration.unlike}), asked.engine.name, asked.engine.device
    )
    return read_runs(io.BytesIO(content))
