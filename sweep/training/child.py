"""The process that trains, from the side that asks.

XLA keeps every program that it compiled for the life of its process, some tens of megabytes each, and nothing gives
them back. So programs live in a process of their own, which is replaced when it has grown: a sweep of any number of
programs needs bounded memory. It is a fresh interpreter, not a copy of this one: nothing of the caller's runs in it.
"""

import atexit
import contextlib
import functools
import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sweep.training.engine import EngineError

# by how much a process may grow after its first training before it is replaced, in bytes
MAX_GROWTH = 1 << 30


class TrainingError(RuntimeError):
    """An exception in the process that trains, whose traceback is the text, or that process's end."""


class ProcessEnded(TrainingError):
    """The process that trains ended before it answered."""


@dataclass(frozen=True)
class Answer:
    """What the process that trains sends, of its start or of what it was asked: what came of it, or why nothing did.

    error: a traceback; refusal: why nothing can be trained at all; end: how the process ended. n_programs: compiled so
    far; peak_bytes: the largest resident size so far.
    """

    n_programs: int
    peak_bytes: int
    value: Any = None
    error: str | None = None
    refusal: str | None = None
    end: str | None = None


class TrainingProcess:
    """One process that trains, several things at once. It ends when it is closed, or when this process ends.

    module: what it runs, a `serve` of `sweep.training.serving`; backend: Keras's there.
    """

    def __init__(self, module: str, device: str, backend: str) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": backend}
        if device == "gpu":  # sums there have no order of their own
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for the process that asks
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._end: Answer | None = None
        self._first_bytes = self._peak_bytes = 0
        self.n_programs = 0
        self.asked: set[Hashable] = set()
        self._start = self._expect(next(self._numbers))
        threading.Thread(target=self._read, daemon=True).start()
        atexit.register(self.close)

    @property
    def has_ended(self) -> bool:
        """Whether it answers nobody any more."""
        return self._end is not None

    @property
    def has_grown(self) -> bool:
        """Whether it is time for another process."""
        return self._peak_bytes - self._first_bytes > MAX_GROWTH

    def wait_until_started(self) -> None:
        """Raise `EngineError` where its backend or device cannot be used."""
        _raise(self._start.result())

    def train(self, asked: Any) -> Any:
        """What came of it there, of a cohort measurements. Raises `EngineError`, `TrainingError`."""
        self.wait_until_started()
        answer = self._ask(asked).result()
        _raise(answer)
        self._peak_bytes = max(self._peak_bytes, answer.peak_bytes)
        self._first_bytes = self._first_bytes or answer.peak_bytes
        return answer.value

    def close(self) -> None:
        """End it, whatever it is at, and wait for its end."""
        atexit.unregister(self.close)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _expect(self, number: int) -> Future[Answer]:
        self._waiting[number] = Future()
        return self._waiting[number]

    def _ask(self, asked: Any) -> Future[Answer]:
        assert self._process.stdin is not None
        with self._lock:
            number = next(self._numbers)
            answer = self._expect(number)
            if self._end is not None:
                answer.set_result(self._end)
                return answer
            with contextlib.suppress(OSError):  # where it has ended, whoever reads finds that out
                pickle.dump((number, asked), self._process.stdin, pickle.HIGHEST_PROTOCOL)
                self._process.stdin.flush()
        return answer

    def _read(self) -> None:
        """Hand every answer to whoever waits for it, until there are no more."""
        assert self._process.stdout is not None
        with self._process.stdout as answers, contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                number, answer = pickle.load(answers)
                self.n_programs = answer.n_programs
                self._waiting.pop(number).set_result(answer)
        code = self._process.wait()
        told = f"the process that trains ended with code {code}; it may have needed more memory than there is"
        with self._lock:
            self._end = Answer(self.n_programs, 0, end=told)
            for waiting in self._waiting.values():
                waiting.set_result(self._end)


def _raise(answer: Answer) -> None:
    """Raise what an answer says went wrong."""
    if answer.refusal is not None:
        raise EngineError(answer.refusal)
    if answer.error is not None:
        raise TrainingError(answer.error)
    if answer.end is not None:
        raise ProcessEnded(answer.end)


class Processes:
    """The process that trains now, replaced when it has grown and another program is needed, or when it has ended."""

    def __init__(self, module: str, device: str, backend: str) -> None:
        self._start = functools.partial(TrainingProcess, module, device, backend)
        self._turn = threading.Condition()
        self._now: TrainingProcess | None = None
        self._n_running = 0
        self._n_programs_before = 0

    @property
    def n_programs(self) -> int:
        """Programs compiled so far, by all of them."""
        return self._n_programs_before + (self._now.n_programs if self._now else 0)

    def wait_until_started(self) -> None:
        """Raise `EngineError` where backend or device cannot be used."""
        process = self._enter(frozenset())
        try:
            process.wait_until_started()
        finally:
            self._leave()

    def train(self, asked: Any, programs: frozenset[Hashable]) -> Any:
        """Train what is asked, for which these programs are needed; see `TrainingProcess.train`."""
        process = self._enter(programs)
        try:
            return process.train(asked)
        finally:
            self._leave()

    def close(self) -> None:
        """End the process, whatever it is at; the next question starts another."""
        with self._turn:
            if self._now is not None:
                self._n_programs_before = self.n_programs
                self._now.close()
                self._now = None

    def _enter(self, programs: frozenset[Hashable]) -> TrainingProcess:
        """The process to ask; a new one is started when nobody waits for the old one any more."""
        with self._turn:
            self._turn.wait_for(lambda: self._n_running == 0 or not self._is_over(programs))
            if self._now is None or self._is_over(programs):
                self._n_programs_before = self.n_programs
                if self._now is not None:
                    self._now.close()
                self._now = self._start()
            self._now.asked |= programs
            self._n_running += 1
            return self._now

    def _leave(self) -> None:
        with self._turn:
            self._n_running -= 1
            self._turn.notify_all()

    def _is_over(self, programs: frozenset[Hashable]) -> bool:
        """Whether the process now cannot be asked for these programs."""
        now = self._now
        return now is None or now.has_ended or (now.has_grown and not programs <= now.asked)
