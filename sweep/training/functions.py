"""A Python function as a trainer: each run in a process of its own group, which a crash or a limit ends alone.

Functions travel by their import path, so that a process can have them; a function of a notebook or a closure is called
in this process, without limits of time and memory. One that yields gives its curve as it goes, and may be given up.
"""

import contextlib
import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import Any, cast

from sweep.runs.endings import max_told
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits, Stop
from sweep.training import processes
from sweep.training.own import Given, RunByRun, given_of, given_up, numbers_of
from sweep.training.threads import available_cores

Function = Callable[[Mapping[str, Any], int], object]


def end_where_imported() -> None:
    """End a process of ours that runs the script that called; the one that started it says what to do."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing asks it itself
        sys.exit(processes.unguarded_exit_code)


class Lost(Exception):
    """Raised by a function of one's own: the run came to nothing for a reason that is none of its own. Tried again."""


def why_not_elsewhere(function: Callable[..., object]) -> str | None:
    """Why another process cannot have a function, in words that follow its name; None where it can."""
    if getattr(function, "__module__", "") == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        return "is defined in a notebook or at a prompt, where another process cannot import it"
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError):
        return "is no function at the head of a module, so another process cannot import it"
    return None


def name_of(function: Any) -> str:
    """A function's name, or that of the class of something that is called like one."""
    return str(getattr(function, "__name__", type(function).__name__))


def as_trainer(function: Function, limits: Limits, n_workers: int) -> RunByRun:
    """A function of settings and a seed as a trainer, for as many workers as there will be.

    It returns a number, true or false, or a mapping of numbers by name. Raises `SettingError` for limits on a function
    that no other process can have, and for a rule on the curve of one that gives it when all is over.
    """
    name, reason = f"function {name_of(function)}", why_not_elsewhere(function)
    if limits.stop is not None and not _yields(function):
        found = f"found {limits.stop}, but {name} gives its curve at its end"
        raise SettingError(("limits", "stop"), found, "allowed: none, or a function that yields its points")
    processes.check_memory_limit(limits.memory)
    if reason is None:
        workers = _Workers(function, limits, max(1, available_cores() // n_workers))
        recipe = None if function.__module__ == "__main__" else FunctionRecipe(function, limits)
        return RunByRun(name, workers.make, workers.end, limits.retries, recipe=recipe)
    for limit in ("timeout", "memory"):
        if getattr(limits, limit) is not None:
            found = f"found {getattr(limits, limit):g}, but {name} {reason}"
            raise SettingError(("limits", limit), found, "allowed: none")
    return called_here(function, limits)


def called_here(function: Function, limits: Limits = Limits()) -> RunByRun:  # noqa: B008  (frozen)
    """A function of settings and a seed as a trainer that calls it in this process, which no run can end."""

    def make(settings: Mapping[str, Any], seed: int, metric: str) -> Given:
        return _call(function, settings, seed, metric, limits.stop)

    return RunByRun(f"function {name_of(function)}", make, lambda: None, limits.retries, is_threaded=False)


def _yields(function: Any) -> bool:
    """Whether a function, or what is called like one, gives its points as it goes."""
    return any(inspect.isgeneratorfunction(x) for x in (function, type(function).__call__))


@dataclass(frozen=True)
class FunctionRecipe:
    """What another machine makes a function's trainer of; it imports the function's module."""

    function: Function
    limits: Limits

    def make(self) -> RunByRun:
        """The trainer, for one worker of several."""
        return as_trainer(self.function, self.limits, max(1, available_cores() // self.limits.cores))


def _call(function: Function, settings: Mapping[str, Any], seed: int, metric: str, stop: Stop | None) -> Given:
    """What one call of a function came to."""
    started = perf_counter()
    try:
        value = function(settings, seed)
        is_yielding = inspect.isgenerator(value)
        given = _given_by_points(value, metric, stop) if is_yielding else given_of(value, metric)
    except Lost as error:
        given = Given(outcome="lost", told=str(error))
    except Exception:  # whatever the user's function raises is how that run ended
        given = Given(outcome="crashed", told=traceback.format_exc()[-max_told:])
    return replace(given, seconds=perf_counter() - started)


def _given_by_points(points: Generator[object, Any, object], metric: str, stop: Stop | None) -> Given:
    """What a function gave that yields its points: what it returns at the end, without that its last point."""
    curve: list[tuple[float, Mapping[str, float]]] = []
    while True:
        try:
            value = next(points)
        except StopIteration as end:
            given = Given(curve[-1][1] if curve else {}) if end.value is None else given_of(end.value, metric)
            return replace(given, curve=given.curve or curve)
        own = dict(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else {metric: value}
        step = numbers_of({"step": own.pop("step", len(curve) + 1)}, metric)["step"]
        curve.append((step, numbers := numbers_of(own, metric)))
        if stop is not None and stop.judges(step, numbers):
            if stop.holds(numbers):
                points.close()
                return Given(numbers, "missed", f"{given_up}: {stop}", curve=curve)
            stop = None  # it looks once


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    is_new: bool = True

    @property
    def pid(self) -> int:
        """The number of the process, and of its group."""
        return self.process.pid or 0


class _Workers:
    """Processes that call a function: one for each thread that asks, kept for the next call."""

    def __init__(self, function: Function, limits: Limits, n_threads: int) -> None:
        self._function = pickle.dumps(function)
        self._limits = limits
        self._n_threads = n_threads
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
        self._context = multiprocessing.get_context("spawn")

    def make(self, settings: Mapping[str, Any], seed: int, metric: str) -> Given:
        """What a run came to, in a process that is idle, or a new one."""
        with self._lock:
            worker = self._idle.pop() if self._idle else self._start()
            self._busy.add(worker)
        started, timeout = perf_counter(), self._limits.timeout
        given: Given | None = None
        is_usable = False
        try:
            given = worker.connection.recv() if worker.is_new else None  # why it has no function, if it has none
            if given is None:  # how long it took to import it is no part of a run
                worker.is_new, started = False, perf_counter()
                worker.connection.send((settings, seed, metric))
                is_usable = worker.connection.poll(timeout)
                told = f"ended after {timeout or 0:g} s"
                given = worker.connection.recv() if is_usable else Given(outcome="timeout", told=told)
        except (EOFError, ConnectionError):
            given, is_usable = None, False
        with self._lock:
            self._busy.discard(worker)
            if is_usable:
                self._idle.append(worker)
        exit_code = None if is_usable else _end(worker)
        if given is None:
            given = Given({}, *processes.death(exit_code))
        return given if is_usable else replace(given, seconds=perf_counter() - started)

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        mark = processes.new_mark()
        arguments = (there, self._function, self._limits, mark)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)
        with processes.environment(processes.thread_settings(self._n_threads)):
            process.start()
        there.close()
        worker = _Worker(process, here)
        processes.note_group(worker.pid, mark)
        return worker

    def end(self) -> None:
        """End every process; those that are busy by the thread that waits for each."""
        with self._lock:
            idle, self._idle = self._idle, []
            for worker in self._busy:
                processes.signal_group(worker.pid, signal.SIGKILL)
        for worker in idle:
            _end(worker)


def _end(worker: _Worker) -> int | None:
    """End a process and what it started, asked first, then killed; its exit code, where it had ended by itself."""
    worker.connection.close()
    has_ended = wait([worker.process.sentinel], processes.seconds_to_settle)
    if not has_ended:
        processes.signal_group(worker.pid, signal.SIGTERM)
        wait([worker.process.sentinel], processes.seconds_to_die)
    processes.forget_group(worker.pid)
    worker.process.join()
    exit_code = worker.process.exitcode
    worker.process.close()
    return exit_code


def _serve(connection: Connection, content: bytes, limits: Limits, mark: Mapping[str, str]) -> None:
    """Call the function for whoever asks, until nobody does."""
    os.setsid()  # what it starts ends with it
    os.environ.update(mark)
    processes.limit_memory(0, limits.memory)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin = open(os.devnull)  # noqa: SIM115  (open as long as the process is)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            function: Function = pickle.loads(content)
        except Exception:  # whatever its module raises is why no run of it can be made
            connection.send(Given(outcome="crashed", told=traceback.format_exc()[-max_told:]))
            return
        connection.send(None)
        while True:
            settings, seed, metric = connection.recv()
            connection.send(_call(function, settings, seed, metric, limits.stop))
