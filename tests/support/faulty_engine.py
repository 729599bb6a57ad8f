"""An engine that raises where a test says so."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest

import sweep
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.results.results import Results
from sweep.training import choice
from sweep.training.native import NativeEngine


class FaultyEngine:
    """The native engine, but `fault` may raise for a cohort before it is trained."""

    def __init__(self, fault: Callable[[NetworkCohort], None]) -> None:
        self._engine = NativeEngine()
        self.name, self.device, self.piece_size = "native", "cpu", self._engine.piece_size
        self.is_threaded = self._engine.is_threaded
        self.n_programs = self._engine.n_programs
        self._fault = fault

    def programs(self, configuration: Any, n_models: int) -> frozenset[Hashable]:
        return frozenset()

    def refusal(self, configuration: Any) -> None:
        return None

    def train(self, cohort: NetworkCohort) -> Measurements:
        self._fault(cohort)
        return self._engine.train(cohort)


def run_faulty(path: Path, out: Path, fault: Callable[[NetworkCohort], None], patch: pytest.MonkeyPatch) -> Results:
    with patch.context() as patched:
        patched.setattr(choice, "choose", lambda *_: FaultyEngine(fault))
        return sweep.run(path, out)
