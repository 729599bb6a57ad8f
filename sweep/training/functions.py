"""A Python function as a trainer: each run in a process of its own group, which a crash or a limit ends alone.

Functions travel by their import path, so that a process can have them; a function of a notebook or a closure is called
in this process, without limits.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from sweep.runs.errors import SettingError
from sweep.training.own import Given, RunByRun, given_of, max_told

Function = Callable[[Mapping[str, Any], int], object]

lost_exit_code = 75  # EX_TEMPFAIL: as a program says that another try may do
unguarded_exit_code = 73  # of a process that ran the script itself instead of what it was started for
unguarded = 'it ran the script that called; allowed: in a script, the call under if __name__ == "__main__":'
# what ends a process from outside; other signals are its own doing
from_outside = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
seconds_to_die = 2.0


def end_where_imported() -> None:
    """End a process of ours that runs the script that called; the one that started it says what to do."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing asks it itself
        sys.exit(unguarded_exit_code)


class Lost(Exception):
    """Raised by a function of one's own: the run came to nothing for a reason that is none of its own. Tried again."""


class _Worker(NamedTuple):
    process: BaseProcess
    connection: Connection


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


def as_trainer(function: Function, *, timeout: float | None = None, retries: int = 1) -> RunByRun:
    """A function of settings and a seed as a trainer.

    It returns a number, true or false, or a mapping of numbers by name. `timeout`: seconds of one run. Raises
    `SettingError` for a limit on a function that no other process can have.
    """
    name, reason = f"function {name_of(function)}", why_not_elsewhere(function)
    if reason is None:
        workers = _Workers(function, timeout)
        return RunByRun(name, workers.make, workers.close, retries)
    if timeout is not None:
        raise SettingError(("timeout",), f"found {timeout:g} s, but {name} {reason}", "allowed: none")
    return called_here(function, retries)


def called_here(function: Function, retries: int = 1) -> RunByRun:
    """A function of settings and a seed as a trainer that calls it in this process, without limits."""

    def make(settings: Mapping[str, Any], seed: int, metric: str) -> Given:
        return _call(function, settings, seed, metric)

    return RunByRun(f"function {name_of(function)}", make, lambda: None, retries, is_threaded=False)


def _call(function: Function, settings: Mapping[str, Any], seed: int, metric: str) -> Given:
    """What one call of a function came to."""
    try:
        return given_of(function(settings, seed), metric)
    except Lost as error:
        return Given(outcome="lost", told=str(error))
    except Exception:  # whatever the user's function raises is how that run ended
        return Given(outcome="crashed", told=traceback.format_exc()[-max_told:])


class _Workers:
    """Processes that call a function, one for each thread that asks."""

    def __init__(self, function: Function, timeout: float | None) -> None:
        self._function = function
        self._timeout = timeout
        self._by_thread: dict[int, _Worker] = {}
        self._context = multiprocessing.get_context("spawn")

    def make(self, settings: Mapping[str, Any], seed: int, metric: str) -> Given:
        """What a run came to in this thread's process."""
        thread = threading.get_ident()
        worker = self._by_thread.get(thread) or self._start()
        self._by_thread[thread] = worker
        try:
            worker.connection.send((settings, seed, metric))
            if worker.connection.poll(self._timeout):
                return worker.connection.recv()
            given = Given(outcome="timeout", told=f"ended after {self._timeout:g} s")
        except (EOFError, ConnectionError):
            worker.process.join(seconds_to_die)
            given = _death(worker.process.exitcode)
        _end(self._by_thread.pop(thread))
        return given

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, self._function), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)

    def close(self) -> None:
        """End every process."""
        while self._by_thread:
            _end(self._by_thread.popitem()[1])


def _end(worker: _Worker) -> None:
    """End a process and what it started: asked first, then killed."""
    worker.connection.close()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid or 0, sign)
        if sign == signal.SIGTERM:
            worker.process.join(seconds_to_die)
    worker.process.kill()  # where it died, or had not begun, before it had a group of its own
    worker.process.join()
    worker.process.close()


def _death(exit_code: int | None) -> Given:
    """What the end of a process says of the run that was in it."""
    if exit_code is None or exit_code == lost_exit_code or -exit_code in from_outside:
        how = "ended from outside" if exit_code != lost_exit_code else f"exit code {lost_exit_code}"
        return Given(outcome="lost", told=how)
    if exit_code == unguarded_exit_code:
        return Given(outcome="crashed", told=unguarded)
    own = f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
    return Given(outcome="crashed", told=own)


def _serve(connection: Connection, function: Function) -> None:
    """Call the function for whoever asks, until nobody does."""
    os.setsid()  # what it starts ends with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin = open(os.devnull)  # noqa: SIM115  (open as long as the process is)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            settings, seed, metric = connection.recv()
            connection.send(_call(function, settings, seed, metric))
