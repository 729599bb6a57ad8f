"""`sweep judge`: runs that somebody else made, in a table, as a results folder like any other.

The table is read, nothing is trained: it is a trainer whose runs are there already.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.commands.check import Plan
from sweep.experiment import file as experiment_file
from sweep.experiment.file import ExperimentFile
from sweep.experiment.seeds import end_of_seeds
from sweep.experiment.writing import study_text
from sweep.results.contents import Table, parse_cells
from sweep.results.files import ResultsError
from sweep.runs.cohort import Broken, Cohort
from sweep.runs.errors import did_you_mean, show
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.runs.settings import Settings, reserved
from sweep.runs.success import Success
from sweep.training.executor import Threads
from sweep.training.trainer import Guard, Kept, OnCount

# what Weights & Biases, MLflow and Optuna put before a name
prefixes = ("", *("config.", "config/", "params.", "params_", "metrics.", "summary.", "user_attrs_", "values_"))
states = ("state", "status")
not_ended = ("running", "waiting", "scheduled", "pending", "queued")
steps = ("step", "_step", "epoch", "iteration")  # where these differ, rows are points of a curve
max_listed = 12
Values = Mapping[str, Any]


@dataclass(frozen=True)
class TableOfRuns:
    """A trainer whose runs are there already, `runs` by the id of their configuration."""

    name: str
    runs: Mapping[str, Runs]
    device: str = "unknown"
    is_threaded: bool = False
    n_programs: int = 0

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.name

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Look up the runs of cohorts; see `Trainer`. Those that the table lacks are missing."""
        for cohort in cohorts:
            identity = cohort.configuration.id
            own = self.runs[identity]
            lacking = tuple(np.setdiff1d(cohort.seeds, own.seed).tolist())
            if lacking:
                guard.on_broken(Broken(identity, lacking, f"no row in the {self.name}"))
            found = own.take(np.isin(own.seed, cohort.seeds))
            on_count(len(found), int(found.learned.sum()))
            yield Kept(identity, found)

    def close(self) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Judged:
    """What a table holds: the plan that makes a folder of it, and remarks on how rows were taken."""

    plan: Plan
    remarks: tuple[str, ...]


def plan_judgement(
    path: Path, names: Sequence[str], seed: str | None, success: str, target: float, confidence: float
) -> Judged:
    """Read runs from a CSV table, a row each. Raises `ResultsError` for rows that are no runs.

    `names`: the columns of the settings; `seed`: that of the seed, None to number the rows of each configuration.
    """
    try:
        criterion = Success.parse(success)
    except ValueError as error:
        raise ResultsError(f"--success: found {show(success)}; allowed: {error}") from None
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    reader = _Reader(path, parse_cells(content, str(path)), names, seed, criterion)
    settings, runs = reader.read()
    used = sorted({int(s) for own in runs.values() for s in own.seed})
    sections = {**_settings_sections(settings, names), "vary": {"seed": used}}
    sections["reliability"] = {"success": str(criterion), "target": target, "confidence": confidence}
    text = study_text(sections, f"sweep judge {path.name}")
    experiment = experiment_file.parse(text, str(path), subject="settings")
    source = ExperimentFile(path.with_suffix(".yaml"), text.encode(), {}, experiment)
    trainer = TableOfRuns(f"table {path.name} {hashlib.sha256(content).hexdigest()[:12]}", runs)
    return Judged(Plan(source, trainer, Threads(1), 0, 0.0), tuple(reader.remarks))


def _settings_sections(settings: Sequence[Values], names: Sequence[str]) -> dict[str, Any]:
    """The settings of all configurations as `fixed`, what they have in common, and `cases`."""
    varied = [name for name in names if len({show(own[name]) for own in settings}) > 1]
    fixed = {name: settings[0][name] for name in names if name not in varied}
    cases = [{name: own[name] for name in varied} for own in settings] if varied else []
    return {"fixed": fixed, "cases": cases}


class _Reader:
    """The runs of a table, checked row by row."""

    def __init__(self, path: Path, table: Table, names: Sequence[str], seed: str | None, success: Success) -> None:
        self.path, self.table, self.names, self.success = path, table, names, success
        self.remarks: list[str] = []
        self._settings = {name: self._column("--configuration", name) for name in names}
        self._seed = None if seed is None else self._column("--seed", seed)
        self._metric = self._column("--success", success.metric)
        if not table.rows:
            raise ResultsError(f"{path}: no rows; allowed: a row for each run")
        self._state = next((i for i, c in enumerate(table.columns) if c.lower() in states), None)
        self._values = {name: _typed([row[i] for row in table.rows]) for name, i in self._settings.items()}

    def _column(self, option: str, name: str) -> int:
        """The place of a column by its name, or by its name behind what an export puts before it."""
        columns = self.table.columns
        found = [columns.index(name)] if name in columns else []
        found = found or [i for i, c in enumerate(columns) if c in [prefix + name for prefix in prefixes]]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(columns[i] for i in found)
            raise ResultsError(f"{option}: {name}: {self.path} has {several}; allowed: one of these by its full name")
        bare = [self._bare(c) for c in columns]
        raise ResultsError(f"{option}: {self.path} has no column {name}; {did_you_mean(name, bare)}")

    def _bare(self, column: str) -> str:
        """A column's name without what an export put before it."""
        return next((column.removeprefix(p) for p in prefixes[1:] if column.startswith(p)), column)

    def read(self) -> tuple[list[Values], dict[str, Runs]]:
        """The settings of each configuration in the order of the table, and the runs of each by its id."""
        places: dict[str, list[int]] = {}
        settings: dict[str, Values] = {}
        for i, row in enumerate(self.table.rows):
            if self._state is not None and row[self._state].lower() in not_ended:
                continue
            own = {name: values[i] for name, values in self._values.items()}
            identity = Settings.of(own).id
            settings.setdefault(identity, own)
            places.setdefault(identity, []).append(i)
        n_rows = len(self.table.rows)
        n_left = n_rows - sum(map(len, places.values()))
        if n_left:
            self.remarks.append(f"left out, as their runs have not ended: {n_left:,} of {n_rows:,} rows")
        if not places:
            raise ResultsError(f"{self.path}: no run has ended; allowed: a row for each run")
        others = self._numbers()
        runs = {identity: self._runs(settings[identity], own, others) for identity, own in places.items()}
        n_empty = sum(self.table.rows[i][self._metric].strip() == "" for own in places.values() for i in own)
        if n_empty:
            self.remarks.append(f"crashed, as they have no {self.success.metric}: {n_empty:,} of {n_rows:,} rows")
        self._remark_on_seeds(runs)
        return list(settings.values()), runs

    def _runs(self, settings: Values, places: Sequence[int], others: Mapping[str, Sequence[float]]) -> Runs:
        seeds = np.array(self._seeds(settings, places), np.uint32)
        values = np.array([self._number(i) for i in places])
        is_empty = np.array([self.table.rows[i][self._metric].strip() == "" for i in places])
        ends = np.where(np.isfinite(values), np.where(self.success.holds(values), "learned", "missed"), "diverged")
        codes = np.array([outcomes.index(end) for end in np.where(is_empty, "crashed", ends)], np.int8)
        measured = {self.success.metric: values}
        measured |= {name: np.array([numbers[i] for i in places]) for name, numbers in others.items()}
        order = np.argsort(seeds, kind="stable")
        return Runs(seeds, codes, measured).take(order)

    def _seeds(self, settings: Values, places: Sequence[int]) -> list[int]:
        if self._seed is None:
            self._check_is_no_curve(settings, places)
            return list(range(len(places)))
        known: dict[int, int] = {}
        for i in places:
            text = self.table.rows[i][self._seed]
            seed = _parsed(text, float)
            if seed is None or not seed.is_integer() or not 0 <= seed < end_of_seeds:
                raise ResultsError(f"{self._line(i)}: seed: found {show(text)}; allowed: a whole number, 0 to 2^32 - 1")
            if int(seed) in known:
                found = f"a second row of {_described(settings)} under seed {int(seed)}"
                raise ResultsError(
                    f"{self._line(i)}: {found}, the first is line {known[int(seed)] + 2}: a run is one row\n"
                    "  allowed: of a curve its last row alone; or in --configuration what tells the rows apart"
                )
            known[int(seed)] = i
        return list(known)

    def _check_is_no_curve(self, settings: Values, places: Sequence[int]) -> None:
        """Raise `ResultsError` where rows without seeds look like the points of a curve."""
        for c, name in enumerate(self.table.columns):
            if self._bare(name) in steps and len({self.table.rows[i][c] for i in places}) > 1:
                raise ResultsError(
                    f"{self.path}: the rows of {_described(settings)} differ in {name}, as the points of a curve do: a "
                    "run is one row\n  allowed: the last row of each run alone; or --seed, where they are runs"
                )

    def _number(self, i: int) -> float:
        """The number that success compares, NaN where the cell is empty or says so."""
        text = self.table.rows[i][self._metric].strip()
        value = math.nan if not text else _truth(text) if _truth(text) is not None else _parsed(text, float)
        if value is None:
            raise ResultsError(
                f"{self._line(i)}: {self.success.metric}: found {show(text)}; allowed: a number, or none"
            )
        return float(value)

    def _numbers(self) -> dict[str, list[float]]:
        """The other columns that hold numbers alone, and that no setting or column of the tables is called like."""
        taken = {*self._settings.values(), self._metric, self._seed, self._state}
        names = [self._bare(c) for c in self.table.columns]
        numbers: dict[str, list[float]] = {}
        for c, name in enumerate(names):
            is_free = name and names.count(name) == 1 and name not in (*reserved, *self.names, self.success.metric)
            if c in taken or not is_free:
                continue
            cells = [row[c].strip() for row in self.table.rows]
            values = [math.nan if not text else _parsed(text, float) for text in cells]
            if any(cells) and None not in values:
                numbers[name] = [math.nan if x is None else x for x in values]
        return numbers

    def _remark_on_seeds(self, runs: Mapping[str, Runs]) -> None:
        shared = {int(s) for own in runs.values() for s in own.seed}
        if len(runs) > 1 and len(shared) == sum(map(len, runs.values())):
            self.remarks.append(
                "no seed stands under two configurations, so each lacks the seeds of the others; without --seed the "
                "rows of each are numbered"
            )

    def _line(self, i: int) -> str:
        return f"{self.path}: line {i + 2}"


def _described(settings: Values) -> str:
    shown = ", ".join(f"{name}={show(value)}" for name, value in list(settings.items())[:max_listed])
    return shown or "the one configuration"


def _parsed(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text) if "_" not in text else None  # Python would read 1_000
    except ValueError:
        return None


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _typed(cells: Sequence[str]) -> list[Any]:
    """The cells of a setting as whole numbers, numbers, or truth where all are, else as words; none where empty."""
    texts = [text.strip() for text in cells]
    is_whole = all(re.fullmatch(r"[+-]?\d+", text) for text in texts if text)
    for kind in (int if is_whole else float, _truth):
        values = [None if not text else _parsed(text, kind) for text in texts]
        is_finite = all(math.isfinite(x) for x in values if isinstance(x, float))
        if is_finite and all((value is None) == (not text) for value, text in zip(values, texts, strict=True)):
            return values
    return [text or None for text in texts]
