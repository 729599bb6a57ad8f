"""What bounds the native engine on this machine: its vector divisions, square roots, multiplications and additions.

Adam needs a division and a square root for each weight and step, and both come from one unit of the processor; the
forward and backward pass need multiplications and additions, which strict arithmetic keeps apart. Neither can be
beaten; the larger of the two times is the bound. Operands have full mantissas, as in a training, so that no processor
can cut them short.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

from sweep.networks.configuration import Configuration
from sweep.training.native.simd import MODELS, load, pointer_to, splat, sqrt, store, zeros1

ROUNDS = 200_000


@njit(nogil=True, error_model="numpy")
def _divide(block: Any, rounds: int) -> None:
    memory = pointer_to(block)
    like = zeros1(memory)
    for _ in range(rounds):
        for i in range(0, 8 * MODELS, MODELS):
            store(memory, i, splat(1.7, like) / load(memory, i, like))


@njit(nogil=True, error_model="numpy")
def _root(block: Any, rounds: int) -> None:
    memory = pointer_to(block)
    like = zeros1(memory)
    for _ in range(rounds):
        for i in range(0, 8 * MODELS, MODELS):
            store(memory, i, sqrt(load(memory, i, like) + splat(0.3, like)))


@njit(nogil=True, error_model="numpy")
def _multiply_add(block: Any, rounds: int) -> None:
    memory = pointer_to(block)
    a, b = load(memory, 0, zeros1(memory)), load(memory, MODELS, zeros1(memory))
    c, d = load(memory, 2 * MODELS, zeros1(memory)), load(memory, 3 * MODELS, zeros1(memory))
    half, most = splat(0.5, a), splat(0.75, a)
    for _ in range(rounds):
        a, b, c, d = a * half + most, b * half + most, c * half + most, d * half + most
        a, b, c, d = a * half + most, b * half + most, c * half + most, d * half + most
    store(memory, 0, (a + b) + (c + d))


def _rate(kernel: Any, operations: int, workers: int) -> float:
    """Vectors of sixteen a second over all threads: the best of five."""
    values = np.random.default_rng(0).uniform(0.5, 2.0, 8 * MODELS + 32).astype(np.float32)
    blocks = [values.copy() for _ in range(workers)]
    aligned = [b[(-b.ctypes.data // 4) % 32 :][: 8 * MODELS] for b in blocks]
    kernel(aligned[0], 10)
    best = 0.0
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(5):
            started = time.perf_counter()
            list(pool.map(lambda memory: kernel(memory, ROUNDS), aligned))
            best = max(best, workers * ROUNDS * operations / (time.perf_counter() - started))
    return best * MODELS / 16


def measure(workers: int) -> dict[str, float]:
    """Vectors of sixteen float32 per second: divisions, square roots, multiplications and additions together."""
    return {
        "divisions": _rate(_divide, 8, workers),
        "roots": _rate(_root, 8, workers),
        "multiply_adds": _rate(_multiply_add, 16, workers),
    }


def networks_per_second(configuration: Configuration, rates: dict[str, float]) -> float:
    """The bound for full-batch Adam: the divider's time or that of multiplications and additions, the larger.

    Forward: a multiplication and an addition for each kernel weight and row. Backward: as many for the gradient, and
    again for the errors of every layer but the first. Adam: 11 operations a weight beside the division and the root.
    """
    c = configuration
    rows = c.task.n_rows
    kernels = [n_in * n_out for n_in, n_out in zip(c.n_units, c.n_units[1:], strict=False)]
    operations = rows * 2 * (2 * sum(kernels) + sum(kernels[1:])) + 11 * c.n_parameters
    divider = c.n_parameters * (1 / rates["divisions"] + 1 / rates["roots"]) + rows / rates["divisions"]
    seconds = max(divider, operations / rates["multiply_adds"])
    return 16 / (seconds * c.epochs * c.steps_per_epoch)
