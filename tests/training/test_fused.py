"""The fused engine: few programs, memory, devices, backends. What every engine promises is in the contract's tests."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_engine_contract import assert_same_bits
from test_parity import quick

import sweep
from sweep.commands import check as planning
from sweep.commands.run import execute
from sweep.networks import vocabulary
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named
from sweep.report.terminal.progress import describe_plan
from sweep.runs.cohort import Cohort
from sweep.runs.success import above_margin
from sweep.training import child, choice
from sweep.training.child import TrainingError
from sweep.training.engine import EngineError
from sweep.training.executor import Threads
from sweep.training.fused import FusedEngine
from sweep.training.fused.layouts import MAX_UNROLLED, ModelsFirst, ModelsLast, layout_for
from sweep.training.fused.shapes import ProgramShape
from sweep.training.fused.trainer import Trainer, backend
from sweep.training.native import NativeEngine

SETTINGS: Mapping[str, Any] = {"width": 3, "epochs": 4, "dropout": 0.2, "batch_size": 3, "learning_rate": 0.02}


def cohort(n: int = 3, **settings: Any) -> NetworkCohort:
    return Cohort(resolve({**SETTINGS, **settings}), np.arange(n, dtype=np.uint32))


def test_what_differs_at_run_time_only_shares_a_program() -> None:
    engine = FusedEngine()
    engine.train(cohort())
    n = engine.n_programs
    for changed in (
        {"learning_rate": 0.3},
        {"dropout": 0.0},
        {"epochs": 9},
        {"batch_size": 1},
        {"batch_size": "full"},
        {"kernel_initializer": "he_normal"},
        {"encoding": "bipolar"},
        {"task": "and"},
    ):
        engine.train(cohort(3, **changed))
    engine.train(Cohort(resolve(SETTINGS), np.arange(40, 90, dtype=np.uint32), above_margin(0.4)))
    assert engine.n_programs == n
    engine.train(cohort(width=4))
    assert engine.n_programs == n + 1


def test_a_program_is_compiled_once() -> None:
    trainer = Trainer("cpu")
    trainer.train(cohort())
    program = trainer.program(cohort(), 64)
    assert program.n_compiled == 1
    trainer.train(cohort(learning_rate=0.5, epochs=2))
    assert program.n_compiled == 1


def test_a_cohort_that_does_not_fit_the_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer("cpu")
    expected = trainer.train(cohort(70))
    sizes: list[int] = []

    class Exhausted(Exception):
        pass

    train = Trainer._train_piece  # pyright: ignore[reportPrivateUsage]

    def with_little_memory(self: Trainer, piece: NetworkCohort, most: int) -> Any:
        sizes.append(most)
        if most > 64:
            raise Exhausted
        return train(self, piece, most)

    monkeypatch.setattr(Trainer, "_train_piece", with_little_memory)
    monkeypatch.setattr(trainer.backend, "memory_errors", (Exhausted,))
    monkeypatch.setattr(trainer.backend, "is_out_of_memory", lambda error: True)
    assert_same_bits(trainer.train(cohort(70)), expected)
    assert sizes == [256, 128, 64, 64]


def test_a_process_that_has_grown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the next cohort needs another program; the bits and the count of programs go on."""
    engine = FusedEngine()
    expected = [engine.train(cohort()), engine.train(cohort(width=4))]
    before, n = now(engine), engine.n_programs
    monkeypatch.setattr(child, "MAX_GROWTH", -1)
    assert_same_bits(engine.train(cohort(learning_rate=0.02)), expected[0])
    assert now(engine) is before
    assert_same_bits(engine.train(cohort(width=5, epochs=1)), FusedEngine().train(cohort(width=5, epochs=1)))
    assert now(engine) is not before and before.has_ended
    assert engine.n_programs == n + 1
    assert_same_bits(engine.train(cohort(width=4)), expected[1])
    assert engine.n_programs == n + 2


def test_cohorts_in_training_end_before_their_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "MAX_GROWTH", -1)
    asked = [cohort(8, width=w, epochs=100) for w in (3, 4)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(FusedEngine().train, asked))
    for one, measured in zip(asked, found, strict=True):
        assert_same_bits(FusedEngine().train(one), measured)


def test_an_exception_in_the_process_that_trains_is_raised_here() -> None:
    c = cohort().configuration
    strange = replace(c, layers=(replace(c.layers[0], activation=Named("no_such")), *c.layers[1:]))
    broken = replace(cohort(), configuration=strange)
    with pytest.raises(TrainingError, match="no_such"):
        FusedEngine().train(broken)


def test_a_process_that_dies_breaks_what_it_trained_and_no_more() -> None:
    engine = FusedEngine()
    expected = engine.train(cohort())
    now(engine)._process.kill()  # pyright: ignore[reportPrivateUsage]
    now(engine)._process.wait()  # pyright: ignore[reportPrivateUsage]
    try:
        found = engine.train(cohort())
    except TrainingError as error:  # where the end was not noticed yet
        assert "ended with code -9" in str(error)
        found = engine.train(cohort())
    assert_same_bits(found, expected)


script = """
import os, signal
import numpy as np
from sweep.training.fused import FusedEngine
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.success import above_margin
engine = FusedEngine()
engine.train(Cohort(resolve({"epochs": 2}), np.arange(2, dtype=np.uint32)))
print(engine._processes._now._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_process_that_trains_ends_with_the_one_that_asks() -> None:
    """In a script without a main guard, whose process is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == -9, done.stderr
    deadline = time.monotonic() + 120
    while is_alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(done.stdout))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and ") Z " in state.read_text())  # nobody may take note of its end here


def now(engine: FusedEngine) -> child.TrainingProcess:
    found = engine._processes._now  # pyright: ignore[reportPrivateUsage]
    assert found is not None
    return found


def test_programs_are_foretold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(
        "fixed: {epochs: 2}\nvary: {width: [2, 3], optimizer: [sgd, {name: sgd, momentum: 0.5}], seed: 3}\n"
    )
    planned = planning.plan(file, engine="fused", confirm=80)
    foretold = planned.n_programs
    assert foretold == 5  # of 64 models for each, of 256 for the one that is confirmed
    assert "fused engine, 2 threads, 5 programs to compile; about" in describe_plan(
        replace(planned, executor=Threads(2))
    )
    before = planned.trainer.n_programs
    execute(planned, tmp_path / "out")
    assert planned.trainer.n_programs - before == foretold


def test_a_cohort_of_none() -> None:
    asked = cohort(0)
    assert len(FusedEngine().train(asked).weights) == 0


def test_drawn_samples_are_the_native_engines() -> None:
    settings = {"dropout": 0.0, "samples": 1000, "batch_size": 300, "epochs": 1, "optimizer": "sgd"}
    asked = cohort(5, **settings)
    mine, native = (engine.train(asked) for engine in (FusedEngine(), NativeEngine()))
    np.testing.assert_allclose(mine.weights, native.weights, atol=1e-6)


@pytest.mark.parametrize("name", list(vocabulary.optimizers))
def test_an_optimizer_without_state_steps_as_with_it(name: str) -> None:
    """Two variables, five steps: the same as Keras's own optimizer, which holds its state in variables."""
    backend("cpu")
    import keras

    from sweep.training.fused.optimizers import StatelessOptimizer

    asked = resolve({"optimizer": {"name": name, "weight_decay": 0.01}, "learning_rate": 0.1})
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4,))]
    gradients = [[rng.normal(size=w.shape).astype(np.float32) for w in weights] for _ in range(5)]

    ours = StatelessOptimizer(asked.optimizer, None, [w.shape for w in weights])
    stepped, state = [keras.ops.convert_to_tensor(w) for w in weights], ours.begin(np.float32(0.1))
    theirs: Any = keras.optimizers.get({"class_name": name, "config": dict(asked.optimizer.arguments)})
    theirs.learning_rate = 0.1
    variables = [keras.Variable(w) for w in weights]
    for step in gradients:
        stepped, state = ours.step(stepped, state, [keras.ops.convert_to_tensor(g) for g in step])
        theirs.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
    for mine, variable, before in zip(stepped, variables, weights, strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(variable.value), rtol=1e-5, atol=1e-7)
        assert (np.asarray(mine) != before).all()


@pytest.mark.parametrize(
    ("settings", "layout"),
    [
        ({"width": MAX_UNROLLED, "depth": 2}, ModelsLast),
        ({"width": MAX_UNROLLED + 1, "depth": 2}, ModelsFirst),
        ({"task": {"name": "parity", "bits": 4}, "batch_size": 7}, ModelsLast),
        (
            {"task": {"name": "parity", "bits": 5}, "batch_size": 20},
            ModelsFirst,
        ),  # its gradients are products, not sums
    ],
    ids=["widest last", "narrowest first", "most rows last", "fewest rows first"],
)
def test_both_layouts_train_as_native(settings: Mapping[str, Any], layout: type[Any]) -> None:
    asked = cohort(5, **{"optimizer": "sgd", **settings})
    assert isinstance(layout_for(ProgramShape.of(asked.configuration, 64)), layout)
    mine, native = (engine.train(asked) for engine in (FusedEngine(), NativeEngine()))
    np.testing.assert_allclose(mine.weights, native.weights, atol=1e-6)
    np.testing.assert_allclose(mine.losses, native.losses, atol=1e-6)
    np.testing.assert_allclose(mine.predictions, native.predictions, atol=1e-6)
    np.testing.assert_array_equal(mine.units_off_initial, native.units_off_initial)


def test_a_gpu_that_is_not_there() -> None:
    if backend("cpu").has_gpu():
        pytest.skip("there is one")
    for name in ("auto", "fused"):
        with pytest.raises(EngineError, match=r"sees no GPU.*xor-sweep\[gpu\]"):
            choice.choose(name, "gpu", [])
    for name in ("native", "keras"):
        with pytest.raises(EngineError, match="--engine fused"):
            choice.choose(name, "gpu", [])


def test_a_refusal_leaves_room_for_another_process() -> None:
    if backend("cpu").has_gpu():
        pytest.skip("there is a GPU")
    processes = child.Processes("sweep.training.fused", "gpu", "tensorflow")
    for _ in range(2):
        with pytest.raises(EngineError, match="sees no GPU"):
            processes.wait_until_started()
        refusing = processes._now  # pyright: ignore[reportPrivateUsage]
        assert refusing is not None
        refusing.close()
        while not refusing.has_ended:
            time.sleep(0.01)


refused = """
import keras
from sweep.training.choice import choose
from sweep.training.engine import EngineError
try:
    choose("fused", "cpu", [])
except EngineError as error:
    print(error)
"""


def test_another_backend_is_refused() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", refused], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == "KERAS_BACKEND is numpy; the fused engine needs tensorflow or jax\n"


def test_threefry_gives_the_published_vectors() -> None:
    streams = importlib.import_module("sweep.training.fused.streams")
    for key, counter, expected in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ):
        found = streams.threefry(*((streams.word(a), streams.word(b)) for a, b in (key, counter)))
        assert tuple(int(word) for word in found) == expected


def assert_passes_on_jax(*arguments: str) -> None:
    """Run tests of this folder with Keras on JAX, in a process of their own with this project's settings of pytest."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_parity_with_native_on_jax() -> None:
    assert_passes_on_jax(
        *(f"tests/training/test_parity.py::test_fused_agrees_with_native[{case}]" for case in quick[:2])
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contract_and_parity_on_jax() -> None:
    assert_passes_on_jax(
        "tests/training/test_parity.py",
        "tests/training/test_engine_contract.py",
        "-k",
        "fused and not agrees_with_keras",
    )


@pytest.mark.slow
def test_as_many_learn_as_with_native() -> None:
    """Fixed in advance: 256 seeds, 500 epochs; the exact McNemar test at 1e-4 of the seeds on which the two differ."""
    asked = cohort(256, epochs=500, dropout=0.0, batch_size="full", learning_rate=0.01)
    learned = [
        engine.train(asked).last_unlearned < asked.configuration.epochs for engine in (FusedEngine(), NativeEngine())
    ]
    only_fused, only_native = int((learned[0] & ~learned[1]).sum()), int((learned[1] & ~learned[0]).sum())
    assert 26 <= learned[1].sum() <= 230  # there is something to tell apart
    if only_fused + only_native:
        assert stats.binomtest(only_fused, only_fused + only_native).pvalue > 1e-4
    assert only_fused + only_native <= 13  # the same weights and streams: nearly the same seeds


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_experiment_has_the_same_rates_by_every_engine(tmp_path: Path) -> None:
    """Fixed in advance: 4 configurations, 64 seeds each; against native the exact McNemar test at 1e-4 of all runs."""
    file = tmp_path / "engines.yaml"
    file.write_text(
        "fixed: {epochs: 300, learning_rate: 0.02}\nvary: {width: [2, 4], optimizer: [adam, rmsprop], seed: 64}\n"
    )

    def learned(engine: str, backend: str = "tensorflow") -> Any:
        out = tmp_path / f"{engine}-{backend}"
        subprocess.run(
            [sys.executable, "-m", "sweep", "run", str(file), "--engine", engine, "--out", str(out)],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
            capture_output=True,
            timeout=600,
        )
        runs = sweep.load(out).runs
        return runs.set_index("run")["learned"]

    native = learned("native")
    assert 0.2 <= native.mean() <= 0.9  # there is something to tell apart
    for found in (learned("fused"), learned("fused", "jax"), learned("keras")):
        both = native.to_frame("native").join(found.rename("other"), how="outer")
        assert len(both) == 256
        only_native, only_other = int((both.native & ~both.other).sum()), int((both.other & ~both.native).sum())
        if only_native + only_other:
            assert stats.binomtest(only_native, only_native + only_other).pvalue > 1e-4
        assert only_native + only_other <= 13
