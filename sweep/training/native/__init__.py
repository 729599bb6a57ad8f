"""The native engine: a numba kernel that trains networks side by side in vector registers, for CPUs.

Strict IEEE 754 float32 and no vendor mathematics, so a run's bits never depend on its cohort, the threads or the
machine.
"""

import functools
import hashlib
import logging
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.criterion import Bound
from sweep.networks.measurements import Floats, Measurements, NetworkCohort
from sweep.networks.randomness import Stream, keep_threshold, sample_counts
from sweep.networks.vocabulary import Named, factors
from sweep.training.initial import initial_weights
from sweep.training.native.cache import Kernel, cache_folder, take_whole

# float32 numbers from one boundary of 128 bytes to the next, where every vector may begin
ALIGNMENT = 32
# measurements in the order in which the kernel takes them
MEASURED = ("weights", "losses", "penalties", "predictions", "last_unlearned", "units_off_initial", "units_off")


_one_at_a_time = threading.Lock()


def compiled_kernel() -> Kernel:
    """The kernel, compiled for this processor at its first call or taken from the cache beside this file.

    Says so where it has to be compiled, as a warning: by default on stderr. The same function for every thread, or
    each would compile its own.
    """
    with _one_at_a_time:
        return _kernel()


@functools.cache
def _kernel() -> Kernel:
    """The function.

    Numba's cache looks at one source file only; the folder is named after all of them, so that a changed kernel is
    never mistaken for the old one.
    """
    import numba

    from sweep.training.native.kernel import train_models

    folder = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()[:16]
    cached = cache_folder(folder, digest)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
    if cached is None:
        logging.getLogger(__name__).warning(
            "compiling the kernel for this processor: about half a minute, each time, as no folder keeps it; "
            "XDG_CACHE_HOME may name one"
        )
        return Kernel(numba.njit(**options)(train_models), None)
    if not take_whole(cached):
        logging.getLogger(__name__).warning("compiling the kernel for this processor: once, about half a minute")
    config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]  (documented, not listed)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cached)
    try:
        return Kernel(numba.njit(cache=True, **options)(train_models), cached)
    finally:
        config.CACHE_DIR = before


def _aligned(n: int, dtype: Any) -> npt.NDArray[Any]:
    """`n` zeros of 4 bytes each, beginning at a multiple of 128 bytes."""
    room = np.zeros(n + ALIGNMENT, dtype)
    start = (-room.ctypes.data // 4) % ALIGNMENT
    return room[start : start + n]


def _optimizer_settings(configuration: Configuration) -> Any:
    from sweep.training.native import optimizers, schedules

    arguments: dict[str, Any] = dict(configuration.optimizer.arguments)
    rate = configuration.learning_rate
    variant = arguments.get("nesterov") or arguments.get("centered") or arguments.get("amsgrad") or False
    return optimizers.Settings(
        code=optimizers.codes[configuration.optimizer.name],
        learning_rate=0.0 if isinstance(rate, Named) else rate,
        schedule=schedules.schedule_settings(rate)[0],
        momentum=float(arguments.get("momentum", 0.0)),
        beta_1=float(arguments.get("beta_1", 0.0)),
        beta_2=float(arguments.get("beta_2", arguments.get("rho", 0.0))),
        epsilon=float(arguments.get("epsilon", 0.0)),
        variant=bool(variant),
        weight_decay=float(arguments.get("weight_decay", 0.0)),
        initial_state=float(arguments.get("initial_accumulator_value", 0.0)),
    )


def _plan(cohort: NetworkCohort) -> Any:
    """Sizes and places of a tile's arrays; see the head of `passes` for their meaning."""
    from sweep.training.native import heads, optimizers, passes
    from sweep.training.native.simd import MODELS

    c = cohort.configuration
    bound = Bound.of(cohort.success, c)
    n_units, max_units = sum(c.n_units), max(c.n_units)
    is_whole = c.samples is not None or c.is_full_batch  # every step sees the table's rows in table order
    n_slots = c.task.n_rows if is_whole else c.batch_size
    shares = is_whole and not c.has_dropout
    place = 0
    places: dict[str, int] = {}
    for name, n_vectors in (
        ("weights", c.n_parameters),
        ("gradients", c.n_parameters),
        ("state", optimizers.N_STATES * c.n_parameters),
        ("errors", 2 * 4 * max_units),
        ("targets", c.n_outputs * n_slots),
        ("table", 2 * n_units * c.task.n_rows),
        ("batch", 0 if shares else 2 * n_units * n_slots),
        ("row_weights", 0 if c.samples is None else c.task.n_rows),
    ):
        places[name] = place
        place += n_vectors * MODELS
    if shares:
        places["batch"] = places["table"]
    return passes.Plan(
        n_rows=c.task.n_rows,
        n_inputs=c.task.n_inputs,
        n_outputs=c.n_outputs,
        n_layers=c.depth + 1,
        n_activated=c.depth + (heads.head_code(c.head) == heads.SLOPED),
        n_units=n_units,
        n_parameters=c.n_parameters,
        max_units=max_units,
        batch_size=c.batch_size,
        n_slots=n_slots,
        n_samples=c.samples or 0,
        shuffles=c.shuffle,
        epochs=c.epochs,
        loss=heads.loss_codes[c.head.loss.name],
        delta=float(dict(c.head.loss.arguments).get("delta", 0.0)),
        is_smoothed=c.head.smoothing > 0,
        head=heads.head_code(c.head),
        coding=heads.codings[c.head.coding],
        averaged=c.head.averaged(c.n_outputs),
        has_dropout=c.has_dropout,
        is_regularized=c.is_regularized,
        metric=heads.criterion_code(bound),
        sign=bound.sign,
        bound=bound.bound,
        n_elements=place,
        **places,
    )


class NativeEngine:
    """Trains cohorts on the CPU, one tile of 16 or 32 models after the other; threads may call `train` together."""

    name = "native"
    device = "cpu"
    piece_size = 64  # whole tiles on every processor
    is_threaded = True
    n_programs = 1  # the kernel

    def programs(self, configuration: Configuration, n_models: int) -> frozenset[Hashable]:
        """None: the kernel has every configuration as values."""
        return frozenset()

    def refusal(self, configuration: Configuration) -> str | None:
        """None: the kernel has the whole vocabulary."""
        return None

    def train(self, cohort: NetworkCohort, start: Floats | None = None) -> Measurements:
        """Train a cohort, from the weights `start` `[model, parameter]` where given.

        Raises `ValueError` for a configuration that `refusal` names.
        """
        lacking = self.refusal(cohort.configuration)
        if lacking:
            raise ValueError(f"the native engine has no {lacking}")
        from sweep.training.native.simd import MODELS

        c = cohort.configuration
        measured = Measurements.empty(cohort)
        measured.weights[:] = initial_weights(cohort) if start is None else start
        measured.penalties[:] = 0
        plan = _plan(cohort)
        compiled_kernel()(
            plan,
            *_values(c),
            np.array([cohort.stream_seeds(Stream.ORDER), cohort.stream_seeds(Stream.DROPOUT)]),
            _counts(cohort),
            _aligned(2 * MODELS, np.uint32),
            _aligned(plan.n_elements, np.float32),
            _aligned((2 * c.task.n_rows + 1) * MODELS, np.uint32),
            cohort.configuration.snapshots,
            *(getattr(measured, name) for name in MEASURED),
        )
        return measured


def _counts(cohort: NetworkCohort) -> npt.NDArray[np.uint32]:
    """How often each model's seed drew each row, `[model, row]`; empty where no samples are drawn."""
    c = cohort.configuration
    if c.samples is None:
        return np.zeros((0, 0), np.uint32)
    return sample_counts(cohort.stream_seeds(Stream.SAMPLE), c.samples, c.task.n_rows).astype(np.uint32)


def _values(c: Configuration) -> tuple[Any, ...]:
    """What the kernel is told of a configuration beside its plan, in its order."""
    from sweep.training.native import functions, passes, schedules

    activations = [functions.activation_settings(layer.activation) for layer in c.layers]
    whole = [
        (n_in, layer.units, a.code, layer.use_bias, keep_threshold(layer.dropout), 0, 0)
        for n_in, layer, a in zip(c.n_units, c.layers, activations, strict=False)
    ]
    real = [
        (a.slope, a.scale, 1 / (1 - x.dropout), *factors(x.kernel_regularizer), *factors(x.bias_regularizer))
        for x, a in zip(c.layers, activations, strict=True)
    ]
    layers = passes.Layers(np.array(whole, np.int64).ravel(), np.array(real).ravel())
    _, schedule = schedules.schedule_settings(c.learning_rate)
    targets = c.targets()
    return layers, _optimizer_settings(c), schedule, c.inputs(), targets, c.head.aims(targets)
