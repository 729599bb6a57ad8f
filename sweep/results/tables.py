"""The two tables, as bytes and as pandas DataFrames, and the runs that they hold.

Statistics stand with six decimals, float32 numbers with the fewest digits that read back as the same float32.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.regular_files import regular
from sweep.networks.configuration import Configuration
from sweep.results.cells import decimals, exact, plain, present, shortest, significant
from sweep.results.columns import (
    Column,
    columns_of_configurations,
    columns_of_runs,
    header,
    measured_column,
    measured_of_networks,
    metric,
    of_any_run,
    of_runs,
    of_trainers,
)
from sweep.results.files import ResultsError, write_atomically
from sweep.runs.cohort import Subject
from sweep.runs.outcomes import failures_of, outcomes
from sweep.runs.runs import Entry, Runs
from sweep.search.allocation import Allocation


def _label(value: Any) -> str:
    return "" if value is None else str(value)


def _run_columns(entry: Entry[Subject], columns: Sequence[str], engine: str, device: str) -> dict[str, str | list[str]]:
    """One configuration's rows of runs.csv, column by column; a single text stands in all rows.

    What differs from row to row is numbers, names of outcomes and names of rows: nothing that CSV would quote.
    """
    runs, configuration = entry.runs, entry.configuration
    known: dict[str, str | list[str]] = {
        "run": [f"{configuration.id}-{seed}" for seed in runs.seed.tolist()],
        "trial": str(entry.trial),
        "configuration": configuration.id,
        **{name: _label(value) for name, value in configuration.labels().items()},
        "seed": plain(runs.seed),
        "engine": engine,
        "device": device,
        "n_parameters": str(configuration.n_parameters),
        "learned": plain(runs.learned),
        "outcome": np.array(outcomes, object)[runs.outcome].tolist(),
    }
    subject = kind_of([entry])
    return known | {k: _texts(measured_column(k, subject), v) for k, v in runs.measured.items()}


def _texts(column: Column, values: npt.NDArray[Any]) -> list[str]:
    """The cells of a column from the array of `Runs`."""
    match column.type:
        case "float32":
            return shortest(values)
        case "number":
            return exact(values)
        case "float64":
            return decimals(values)
        case "Int64":
            return present(values, values > column.missing)
        case "str":
            return values.tolist()
        case _:
            return plain(values)


def _values(column: Column, cells: Any) -> npt.NDArray[Any]:
    """The array of `Runs` from the cells of a read table."""
    match column.type:
        case "Int64":
            return cells.fillna(column.missing).to_numpy(np.int64)
        case "str":
            return cells.to_numpy(np.str_)
        case "number":
            return cells.to_numpy(np.float64)
        case _:
            return cells.to_numpy(column.type)


def _line(cells: Iterable[str]) -> str:
    """Cells as CSV, quoted where they have to be, without the end of the line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _lines(columns: Iterable[str | list[str]]) -> Iterator[str]:
    """Rows as CSV from their columns, of which one at least is a list; the cells that stay the same are joined once."""
    pieces: list[Iterable[str]] = []
    for is_text, group in itertools.groupby(columns, lambda column: isinstance(column, str)):
        if is_text:
            pieces.append(itertools.repeat(_line(map(str, group))))
        else:
            pieces += map(iter, group)
    return map(",".join, zip(*pieces, strict=False))


def prediction_names(subject: Subject) -> tuple[str, ...]:
    """The columns of a network's predictions, where its table has any; see `Configuration.prediction_names`."""
    return subject.prediction_names if isinstance(subject, Configuration) else ()


def kind_of(entries: Sequence[Entry[Subject]]) -> str:
    """What entries are of, see `sweep.experiment.subjects`."""
    return "network" if all(isinstance(e.configuration, Configuration) for e in entries) else "settings"


def measured_names(entries: Sequence[Entry[Subject]]) -> list[str]:
    """What was measured of any of these runs, in the order of the tables.

    Of runs of one's own: the number that success compares, the others by name, and what the trainer measures; not in
    the order in which they came in, which is another one each time.
    """
    names = list(dict.fromkeys(name for e in entries for name in e.runs.measured))
    if kind_of(entries) == "network":
        return names
    return [*names[:1], *sorted(set(names[1:]) - set(of_trainers)), *(name for name in of_trainers if name in names)]


def runs_blocks(entries: Sequence[Entry[Subject]], columns: Sequence[str], engine: str, device: str) -> Iterator[bytes]:
    """runs.csv piece by piece, the header first: a million runs as one table would need gigabytes.

    The entries' rows, which are sorted by seed, in the order of the entries.
    """
    of_tasks = (name for e in entries for name in prediction_names(e.configuration))
    measured = dict.fromkeys([*of_tasks, *measured_names(entries)])
    names = header(columns_of_runs(kind_of(entries)), columns, measured)
    yield f"{_line(names)}\n".encode()
    for entry in entries:
        cells = _run_columns(entry, columns, engine, device)
        yield "".join(f"{line}\n" for line in _lines(cells.get(name, "") for name in names)).encode()


def runs_table(entries: Sequence[Entry[Subject]], columns: Sequence[str], engine: str, device: str) -> bytes:
    """runs.csv as a whole; see `runs_blocks`."""
    return b"".join(runs_blocks(entries, columns, engine, device))


def median(values: npt.NDArray[Any], is_counted: npt.NDArray[np.bool_]) -> float:
    """The median where what is not counted is larger than everything; infinite where that reaches the middle."""
    return float(np.median(np.where(is_counted, values.astype(np.float64), np.inf))) if len(values) else np.inf


def ranked(entries: Sequence[Entry[Subject]], allocation: Allocation) -> list[Entry[Subject]]:
    """The entries in the order of configurations.csv: ci_low descending, then n_parameters, then trial."""
    n_runs = np.array([len(e.runs) for e in entries], np.int64)
    n_learned = np.array([int(e.runs.learned.sum()) for e in entries], np.int64)
    rates = allocation.rates(n_learned, n_runs)
    n_parameters = np.array([e.configuration.n_parameters for e in entries])
    trials = np.array([e.trial for e in entries])
    return [entries[i] for i in np.lexsort((trials, n_parameters, -rates.low))]


def configurations_table(entries: Sequence[Entry[Subject]], columns: Sequence[str], allocation: Allocation) -> bytes:
    """configurations.csv: one row per configuration, in the order of `ranked`."""
    import pandas as pd

    entries = ranked(entries, allocation)
    n_runs = np.array([len(e.runs) for e in entries], np.int64)
    n_learned = np.array([int(e.runs.learned.sum()) for e in entries], np.int64)
    rates, standing = allocation.rates(n_learned, n_runs), allocation.standing([e.runs for e in entries])
    counts = np.array([np.bincount(e.runs.outcome, minlength=len(outcomes)) for e in entries]).reshape(
        -1, len(outcomes)
    )
    labels = [e.configuration.labels() for e in entries]
    subject = kind_of(entries)
    known: dict[str, Any] = {
        "configuration": [e.configuration.id for e in entries],
        "trial": [e.trial for e in entries],
        **{name: [_label(row[name]) for row in labels] for name in columns},
        "n_parameters": [e.configuration.n_parameters for e in entries],
        "n_runs": n_runs,
        "n_learned": n_learned,
        "success_rate": decimals(rates.value),
        "ci_low": decimals(rates.low),
        "ci_high": decimals(rates.high),
        "ci_method": rates.method,
        "verdict": standing.verdicts,
        **{name: significant(values) for name, values in standing.evidence.items()},
        **{f"n_{name}": counts[:, outcomes.index(name)] for name in failures_of(subject)},
        "n_missing": allocation.wanted([e.runs for e in entries]) - n_runs,
    }
    medians = _medians_of_networks(entries) if subject == "network" else _medians(entries)
    own = header(columns_of_configurations(subject), columns, [*standing.evidence, *medians])
    table = {name: (known | medians)[name] for name in own}
    return pd.DataFrame(table).to_csv(index=False, lineterminator="\n").encode()


def _medians_of_networks(entries: Sequence[Entry[Subject]]) -> dict[str, list[str]]:
    """The medians over all runs of networks: epochs to learn, final loss; empty where there is none."""
    trained = [e.runs if len(e.runs) else None for e in entries]
    epochs = [median(r["epochs_to_learn"], r.learned) if r else np.inf for r in trained]
    losses = [median(r["final_loss"], np.isfinite(r["final_loss"])) if r else np.inf for r in trained]
    return {
        "median_epochs_to_learn": [f"{x:.1f}".removesuffix(".0") if np.isfinite(x) else "" for x in epochs],
        "median_final_loss": shortest(np.array(losses, np.float32)),
    }


def _medians(entries: Sequence[Entry[Subject]]) -> dict[str, list[str]]:
    """The median of each metric over the runs that have it."""
    found: dict[str, list[str]] = {}
    for name in (name for name in measured_names(entries) if measured_column(name, "settings") is metric):
        values = [e.runs.measured.get(name, np.zeros(0)) for e in entries]
        finite = [own[np.isfinite(own)] for own in values]
        found[f"median_{name}"] = exact(np.array([np.median(own) if len(own) else np.nan for own in finite]))
    return found


def read_runs(
    source: Path | io.BytesIO,
    only: Callable[[str], bool] = lambda column: True,
    subject: str = "network",
) -> Any:
    """runs.csv as a pandas DataFrame; see `_read_table`.

    `only` says which columns to keep: a million runs with all of them need gigabytes. `subject`: what its runs are of.
    """
    return _read_table(source, columns_of_runs(subject), only)


def read_configurations(source: Path | io.BytesIO, subject: str = "network") -> Any:
    """configurations.csv as a pandas DataFrame; see `_read_table`."""
    return _read_table(source, columns_of_configurations(subject), lambda column: True)


def _read_table(path: Path | io.BytesIO, columns: Sequence[Column], only: Callable[[str], bool]) -> Any:
    """A table with the types of its columns: text, Int64 where numbers may be missing, float32, bool.

    What unlike layers join, as `4-2`, is text where the table has such networks, else of its own type. Raises
    `ResultsError` for a file that is no such table.
    """
    try:
        found = _read_csv(path, nrows=0).columns
        missing = [c.name for c in columns if c.is_needed and c.name not in found]
        if missing:
            raise ValueError(f"no column {missing[0]}")
        found = [c for c in found if only(c)]
        kept = [c for c in columns if c.name in found]
        types: Any = {c.name: c.type for c in kept}
        types |= {c: measured_column(c).type for c in found if columns is of_runs and c.startswith(("p_", "class_"))}
        known: Any = {"keep_default_na": False, "na_values": [""]}
        table = _read_csv(path, dtype=types, usecols=found, **known)
        for c in kept:
            if c.names and not set(table[c.name].fillna("")) <= set(c.names):
                allowed = ", ".join(name or "nothing" for name in c.names)
                raise ValueError(f"in column {c.name} something else than {allowed}")
        for column in table.select_dtypes("float"):
            if np.isinf(table[column]).any():  # what is not finite is left out when a table is written
                raise ValueError(f"in column {column} an infinite number")
        for c in kept:
            if c.alike:
                table[c.name] = _alike(table[c.name].fillna(""), c.alike)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None
    for column in types:
        if types[column] == "str":
            table[column] = table[column].fillna("")
    return table


def _read_csv(path: Path | io.BytesIO, **how: Any) -> Any:
    """A table as pandas reads it; a file piece by piece, a million runs in a fifth of the memory."""
    import pandas as pd

    if isinstance(path, io.BytesIO):
        return pd.read_csv(io.BytesIO(path.getvalue()), **how)
    with open(path, "rb", opener=regular) as file:
        return pd.read_csv(file, **how)


_one_value: Mapping[str, str] = {"int64": r"\d+", "bool": "True|False", "float64": r"\d+(\.\d+)?(e[+-]?\d+)?"}


def _alike(cells: Any, wanted: str) -> Any:
    """A column of texts in the type that it has where layers are alike; as it is where some are not."""
    if not cells.str.fullmatch(_one_value[wanted]).all():
        return cells
    return cells == "True" if wanted == "bool" else cells.astype(wanted)


def runs_from_table(rows: Any, configuration: Subject) -> Runs:
    """One configuration's rows of a read runs.csv."""
    if isinstance(configuration, Configuration):
        columns = {name: c for name, c in measured_of_networks.items() if c.is_needed or name in rows}
        columns |= {name: measured_column(name) for name in configuration.prediction_names}
    else:
        others = {*of_any_run, *configuration.labels()}
        columns = {str(name): measured_column(name, "settings") for name in rows.columns if name not in others}
    measured = {name: _values(column, rows[name]) for name, column in columns.items()}
    outcome = rows["outcome"].map(outcomes.index).to_numpy(np.int8)
    return Runs(rows["seed"].to_numpy(np.uint32), outcome, measured)


def to_records(table: Any) -> list[dict[str, Any]]:
    """The rows of a table as plain mappings: what is missing is None, float32 numbers by their shortest digits."""
    columns: dict[str, list[Any]] = {}
    for name in table.columns:
        values, is_missing = table[name], table[name].isna().to_numpy()
        plain = map(float, map(str, values.to_numpy())) if values.dtype == np.float32 else values.tolist()
        columns[name] = [None if gone else value for gone, value in zip(is_missing, plain, strict=True)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def frame(records: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> Any:
    """Plain mappings as a DataFrame, a row for each; or columns by name."""
    import pandas as pd

    return pd.DataFrame(records)


table_formats = (".csv", ".parquet")


def check_table_path(path: Path) -> None:
    """Raise `ResultsError` for a file name whose ending is no format of a table."""
    if path.suffix not in table_formats:
        raise ResultsError(f"{path}: found the ending {path.suffix or 'none'}; allowed: {', '.join(table_formats)}")


def export_table(table: Any, path: Path) -> None:
    """Write a table as .csv or .parquet; raises `ResultsError` for another ending, or without the extra `parquet`."""
    check_table_path(path)
    if path.suffix == ".csv":
        write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    else:
        buffer = io.BytesIO()
        try:
            table.to_parquet(buffer, index=False)
        except ImportError:
            raise ResultsError(f"{path}: Parquet needs pyarrow: pip install 'xor-sweep[parquet]'") from None
        write_atomically(path, buffer.getvalue())
