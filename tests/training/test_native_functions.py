"""Elementary functions of the native engine: within 2 units in the last place of the true value, IEEE at the edges."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba import njit
from scipy import special

from sweep.networks.vocabulary import Named, activations, named
from sweep.training.native import functions
from sweep.training.native.simd import MODELS, load, pointer_to, store, zeros1

Floats = npt.NDArray[np.float32]


def applied(function: Any) -> Callable[[Floats], Floats]:
    """A vector function as one of arrays of any length."""

    @njit(error_model="numpy")
    def loop(x: Any, y: Any) -> None:
        source, target = pointer_to(x), pointer_to(y)
        for i in range(0, x.size, MODELS):
            store(target, i, function(load(source, i, zeros1(source))))

    def apply(x: Floats) -> Floats:
        n = -(-x.size // MODELS) * MODELS
        source, target = (np.zeros(n + 32, np.float32) for _ in range(2))
        aligned = [a[(-a.ctypes.data // 4) % 32 :][:n] for a in (source, target)]
        aligned[0][: x.size] = x
        loop(*aligned)
        return aligned[1][: x.size]

    return apply


def units_in_the_last_place(found: Floats, true: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    spacing = np.spacing(np.maximum(np.abs(true), 2.0**-126).astype(np.float32)).astype(np.float64)
    return np.abs(found.astype(np.float64) - true) / spacing


def softplus64(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid64(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


CASES = [
    ("exp", functions.exp, np.exp, (-103.9, 88.7)),
    ("log1p_unit", functions.log1p_unit, np.log1p, (0.0, 1.0)),
    ("sigmoid", functions.sigmoid, sigmoid64, (-103.0, 103.0)),
    ("softplus", functions.softplus, softplus64, (-103.0, 1e4)),
    ("tanh", functions.tanh, np.tanh, (-20.0, 20.0)),
    ("expm1", functions.expm1, np.expm1, (-80.0, 87.9)),
    ("erf", functions.erf, special.erf, (-8.0, 8.0)),
]


@pytest.mark.parametrize(("name", "function", "true", "span"), CASES, ids=[case[0] for case in CASES])
def test_within_two_units_in_the_last_place(name: str, function: Any, true: Any, span: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    low, high = span
    tiny = np.exp(rng.uniform(np.log(1e-38), 0, 100_000))
    x = np.concatenate([np.linspace(low, high, 300_001), tiny, -tiny]).astype(np.float32)
    x = x[(x >= low) & (x <= high)]
    errors = units_in_the_last_place(applied(function)(x), true(x.astype(np.float64)))
    assert errors.max() <= 2, f"{name} at {x[errors.argmax()]!r}: {errors.max():.2f} units"


@pytest.mark.parametrize(("name", "function", "true", "span"), CASES, ids=[case[0] for case in CASES])
def test_over_all_of_float32(name: str, function: Any, true: Any, span: tuple[float, float]) -> None:
    """Every 60,013th number of all: subnormals, infinities, NaN, and what is far outside of the range above."""
    x = np.arange(0, 2**32, 60_013, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([x, np.array([1e-45, -1e-45, np.inf, -np.inf, np.nan], np.float32)])
    low, high = {"log1p_unit": (0.0, 1.0), "expm1": (-np.inf, 88.0)}.get(name, (-np.inf, np.inf))
    x = x[~((x < low) | (x > high))]
    with np.errstate(all="ignore"):
        exact = true(x.astype(np.float64))
        rounded = exact.astype(np.float32)
    found = applied(function)(x)
    is_finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~is_finite], rounded[~is_finite])
    assert units_in_the_last_place(found[is_finite], exact[is_finite]).max() <= 2
    assert (np.abs(x) < 2.0**-126).sum() > 100


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (functions.log1p_unit, [0.0, 1e-45, np.nan], [0.0, 1e-45, np.nan]),
        (functions.exp, [-np.inf, -200, 0, 89.5, np.inf, np.nan], [0, 0, 1, np.inf, np.inf, np.nan]),
        (functions.sigmoid, [-np.inf, -0.0, np.inf, np.nan], [0, 0.5, 1, np.nan]),
        (functions.softplus, [-np.inf, np.inf, np.nan, 50], [0, np.inf, np.nan, 50]),
        (functions.erf, [-np.inf, -0.0, np.inf, np.nan], [-1, -0.0, 1, np.nan]),
        (functions.expm1, [-np.inf, 0, np.nan], [-1, 0, np.nan]),
        (functions.tanh, [-np.inf, -0.0, np.inf, np.nan], [-1, -0.0, 1, np.nan]),
    ],
)
def test_edges_are_those_of_ieee(function: Any, x: list[float], expected: list[float]) -> None:
    found = applied(function)(np.array(x, np.float32))
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_log_of_positive_numbers() -> None:
    rng = np.random.default_rng(3)
    x = np.exp(np.concatenate([rng.uniform(-69, 69, 200_000), rng.uniform(-0.5, 0.5, 200_000)])).astype(np.float32)
    assert units_in_the_last_place(applied(functions.log)(x), np.log(x.astype(np.float64))).max() <= 2
    np.testing.assert_array_equal(applied(functions.log)(np.array([1.0, np.nan], np.float32)), [0.0, np.nan])


def test_exp_keeps_subnormal_results() -> None:
    found = applied(functions.exp)(np.array([-88.0, -95.0, -103.0], np.float32))
    assert (found > 0).all()
    assert (found < 2.0**-126).all()


def output_and_slope(activation: Named) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    settings = functions.activation_settings(activation)
    code, slope, scale = settings
    first = njit(forceinline=True)(lambda z: functions.activate(functions.Activation(code, slope, scale), z)[0])
    second = njit(forceinline=True)(lambda z: functions.activate(functions.Activation(code, slope, scale), z)[1])
    return applied(first), applied(second)


@pytest.mark.parametrize("name", activations)
def test_slopes_are_derivatives(name: str) -> None:
    output, slope = output_and_slope(named(name, {}, activations))
    z = np.linspace(-4, 4, 1024).astype(np.float32)
    step = np.float32(2.0**-6)
    secant = (output(z + step) - output(z - step)).astype(np.float64) / (2 * step)
    kinks = (-3, 3) if name == "hard_sigmoid" else (0,)
    away_from_kinks = np.all([np.abs(z - kink) > 2 * step for kink in kinks], axis=0)
    np.testing.assert_allclose(slope(z)[away_from_kinks], secant[away_from_kinks], atol=3e-4)


def test_relu_keeps_nan_and_has_slope_zero_at_zero() -> None:
    output, slope = output_and_slope(named("relu", {}, activations))
    z = np.array([-1, 0, 2, np.nan], np.float32)
    np.testing.assert_array_equal(output(z), np.array([0, 0, 2, np.nan], np.float32))
    np.testing.assert_array_equal(slope(z)[:3], np.array([0, 0, 1], np.float32))
