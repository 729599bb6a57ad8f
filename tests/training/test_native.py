"""The native engine: a run's bits depend on its configuration and seed alone, on every processor."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.networks.measurements import Floats, Measurements, NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training import native, threads
from sweep.training.native import NativeEngine

HERE = Path(__file__).parent
REFERENCES = ("reference", "reference_additions")


def cohort(n: int = 40, **settings: Any) -> NetworkCohort:
    return Cohort(resolve({"epochs": 30, "learning_rate": 0.05, **settings}), np.arange(n, dtype=np.uint32))


def assert_equal_bits(a: Measurements, b: Measurements) -> None:
    for field in fields(Measurements):
        assert getattr(a, field.name).tobytes() == getattr(b, field.name).tobytes(), field.name


VARIETY: list[dict[str, Any]] = [
    {},
    {"batch_size": 1, "dropout": 0.3, "depth": 2, "width": 5},
    {"batch_size": 3, "optimizer": "rmsprop", "activation": "tanh"},
    {"batch_size": 2, "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "loss": "mean_squared_error"},
    {"task": "full_adder", "layers": [6, 3], "dropout": 0.1, "activation": "sigmoid"},
    {"depth": 0, "task": "and"},
    {
        "output": "softmax",
        "loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1},
        "kernel_regularizer": {"name": "l1_l2", "l1": 0.01, "l2": 0.02},
        "bias_regularizer": "l1",
        "batch_size": 3,
        "learning_rate": {"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 40},
    },
    {
        "task": {"inputs": [[0.5, -1.0, 2.0], [1.5, 0.25, 0.0], [0.0, 0.0, 1.0]], "targets": [[1], [0], [1]]},
        "batch_size": 2,
    },
]

# of many rows, with rows held out, with classes
TABLES: list[dict[str, Any]] = [
    {"task": {"name": "moons", "rows": 300, "test": 0.1}, "batch_size": 32, "epochs": 3, "dropout": 0.1},
    {
        "task": {"inputs": [[x % 7, x % 5] for x in range(20)], "classes": [x % 3 for x in range(20)], "test": 0.2},
        "batch_size": 6,
    },
]


@pytest.mark.parametrize("settings", VARIETY, ids=str)
def test_alone_in_company_and_permuted_give_equal_bits(settings: dict[str, Any]) -> None:
    engine = NativeEngine()
    together = cohort(40, **settings)
    measured = engine.train(together).check(together)
    alone = replace(together, seeds=together.seeds[17:18])
    for field in fields(Measurements):
        assert getattr(engine.train(alone), field.name)[0].tobytes() == getattr(measured, field.name)[17].tobytes()
    order = np.random.default_rng(1).permutation(40)
    permuted = engine.train(replace(together, seeds=together.seeds[order]))
    for field in fields(Measurements):
        assert getattr(permuted, field.name).tobytes() == getattr(measured, field.name)[order].tobytes()


def test_any_number_of_threads_gives_equal_bits() -> None:
    cohorts = [cohort(100, **settings) for settings in [*VARIETY, *TABLES]]
    single = list(threads.train_over_threads(NativeEngine(), cohorts, 1))
    several = list(threads.train_over_threads(NativeEngine(), cohorts, 5))
    for (_, a), (_, b) in zip(single, several, strict=True):
        assert_equal_bits(a, b)


@pytest.mark.parametrize(
    ("n", "settings", "size"),
    [(100, {}, 64), (10_000, {}, 64 * 4), (100_000, {}, 64 * 8), (100_000, {"width": 32, "epochs": 90_000}, 64)],
)
def test_many_quick_models_are_trained_in_larger_pieces(n: int, settings: dict[str, Any], size: int) -> None:
    class Counting(NativeEngine):
        def train(self, cohort: NetworkCohort, start: Floats | None = None) -> Measurements:
            sizes.append(len(cohort))
            return Measurements.empty(cohort, 0)

    sizes: list[int] = []
    list(threads.train_over_threads(Counting(), [cohort(n, **settings)], 2))
    assert sum(sizes) == n
    assert max(sizes) == size


def test_every_configuration_calls_the_kernel_with_the_same_types(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import typeof

    def recorded(*arguments: Any) -> None:
        found.add(tuple(map(typeof, arguments)))

    found: set[tuple[Any, ...]] = set()
    monkeypatch.setattr(native, "compiled_kernel", lambda: recorded)
    for settings in [*VARIETY, *TABLES]:
        NativeEngine().train(cohort(20, **settings))
    assert len(found) == 1


def test_a_flushing_thread_is_found() -> None:
    raised: list[BaseException] = []

    def flushed(check: Callable[[], None]) -> None:
        import ctypes

        # set flush-to-zero in this thread's control register, as a library might when it is loaded
        code = bytes([0x48, 0x83, 0xEC, 8, 0x0F, 0xAE, 0x1C, 0x24, 0x81, 0x0C, 0x24, 0x40, 0x80, 0, 0,
                      0x0F, 0xAE, 0x14, 0x24, 0x48, 0x83, 0xC4, 8, 0xC3])  # fmt: skip
        import mmap

        page = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        try:
            check()
        except FloatingPointError as error:
            raised.append(error)

    if os.uname().machine != "x86_64":
        pytest.skip("the control register is x86's")
    thread = threading.Thread(target=flushed, args=(threads.assert_subnormals,))
    thread.start()
    thread.join()
    assert len(raised) == 1
    threads.assert_subnormals()


def test_subnormal_weights_are_trained() -> None:
    tiny = {"name": "constant", "value": 1e-40}
    measured = NativeEngine().train(cohort(1, kernel_initializer=tiny, activation="linear", learning_rate=0.0))
    assert (measured.weights[0, :16] == np.float32(1e-40)).all()


SCRIPT = """
import hashlib, sys, tempfile
from pathlib import Path
import sweep
for file in sys.argv[2:]:
    folder = Path(tempfile.mkdtemp())
    sweep.run(file, folder / "out", workers=int(sys.argv[1]))
    print(hashlib.sha256((folder / "out" / "runs.csv").read_bytes()).hexdigest())
"""


def digests_in_a_process_of_its_own(workers: int, **environment: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, str(workers), *(str(HERE / f"{name}.yaml") for name in REFERENCES)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("workers", "environment"),
    [
        (1, {"PYTHONHASHSEED": "1"}),
        (2, {"PYTHONHASHSEED": "2"}),
        (2, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
    ],
    ids=["one thread", "two threads", "generic processor"],
)
def test_the_reference_experiments_give_the_committed_digests(workers: int, environment: dict[str, str]) -> None:
    committed = [(HERE / f"{name}_digest.txt").read_text().strip() for name in REFERENCES]
    assert digests_in_a_process_of_its_own(workers, **environment) == committed


def test_different_seeds_and_digests() -> None:
    a, b = cohort(8), replace(cohort(8), seeds=np.arange(8, 16, dtype=np.uint32))
    digests = {hashlib.sha256(row.tobytes()).hexdigest() for x in (a, b) for row in NativeEngine().train(x).weights}
    assert len(digests) == 16
