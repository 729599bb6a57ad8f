"""Schedules of the learning rate: the native engine's arithmetic against Keras's own, at every border."""

from typing import Any

import numpy as np
import pytest
from numba import njit
from support.reference import rate_at

from sweep.networks import vocabulary
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named
from sweep.runs.cohort import Cohort
from sweep.training.keras.libraries import tensorflow_and_keras
from sweep.training.keras.optimizers import optimizer_arguments
from sweep.training.native import NativeEngine, schedules

start = {"initial_learning_rate": 0.1, "decay_steps": 10}
cases: list[dict[str, Any]] = [
    {"name": "exponential_decay", **start, "decay_rate": 0.5},
    {"name": "exponential_decay", **start, "decay_rate": 0.96, "staircase": True},
    {"name": "exponential_decay", **start, "decay_rate": 0.0},
    {"name": "exponential_decay", **start, "decay_rate": 1.3},
    {"name": "inverse_time_decay", **start, "decay_rate": 0.5},
    {"name": "inverse_time_decay", **start, "decay_rate": 2.0, "staircase": True},
    {"name": "polynomial_decay", **start},
    {"name": "polynomial_decay", **start, "end_learning_rate": 0.02, "power": 2.5},
    {"name": "polynomial_decay", **start, "end_learning_rate": 0.0, "power": 0.5, "cycle": True},
    {"name": "polynomial_decay", **start, "end_learning_rate": 0.3, "power": 0.0},
    {"name": "cosine_decay", **start},
    {"name": "cosine_decay", **start, "alpha": 0.1},
    {"name": "cosine_decay", **start, "warmup_target": 0.5, "warmup_steps": 5},
    {"name": "cosine_decay", **start, "warmup_target": 0.5, "warmup_steps": 0, "alpha": 0.2},
    {"name": "piecewise_constant_decay", "boundaries": [4], "values": [0.1, 0.01]},
    {"name": "piecewise_constant_decay", "boundaries": [0, 9, 10], "values": [0.1, 0.5, 0.02, 0.3]},
]


def schedule(settings: dict[str, Any]) -> Named:
    rate = resolve({"learning_rate": settings}).learning_rate
    assert isinstance(rate, Named)
    return rate


@njit(error_model="numpy")
def rate_in_the_kernel(code: int, numbers: Any, step: float) -> float:
    """Only compiled code can call the kernel's functions."""
    return schedules.rate_at(code, numbers, step)


def native(settings: dict[str, Any], step: int) -> float:
    return rate_in_the_kernel(*schedules.schedule_settings(schedule(settings)), float(step))


@pytest.mark.parametrize("settings", cases, ids=str)
def test_every_step_has_kerass_rate(settings: dict[str, Any]) -> None:
    """The first step, those about every border, and long after the last."""
    tensorflow_and_keras()
    theirs = optimizer_arguments(resolve({}).optimizer, schedule(settings))["learning_rate"]
    for step in (*range(33), 99, 100, 101, 10_000):
        expected = float(theirs(step))
        with np.errstate(over="ignore"):
            found = float(np.float32(native(settings, step)))
        assert found == pytest.approx(expected, rel=3e-6, abs=1e-9), step
        assert rate_at(schedule(settings), step) == pytest.approx(native(settings, step), rel=1e-12, abs=1e-15)


def test_every_schedule_is_among_these() -> None:
    assert {settings["name"] for settings in cases} == set(vocabulary.schedules) == set(schedules.codes)


@pytest.mark.parametrize("base", [1e-300, 1e-5, 0.5, 0.7071, 0.999, 1.0, 1.4143, 3.0, 1e30])
def test_powers_are_those_of_float64(base: float) -> None:
    settings = {"name": "exponential_decay", "initial_learning_rate": 1.0, "decay_steps": 7, "decay_rate": base}
    for step in (1, 3, 14, 60, 1000):
        exponent = step / 7 * np.log10(base)
        true = base ** (step / 7) if exponent < 308 else np.inf
        assert native(settings, step) == pytest.approx(true, rel=2e-13, abs=1e-320)


def test_a_constant_schedule_is_the_rate() -> None:
    """To the bit, whatever the optimizer makes of it."""
    constant = {"name": "piecewise_constant_decay", "boundaries": [3], "values": [0.05, 0.05]}
    for optimizer in vocabulary.optimizers:
        plain = {"optimizer": {"name": optimizer, "weight_decay": 0.01}, "epochs": 20, "batch_size": 3}
        found = [
            NativeEngine().train(Cohort(resolve({**plain, "learning_rate": rate}), np.arange(4, dtype=np.uint32)))
            for rate in (0.05, constant)
        ]
        assert found[0].weights.tobytes() == found[1].weights.tobytes(), optimizer
