"""The fused engine: few programs, memory, devices, backends. What every engine promises is in the contract's tests."""

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_engine_contract import assert_same_bits
from test_parity import quick

from sweep import engines
from sweep.engines import EngineError, fused
from sweep.engines.fused import FusedEngine
from sweep.engines.native import NativeEngine
from sweep.model import resolve
from sweep.runs import Cohort

SETTINGS: Mapping[str, Any] = {"width": 3, "epochs": 4, "dropout": 0.2, "batch_size": 3, "learning_rate": 0.02}


def cohort(n: int = 3, **settings: Any) -> Cohort:
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
    engine.train(Cohort(resolve(SETTINGS), np.arange(40, 90, dtype=np.uint32), margin=0.4))
    assert engine.n_programs == n
    engine.train(cohort(width=4))
    assert engine.n_programs == n + 1


def test_a_program_is_compiled_once() -> None:
    engine = FusedEngine()
    engine.train(cohort())
    program = fused.program_of(cohort(), "cpu", 64)
    assert program.n_compiled == 1
    engine.train(cohort(learning_rate=0.5, epochs=2))
    assert program.n_compiled == 1


def test_a_cohort_that_does_not_fit_the_memory_is_trained_in_smaller_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FusedEngine()
    expected = engine.train(cohort(70))
    sizes: list[int] = []

    class Exhausted(Exception):
        pass

    train = FusedEngine._train_piece  # pyright: ignore[reportPrivateUsage]

    def with_little_memory(self: FusedEngine, piece: Cohort, most: int) -> Any:
        sizes.append(most)
        if most > 64:
            raise Exhausted
        return train(self, piece, most)

    monkeypatch.setattr(FusedEngine, "_train_piece", with_little_memory)
    monkeypatch.setattr(engine._backend, "memory_errors", (Exhausted,))  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(engine._backend, "is_out_of_memory", lambda error: True)  # pyright: ignore[reportPrivateUsage]
    assert_same_bits(engine.train(cohort(70)), expected)
    assert sizes == [256, 64, 64]


def test_a_cohort_of_none() -> None:
    asked = cohort(0)
    assert len(FusedEngine().train(asked).weights) == 0


def test_drawn_samples_are_the_native_engines() -> None:
    settings = {"dropout": 0.0, "samples": 1000, "batch_size": 300, "epochs": 1, "optimizer": "sgd"}
    asked = cohort(5, **settings)
    mine, native = (engine.train(asked) for engine in (FusedEngine(), NativeEngine()))
    np.testing.assert_allclose(mine.weights, native.weights, atol=1e-6)


def test_a_gpu_that_is_not_there() -> None:
    if fused.backend("cpu").has_gpu():
        pytest.skip("there is one")
    for name in ("auto", "fused"):
        with pytest.raises(EngineError, match=r"sees no GPU.*xor-sweep\[gpu\]"):
            engines.choose(name, "gpu", [])
    for name in ("native", "keras"):
        with pytest.raises(EngineError, match="--engine fused"):
            engines.choose(name, "gpu", [])


refused = """
import keras
from sweep.engines import EngineError, choose
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
    streams = importlib.import_module("sweep.engines.fused.streams")
    for key, counter, expected in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ):
        found = streams.threefry(*((streams.word(a), streams.word(b)) for a, b in (key, counter)))
        assert tuple(int(word) for word in found) == expected


def on_jax(*arguments: str) -> None:
    """Run tests of this folder with Keras on JAX, in a process of their own with this project's settings of pytest."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_parity_with_native_on_jax() -> None:
    on_jax(*(f"tests/test_parity.py::test_fused_agrees_with_native[{case}]" for case in quick[:2]))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contract_and_parity_on_jax() -> None:
    on_jax("tests/test_parity.py", "tests/test_engine_contract.py", "-k", "fused and not agrees_with_keras")


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
