"""The folder of a training of `sweep.train(build=..., out=...)`, and what it says.

`training.json` says which training it is; `runs.jsonl` has a line for each run as soon as it is done, its loss by epoch
in it. When the seeds asked for are done, `runs.csv` has a row for every run in the folder, `configurations.csv` their
count and `manifest.json` what vouches for both.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sweep.experiment.regular_files import read_regular, regular
from sweep.networks.measurements import Example
from sweep.networks.snapshots import snapshot_epochs
from sweep.results import results
from sweep.results.files import ResultsError, library_versions, write_atomically
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.results import Results
from sweep.results.tables import export_table, frame, median, read_runs
from sweep.runs.outcomes import failures, outcomes
from sweep.statistics.intervals import wilson
from sweep.statistics.seeds import bar_of
from sweep.statistics.verdicts import Target
from sweep.training.keras.own_model import Fit

libraries = ("xor-sweep", "numpy", "pandas", "scipy", "statsmodels", "tensorflow", "keras")
reliability = Target()
max_epochs_shown = 12
longest = 1 << 24  # bytes of training.json
_needed = ("run", "epochs", "batch_size", "seed", "n_parameters", "final_loss", "learned", "epochs_to_learn", "outcome")


@dataclass(frozen=True)
class OwnResults:
    """A network that a function builds, trained under many seeds: its folder and what `training.json` says."""

    folder: Folder
    training: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.training["build"])

    @property
    def n_epochs(self) -> int:
        """Epochs of each run."""
        return int(self.training["epochs"])

    @cached_property
    def runs(self) -> Any:
        """runs.csv: one row per run, sorted by seed."""
        return read_runs(self.folder.runs, needed=_needed)

    @cached_property
    def configurations(self) -> Any:
        """The one row of configurations.csv, from the runs."""
        return count(self.runs, self.name)

    @cached_property
    def manifest(self) -> Manifest:
        """How it was made: versions, digests, floors of the loss where they are known."""
        return self.folder.read_manifest()

    @property
    def shares(self) -> list[tuple[int, float]]:
        """`(epoch, share of the runs that have learned then and to the end)`, up to 12 epochs."""
        learned = self.runs["epochs_to_learn"][self.runs["learned"]].to_numpy(np.int64)
        shown = np.unique(np.linspace(0, self.n_epochs, max_epochs_shown).round().astype(int))
        return [(int(epoch), float((learned <= epoch).sum() / len(self.runs))) for epoch in shown]

    def examples(self) -> list[Example]:
        """All runs with their losses by epoch; what the folder does not keep, weights and answers, is empty."""
        nothing = np.zeros(0, np.float32)
        fits = {f.seed: f for f in read_fits(self.folder)}
        epochs = snapshot_epochs(self.n_epochs, 1)
        return [
            Example(self.name, seed, outcome, epochs, np.array(fits[seed].losses, np.float32), nothing, nothing)
            for seed, outcome in zip(self.runs["seed"].tolist(), self.runs["outcome"], strict=True)
        ]


def count(runs: Any, name: str) -> Any:
    """The runs of one network as the row of a table: the columns of configurations.csv that apply."""
    n, n_learned = len(runs), int(runs["learned"].sum())
    rate = wilson(n_learned, n, reliability.confidence)
    epochs = median(runs["epochs_to_learn"].fillna(-1).to_numpy(np.int64), runs["learned"].to_numpy(bool))
    losses = runs["final_loss"].to_numpy(np.float32)
    loss = np.float32(median(losses, np.isfinite(losses)))
    row: dict[str, Any] = {
        "configuration": name,
        "epochs": int(runs["epochs"].iloc[0]),
        "batch_size": int(runs["batch_size"].iloc[0]),
        "n_parameters": int(runs["n_parameters"].iloc[0]),
        "n_runs": n,
        "n_learned": n_learned,
        "success_rate": round(float(rate.value), 6),
        "ci_low": round(float(rate.low), 6),
        "ci_high": round(float(rate.high), 6),
        "ci_method": rate.method,
        "verdict": str(bar_of(reliability).verdicts(n_learned, n)),
        "median_epochs_to_learn": epochs if np.isfinite(epochs) else np.nan,
        "median_final_loss": loss if np.isfinite(loss) else np.float32(np.nan),
        **{f"n_{name}": n for name, n in count_outcomes(runs).items() if name in failures},
    }
    return frame([row])


def load(path: str | os.PathLike[str]) -> Results | OwnResults:
    """The results in a folder: of a sweep, or of a training of `sweep.train(build=..., out=...)`.

    Raises `ResultsError` where there are none, or where it is not finished.
    """
    folder = Folder(Path(path))
    if folder.experiment.exists() or not folder.training.exists():
        return results.load(path)
    found = OwnResults(folder, read_training(folder))
    done = {f.seed for f in read_fits(folder)}
    if not done or not folder.runs.exists() or set(found.runs["seed"]) != done:
        raise ResultsError(f"{path}: an unfinished training, {len(done):,} runs so far; the same sweep.train goes on")
    return found


def read_training(folder: Folder) -> dict[str, Any]:
    """What training.json says. Raises `ResultsError` for one that cannot be read."""
    path = folder.training
    try:
        known = json.loads(read_regular(path, longest))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None
    kinds = {"build": str, "learned": str, "epochs": int, "batch_size": int}
    if not isinstance(known, dict) or not all(isinstance(known.get(k), kind) for k, kind in kinds.items()):
        raise ResultsError(f"{path}: cannot be read: expected a mapping with {', '.join(kinds)}")
    return known


def read_fits(folder: Folder) -> list[Fit]:
    """The runs that are done; a last line that a stop cut short is none."""
    path, n_losses = folder.training_runs, len(snapshot_epochs(int(read_training(folder)["epochs"]), 1))
    try:
        content = read_regular(path) if path.exists() else b""
        found = [Fit(**json.loads(line)) for line in content[: content.rfind(b"\n") + 1].splitlines()]
        for fit in found:
            if type(fit.seed) is not int or np.array(fit.losses, np.float64).shape != (n_losses,):
                raise ValueError(f"seed {fit.seed!r}: no run with {n_losses:,} losses")
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None
    return found


class Store:
    """A folder in which a training is kept while it goes on."""

    def __init__(self, path: Path, training: Mapping[str, Any]) -> None:
        self.folder = Folder(path)
        if path.exists() and not path.is_dir():
            raise ResultsError(f"{path}: is a file; allowed: a folder, new or of the same training")
        path.mkdir(parents=True, exist_ok=True)
        if not self.folder.training.exists():
            if any(path.iterdir()):
                raise ResultsError(f"{path}: has files already, and none is training.json; choose another folder")
            write_atomically(self.folder.training, (json.dumps(training, indent=2) + "\n").encode())
        known = read_training(self.folder)
        other = [name for name in training if known.get(name) != training[name]]
        if other:
            raise ResultsError(f"{path}: holds another training: {', '.join(other)} differ; choose another folder")

    def read(self) -> list[Fit]:
        """The runs that are done; a line that a stop cut short is dropped from the file."""
        found, lines = read_fits(self.folder), self.folder.training_runs
        if lines.exists():
            content = read_regular(lines)
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                write_atomically(lines, whole)
        return found

    def add(self, done: Fit) -> None:
        """Keep a run."""
        with open(self.folder.training_runs, "a", opener=regular) as file:
            file.write(json.dumps(asdict(done)) + "\n")

    def finish(self, table: Any, floors: Sequence[tuple[float, str]]) -> OwnResults:
        """Write the tables and the manifest. `floors`: of the loss, each with its name."""
        folder = self.folder
        found = OwnResults(folder, read_training(folder))
        export_table(table, folder.runs)
        export_table(found.configurations, folder.configurations)
        versions, files = library_versions(libraries), folder.digests()
        folder.write_manifest(Manifest(versions=versions, engine="keras", files=files, floors=tuple(floors)))
        return found


def count_outcomes(runs: Any) -> dict[str, int]:
    """Runs by outcome, all that can be."""
    return {name: int((runs["outcome"] == name).sum()) for name in outcomes}
