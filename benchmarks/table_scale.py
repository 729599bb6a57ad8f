"""A sweep of 1,000,000 runs: memory, time outside training, and how long the same command takes when all is done.

1,000 configurations of one hidden layer, 1,000 seeds each, 800 steps. Usage: python benchmarks/table_scale.py [--page]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
begin, end = "<!-- make bench-scale: begin -->", "<!-- make bench-scale: end -->"

experiment_text = """fixed: {epochs: 200, batch_size: 1}
vary:
  width: [2, 3, 4, 5, 6, 7, 8, 9, 10, 12]
  learning_rate: {low: 0.001, high: 0.05, step: 0.001}
  optimizer: [adam, sgd]
  seed: 1000
"""


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds of a command from start to end, and the most memory that it held, in GiB."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 2**20


def describe() -> str:
    """Run the sweep twice and say what it took, in words."""
    with tempfile.TemporaryDirectory() as folder:
        experiment, out = Path(folder) / "million.yaml", Path(folder) / "out"
        experiment.write_text(experiment_text)
        command = [sys.executable, "-m", "sweep", "run", str(experiment), "--out", str(out), "--quiet"]
        seconds, memory = measure(command)
        again, memory_again = measure(command)
        training = json.loads((out / "manifest.json").read_text())["timings_seconds"]["training"]
        size = (out / "runs.csv").stat().st_size / 1e6
    return (
        f"1,000,000 runs (1,000 configurations, 1,000 seeds, 800 steps): {seconds:.0f} s in all, {training:.0f} s of "
        f"them training; {1 - training / seconds:.0%} outside it, from the start of the interpreter to the last table "
        f"(`runs.csv` has {size:.0f} MB). At most {memory:.2f} GiB of memory. The same command again, when all is "
        f"done: {again:.1f} s, {memory_again:.2f} GiB."
    )


def main() -> None:
    """Print what it took; with `--page` also write it into docs/performance.md."""
    said = describe()
    print(said)
    if "--page" in sys.argv[1:]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
        PAGE.write_text(f"{before}{begin}\n{said}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
