"""Cohorts trained on a Ray cluster: tasks of about a second go to its nodes, and what is kept of them comes back.

The driver, this process, alone asks, stores and tells; nodes only compute. A run's bits depend on nothing but its
configuration and seed, so it does not matter where a task runs, or how often: Ray gives the tasks of a node that dies
to others.
"""

import hashlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from sweep.networks.measurements import NetworkCohort
from sweep.runs.cohort import Broken, Cohort
from sweep.runs.limits import Limits
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import no_runs
from sweep.training import choice
from sweep.training.cohorts import EngineTrainer
from sweep.training.costs import run_seconds
from sweep.training.engine import Engine
from sweep.training.executor import ExecutorError, Threads
from sweep.training.own import Crashes, Recipe, RunByRun
from sweep.training.threads import available_cores
from sweep.training.trainer import Guard, Kept, OnCount, Trainer, ignore_count, join_kept

task_seconds = 1.0
n_retries = 20  # how often Ray begins a task again whose node or process dies
connect_seconds = 10.0
object_store_bytes = 128 * 2**20


class Part(NamedTuple):
    """Some models of the cohort that has this place among all."""

    place: int
    cohort: Cohort[Any]


class Done(NamedTuple):
    """What a task came to: what is kept of each part, what broke; its seconds, and whether it was a process's first."""

    kept: list[Kept]
    broken: list[Broken]
    seconds: float
    is_first: bool


@cache
def sources_digest() -> str:
    """A digest of this package's sources: the same code gives the same bytes, so every node must have it."""
    folder = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class EngineRecipe:
    """What a node makes an engine of."""

    name: str
    device: str

    def make(self) -> EngineTrainer:
        """The engine."""
        return EngineTrainer(choice.choose(self.name, self.device, ()))


@cache
def _trainer(recipe: EngineRecipe | Recipe) -> Trainer:
    """The trainer of this process of a node, made once: what it compiles, loads or starts serves all tasks."""
    made = recipe.make()
    return replace(made, n_first=0) if isinstance(made, RunByRun) else made  # the driver sees all runs


def train_task(recipe: EngineRecipe | Recipe, cohorts: Sequence[Cohort[Any]], sources: str) -> Done:
    """Train parts of cohorts on a node; one thread, since Ray starts a process for each core."""
    started = perf_counter()
    if sources != sources_digest():
        raise ExecutorError(f"the node {socket.gethostname()} has another version of xor-sweep than this machine")
    is_first = _trainer.cache_info().currsize == 0
    broken: list[Broken] = []
    guard = Guard(broken.append, is_stopped=lambda: False)
    kept = list(Threads(1).train(_trainer(recipe), cohorts, ignore_count, guard))
    if not isinstance(recipe, EngineRecipe):  # its runs come in any number of parts
        (cohort,) = cohorts
        kept = [join_kept(cohort, kept)]
    return Done(kept, broken, perf_counter() - started, is_first)


class Cluster:
    """Trains on the nodes of a Ray cluster that this process is connected to; at most `most` tasks at a time.

    limits: of a run, what of a node it takes, so that a task of runs of one's own, made one by one, takes as much.
    """

    seconds_at_once = 20.0  # at the end of each round workers wait for each other, up to a task's second

    def __init__(self, library: Any, most: int | None, limits: Limits = Limits()) -> None:  # noqa: B008  (frozen)
        self._ray = library
        self._most = most
        self._limits = limits
        takes = {"num_cpus": limits.cores, **({"num_gpus": limits.gpus} if limits.gpus else {})}
        self._remote = library.remote(**takes, max_retries=n_retries)(train_task)
        self._expected_seconds = 0.0
        self._task_seconds = 0.0
        self._busy_seconds = 0.0
        self._n_tasks = 0
        self._own_seconds, self._n_own = 0.0, 0

    @property
    def n_workers(self) -> int:
        """How many tasks run at the same time: as the nodes that are alive have room for, or fewer where asked for."""
        there, limits = self._ray.cluster_resources(), self._limits
        room = there.get("CPU", 0) // limits.cores
        if limits.gpus:
            room = min(room, there.get("GPU", 0) // limits.gpus)
        return max(1, int(room if self._most is None else min(self._most, room)))

    def record(self) -> dict[str, Any]:
        """How it trained, for the manifest: nodes and cores alive at the end, tasks and their mean seconds."""
        return {
            "executor": "ray",
            "workers": self.n_workers,
            "nodes": sum(bool(node["Alive"]) for node in self._ray.nodes()),
            "tasks": self._n_tasks,
            "seconds_in_tasks": round(self._busy_seconds, 3),
        }

    def train(
        self, trainer: Trainer, cohorts: Sequence[Cohort[Any]], on_count: OnCount, guard: Guard
    ) -> Iterator[Kept]:
        """Train cohorts; see `Executor`. Raises `ExecutorError` for a trainer that no node can make."""
        if isinstance(trainer, EngineTrainer):
            yield from self._train_engine(trainer.engine, cohorts, on_count, guard)
        elif isinstance(trainer, RunByRun) and trainer.recipe is not None:
            yield from self._train_own(trainer, trainer.recipe, cohorts, on_count, guard)
        else:
            allowed = "allowed: an engine, a program, or a function of a module that the nodes have"
            raise ExecutorError(f"Ray: found the {trainer.title}; {allowed}")

    def _train_engine(
        self, engine: Engine, cohorts: Sequence[Cohort[Any]], on_count: OnCount, guard: Guard
    ) -> Iterator[Kept]:
        tasks = deque(self._tasks(engine, cohorts))
        n_open = [0] * len(cohorts)
        for part in (part for task in tasks for part in task):
            n_open[part.place] += len(part.cohort)
        found: list[list[Kept]] = [[] for _ in cohorts]
        n_given = 0
        for task, done in self._done(EngineRecipe(engine.name, engine.device), tasks, guard):
            self._count(engine, task, done)
            for part, kept in zip(task, done.kept, strict=True):
                on_count(len(kept.runs), int(kept.runs.learned.sum()))
                found[part.place].append(kept)
                n_open[part.place] -= len(part.cohort)
            while n_given < len(cohorts) and n_open[n_given] == 0:
                yield join_kept(cohorts[n_given], found[n_given])
                found[n_given] = []
                n_given += 1
        for cohort, kept in zip(cohorts[n_given:], found[n_given:], strict=True):
            yield join_kept(cohort, kept)

    def _train_own(
        self, trainer: RunByRun, recipe: Recipe, cohorts: Sequence[Cohort[Any]], on_count: OnCount, guard: Guard
    ) -> Iterator[Kept]:
        """Make runs of somebody's own; what has ended comes about every second."""
        size = max(1, int(task_seconds * self._n_own / self._own_seconds)) if self._own_seconds else 1
        tasks = deque([Part(place, part)] for place, cohort in enumerate(cohorts) for part in cohort.split(size))
        n_first = 0 if guard.has_worked() else min(trainer.n_first, sum(map(len, cohorts)))
        crashes = Crashes(trainer.name, n_first)
        waiting: list[Kept] = []
        given_at = perf_counter()
        for _, done in self._done(recipe, tasks, guard):
            (kept,) = done.kept
            self._n_tasks += 1
            self._busy_seconds += done.seconds
            self._own_seconds += 0.0 if done.is_first else done.seconds
            self._n_own += 0 if done.is_first else len(kept.runs)
            on_count(len(kept.runs), int(kept.runs.learned.sum()))
            told = kept.endings[0].told if kept.endings else ""
            for code in kept.runs.outcome:
                crashes.watch(outcomes[code], told)
            waiting.append(kept)
            if perf_counter() - given_at > task_seconds:
                yield from (*waiting[:-1], waiting[-1]._replace(ends_batch=True))
                waiting, given_at = [], perf_counter()
        yield from waiting

    def _done(
        self, recipe: EngineRecipe | Recipe, tasks: deque[list[Part]], guard: Guard
    ) -> Iterator[tuple[list[Part], Done]]:
        """Tasks as they are done, in any order; of what broke the guard is told."""
        running: dict[Any, list[Part]] = {}
        while running or (tasks and not guard.is_stopped()):
            # beyond what is running a task waits at each worker, so that none is idle until the driver hears of it
            n_at_once = self.n_workers if self._most is not None else 2 * self.n_workers
            while tasks and len(running) < n_at_once and not guard.is_stopped():
                task = tasks.popleft()
                parts = [part.cohort for part in task]
                running[self._remote.remote(recipe, parts, sources_digest())] = task
            # Python hears of Ctrl-C between two calls: of two within one call as if there had been one
            for reference in self._ray.wait(list(running), num_returns=1, timeout=0.1)[0]:
                task = running.pop(reference)
                done = self._result(reference, task)
                for broken in done.broken:
                    guard.on_broken(broken)
                yield task, done

    def _tasks(self, engine: Engine, cohorts: Sequence[NetworkCohort]) -> Iterator[list[Part]]:
        """Parts of cohorts that together train for about a second; less, where that keeps every worker busy."""
        scale = self._task_seconds / self._expected_seconds if self._task_seconds > task_seconds else 1.0
        seconds = [scale * run_seconds(cohort.configuration, engine.name) for cohort in cohorts]
        total = sum(s * len(cohort) for s, cohort in zip(seconds, cohorts, strict=True))
        size = min(task_seconds, total / (4 * self.n_workers))  # four for each worker, that they end together
        task: list[Part] = []
        room = size
        for place, cohort in enumerate(cohorts):
            first = 0
            while first < len(cohort):
                n_pieces = max(1, round(room / seconds[place] / engine.piece_size))
                part = cohort.part(slice(first, first + n_pieces * engine.piece_size))
                task.append(Part(place, part))
                first += len(part)
                room -= seconds[place] * len(part)
                if room < seconds[place] * engine.piece_size / 2:
                    yield task
                    task, room = [], size
        if task:
            yield task

    def _result(self, reference: Any, task: Sequence[Part]) -> Done:
        """What a task came to; where it was begun again and again, its runs are broken."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise ExecutorError(
                f"Ray: a task failed: {reason}\n"
                "  the same xor-sweep must be installed on every node, for the same Python"
            ) from None
        except errors.RayError as error:
            told = f"{type(error).__name__}: {error}"
            cohorts = [part.cohort for part in task]
            broken = [Broken(c.configuration.id, tuple(c.seeds.tolist()), told) for c in cohorts]
            return Done([Kept(c.configuration.id, no_runs, []) for c in cohorts], broken, 0.0, True)

    def _count(self, engine: Engine, task: Sequence[Part], done: Done) -> None:
        self._n_tasks += 1
        self._busy_seconds += done.seconds
        if not done.is_first:  # that one loaded the kernel too
            self._task_seconds += done.seconds
            self._expected_seconds += sum(
                run_seconds(part.cohort.configuration, engine.name) * len(part.cohort) for part in task
            )


def _library() -> Any:
    """Ray, imported when it is asked for."""
    try:
        import ray
    except ImportError:
        raise ExecutorError("--ray needs Ray: pip install 'xor-sweep[ray]'") from None
    return ray


def _check_reachable(address: str) -> None:
    """Raise `ExecutorError` where nothing answers at once; Ray itself would wait for it."""
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdigit() or not 0 < int(port) < 2**16:
        allowed = "allowed: local (starts Ray here), auto (a cluster this machine belongs to), HOST:PORT of a head node"
        raise ExecutorError(f"--ray: found {address}; {allowed}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), connect_seconds).close()
    except OSError as error:
        raise ExecutorError(
            f"--ray {address}: nothing answers there ({error.strerror or error}); ray start --head on the first node "
            "prints the address"
        ) from None


def _environment(address: str) -> dict[str, str]:
    """Settings that Ray takes from the environment; those that are there already stay."""
    quiet = {"RAY_BACKEND_LOG_LEVEL": "fatal"}  # this process's messages are few and for people
    if address != "local":
        return quiet | {"RAY_NUM_REDIS_GET_RETRIES": "1"}  # one wait of 40 s for something that is no Ray
    # with a token of its own it leaves none in the user's home; without other nodes it listens on 127.0.0.1 only
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    return quiet | alone | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _check_room(ray: Any, limits: Limits) -> None:
    """Raise `ExecutorError` where no node has what a run takes; one of a core may wait for nodes that come."""
    if limits.cores == 1 and not limits.gpus:
        return
    there = [node.get("Resources", {}) for node in ray.nodes() if node["Alive"]]
    if not any(r.get("CPU", 0) >= limits.cores and r.get("GPU", 0) >= limits.gpus for r in there):
        has = "; ".join(f"cores {r.get('CPU', 0):g}, gpus {r.get('GPU', 0):g}" for r in there)
        asked = f"found cores {limits.cores}, gpus {limits.gpus:g} for each run"
        raise ExecutorError(f"--ray: {asked}; allowed: what a node has, {has}")


@contextmanager
def connected(
    address: str,
    workers: int | None = None,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Generator[Cluster]:
    """A Ray cluster, on which at most `workers` tasks go on at a time; the connection ends with the block.

    `address`: `local` starts Ray on this machine, and ends it; `auto` or `HOST:PORT` is a cluster that runs. limits: of
    a run, cores and GPUs. Raises `ExecutorError` where there is none, or no node of it has room for a run.
    """
    if address not in ("local", "auto"):
        _check_reachable(address)
    for name, value in _environment(address).items():  # read when Ray is imported
        os.environ.setdefault(name, value)
    ray = _library()
    if ray.is_initialized():
        raise ExecutorError("--ray: this process is connected to Ray already; end that with ray.shutdown() first")
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "error"}
    if address == "local":
        n_cores = (workers * limits.cores) if workers else available_cores()
        settings |= {"num_cpus": n_cores, "include_dashboard": False, "object_store_memory": object_store_bytes}
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ExecutorError(f"--ray {address}: no Ray cluster can be used there: {reason}") from None
    try:
        _check_room(ray, limits)
        yield Cluster(ray, workers, limits)
    finally:
        ray.shutdown()
