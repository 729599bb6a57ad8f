"""The process that trains: cohorts from standard input, answers to standard output, until its input ends.

Its only argument is the device. Whatever a library prints goes to standard error.
"""

import os
import pickle
import resource
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from sweep.networks.measurements import NetworkCohort
from sweep.training.engine import EngineError
from sweep.training.fused.process import Answer
from sweep.training.fused.trainer import Trainer

# what getrusage counts in: kilobytes, but bytes on macOS
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024


class Server:
    """Answers cohorts, each on a thread of its own: whoever asks decides how many there are at once."""

    def __init__(self, device: str, answers: BinaryIO) -> None:
        self._device = device
        self._answers = answers
        self._lock = threading.Lock()
        self._trainer: Trainer | None = None

    def begin(self) -> None:
        """Import the backend, and say whether it can be used."""
        try:
            self._trainer = Trainer(self._device)
            self._send(0)
        except EngineError as error:
            self._send(0, refusal=str(error))

    def train(self, number: int, cohort: NetworkCohort) -> None:
        """Train a cohort and send what was measured, or the traceback."""
        assert self._trainer is not None
        try:
            measured = self._trainer.train(cohort)
        except Exception:  # whatever it is, the other process raises it
            self._send(number, error=traceback.format_exc())
        else:
            self._send(number, measurements=measured)

    def _send(self, number: int, **fields: Any) -> None:
        n_programs = self._trainer.n_programs if self._trainer else 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
        with self._lock:
            pickle.dump((number, Answer(n_programs, peak, **fields)), self._answers, pickle.HIGHEST_PROTOCOL)
            self._answers.flush()


def main() -> None:
    """Serve until the input ends, which it does too when the asking process dies."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = Server(sys.argv[1], answers)
    pool = ThreadPoolExecutor(max_workers=1024, thread_name_prefix="train")
    server.begin()
    while True:
        try:
            number, cohort = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # nobody waits for what is still in training
        pool.submit(server.train, number, cohort)


if __name__ == "__main__":
    main()
