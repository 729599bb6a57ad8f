"""Networks per second: native, fused, plain JAX and Keras, side by side in one run, against what the processor allows.

`make bench` prints the table and writes `build/bench.json`; `make bench-page` writes it into docs/performance.md too.
Compilation is left out of every rate and given apart. Keras is timed on fewer steps and scaled up.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import bound
import jax_mix
import jax_training
import keras_models
import machine
import numpy as np

import sweep
from sweep.experiment import file as experiment_file
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training import threads
from sweep.training.engine import Engine
from sweep.training.fused import FusedEngine
from sweep.training.fused.shapes import MAX_MODELS
from sweep.training.keras.libraries import without_start_up_noise
from sweep.training.native import NativeEngine

ROOT = Path(__file__).parent.parent
SHAPES = ((8, 1), (8, 3), (32, 2))
# outputs other than the usual sigmoid, at the first shape
HEADS: dict[str, dict[str, Any]] = {
    "sigmoid": {},
    "softmax": {"output": "softmax"},
    "tanh": {"output": "tanh", "targets": "bipolar", "loss": "mean_squared_error"},
}
# tables of many rows: settings, and how many networks plain JAX trains at once
TABLES: dict[str, tuple[dict[str, Any], int]] = {
    "200 rows, 8 x 2 tanh, batch 16": (
        {
            "task": {"name": "moons", "rows": 200},
            "width": 8,
            "depth": 2,
            "activation": "tanh",
            "batch_size": 16,
            "epochs": 100,
        },
        1024,
    ),
    "1,500 rows of 64 inputs, 10 classes, 32 units, batch 32": (
        {"task": "classes", "width": 32, "batch_size": 32, "epochs": 20},
        256,
    ),
}
STEPS = 1000
MIX_STRIDE = 71  # shares no factor with 7 x 3 x 3 x 3 x 3: every 71st configuration has all values among them
SECONDS = 1.0
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
BEGIN, END = "<!-- make bench-page: begin -->", "<!-- make bench-page: end -->"


def best_rate(train: Callable[[int], object], n: int, repeats: int = 4) -> float:
    """Networks per second, the best of some repeats, with as many networks as take about a second."""
    while True:
        started = time.perf_counter()
        train(n)
        seconds = time.perf_counter() - started
        if seconds > SECONDS / 3:
            break
        n *= 2
    rates: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        train(n)
        rates.append(n / (time.perf_counter() - started))
    return max(rates)


def engine_rate(engine: Engine, configuration: Configuration, workers: int, n: int = 256, repeats: int = 4) -> float:
    """Networks per second of an engine on all cores, `n` or more at once."""

    def train(n: int) -> None:
        list(threads.train_over_threads(engine, [seeded(configuration, n)], workers))

    return best_rate(train, n, repeats)


def seeded(configuration: Configuration, n: int) -> NetworkCohort:
    """A cohort of the first `n` seeds."""
    return Cohort(configuration, np.arange(n, dtype=np.uint32))


def fused_rate(backend: str, configuration: Configuration, workers: int) -> tuple[float, float]:
    """Networks per second of the fused engine, its largest programs at once; and the seconds to compile one."""
    os.environ["KERAS_BACKEND"] = backend
    engine = FusedEngine()  # keeps it
    del os.environ["KERAS_BACKEND"]
    engine.train(seeded(resolve({"depth": 0, "epochs": 1}), 1))  # the process that trains is there
    short, n = replace(configuration, epochs=1), MAX_MODELS["cpu"]
    seconds: list[float] = []
    for _ in range(2):
        started = time.perf_counter()
        engine.train(seeded(short, n))
        seconds.append(time.perf_counter() - started)
    return engine_rate(engine, configuration, workers, n * workers, repeats=2), seconds[0] - seconds[1]


def keras_network(c: Configuration) -> Any:
    """The same network as a user of Keras writes it."""
    import keras

    hidden: list[Any] = []
    for layer in c.hidden:
        hidden.append(keras.layers.Dense(layer.units, activation=layer.activation.name))
        if layer.dropout:
            hidden.append(keras.layers.Dropout(layer.dropout))
    output = keras.layers.Dense(c.n_outputs, activation=c.output.activation.name)
    model = keras.Sequential([keras.layers.Input((c.task.n_inputs,)), *hidden, output])
    optimizer: Any = keras.optimizers.get(c.optimizer.name)
    optimizer.learning_rate = c.learning_rate
    model.compile(optimizer, c.loss.name)
    return model


def seconds_a_step(train: Callable[[int], None]) -> float:
    """Seconds of one step: after a warm-up, as many as fit into about a second."""
    train(3)
    n = 10
    while True:
        started = time.perf_counter()
        train(n)
        seconds = time.perf_counter() - started
        if seconds > SECONDS / 2:
            return seconds / n
        n = int(n * min(10, max(2, SECONDS / seconds)))


def keras_rates(c: Configuration) -> tuple[float, float]:
    """Networks per second of `fit` and of `train_on_batch`, one process."""
    x, y = c.inputs(), c.targets()
    model = keras_network(c)
    epoch = seconds_a_step(lambda n: model.fit(x, y, batch_size=c.batch_size, epochs=n, verbose=0))

    def batches(n: int) -> None:
        for _ in range(n):
            model.train_on_batch(x[: c.batch_size], y[: c.batch_size])

    step = seconds_a_step(batches)
    return 1 / (c.epochs * epoch), 1 / (c.epochs * c.steps_per_epoch * step)


def measure_shape(width: int, depth: int, workers: int, rates: dict[str, float]) -> dict[str, float]:
    """One row of the table."""
    configuration = resolve({"width": width, "depth": depth, "epochs": STEPS})
    native = engine_rate(NativeEngine(), configuration, workers)
    fused = {backend: fused_rate(backend, configuration, workers) for backend in BACKENDS}
    jax, compilation = jax_training.measure([2, *[width] * depth, 1], STEPS)
    fit, on_batch = keras_rates(configuration)
    limit = bound.networks_per_second(configuration, rates)
    return {
        "width": width,
        "depth": depth,
        "native": native,
        **{f"fused_{backend}": rate for backend, (rate, _) in fused.items()},
        **{f"fused_{backend}_compile_seconds": seconds for backend, (_, seconds) in fused.items()},
        "jax": jax,
        "jax_compile_seconds": compilation,
        "fit": fit,
        "train_on_batch": on_batch,
        "bound": limit,
    }


def measure_head(settings: dict[str, Any], workers: int) -> dict[str, float]:
    """One row of the table of outputs."""
    width, depth = SHAPES[0]
    configuration = resolve({"width": width, "depth": depth, "epochs": STEPS, **settings})
    fit, on_batch = keras_rates(configuration)
    native = engine_rate(NativeEngine(), configuration, workers)
    return {"native": native, "fit": fit, "train_on_batch": on_batch}


def classes() -> dict[str, Any]:
    """A table of 1,500 rows of 64 inputs, drawn around the centres of 10 classes."""
    draw = np.random.default_rng(0)
    labels = draw.integers(10, size=1500)
    points = draw.normal(size=(10, 64))[labels] + draw.normal(size=(1500, 64))
    return {"inputs": points.tolist(), "classes": labels.tolist()}


def measure_table(settings: dict[str, Any], n: int, workers: int) -> dict[str, float]:
    """One row of the table of tables."""
    task = classes() if settings["task"] == "classes" else settings["task"]
    configuration = resolve({**settings, "task": task})
    native = engine_rate(NativeEngine(), configuration, workers, n=64)
    jax, compilation = jax_mix.measure(configuration, n)
    fit, on_batch = keras_rates(configuration)
    rates = {"native": native, "jax": jax, "fit": fit, "train_on_batch": on_batch}
    return {**rates, "jax_compile_seconds": compilation, "epochs": configuration.epochs}


def measure_mix(workers: int) -> dict[str, Any]:
    """The mix of experiments/xor.yaml by every 71st of its configurations, equally many networks of each."""
    experiment = experiment_file.load(ROOT / "experiments" / "xor.yaml")
    sample = experiment.networks[::MIX_STRIDE]
    native = [engine_rate(NativeEngine(), c, workers, repeats=2) for c in sample]
    jax, compilation = zip(*map(jax_mix.measure, sample), strict=True)
    fit, on_batch = zip(*map(keras_rates, sample), strict=True)
    rates = {"native": native, "jax": jax, "fit": fit, "train_on_batch": on_batch}
    means = {name: len(values) / sum(1 / value for value in values) for name, values in rates.items()}
    labels = [
        f"{c.widths[0]} x {c.depth}, {c.optimizer.name}, batch {c.batch_size}, dropout {c.hidden[0].dropout:g}"
        for c in sample
    ]
    return {**means, "configurations": labels, "jax_compile_seconds": sum(compilation)}


def measure_sweep() -> dict[str, float]:
    """The whole command on experiments/xor.yaml: its seconds, those of training, networks per second while training."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "xor"
        command = [sys.executable, "-m", "sweep", "run", "--quiet", "--out", str(out)]
        started = time.perf_counter()
        subprocess.run([*command, str(ROOT / "experiments" / "xor.yaml")], check=True)
        seconds = time.perf_counter() - started
        results = sweep.load(out)
        timings, confirmation = results.manifest.timings_seconds, results.manifest.confirmation
        assert timings is not None and confirmation is not None  # of a finished sweep
        training, n_trained = timings.training, len(results.runs) + confirmation.n_runs
    return {"seconds": seconds, "training_seconds": training, "networks_per_second": n_trained / training}


def measure() -> dict[str, Any]:
    """Everything, in one run on one machine."""
    workers = threads.available_cores()
    with without_start_up_noise():
        keras_network(resolve({}))
    started = time.perf_counter()
    NativeEngine().train(seeded(resolve({"epochs": 1}), 1))
    loading = time.perf_counter() - started
    rates = bound.measure(workers)
    return {
        "processor": machine.processor(),
        "cores": workers,
        "native_load_seconds": loading,
        "vectors_per_second": rates,
        "shapes": [measure_shape(width, depth, workers, rates) for width, depth in SHAPES],
        "heads": {name: measure_head(settings, workers) for name, settings in HEADS.items()},
        "tables": {name: measure_table(*row, workers) for name, row in TABLES.items()},
        "mix": measure_mix(workers),
        "keras_models": keras_models.measure(),
        "xor_yaml": measure_sweep(),
    }


def table(measured: dict[str, Any]) -> str:
    """The measurements as a Markdown table and a few sentences."""
    rates, whole, mix = measured["vectors_per_second"], measured["xor_yaml"], measured["mix"]
    rows = [
        f"| {row['width']} | {row['depth']} | {row['native']:,.0f} | {row['jax']:,.0f} | "
        f"{row['native'] / row['jax']:.1f} | {row['fit']:.3f} | {row['train_on_batch']:.2f} | "
        f"{row['bound']:,.0f} | {row['native'] / row['bound']:.0%} |"
        for row in measured["shapes"]
    ]
    rows.append(
        f"| mix | | {mix['native']:,.0f} | {mix['jax']:,.0f} | {mix['native'] / mix['jax']:.1f} | {mix['fit']:.3f} | "
        f"{mix['train_on_batch']:.2f} | | |"
    )
    return "\n".join(
        [
            f"{measured['processor']}, {measured['cores']} cores. Networks per second, 1,000 full-batch Adam steps.",
            "",
            "| width | depth | native | jax.vmap | native/jax | fit | train_on_batch | bound | native/bound |",
            "|" + "---:|" * 9,
            *rows,
            "",
            *head_rows(measured["heads"]),
            "",
            *table_rows(measured["tables"]),
            "",
            *keras_models.rows(measured["keras_models"]),
            "",
            f"The mix: {len(mix['configurations'])} of the 567 configurations of `experiments/xor.yaml`, every 71st, "
            f"for 1,000 epochs, equally many networks of each ({'; '.join(mix['configurations'])}). jax compiles a "
            f"program for each, {mix['jax_compile_seconds']:.1f} s in all, left out above.",
            "",
            f"| width | depth | {' | '.join(f'fused, {name} | /jax | compile, s' for name in BACKENDS.values())} "
            "| jax.vmap | compile, s |",
            "|" + "---:|" * 10,
            *(fused_row(row) for row in measured["shapes"]),
            "",
            "Compilation is of one program, and left out of the rates. Fused evaluates the table after every epoch, "
            "and dropout, batches and row order are values of its programs; plain JAX has none of that. Native "
            f"loads its kernel, compiled at set-up, in {measured['native_load_seconds']:.1f} s.",
            f"The bound: {rates['divisions'] / 1e9:.2f} thousand million divisions, {rates['roots'] / 1e9:.2f} square "
            f"roots and {rates['multiply_adds'] / 1e9:.1f} multiplications or additions of 16-wide vectors a second.",
            f"`sweep run experiments/xor.yaml`: {whole['seconds']:.1f} s, {whole['training_seconds']:.1f} s of them "
            f"training ({whole['training_seconds'] / whole['seconds']:.0%}), "
            f"{whole['networks_per_second']:,.0f} networks a second there.",
        ]
    )


def head_rows(heads: dict[str, dict[str, float]]) -> list[str]:
    """The table of outputs: networks per second of one hidden layer of the first width."""
    usual = heads["sigmoid"]["native"]
    return [
        f"| output, width {SHAPES[0][0]} | native | of the sigmoid's | fit | train_on_batch |",
        "|---|" + "---:|" * 4,
        *(
            f"| {name} | {row['native']:,.0f} | {row['native'] / usual:.0%} | {row['fit']:.3f} | "
            f"{row['train_on_batch']:.2f} |"
            for name, row in heads.items()
        ),
    ]


def table_rows(tables: dict[str, dict[str, float]]) -> list[str]:
    """The table of tables: networks per second of so many epochs."""
    return [
        "| table | epochs | native | jax.vmap | native/jax | fit | native/fit | train_on_batch |",
        "|---|" + "---:|" * 7,
        *(
            f"| {name} | {row['epochs']} | {row['native']:,.1f} | {row['jax']:,.1f} | "
            f"{row['native'] / row['jax']:.1f} | {row['fit']:.3f} | {row['native'] / row['fit']:,.0f} | "
            f"{row['train_on_batch']:.3f} |"
            for name, row in tables.items()
        ),
    ]


def fused_row(row: dict[str, float]) -> str:
    """The fused engine on both backends against plain JAX, at one shape."""
    cells = [f"{row['width']}", f"{row['depth']}"]
    for backend in BACKENDS:
        rate, seconds = row[f"fused_{backend}"], row[f"fused_{backend}_compile_seconds"]
        cells += [f"{rate:,.0f}", f"{rate / row['jax']:.2f}", f"{seconds:.1f}"]
    return f"| {' | '.join(cells)} | {row['jax']:,.0f} | {row['jax_compile_seconds']:.1f} |"


def main() -> None:
    """Measure, print, keep as JSON; with `--page` write the table into docs/performance.md."""
    measured = measure()
    text = table(measured)
    print(text)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(measured, indent=2) + "\n")
    if "--page" in sys.argv[1:]:
        page = ROOT / "docs" / "performance.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
