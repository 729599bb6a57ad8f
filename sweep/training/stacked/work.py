"""Training in this process: models built, stacked and compiled, blocks of seeds through them."""

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweep.networks.snapshots import snapshot_epochs
from sweep.runs.errors import SettingError
from sweep.training.fused.trainer import backend
from sweep.training.keras.built import Job, Probe, Seen, describe, ended, n_trained, of_training
from sweep.training.keras.marking import hidden, marking
from sweep.training.own import Given
from sweep.training.stacked.initial import Source, in_one_program, noted, sources
from sweep.training.stacked.models import build_each, check, leave_tensorflow_out, ready, state_of, structure
from sweep.training.stacked.program import Data, State, Training, recorded_at_once
from sweep.training.stacked.values import Question, Unstackable
from sweep.training.threads import physical_memory

# a training that would take longer is measured the other way too: one model after the other inside the program
seconds_worth_comparing = 20.0
n_timed_epochs = 2
# models that would take longer to be built get their initial values from a program
seconds_worth_a_program = 2.0
share_of_memory = 0.5


@dataclass(frozen=True)
class Compiled:
    """A program for so many models, and one that looks at them before and after; seconds of an epoch."""

    n_models: int
    train: Any
    look: Any
    seconds: float


class Prepared:
    """One configuration's models: the first of them, and what is compiled for how many."""

    def __init__(self, job: Job, settings: Any, seeds: Sequence[int], device: Any) -> None:
        self.job, self.settings, self._device = job, settings, device
        self.epochs, self.batch_size = (settings[name] for name in of_training)
        self.model = _first(job, settings, seeds)
        check(self.model)
        start = time.perf_counter()
        _first(job, settings, seeds)  # now nothing of it is compiled for the first time
        self._seconds_to_build = time.perf_counter() - start
        self.structure = structure(self.model)
        test = None if job.test is None else self._data(job.test)
        training = Training(self.model, self._data(job.rows), test, self.batch_size, hidden(self.model))
        self.training = training.named(_lists(state_of(self.model)))
        self._programs: dict[int, Compiled] = {}
        self.most = recorded_at_once
        self.is_apart: bool | None = None
        self._initial: Callable[[Sequence[int]], list[State]] | None = None

    @property
    def n_programs(self) -> int:
        """Programs compiled so far."""
        return len(self._programs)

    def _data(self, parts: tuple[Any, ...]) -> Data:
        state = state_of(self.model)
        answers, _ = jax.eval_shape(self.model.predict_step, (state.trained, state.others), (parts[0],))
        shown = np.zeros(answers.shape, np.float32) if hasattr(answers, "shape") else answers
        return Data(parts, marking(self.model, parts[1], shown))

    def program(self, n: int) -> Compiled:
        """The program for `n` models: the smallest that is compiled and not far too large, else a new one.

        Raises `Unstackable` where a model cannot be traced, `MemoryError` where so many do not fit.
        """
        fitting = [size for size in self._programs if n <= size <= 2 * n]
        if not fitting:
            self._programs[n] = self._compiled(n)
        return self._programs[min(fitting, default=n)]

    def _compiled(self, n: int) -> Compiled:
        state = jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a), (n, *a.shape)), _lists(state_of(self.model)))
        seeds = jnp.zeros(n, jnp.uint32)
        chosen = self._timed(n, state, seeds, is_apart=bool(self.is_apart))
        if self.is_apart is None:
            other = None
            if chosen.seconds * self.epochs > seconds_worth_comparing:
                other = self._timed(n, state, seeds, is_apart=True)
            self.is_apart = other is not None and other.seconds < chosen.seconds
            chosen = other if other is not None and self.is_apart else chosen
        return chosen

    def _timed(self, n: int, state: State, seeds: Any, *, is_apart: bool) -> Compiled:
        """A program, compiled and timed; `is_apart`: with one model after the other in it."""
        arguments = (state, seeds, self.training.rows, 0, n_timed_epochs, self.epochs)
        spread = _apart if is_apart else _together
        train, look = (self._on_rows(f) for f in (Training.__call__, lambda training, state, _: training.look(state)))
        try:
            lowered = jax.jit(spread(train)).lower(*arguments)
        except Exception as error:  # a layer of anybody's may raise anything where it is traced
            raise Unstackable(f"JAX cannot trace the model: {_in_a_line(error)}") from error
        compiled = lowered.compile()
        needed = compiled.memory_analysis()
        if needed is not None and n > 1:
            total = needed.temp_size_in_bytes + needed.argument_size_in_bytes + needed.output_size_in_bytes
            if total > share_of_memory * _memory(self._device):
                raise MemoryError(f"{n} models need {total:,} bytes")
        seconds = float("inf")
        for _ in range(2):
            start = time.perf_counter()
            jax.block_until_ready(compiled(*arguments))
            seconds = min(seconds, (time.perf_counter() - start) / n_timed_epochs)
        return Compiled(n, compiled, jax.jit(spread(look)), seconds)

    def _on_rows(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a training, a state and a seed as one of a state, a seed and the rows."""
        return lambda state, seed, rows, *others: function(self.training.given(rows), state, seed, *others)

    def states(self, seeds: Sequence[int]) -> tuple[list[State], dict[int, Given]]:
        """The states that the models of seeds begin with, and what came of those that cannot be built, by place."""
        if self._initial is None and self._seconds_to_build * len(seeds) > seconds_worth_a_program:
            self._initial = in_one_program(self._noted, seeds)
        if self._initial is not None:
            return self._initial(seeds), {}
        return build_each(self.job, self.settings, seeds, self.structure)

    def _noted(self, seed: int) -> tuple[State, list[Source | None]]:
        with noted() as initializers:
            model = ready(self.job, self.settings, seed)
        return state_of(model), sources(model, initializers, seed) if structure(model) == self.structure else []

    def run(self, states: Sequence[State], seeds: Sequence[int]) -> list[Given]:
        """What came of these seeds, whose models begin so; in halves where they do not fit the memory."""
        if len(seeds) > self.most:
            size = self.most  # which a piece that does not fit makes smaller
            cuts = [slice(i, i + size) for i in range(0, len(seeds), size)]
            return [given for cut in cuts for given in self.run(states[cut], seeds[cut])]
        try:
            return self._run(states, seeds)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if len(seeds) == 1 or not (isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)):
                raise
        self.most = (len(seeds) + 1) // 2
        return self.run(states, seeds)

    def _run(self, states: Sequence[State], seeds: Sequence[int]) -> list[Given]:
        started = time.perf_counter()
        program = self.program(len(seeds))
        places = np.minimum(np.arange(program.n_models), len(seeds) - 1)  # the last one again where there are fewer
        state = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)[places]), *map(_lists, states))
        given = jnp.asarray(np.array(seeds, np.uint32)[places])
        rows = self.training.rows
        before = program.look(state, given, rows)[1]
        records: list[Any] = []
        for first in range(0, self.epochs + 1, recorded_at_once):
            last = min(first + recorded_at_once, self.epochs + 1)
            state, found = program.train(state, given, rows, first, last, self.epochs)
            records.append(np.asarray(found)[: len(seeds), : last - first])
        answers, after = jax.tree.map(np.asarray, program.look(state, given, rows))
        is_finite = np.all([np.isfinite(a).reshape(len(a), -1).all(axis=1) for a in (*state.trained, *state.others)], 0)
        numbers = self._exact(np.concatenate(records, axis=1).astype(float))
        each = (time.perf_counter() - started) / len(seeds)
        ends = [
            self._ended(
                numbers[i],
                bool(is_finite[i]),
                None if answers is None else answers[i],
                ([np.asarray(on[i]) for on in before], [on[i] for on in after]),
            )
            for i in range(len(seeds))
        ]
        return [replace(given, seconds=each) for given in ends]

    def _exact(self, numbers: Any) -> Any:
        """Numbers `[model, epoch, name]` with shares of right answers as they are beyond the program's precision."""
        for prefix, data in (("", self.training.data), ("test_", self.training.test)):
            if data is not None and data.marks is not None:
                column, n = self.training.names.index(f"{prefix}accuracy"), data.marks.targets.size
                numbers[..., column] = np.round(numbers[..., column] * n) / n
        return numbers

    def _ended(self, numbers: Any, is_finite: bool, answers: Any, on: tuple[list[Any], list[Any]]) -> Given:
        """What came of a model: numbers `[epoch, name]`, answers `[row, ..]`, units on before and after."""
        by_name = dict(zip(self.training.names, numbers.T, strict=True))
        holds = self.job.criterion.holds(by_name[self.job.criterion.metric])
        unlearned = np.flatnonzero(~holds)
        points = [
            (int(epoch), {name: float(column[epoch]) for name, column in by_name.items()})
            for epoch in snapshot_epochs(self.epochs, 1)
        ]
        off = tuple([int((~layer).sum()) for layer in layers] for layers in on)
        units = [len(layer) for layer in on[0]]
        last = int(unlearned[-1]) if len(unlearned) else -1
        seen = Seen(points, last, self.epochs, is_finite, answers, (off[0], off[1], units))
        return ended(self.job, self.model, self.training.data.marks, self.training.layers, seen)


def _first(job: Job, settings: Any, seeds: Sequence[int]) -> Any:
    """The model of the first seed that does not raise."""
    for seed in seeds[:-1]:
        try:
            return ready(job, settings, seed)
        except SettingError:
            raise
        except Exception:  # whatever the user's function raises is how that run will end
            continue
    return ready(job, settings, seeds[-1])


def _together(function: Any) -> Any:
    return lambda state, seeds, *others: jax.vmap(lambda s, seed: function(s, seed, *others))(state, seeds)


def _apart(function: Any) -> Any:
    return lambda state, seeds, *others: jax.lax.map(lambda pair: function(*pair, *others), (state, seeds))


def _lists(state: State) -> State:
    return State(*map(list, state))


def _memory(device: Any) -> float:
    """The memory of the device, in bytes."""
    known = device.memory_stats() or {}
    return float(known.get("bytes_limit", physical_memory()))


def _in_a_line(error: BaseException) -> str:
    """The first line of what an exception says, with its kind."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


class Stacked:
    """Answers questions; see `Question`. Raises `EngineError` where there is no such device."""

    def __init__(self, device: str) -> None:
        backend(device)
        leave_tensorflow_out()
        self._device = jax.devices(device)[0]
        self._prepared: dict[str, Prepared] = {}

    @property
    def n_programs(self) -> int:
        """Programs compiled so far."""
        return sum(prepared.n_programs for prepared in self._prepared.values())

    def train(self, asked: Question) -> Any:
        """The runs of the seeds, `Given`; of a trial its `Probe`, or, where it cannot be, why, as text."""
        with jax.default_device(self._device):
            if not asked.is_trial:
                return self._runs(asked)
            try:
                return self._tried(asked)
            except Exception as error:  # the caller's code or Keras's: in any case these models go another way
                return str(error) if isinstance(error, Unstackable | SettingError) else _in_a_line(error)

    def _of(self, asked: Question) -> Prepared:
        key = hashlib.sha256(asked.job + json.dumps(asked.settings, sort_keys=True).encode()).hexdigest()
        if key not in self._prepared:
            seeds = [int(seed) for seed in asked.seeds]
            self._prepared[key] = Prepared(pickle.loads(asked.job), asked.settings, seeds, self._device)
        return self._prepared[key]

    def _tried(self, asked: Question) -> Probe:
        start = time.perf_counter()
        prepared = self._of(asked)
        n = min(len(asked.seeds), prepared.most)
        while True:
            try:
                program = prepared.program(n)
                break
            except MemoryError:
                prepared.most = n = (n + 1) // 2
        if prepared.job.criterion.metric not in prepared.training.names:
            raise Unstackable(f"{prepared.job.criterion.metric} is no number that it gives")
        n_blocks = -(-len(asked.seeds) // n)
        seconds = program.seconds * prepared.epochs * n_blocks / len(asked.seeds)
        described = getattr(prepared.job.build, "description", None) or describe(prepared.model)
        return Probe(described, n_trained(prepared.model), seconds, time.perf_counter() - start)

    def _runs(self, asked: Question) -> list[Given]:
        prepared = self._of(asked)
        seeds = [int(seed) for seed in asked.seeds]
        states, crashed = prepared.states(seeds)
        built = [seed for place, seed in enumerate(seeds) if place not in crashed]
        ran = iter(prepared.run(states, built) if built else ())
        return [crashed[place] if place in crashed else next(ran) for place in range(len(seeds))]
