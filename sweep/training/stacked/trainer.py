"""Models that a function builds, all seeds of a configuration at once, as a trainer: the side that asks."""

import functools
import hashlib
import importlib.util
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sweep.runs.cohort import Cohort, Seeds
from sweep.runs.endings import max_told
from sweep.runs.settings import Settings
from sweep.training import functions
from sweep.training.child import ProcessEnded, Processes, TrainingError
from sweep.training.engine import EngineError
from sweep.training.keras.built import Job, Probe
from sweep.training.keras.marking import keras
from sweep.training.many import in_blocks
from sweep.training.own import Given, checked
from sweep.training.stacked.described import travelling
from sweep.training.stacked.values import Question, Unstackable
from sweep.training.trainer import Guard, Kept, OnCount

largest_whole = 2**31 - 1  # JAX's whole numbers have 32 bits


@functools.cache
def processes(device: str) -> Processes:
    """The process that trains on a device, for all calls here: what it compiled for one serves the next."""
    return Processes("sweep.training.stacked", device, "jax")


def why_not(job: Job) -> str | None:
    """Why no model of a job can be trained at once with others, as far as it can be known here; None where it may."""
    if importlib.util.find_spec("jax") is None:
        return "JAX is not installed: pip install 'xor-sweep[jax]'"
    if not hasattr(job.success, "metric"):
        return "success is a function, which is asked of one model at a time"
    if job.policy != "float32" or keras().config.floatx() != "float32":
        return f"Keras computes in {job.policy}"
    whole = [
        leaf for leaf in keras().tree.flatten((job.rows, job.test)) if leaf is not None and leaf.dtype.kind in "iu"
    ]
    if any(np.abs(leaf.astype(np.float64)).max() > largest_whole for leaf in whole):
        return "the data have whole numbers of more than 32 bits"
    return None


@dataclass
class StackedTrainer:
    """Trains the models of a job, all seeds of a configuration at once. `is_threaded`, `title`: see `Trainer`."""

    job: Job
    device: str = "cpu"
    is_threaded: bool = field(default=False, init=False)
    _contents: dict[str, bytes] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"stacked function {functions.name_of(self.job.build)}"

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.name

    @property
    def n_programs(self) -> int:
        """Programs compiled so far."""
        return processes(self.device).n_programs

    def close(self) -> None:
        """Keep the process: the next call of this program may ask it again."""

    def try_out(self, settings: Mapping[str, Any], seeds: Seeds) -> Probe | str:
        """Whether the models of a configuration can be trained at once, and how fast; or why they cannot."""
        try:
            return self._answer(settings, seeds, is_trial=True)
        except (TrainingError, EngineError, Unstackable) as error:
            return str(error).strip().splitlines()[-1]

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Make the runs of cohorts; see `Trainer`."""
        return in_blocks(cohorts, self._made, on_count, guard)

    def _made(self, block: Cohort[Settings]) -> list[Given]:
        """What the runs of a block came to; of a process that ended on the way, those of its halves."""
        settings, metric = block.configuration.values, block.success.metric
        try:
            given: list[Given] = self._answer(settings, block.seeds)
        except ProcessEnded as error:
            if len(block) > 1:
                half = len(block) // 2
                return [*self._made(block.part(slice(half))), *self._made(block.part(slice(half, None)))]
            given = [Given(outcome="crashed", told=str(error))]
        except (TrainingError, Unstackable) as error:
            given = [Given(outcome="crashed", told=str(error)[-max_told:])] * len(block)
        return [checked(one, metric, settings) for one in given]

    def _answer(self, settings: Mapping[str, Any], seeds: Seeds, *, is_trial: bool = False) -> Any:
        key = json.dumps(settings, sort_keys=True)
        if key not in self._contents:
            self._contents[key] = pickle.dumps(travelling(self.job, settings, seeds))
        question = Question(self._contents[key], settings, seeds, is_trial)
        program = hashlib.sha256(self._contents[key] + key.encode()).hexdigest()
        asked = processes(self.device)
        try:
            return asked.train(question, frozenset({program}))
        except KeyboardInterrupt:
            asked.close()  # or it would go on with what nobody waits for
            raise
