"""The process that trains, from its own side: what is asked from standard input, answers to standard output.

It ends when its input does. Its only argument is the device. Whatever a library prints goes to standard error.
"""

import os
import pickle
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Protocol

from sweep.training.child import Answer
from sweep.training.engine import EngineError

# what getrusage counts in: kilobytes, but bytes on macOS
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024


class Trains(Protocol):
    """What trains in this process: of what is asked, what came of it."""

    @property
    def n_programs(self) -> int:
        """Programs compiled so far."""
        ...

    def train(self, asked: Any, /) -> Any:
        """What came of what was asked."""
        ...


class Server:
    """Answers each question on a thread of its own: whoever asks decides how many there are at once."""

    def __init__(self, begin: Callable[[str], Trains], device: str, answers: BinaryIO) -> None:
        self._begin = begin
        self._device = device
        self._answers = answers
        self._lock = threading.Lock()
        self._trainer: Trains | None = None

    def begin(self) -> None:
        """Import the backend, and say whether it can be used."""
        try:
            self._trainer = self._begin(self._device)
            self._send(0)
        except EngineError as error:
            self._send(0, refusal=str(error))

    def train(self, number: int, asked: Any) -> None:
        """Train what is asked and send what came of it, or the traceback."""
        assert self._trainer is not None
        try:
            value = self._trainer.train(asked)
        except Exception:  # whatever it is, the other process raises it
            self._send(number, error=traceback.format_exc())
        else:
            self._send(number, value=value)

    def _send(self, number: int, **fields: Any) -> None:
        n_programs = self._trainer.n_programs if self._trainer else 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
        with self._lock:
            pickle.dump((number, Answer(n_programs, peak, **fields)), self._answers, pickle.HIGHEST_PROTOCOL)
            self._answers.flush()


def serve(begin: Callable[[str], Trains]) -> None:
    """Serve until the input ends, which it does too when the asking process dies.

    begin: imports the backend and gives what trains on a device. Raises `EngineError` where it cannot.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = Server(begin, sys.argv[1], answers)
    pool = ThreadPoolExecutor(max_workers=1024, thread_name_prefix="train")
    server.begin()
    while True:
        try:
            number, asked = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # nobody waits for what is still in training
        pool.submit(server.train, number, asked)
