"""The results folder: its files, its tables, and blocks of runs that are durable before anything builds on them.

This module owns every file name. While a sweep goes on, each round is one block in `parts/`; at the end the tables are
written from all runs and the blocks are removed.
"""

import csv
import io
import itertools
import shutil
import struct
import tokenize
import zipfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.experiment import Experiment
from sweep.experiment.regular_files import check_inside, read_regular, regular
from sweep.networks.measurements import Example
from sweep.results import manifest
from sweep.results.files import ResultsError, digest_of, free_name, write_atomically
from sweep.results.manifest import Manifest
from sweep.runs import curves, endings
from sweep.runs.curves import Curve
from sweep.runs.endings import Ending
from sweep.runs.outcomes import lowest_seeds
from sweep.runs.runs import Runs, merge

# how the names of blocks begin that hold runs on fresh seeds
confirming = "confirm"


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
    def settings(self) -> Path:
        """The settings of each configuration, a line each: what readers build it from."""
        return self.path / "configurations.jsonl"

    @property
    def examples(self) -> Path:
        """One run of each outcome for each configuration."""
        return self.path / "examples.npz"

    @property
    def journal(self) -> Path:
        """Optuna's study."""
        return self.path / "study.journal"

    def study_of(self, experiment: Experiment) -> Path | str:
        """Where the study of an experiment in this folder is: the journal's path, or the URL of a storage."""
        return self.journal if experiment.study.storage == "journal" else experiment.study.storage

    @property
    def manifest(self) -> Path:
        """How it was made."""
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """PNG and SVG of the page's charts."""
        return self.path / "figures"

    @property
    def audit(self) -> Path:
        """What the referee said."""
        return self.path / "audit.json"

    @property
    def parts(self) -> Path:
        """Blocks of an unfinished sweep."""
        return self.path / "parts"

    @property
    def lock(self) -> Path:
        """Held while a sweep writes here."""
        return self.path / ".lock"

    @property
    def own_files(self) -> frozenset[Path]:
        """Every file and folder that has a name here; no table of an experiment may have one of these."""
        others = (self.journal, self.manifest, self.report, self.figures, self.audit, self.parts, self.lock)
        return frozenset((*self.written, *others))

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that every finished sweep leaves and vouches for, in the order in which it writes them."""
        return (self.experiment, self.runs, self.configurations, self.settings, self.examples)

    def check_has_experiment(self) -> None:
        """Raise `ResultsError` where the folder is no sweep's."""
        if self.experiment.exists():
            return
        if (self.path / "training.json").exists():
            raise ResultsError(
                f"{self.path}: runs of sweep.train(build=...) as an earlier version kept them; the same call trains "
                "them anew in another folder"
            )
        raise ResultsError(f"{self.path}: no results folder (no {self.experiment.name})")

    def check_has_networks(self) -> None:
        """Raise `ResultsError` where the runs are not of networks."""
        manifest = self.read_manifest()
        if manifest.subject != "network":
            raise ResultsError(f"{self.path}: runs of {manifest.engine}; allowed: of networks, as this needs")

    def has_other_files(self, tables: Mapping[str, bytes] = {}) -> bool:
        """Whether anything lies here that no sweep left.

        A killed one leaves temporary files, and the experiment's `tables`.
        """

        def is_ours(path: Path) -> bool:
            if path.is_dir():
                return any(name.startswith(f"{path.relative_to(self.path).as_posix()}/") for name in tables)
            if path == self.lock or _is_temporary(path.name):
                return True
            content = tables.get(path.relative_to(self.path).as_posix())
            return content is not None and read_regular(path) == content

        return self.path.exists() and not all(map(is_ours, self.path.rglob("*")))

    def check_table_names(self, tables: Iterable[str]) -> None:
        """Raise `ResultsError` where a table has the name of one of this folder's own files."""
        taken = {file.name for file in self.own_files}
        for name in tables:
            first = name.partition("/")[0].lower()
            if first in taken or _is_temporary(first):
                raise ResultsError(f"{name}: a results folder has a file of that name; rename the table's file")

    def write_tables(self, tables: Mapping[str, bytes]) -> None:
        """Keep the tables that the experiment names beside it, under the same paths."""
        for name, content in tables.items():
            path = self.path / name
            check_inside(self.path, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)

    def is_finished(self) -> bool:
        """Whether the tables hold all that experiment.yaml asks for: no blocks left, the manifest vouches for it."""
        return self.settings.exists() and self._has_tables()

    def _has_tables(self) -> bool:
        """Whether the folder is finished, or of an earlier version, which wrote no settings."""
        if self.parts.exists() or not all(f.exists() for f in (self.experiment, self.runs, self.configurations)):
            return False
        return self.read_manifest().files.get(self.experiment.name) == digest_of(self.experiment)

    def is_unfinished(self) -> bool:
        """Whether a sweep is at work here or was stopped.

        One of an earlier version that was finished is not, nor one that was finished and has lost a file since.
        """
        if self._has_tables() or self.parts.exists():
            return self.parts.exists()
        files = self.read_manifest().files
        if not files:
            return not self.configurations.exists()
        return files.get(self.experiment.name) != digest_of(self.experiment)

    def check_is_finished(self) -> None:
        """Raise `ResultsError` with what to do where the folder does not hold all that its experiment asks for."""
        if self.is_finished():
            return
        if self._has_tables():
            raise ResultsError(
                f"{self.settings}: no such file, as in folders of an earlier version; sweep run with the same "
                "experiment writes it and trains nothing again"
            )
        raise ResultsError(f"{self.path}: an unfinished sweep; sweep run with the same experiment goes on with it")

    def is_intact(self) -> bool:
        """Whether the folder is finished and every file is as the manifest has it."""
        files = self.read_manifest().files
        return (
            self.is_finished()
            and {f.name for f in self.written} <= set(files)
            and files.items() <= self.digests(files).items()
        )

    def check_runs(self) -> None:
        """Raise `ResultsError` where runs.csv is not as a finished sweep left it: its rows would be built upon."""
        recorded = self.read_manifest().files.get(self.runs.name)
        if recorded is not None and not self.parts.exists() and self.runs.exists() and recorded != digest_of(self.runs):
            raise ResultsError(
                f"{self.runs}: was changed since the sweep wrote it (its SHA-256 is not the manifest's); "
                "put it back, or --fresh to move the folder aside"
            )

    def digests(self, tables: Iterable[str] = ()) -> dict[str, str]:
        """SHA-256 of each file that the manifest vouches for, the experiment's tables among them."""
        names = (*(file.name for file in (*self.written, self.journal)), *tables)
        present = {name: self.path / name for name in names if (self.path / name).exists()}
        for path in present.values():
            check_inside(self.path, path)
        return {name: digest_of(path) for name, path in present.items()}

    def read_manifest(self) -> Manifest:
        """The manifest; one that says nothing where there is none. Raises `ResultsError` for a damaged one."""
        return manifest.read(self.manifest) if self.manifest.exists() else Manifest()

    def write_manifest(self, content: Manifest) -> None:
        """Write the manifest."""
        write_atomically(self.manifest, content.to_json().encode())

    # blocks ----------------------------------------------------------------------------------------------------------

    def write_part(
        self,
        name: str,
        runs: Mapping[str, Runs],
        kept: Sequence[Example],
        trainer: str,
        told: Sequence[Ending] = (),
        by_step: Mapping[str, Curve] = {},
    ) -> None:
        """Store runs by configuration, examples, what runs told at their end, and curves by run: then durable.

        `trainer`: engine and device. The name gets a number that is free: no block is ever overwritten.
        """
        arrays: dict[str, npt.NDArray[Any]] = {"trainer": np.array(trainer)}
        for identity, block in runs.items():
            columns = {"seed": block.seed, "outcome": block.outcome, **block.measured}
            arrays |= {f"{identity}/{name}": values for name, values in columns.items()}
        check_inside(self.path, self.parts / name)
        self.parts.mkdir(exist_ok=True)
        names = (f"{name}-{i:03}.npz" for i in itertools.count())
        path = next(p for p in map(self.parts.joinpath, names) if not p.exists())
        write_atomically(path, _npz(arrays | _pack_examples(kept) | endings.pack(told) | curves.pack(by_step)))

    def read_parts(self, trainer: str) -> tuple[dict[str, Runs], list[Example]]:
        """The runs by configuration and the examples of every block.

        Raises `ResultsError` for a block that is damaged, or that another engine or device than `trainer` trained.
        """
        blocks: dict[str, list[Runs]] = {}
        kept: list[Example] = []
        for path in self._part_files():
            found, runs, examples = _read_part(path)
            self.check_trainer(found, trainer)
            kept += examples
            for identity, block in runs.items():
                blocks.setdefault(identity, []).append(block)
        return {identity: merge(many) for identity, many in blocks.items()}, kept

    def n_stored(self) -> int:
        """How many runs are stored, in runs.csv and in blocks, but for those of fresh seeds.

        Raises `ResultsError` for a block that is damaged.
        """
        n = 0
        if self.runs.exists():
            with open(self.runs, "rb", opener=regular) as file:
                n = max(0, sum(1 for _ in file) - 1)
        blocks = (path for path in self._part_files() if not path.name.startswith(f"{confirming}-"))
        return n + sum(len(runs) for path in blocks for runs in _read_part(path)[1].values())

    def trained_by(self) -> str | None:
        """Engine and device of the runs that are stored, `native on cpu`; None where there are none."""
        for path in self._part_files():
            return _read_part(path)[0]
        if not self.runs.exists():
            return None
        with open(self.runs, encoding="utf-8", newline="", opener=regular) as file:
            row = next(csv.DictReader(file), None)
        return None if row is None else f"{row.get('engine')} on {row.get('device')}"

    def _part_files(self) -> list[Path]:
        check_inside(self.path, self.parts / "any")
        return sorted(self.parts.glob("*.npz"))

    def check_trainer(self, found: str, wanted: str) -> None:
        """Raise `ResultsError` where runs of another engine or device are in the folder than wanted now."""
        if found != wanted:
            raise ResultsError(
                f"{self.path}: was trained by the engine {found}, now asked for: {wanted}; "
                "choose another --out, or --fresh to move it aside"
            )

    def set_aside_damaged(self) -> list[str]:
        """Give files that cannot be read another name, so that a sweep can make them anew: what was done, in words.

        A manifest, examples or a block that cannot be read, and a runs.csv whose last line is torn.
        """
        readers = [(self.manifest, lambda _: self.read_manifest()), (self.examples, lambda _: self.read_examples())]
        readers += [(self.runs, _check_last_line), *((path, _read_part) for path in self._part_files())]
        done: list[str] = []
        for path, read in readers:
            try:
                read(path)
            except ResultsError as error:
                aside = free_name(path)
                path.rename(aside)
                done.append(f"{error}; kept as {aside.name}, made anew")
        return done

    def remove_leftovers(self) -> None:
        """Remove what killed sweeps were about to write."""
        for file in (*self.written, self.manifest):
            for path in self.path.glob(f".{file.name}.*.tmp"):
                path.unlink()

    def remove_parts(self) -> None:
        """Remove the blocks, when the tables hold their runs."""
        check_inside(self.path, self.parts / "any")
        if self.parts.exists():
            shutil.rmtree(self.parts)

    def read_examples(self) -> list[Example]:
        """The examples; none where there is no file yet. Raises `ResultsError` for a file that is damaged."""
        if not self.examples.exists():
            return []
        with _as_results_error(self.examples):
            return _unpack_examples(_load_npz(self.examples))

    def _archives(self) -> list[Path]:
        """The files that hold what a finished folder keeps of single runs, and blocks do."""
        return [*([self.examples] if self.examples.exists() else []), *self._part_files()]

    def read_endings(self) -> list[Ending]:
        """What runs told at their end, of a finished folder and of blocks. Raises `ResultsError` for damage."""
        found: list[Ending] = []
        for path in self._archives():
            with _as_results_error(path):
                found += endings.unpack(_load_npz(path))
        return lowest_seeds(found)

    def read_curves(self) -> dict[str, Curve]:
        """The curves by run, of a finished folder and of blocks. Raises `ResultsError` for damage."""
        found: dict[str, Curve] = {}
        for path in self._archives():
            with _as_results_error(path):
                found |= curves.unpack(_load_npz(path))
        return found

    def write_examples(
        self, kept: Sequence[Example], told: Sequence[Ending] = (), by_step: Mapping[str, Curve] = {}
    ) -> None:
        """Write the examples, what runs told at their end, and the curves by run."""
        write_atomically(self.examples, _npz(_pack_examples(kept) | endings.pack(told) | curves.pack(by_step)))


def check_is_no_own_file(path: Path) -> None:
    """Raise `ResultsError` for a path to write a table to at which a results folder has one of its own files."""
    path = path.parent.resolve() / path.name
    for folder in map(Folder, path.parents):
        if folder.manifest.is_file() and folder.experiment.is_file():
            inside = path.relative_to(folder.path)
            own = {file.name for file in folder.own_files}
            if inside.parts[0] in own or inside.as_posix() in folder.read_manifest().files:
                raise ResultsError(f"{path}: a file of the results folder {folder.path}; choose another name")


def _is_temporary(name: str) -> bool:
    """Whether a file is one that `write_atomically` was about to put in place of another."""
    return name.startswith(".") and name.endswith(".tmp")


def _check_last_line(path: Path) -> None:
    """Raise `ResultsError` where a text does not end with a whole line."""
    if path.exists():
        with open(path, "rb", opener=regular) as file:
            file.seek(max(0, path.stat().st_size - 1))
            if file.read() != b"\n":
                raise ResultsError(f"{path}: its last line is torn")


# examples -------------------------------------------------------------------------------------------------------------


def _npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


# what zipfile and NumPy raise for bytes that are no archive, no member and no header
_damages = (OSError, ValueError, EOFError, LookupError, TypeError, RuntimeError, OverflowError, MemoryError)
_damages += (SyntaxError, tokenize.TokenError, struct.error, zipfile.BadZipFile)


@contextmanager
def _as_results_error(path: Path) -> Generator[None]:
    """Turn whatever a damaged block may raise while it is read into a `ResultsError` that names it."""
    try:
        yield
    except _damages as error:
        raise ResultsError(f"{path}: damaged, cannot be read: {error}") from None


def _read_part(path: Path) -> tuple[str, dict[str, Runs], list[Example]]:
    """What a block holds: trainer, runs by configuration, examples."""
    with _as_results_error(path):
        arrays = _load_npz(path)
        columns: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for key, values in arrays.items():
            identity, _, column = key.partition("/")
            if column:
                columns.setdefault(identity, {})[column] = values
        runs = {identity: Runs(own.pop("seed"), own.pop("outcome"), own) for identity, own in columns.items()}
        return str(arrays["trainer"]), runs, _unpack_examples(arrays)


def _load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file that `_npz` made, by name: views of its bytes, so that none is larger than the file."""
    with open(path, "rb", opener=regular) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise ValueError("holds compressed data, as no sweep writes it")
        if sum(m.file_size for m in members) > path.stat().st_size:
            raise ValueError("says that it holds more than it is long")
        return {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}


def _array(content: bytes) -> npt.NDArray[Any]:
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array of another format than a sweep writes")
    shape, in_fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if in_fortran_order else "C")


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
