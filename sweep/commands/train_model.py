"""`sweep.train(build=...)`: any Keras model at all that a function of one's own builds, as a trainer of one's own.

The models of all seeds are trained at once where JAX can trace them, else one by one by plain `model.fit`, over several
processes where that pays. The function never comes from a file.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.commands.check import Plan
from sweep.commands.study import as_source, plan_own
from sweep.runs.errors import SettingError, show
from sweep.runs.limits import Limits
from sweep.runs.settings import Settings
from sweep.runs.success import Success
from sweep.training import functions, threads
from sweep.training.keras.built import Job, Probe, of_training, probe
from sweep.training.keras.marking import as_arrays, held_out, keras
from sweep.training.own import RunByRun
from sweep.training.stacked.trainer import StackedTrainer, why_not

# below this many seconds in one process, starting others takes longer than they spare
seconds_worth_processes = 30.0
# what a process needs to import Keras
seconds_to_start = 8.0
n_probed = 3  # seeds: an exception of one is a run's affair
digits = 12


@dataclass(frozen=True)
class BuiltPlan:
    """What `sweep.train(build=...)` will do, and for about how many seconds of one process.

    reason: why it is done in one process where several would pay, else None; why_fit: why the seeds are not trained at
    once, None where they are or `fit` was asked for.
    """

    plan: Plan
    tried: Probe
    seconds: float
    reason: str | None
    why_fit: str | None = None

    @property
    def is_stacked(self) -> bool:
        """Whether all seeds of a configuration are trained at once."""
        return isinstance(self.plan.trainer, StackedTrainer)


def plan_built(
    build: Callable[..., Any],
    data: Any,
    fixed: Mapping[str, Any],
    vary: Mapping[str, Any],
    *,
    success: Any,
    test: Any,
    workers: int | None,
    engine: str = "auto",
    device: str = "auto",
) -> BuiltPlan:
    """What will be trained, and how; a few epochs are, to find out. Raises `SettingError`, `ExperimentFileError`.

    `fixed`: epochs and batch size, where they are not in `vary`, which has the seeds too.
    """
    for name in of_training:
        _check_whole(name, fixed[name])
    _check_engine(engine, device, workers)
    job = _job(build, data, test, success, tuple(name for name in vary if name not in (*of_training, "seed")))
    fixed = {name: value for name, value in fixed.items() if name not in vary} | {"data": _digest_of_data(job)}
    sections = {"fixed": fixed, "vary": vary, "reliability": {"success": str(job.criterion)}}
    asked = as_source(build, sections, "sweep.train").experiment
    first, seeds = asked.configuration(next(asked.sample_points())), asked.seeds.seeds()
    stacked = StackedTrainer(job, "gpu" if device == "gpu" else "cpu")
    tried = "" if engine == "fit" else _tried_at_once(stacked, first, seeds, workers)
    if isinstance(tried, str) and engine == "stacked":
        raise SettingError(("engine",), f"found stacked, but {tried}", "allowed: auto, fit")
    why_fit = tried if isinstance(tried, str) else None
    tried = _tried(job, first, seeds[:n_probed].tolist()) if isinstance(tried, str) else tried
    described = f"{tried.description} {functions.name_of(job.success)}"
    fixed["model"] = hashlib.sha256(described.encode()).hexdigest()[:digits]
    source = as_source(build, sections, "sweep.train")
    n_runs = source.experiment.n_trials * len(source.experiment.seeds)
    seconds = tried.seconds * n_runs + tried.start * (source.experiment.n_trials - 1)
    confirm = len(source.experiment.seeds) if source.experiment.n_trials > 1 else 0
    if why_fit is None and engine != "fit":
        return BuiltPlan(plan_own(source, lambda limits, n: stacked, 1, confirm), tried, seconds, None)
    reason = why_not_elsewhere(job)
    n_workers = choose_n_workers(workers, n_runs, seconds, reason)
    train = job.as_function()

    def trainer(limits: Limits, n: int) -> RunByRun:
        return functions.as_trainer(train, limits, n) if n_workers > 1 else functions.called_here(train)

    planned = plan_own(source, trainer, n_workers, confirm)
    reason = reason if n_workers == 1 and seconds > seconds_worth_processes else None
    return BuiltPlan(planned, tried, seconds, reason, why_fit or None)


def _check_engine(engine: str, device: str, workers: int | None) -> None:
    for name, value, allowed in (
        ("engine", engine, ("auto", "stacked", "fit")),
        ("device", device, ("auto", "cpu", "gpu")),
    ):
        if value not in allowed:
            raise SettingError((name,), f"found {show(value)}", f"allowed: {', '.join(allowed)}")
    if device == "gpu" and engine != "stacked":
        raise SettingError(("device",), f"found gpu with the engine {engine}", "allowed: cpu, or the engine stacked")
    if workers is not None and engine == "stacked":
        raise SettingError(("workers",), f"found {workers} with the engine stacked", "allowed: none, or the engine fit")


def _tried_at_once(stacked: StackedTrainer, first: Any, seeds: Any, workers: int | None) -> Probe | str:
    """What the models of the first configuration are like, trained at once; or why they are not."""
    if workers is not None:
        return "workers are processes of fit"
    reason = why_not(stacked.job)
    return reason if reason is not None else stacked.try_out(first.values, seeds)


def _tried(job: Job, first: Any, seeds: Sequence[int]) -> Probe:
    """What a model is like: the one of the first seed that does not raise."""
    for place, seed in enumerate(seeds, start=1):
        try:
            return probe(job, first.values if isinstance(first, Settings) else {}, seed)
        except SettingError:
            raise
        except Exception:  # whatever the user's function raises is how that run will end; of all, it is an answer
            if place == len(seeds):
                raise
    raise ValueError("no seeds")


def _job(build: Any, data: Any, test: Any, success: Any, names: tuple[str, ...]) -> Job:
    """The job with its data as arrays. Raises `SettingError` for what cannot be trained."""
    if not callable(build):
        raise SettingError(("build",), f"found {type(build).__name__}", "allowed: a function of a seed")
    try:
        success = Success.parse("accuracy >= 1" if success is None else success) if not callable(success) else success
    except (ValueError, TypeError) as error:
        allowed = "one comparison, accuracy >= 0.95, or a function of model, x and y"
        raise SettingError(("success",), f"found {show(success)}", f"allowed: {allowed}") from error
    parts = _parts("data", data, 3)
    if isinstance(test, float):
        if not 0 < test < 1:
            raise SettingError(("test",), f"found {test:g}", "allowed: (x, y), or a share of the rows between 0 and 1")
        parts, kept = held_out(parts, test)
        test = kept[:2]
    tested = None if test is None else _parts("test", test, 2)
    x, y, weights = (*parts, None)[:3]
    return Job(build, (x, y), tested, success, names, keras().config.dtype_policy().name, weights)


def _parts(name: str, given: Any, most: int) -> tuple[Any, ...]:
    """X, y and, where there may be so many, the weights of the rows, as arrays. Raises `SettingError`."""
    if not isinstance(given, tuple | list) or not 2 <= len(given) <= most:
        allowed = "allowed: (x, y)" + (", or (x, y, weights of the rows)" if most > 2 else "")
        raise SettingError((name,), f"found {type(given).__name__}", allowed)
    try:
        parts = tuple(map(as_arrays, given))
    except ValueError as error:  # rows of unequal length
        raise SettingError((name,), f"no arrays: {error}", "allowed: (x, y), arrays or lists of numbers") from None
    for part, own in zip(("x", "y", "weights"), parts, strict=False):
        for leaf in leaves(own):
            if leaf.dtype.kind not in "biuf":
                raise SettingError((name,), f"{part} of type {leaf.dtype}", "allowed: arrays of numbers")
            if not leaf.size or leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
                found = f"{part} has no rows" if not leaf.size else f"{part} has numbers that are not finite"
                raise SettingError((name,), found, "allowed: (x, y) with at least one row, finite numbers")
    return parts


def leaves(data: Any) -> Iterator[Any]:
    """The arrays of x or y, which may be a list or a mapping of arrays."""
    yield from keras().tree.flatten(data)


def _check_whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingError((name,), f"found {value!r}", "allowed: a whole number from 1 up")


def _digest_of_data(job: Job) -> str:
    """What tells the data and the test rows of two jobs apart."""
    digest = hashlib.sha256()
    for leaf in (*leaves(job.rows), *leaves(job.test or ())):
        digest.update(f"{leaf.dtype} {leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:digits]


def why_not_elsewhere(job: Job) -> str | None:
    """Why another process cannot have the functions, in words; None where it can."""
    for function in filter(callable, (job.build, job.success)):
        reason = functions.why_not_elsewhere(function)
        if reason is not None:
            return f"{functions.name_of(function)} {reason}"
    return None


def choose_n_workers(workers: int | None, n_runs: int, seconds: float, reason: str | None) -> int:
    """How many processes: as asked for, else as many as pay. Raises `SettingError` where none can have the function."""
    if workers is None:
        return min(threads.available_cores(), n_runs) if seconds > seconds_worth_processes and reason is None else 1
    if workers > 1 and reason is not None:
        raise SettingError(("workers",), f"found {workers}, but {reason}", "allowed: 1, or a function in a module")
    return min(workers, n_runs)
