"""The results folder: its files, its tables, and blocks of runs that are durable before anything builds on them.

This module owns every file name. While a sweep goes on, each round is one block in `parts/`; at the end the tables are
written from all runs and the blocks are removed.
"""

import hashlib
import io
import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.model import Configuration, hyperparameters
from sweep.reliability import Target, verdict, verdicts, wilson
from sweep.runs import Example, Runs, failures, merge, outcomes

base_columns = (
    "task",
    "width",
    "depth",
    "activation",
    "dropout",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
)
max_prediction_rows = 16


class ResultsError(ValueError):
    """A results folder that cannot be used as asked: the message says which, what was found, what is allowed."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader sees the old content or the new, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class Entry:
    """A configuration in a sweep: the index of the trial that first suggested it, and its runs so far."""

    trial: int
    configuration: Configuration
    runs: Runs


@dataclass(frozen=True)
class Folder:
    """The files of one results folder."""

    path: Path

    @property
    def experiment(self) -> Path:
        """The experiment file as it was run."""
        return self.path / "experiment.yaml"

    @property
    def runs(self) -> Path:
        """One row per run."""
        return self.path / "runs.csv"

    @property
    def configurations(self) -> Path:
        """One row per configuration."""
        return self.path / "configurations.csv"

    @property
    def examples(self) -> Path:
        """One run of each outcome for each configuration."""
        return self.path / "examples.npz"

    @property
    def journal(self) -> Path:
        """Optuna's study."""
        return self.path / "study.journal"

    @property
    def manifest(self) -> Path:
        """How it was made."""
        return self.path / "manifest.json"

    @property
    def parts(self) -> Path:
        """Blocks of an unfinished sweep."""
        return self.path / "parts"

    def has_other_files(self) -> bool:
        """Whether anything lies here that no sweep left, a killed one's temporary files included."""
        return self.path.exists() and any(
            not (p.name.startswith(".") and p.suffix == ".tmp") for p in self.path.iterdir()
        )

    def is_finished(self) -> bool:
        """Whether the tables hold all that experiment.yaml asks for: no blocks left, the manifest vouches for it."""
        if self.parts.exists() or not all(f.exists() for f in (self.experiment, self.runs, self.configurations)):
            return False
        return self._recorded_digest(self.experiment) == _digest(self.experiment)

    def _recorded_digest(self, file: Path) -> Any:
        files = self.read_manifest().get("files")
        return files.get(file.name) if isinstance(files, dict) else None

    def check_runs(self) -> None:
        """Raise `ResultsError` where runs.csv is not as a finished sweep left it: its rows would be built upon."""
        recorded = self._recorded_digest(self.runs)
        if recorded is not None and not self.parts.exists() and self.runs.exists() and recorded != _digest(self.runs):
            raise ResultsError(
                f"{self.runs}: was changed since the sweep wrote it (its SHA-256 is not the manifest's); "
                "put it back, or --fresh to move the folder aside"
            )

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file that the manifest vouches for."""
        files = (self.experiment, self.runs, self.configurations, self.examples, self.journal)
        return {f.name: _digest(f) for f in files if f.exists()}

    def read_manifest(self) -> dict[str, Any]:
        """The manifest; empty where there is none yet. Raises `ResultsError` for one that cannot be read."""
        if not self.manifest.exists():
            return {}
        try:
            content = json.loads(self.manifest.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ResultsError(f"{self.manifest}: cannot be read: {error}") from None
        if not isinstance(content, dict):
            raise ResultsError(f"{self.manifest}: found {type(content).__name__}, expected a mapping")
        return content

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write the manifest as JSON."""
        write_atomically(self.manifest, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())

    # blocks ----------------------------------------------------------------------------------------------------------

    def write_part(self, name: str, runs: Mapping[str, Runs], kept: Sequence[Example], trainer: str) -> None:
        """Store a round's runs by configuration, and its examples; on return they are durable.

        `trainer`: engine and device. The name gets a number that is free: no block is ever overwritten.
        """
        arrays: dict[str, npt.NDArray[Any]] = {"trainer": np.array(trainer)}
        for identity, block in runs.items():
            arrays |= {f"{identity}/{f.name}": getattr(block, f.name) for f in fields(Runs)}
        self.parts.mkdir(exist_ok=True)
        names = (f"{name}-{i:03}.npz" for i in itertools.count())
        path = next(p for p in map(self.parts.joinpath, names) if not p.exists())
        write_atomically(path, _npz(arrays | _pack_examples(kept)))

    def read_parts(self, trainer: str) -> tuple[dict[str, Runs], list[Example]]:
        """The runs by configuration and the examples of every block.

        Raises `ResultsError` for a block that is damaged, or that another engine or device than `trainer` trained.
        """
        blocks: dict[str, list[Runs]] = {}
        kept: list[Example] = []
        for path in sorted(self.parts.glob("*.npz")):
            with _as_results_error(path):
                arrays = _load_npz(path)
                found = str(arrays["trainer"])
                kept += _unpack_examples(arrays)
                for key in arrays:
                    identity, _, column = key.partition("/")
                    if column == "seed":
                        columns = {f.name: arrays[f"{identity}/{f.name}"] for f in fields(Runs)}
                        blocks.setdefault(identity, []).append(Runs(**columns))
            self.check_trainer(found, trainer)
        return {identity: merge(many) for identity, many in blocks.items()}, kept

    def check_trainer(self, found: str, wanted: str) -> None:
        """Raise `ResultsError` where runs of another engine or device are in the folder than wanted now."""
        if found != wanted:
            raise ResultsError(
                f"{self.path}: was trained by the engine {found}, now asked for: {wanted}; "
                "choose another --out, or --fresh to move it aside"
            )

    def remove_parts(self) -> None:
        """Remove the blocks, when the tables hold their runs."""
        if self.parts.exists():
            shutil.rmtree(self.parts)

    def read_examples(self) -> list[Example]:
        """The examples; none where there is no file yet. Raises `ResultsError` for a file that is damaged."""
        if not self.examples.exists():
            return []
        with _as_results_error(self.examples):
            return _unpack_examples(_load_npz(self.examples))

    def write_examples(self, kept: Sequence[Example]) -> None:
        """Write the examples."""
        write_atomically(self.examples, _npz(_pack_examples(kept)))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# examples -------------------------------------------------------------------------------------------------------------


def _npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@contextmanager
def _as_results_error(path: Path) -> Generator[None]:
    """Turn whatever a damaged block may raise while it is read into a `ResultsError` that names it."""
    try:
        yield
    except (OSError, ValueError, EOFError, LookupError, TypeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ResultsError(f"{path}: damaged, cannot be read: {error}") from None


def _load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:  # a file that is not a zip would be taken for an array or a pickle
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in names}


_ragged = ("epochs", "losses", "predictions", "weights")


def _pack_examples(kept: Sequence[Example]) -> dict[str, npt.NDArray[Any]]:
    """Examples as few arrays: one after the other, with the ends of each."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "configuration": np.array([e.configuration for e in kept], "U13"),
        "seed": np.array([e.seed for e in kept], np.uint32),
        "outcome": np.array([e.outcome for e in kept], "U11"),
        "rows_outputs": np.array([e.predictions.shape[1:] for e in kept], np.int64).reshape(-1, 2),
    }
    for name in _ragged:
        flat = [getattr(e, name).ravel() for e in kept]
        arrays[name] = np.concatenate(flat) if flat else np.zeros(0, np.float32)
        arrays[f"{name}_end"] = np.cumsum([len(x) for x in flat], dtype=np.int64)
    return arrays


def _unpack_examples(arrays: Mapping[str, npt.NDArray[Any]]) -> list[Example]:
    columns = {name: np.split(arrays[name], arrays[f"{name}_end"][:-1]) for name in _ragged}
    kept: list[Example] = []
    for i, (identity, seed, outcome) in enumerate(
        zip(arrays["configuration"], arrays["seed"], arrays["outcome"], strict=True)
    ):
        shape = (-1, *arrays["rows_outputs"][i])
        own = {name: columns[name][i] for name in _ragged}
        own["predictions"] = own["predictions"].reshape(shape)
        kept.append(Example(str(identity), int(seed), str(outcome), **own))
    return kept


def lowest_seeds(kept: Iterable[Example]) -> list[Example]:
    """Of each configuration and outcome the example of the lowest seed, in the order of first appearance."""
    best: dict[tuple[str, str], Example] = {}
    for example in kept:
        key = (example.configuration, example.outcome)
        if key not in best or example.seed < best[key].seed:
            best[key] = example
    return list(best.values())


# tables ---------------------------------------------------------------------------------------------------------------


def hyperparameter_columns(named: Iterable[str]) -> tuple[str, ...]:
    """The tables' hyperparameters: the basic ones, then the others that the experiment names."""
    others = set(named) - {"layers"}
    return (*base_columns, *(h for h in hyperparameters if h in others and h not in base_columns))


def _prediction_columns(configuration: Configuration) -> list[str]:
    """A name for each row and output of a Boolean table of up to 16 different rows: `p_00`, or `p_00_0`."""
    task = configuration.task
    names = task.row_names
    if names is None or task.n_rows > max_prediction_rows:
        return []
    if task.n_outputs == 1:
        return [f"p_{row}" for row in names]
    return [f"p_{row}_{o}" for row in names for o in range(task.n_outputs)]


def _shortest(values: npt.NDArray[np.float32]) -> npt.NDArray[np.object_]:
    """float32 numbers by the fewest digits that read back as the same float32; empty where not finite."""
    narrow = values.astype(np.float32)
    texts = narrow.astype("U32").astype(object)
    is_finite = np.isfinite(narrow)
    # readers go by way of float64, where rounding twice may miss by one (7.038531e-26): such a number gets all digits
    for i in np.flatnonzero(is_finite & (texts.astype(np.float64).astype(np.float32) != narrow)):
        texts[i] = repr(float(narrow[i]))
    return np.where(is_finite, texts, "")


def _decimals(values: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Statistics with six decimals; empty where not finite."""
    numbers = np.asarray(values, np.float64)
    return np.array([f"{x:.6f}" if np.isfinite(x) else "" for x in numbers], object)


def _present(values: npt.NDArray[Any], is_present: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    return np.where(is_present, values.astype(object), "")


def _label(value: Any) -> str:
    return "" if value is None else str(value)


def _run_columns(entry: Entry, columns: Sequence[str], engine: str, device: str) -> dict[str, Any]:
    """One configuration's rows of runs.csv, as text or numbers ready to be written."""
    runs, configuration = entry.runs, entry.configuration
    labels = configuration.labels()
    return {
        "run": [f"{configuration.id}-{seed}" for seed in runs.seed.tolist()],
        "trial": entry.trial,
        "configuration": configuration.id,
        **{c: _label(labels[c]) for c in columns},
        "seed": runs.seed,
        "engine": engine,
        "device": device,
        "n_parameters": configuration.n_parameters,
        "final_loss": _shortest(runs.final_loss),
        "accuracy": _decimals(runs.accuracy),
        "learned": runs.learned,
        "margin": _shortest(runs.margin),
        "epochs_to_learn": _present(runs.epochs_to_learn, runs.epochs_to_learn >= 0),
        "outcome": np.array(outcomes, object)[runs.outcome],
        "merged_rows": runs.merged_rows.astype(object),
        "dead_units_initial": runs.dead_units_initial,
        "dead_units": runs.dead_units,
        "dead_layer": _present(runs.dead_layer, runs.dead_layer > 0),
    }


def runs_table(entries: Sequence[Entry], columns: Sequence[str], engine: str, device: str) -> bytes:
    """runs.csv: the entries' rows, which are sorted by seed, in the order of the entries."""
    import pandas as pd

    predictions = list(dict.fromkeys(name for e in entries for name in _prediction_columns(e.configuration)))
    blocks: list[dict[str, Any]] = []
    for entry in entries:
        block = _run_columns(entry, columns, engine, device)
        flat = entry.runs.predictions.reshape(len(entry.runs), -1)
        own = {name: _shortest(flat[:, i]) for i, name in enumerate(_prediction_columns(entry.configuration))}
        blocks.append(block | {name: own.get(name, "") for name in predictions})
    joined: dict[str, Any] = {}
    lengths = [len(e.runs) for e in entries]
    for name in blocks[0] if blocks else ():
        parts = [np.broadcast_to(np.asarray(b[name], object), (n,)) for b, n in zip(blocks, lengths, strict=True)]
        joined[name] = np.concatenate(parts)
    return pd.DataFrame(joined).to_csv(index=False, lineterminator="\n").encode()


def _median(values: npt.NDArray[Any], is_counted: npt.NDArray[np.bool_]) -> float:
    """The median where what is not counted is larger than everything; infinite where that reaches the middle."""
    return float(np.median(np.where(is_counted, values.astype(np.float64), np.inf))) if len(values) else np.inf


def configurations_table(
    entries: Sequence[Entry], columns: Sequence[str], n_planned: int, reliability: Target
) -> bytes:
    """configurations.csv: one row per configuration, ci_low descending, then n_parameters, then trial."""
    import pandas as pd

    n_runs = np.array([len(e.runs) for e in entries], np.int64)
    n_learned = np.array([int(e.runs.learned.sum()) for e in entries], np.int64)
    rates = wilson(n_learned, n_runs, reliability.confidence)
    counts = np.array([np.bincount(e.runs.outcome, minlength=len(outcomes)) for e in entries])
    labels = [e.configuration.labels() for e in entries]
    epochs = [_median(e.runs.epochs_to_learn, e.runs.learned) for e in entries]
    losses = [_median(e.runs.final_loss, np.isfinite(e.runs.final_loss)) for e in entries]
    n_parameters = np.array([e.configuration.n_parameters for e in entries])
    trials = np.array([e.trial for e in entries])
    table = {
        "configuration": [e.configuration.id for e in entries],
        "trial": trials,
        **{c: [_label(row[c]) for row in labels] for c in columns},
        "n_parameters": n_parameters,
        "n_runs": n_runs,
        "n_learned": n_learned,
        "success_rate": _decimals(rates.value),
        "ci_low": _decimals(rates.low),
        "ci_high": _decimals(rates.high),
        "ci_method": rates.method,
        "verdict": verdict(rates, reliability.target),
        "median_epochs_to_learn": [f"{x:.1f}".removesuffix(".0") if np.isfinite(x) else "" for x in epochs],
        "median_final_loss": _shortest(np.array(losses, np.float32)),
        **{f"n_{name}": counts[:, outcomes.index(name)] for name in failures},
        "n_missing": n_planned - n_runs,
    }
    order = np.lexsort((trials, n_parameters, -rates.low))
    return pd.DataFrame(table).iloc[order].to_csv(index=False, lineterminator="\n").encode()


_text_columns = {"run", "configuration", "task", "encoding", "activation", "kernel_initializer", "bias_initializer"}
_text_columns |= {"optimizer", "loss", "engine", "device", "outcome", "merged_rows", "ci_method", "verdict", "width"}
_whole_columns = {"epochs_to_learn", "dead_layer", "samples"}
_narrow_columns = {"final_loss", "margin", "median_final_loss"}
_always_columns: Mapping[str, str] = {  # what is never missing: reading fails where it is
    **dict.fromkeys(("trial", "depth", "batch_size", "epochs", "seed", "n_parameters"), "int64"),
    **dict.fromkeys(("dead_units_initial", "dead_units", "n_runs", "n_learned", "n_missing"), "int64"),
    **dict.fromkeys((f"n_{name}" for name in failures), "int64"),
    **dict.fromkeys(("dropout", "learning_rate", "accuracy"), "float64"),
    **dict.fromkeys(("success_rate", "ci_low", "ci_high", "median_epochs_to_learn"), "float64"),
    **dict.fromkeys(("learned", "use_bias"), "bool"),
}
_run_results = (
    *("n_parameters", "final_loss", "accuracy", "learned", "margin", "epochs_to_learn", "outcome", "merged_rows"),
    *("dead_units_initial", "dead_units", "dead_layer"),
)
_needed_runs = ("run", "trial", "configuration", *base_columns, "seed", "engine", "device", *_run_results)
_needed_configurations = (
    *("configuration", "trial", *base_columns, "n_parameters", "n_runs", "n_learned", "success_rate", "ci_low"),
    *("ci_high", "ci_method", "verdict", "median_epochs_to_learn", "median_final_loss"),
    *(f"n_{name}" for name in failures),
    "n_missing",
)


def read_table(path: Path | io.BytesIO) -> Any:
    """A table as a pandas DataFrame with the right types: text, Int64 where numbers may be missing, float32, bool.

    `width` is a number unless some network has unequal layers. Raises `ResultsError` for a file that is no such table.
    """
    import pandas as pd

    try:
        content = path.read_bytes() if isinstance(path, Path) else path.getvalue()
        header = pd.read_csv(io.BytesIO(content), nrows=0).columns
        needed = _needed_runs if "run" in header else _needed_configurations
        missing = [c for c in needed if c not in header]
        if missing:
            raise ValueError(f"no column {missing[0]}")
        types: Any = {c: "str" for c in header if c in _text_columns}
        types |= {c: _always_columns[c] for c in header if c in _always_columns}
        types |= {c: "Int64" for c in header if c in _whole_columns}
        types |= {c: "float32" for c in header if c in _narrow_columns or c.startswith("p_")}
        table = pd.read_csv(io.BytesIO(content), dtype=types, keep_default_na=False, na_values=[""])
        for column, allowed in (("outcome", outcomes), ("verdict", verdicts)):
            if column in table and not set(table[column]) <= set(allowed):
                raise ValueError(f"in column {column} something else than {', '.join(allowed)}")
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None
    for column in types:
        if types[column] == "str":
            table[column] = table[column].fillna("")
    if "width" in table and table["width"].str.fullmatch(r"\d+").all():
        table["width"] = table["width"].astype("int64")
    return table


def runs_from_table(rows: Any, configuration: Configuration) -> Runs:
    """One configuration's rows of a read runs.csv. Predictions that the table does not have come back as NaN."""
    names = _prediction_columns(configuration)
    shape = (len(rows), configuration.task.n_rows, configuration.task.n_outputs)
    predictions = rows[names].to_numpy(np.float32).reshape(shape) if names else np.full(shape, np.nan, np.float32)
    return Runs(
        seed=rows["seed"].to_numpy(np.uint32),
        final_loss=rows["final_loss"].to_numpy(np.float32),
        accuracy=rows["accuracy"].to_numpy(np.float64),
        learned=rows["learned"].to_numpy(bool),
        margin=rows["margin"].to_numpy(np.float32),
        epochs_to_learn=rows["epochs_to_learn"].fillna(-1).to_numpy(np.int64),
        outcome=rows["outcome"].map(outcomes.index).to_numpy(np.int8),
        merged_rows=rows["merged_rows"].to_numpy(np.str_),
        dead_units_initial=rows["dead_units_initial"].to_numpy(np.int64),
        dead_units=rows["dead_units"].to_numpy(np.int64),
        dead_layer=rows["dead_layer"].fillna(0).to_numpy(np.int64),
        predictions=predictions,
    )


@dataclass(frozen=True)
class Results:
    """A finished results folder: its tables as pandas DataFrames, its manifest."""

    folder: Folder

    @cached_property
    def runs(self) -> Any:
        """runs.csv: one row per run, sorted by trial, then seed."""
        return read_table(self.folder.runs)

    @cached_property
    def configurations(self) -> Any:
        """configurations.csv: one row per configuration, the most reliable first."""
        return read_table(self.folder.configurations)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How it was made: versions, engine, digests, counts, confirmation, timings."""
        return self.folder.read_manifest()


def load(path: str | os.PathLike[str]) -> Results:
    """The results in a folder; raises `ResultsError` where there are none (a sweep in progress has no tables yet)."""
    folder = Folder(Path(path))
    if not folder.experiment.exists():
        raise ResultsError(f"{path}: no results folder (no {folder.experiment.name})")
    if not folder.is_finished():
        raise ResultsError(f"{path}: an unfinished sweep; sweep run with the same experiment goes on with it")
    return Results(folder)


def to_records(table: Any) -> list[dict[str, Any]]:
    """The rows of a table as plain mappings: what is missing is None, float32 numbers by their shortest digits."""
    columns: dict[str, list[Any]] = {}
    for name in table.columns:
        values, is_missing = table[name], table[name].isna().to_numpy()
        plain = map(float, map(str, values.to_numpy())) if values.dtype == np.float32 else values.tolist()
        columns[name] = [None if gone else value for gone, value in zip(is_missing, plain, strict=True)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def export_table(table: Any, path: Path) -> None:
    """Write a table as .csv or .parquet; raises `ResultsError` for another ending, or without the extra `parquet`."""
    if path.suffix == ".csv":
        write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    elif path.suffix == ".parquet":
        buffer = io.BytesIO()
        try:
            table.to_parquet(buffer, index=False)
        except ImportError:
            raise ResultsError(f"{path}: Parquet needs pyarrow: pip install 'xor-sweep[parquet]'") from None
        write_atomically(path, buffer.getvalue())
    else:
        raise ResultsError(f"{path}: found the ending {path.suffix or 'none'}; allowed: .csv, .parquet")
