"""How long the page takes, how much memory and how many bytes, for 1,000 configurations and 1,000,000 runs.

Writes a results folder of invented runs (no training: the page reads files only), then builds its page in a process of
its own. Usage: python benchmarks/page_scale.py [folder]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from sweep.experiment import file as experiment_file
from sweep.networks.measurements import Example
from sweep.networks.snapshots import snapshot_epochs
from sweep.results.columns import hyperparameter_columns
from sweep.results.configurations import settings_lines
from sweep.results.folder import Folder
from sweep.results.tables import configurations_table, runs_table
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Entry, Runs
from sweep.search.allocation import Allocation

n_seeds = 1000
experiment_text = """fixed: {task: xor, activation: relu, epochs: 1000}
vary:
  width: [2, 3, 4, 5, 6, 8, 10, 12, 14, 16]
  depth: [1, 2, 3, 4, 5]
  learning_rate: [0.001, 0.003, 0.01, 0.03, 0.1]
  optimizer: [sgd, adam]
  batch_size: [1, 4]
  seed: 1000
"""


def invented_runs(rng: np.random.Generator) -> Runs:
    """Runs of one configuration, drawn: nothing was trained."""
    rate = rng.beta(0.7, 0.7)
    learned = rng.random(n_seeds) < rate
    outcome = np.where(learned, 0, rng.choice(np.arange(1, len(outcomes)), n_seeds, p=[0.05, 0.25, 0.4, 0.2, 0.1]))
    whole = np.zeros(n_seeds, np.int64)
    narrow = rng.random(n_seeds).astype(np.float32)
    measured: dict[str, Any] = {
        "final_loss": np.where(learned, narrow * np.float32(0.2), np.float32(0.34) + narrow * np.float32(0.36)),
        "accuracy": np.where(learned, 1.0, 0.75),
        "margin": np.where(learned, narrow, -narrow),
        "epochs_to_learn": np.where(learned, rng.integers(1, 1000, n_seeds), -1),
        "rest": np.where(outcome == outcomes.index("stuck"), "certified", ""),
        "merged_rows": np.where(outcome == outcomes.index("stuck"), "00+11", ""),
        "dead_units_initial": whole,
        "dead_units": whole,
        "dead_layer": whole + (outcome == outcomes.index("dead")),
        **{f"p_{row}": rng.random(n_seeds).astype(np.float32) for row in ("00", "01", "10", "11")},
    }
    return Runs(np.arange(n_seeds, dtype=np.uint32), outcome.astype(np.int8), measured)


def write_folder(path: Path) -> None:
    """A results folder of 1,000 configurations with 1,000 seeds each."""
    rng = np.random.default_rng(0)
    folder = Folder(path)
    path.mkdir(parents=True, exist_ok=True)
    folder.experiment.write_text(experiment_text)
    experiment = experiment_file.load(folder.experiment)
    configurations = [experiment.configuration(point) for point in experiment.grid()]
    entries = [Entry(i, c, invented_runs(rng)) for i, c in enumerate(configurations)]
    columns = hyperparameter_columns({**experiment.fixed, **experiment.vary})
    folder.runs.write_bytes(runs_table(entries, columns, "native", "cpu"))
    allocation = Allocation.of(experiment)
    folder.configurations.write_bytes(configurations_table(entries, columns, allocation))
    folder.settings.write_bytes(b"".join(settings_lines(configurations)))
    epochs = snapshot_epochs(1000, 4)
    kept = [
        Example(
            entry.configuration.id,
            int(np.flatnonzero(entry.runs.outcome == code)[0]),
            outcomes[code],
            epochs,
            rng.random(len(epochs)).astype(np.float32),
            rng.random((len(epochs), 4, 1)).astype(np.float32),
            rng.normal(size=entry.configuration.n_parameters).astype(np.float32),
        )
        for entry in entries
        for code in np.unique(entry.runs.outcome)
    ]
    folder.write_examples(kept)
    digest = sha256(folder.experiment.read_bytes()).hexdigest()
    folder.manifest.write_text(json.dumps({"files": {"experiment.yaml": digest}}))


def main() -> None:
    """Write the folder, build the page, print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary) / "large"
        if not path.exists():  # by a process of its own: a child is charged with the memory that its parent had
            subprocess.run([sys.executable, __file__, "--write", str(path)], check=True)
        started = time.perf_counter()
        process = os.posix_spawn(sys.executable, [sys.executable, "-m", "sweep", "report", str(path)], os.environ)
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - started
        if status:
            sys.exit("no page")
        size = (path / "report.html").stat().st_size
        cpu = used.ru_utime + used.ru_stime
        print(f"page of 1,000 configurations and 1,000,000 runs: {seconds:.1f} s ({cpu:.1f} s CPU),")
        print(f"  {used.ru_maxrss / 2**20:.2f} GiB at most, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write_folder(Path(sys.argv[2]))
    else:
        main()
