"""The fused engine on the GPU: contract, parity, throughput against the CPU, written into docs/performance.md.

Keras models all at once too, under JAX, whose CUDA libraries are those of `jax[cuda12]`. The backend of the engine is
TensorFlow, or JAX with `KERAS_BACKEND=jax`. Without a GPU it ends with one message and exit code 2.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import keras_models
import numpy as np

import sweep
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training import choice
from sweep.training.engine import EngineError
from sweep.training.fused import FusedEngine
from sweep.training.fused.shapes import MAX_MODELS

ROOT = Path(__file__).parent.parent
SHAPES = ((8, 1), (8, 3), (32, 2))
STEPS = 1000
BEGIN, END = "<!-- make gpu-check: begin -->", "<!-- make gpu-check: end -->"


def rate(width: int, depth: int, device: str) -> float:
    """Networks per second of the largest program of a device, compilation left out, the best of three."""
    cohort = Cohort(
        resolve({"width": width, "depth": depth, "epochs": STEPS}), np.arange(MAX_MODELS[device], dtype=np.uint32)
    )
    engine = FusedEngine(device)
    engine.train(cohort)
    rates: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        engine.train(cohort)
        rates.append(len(cohort) / (time.perf_counter() - started))
    return max(rates)


def table(gpu: str) -> str:
    """Networks per second on both devices, as Markdown."""
    rows: list[str] = []
    for width, depth in SHAPES:
        on = {device: rate(width, depth, device) for device in ("cpu", "gpu")}
        rows.append(f"| {width} | {depth} | {on['cpu']:,.0f} | {on['gpu']:,.0f} | {on['gpu'] / on['cpu']:.1f} |")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    heading = f"{date.today()}, {gpu}, Keras on {backend}. Networks per second, 1,000 full-batch Adam steps."
    return "\n".join([heading, "", "| width | depth | CPU | GPU | GPU/CPU |", "|" + "---:|" * 5, *rows])


def stacked_models() -> str:
    """A Keras model's seeds all at once on both devices: the seconds of each, and how many seeds learn there.

    Raises `SettingError` where JAX sees no GPU, `AssertionError` where the losses before the first step differ.
    """
    task, told, started_at = keras_models.TASKS["softmax"], list[str](), list[float]()
    for device in ("cpu", "gpu"):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            options: dict[str, Any] = {"epochs": task.epochs, "batch_size": task.batch_size, "quiet": True}
            options |= {"engine": "stacked", "device": device, "out": Path(folder) / "softmax"}
            runs = sweep.train(build=keras_models.softmax, data=task.data, seeds=1024, **options)
            curve = sweep.load(options["out"]).folder.read_curves()[runs["run"][0]]
        started_at.append(float(curve.metrics["loss"][0]))
        told.append(f"{device} {time.perf_counter() - started:.1f} s, {runs['learned'].sum()} learn")
    np.testing.assert_allclose(*started_at, rtol=1e-4)
    return f"1,024 seeds of a softmax network at once, 300 epochs, compilation included: {'; '.join(told)}."


def main() -> int:
    """Check, measure, write; the exit code."""
    try:
        choice.choose("fused", "gpu", [])
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    tests = [
        "tests/training/test_engine_contract.py",
        "tests/training/test_parity.py",
        "-k",
        "fused and not agrees_with_keras",
        "-m",
        "not slow",
    ]
    environment = {**os.environ, "FUSED_DEVICE": "gpu"}
    done = subprocess.run([sys.executable, "-m", "pytest", *tests], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        return done.returncode
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    text = table(subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0])
    text += f"\n\n{stacked_models()}"
    print(text)
    page = ROOT / "docs" / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
