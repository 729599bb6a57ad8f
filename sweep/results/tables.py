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

from sweep.networks.configuration import Configuration
from sweep.networks.runs import Entry, Runs
from sweep.networks.settings import hyperparameters
from sweep.networks.tasks import Task
from sweep.results.cells import decimals, plain, present, shortest
from sweep.results.files import ResultsError, write_atomically
from sweep.results.folder import Folder
from sweep.runs.outcomes import failures, outcomes
from sweep.search.allocation import Allocation
from sweep.statistics.verdicts import verdict, verdicts

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


def hyperparameter_columns(named: Iterable[str]) -> tuple[str, ...]:
    """The tables' hyperparameters: the basic ones, then the others that the experiment names."""
    others = set(named) - {"layers"}
    return (*base_columns, *(h for h in hyperparameters if h in others and h not in base_columns))


def prediction_names(task: Task) -> list[str]:
    """A name for each row and output of a Boolean table of up to 16 different rows: `p_00`, or `p_00_0`."""
    names = task.row_names
    if names is None or task.n_rows > max_prediction_rows:
        return []
    if task.n_outputs == 1:
        return [f"p_{row}" for row in names]
    return [f"p_{row}_{o}" for row in names for o in range(task.n_outputs)]


def _label(value: Any) -> str:
    return "" if value is None else str(value)


def _run_columns(entry: Entry, columns: Sequence[str], engine: str, device: str) -> dict[str, str | list[str]]:
    """One configuration's rows of runs.csv, column by column; a single text stands in all rows.

    What differs from row to row is numbers, names of outcomes and names of rows: nothing that CSV would quote.
    """
    runs, configuration = entry.runs, entry.configuration
    labels = configuration.labels()
    return {
        "run": [f"{configuration.id}-{seed}" for seed in runs.seed.tolist()],
        "trial": str(entry.trial),
        "configuration": configuration.id,
        **{c: _label(labels[c]) for c in columns},
        "seed": plain(runs.seed),
        "engine": engine,
        "device": device,
        "n_parameters": str(configuration.n_parameters),
        "final_loss": shortest(runs.final_loss),
        "accuracy": decimals(runs.accuracy),
        "learned": plain(runs.learned),
        "margin": shortest(runs.margin),
        "epochs_to_learn": present(runs.epochs_to_learn, runs.epochs_to_learn >= 0),
        "outcome": np.array(outcomes, object)[runs.outcome].tolist(),
        "merged_rows": runs.merged_rows.tolist(),
        "dead_units_initial": plain(runs.dead_units_initial),
        "dead_units": plain(runs.dead_units),
        "dead_layer": present(runs.dead_layer, runs.dead_layer > 0),
    }


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


def runs_blocks(entries: Sequence[Entry], columns: Sequence[str], engine: str, device: str) -> Iterator[bytes]:
    """runs.csv piece by piece, the header with the first: a million runs as one table would need gigabytes.

    The entries' rows, which are sorted by seed, in the order of the entries.
    """
    predictions = list(dict.fromkeys(name for e in entries for name in prediction_names(e.configuration.task)))
    for place, entry in enumerate(entries):
        task = entry.configuration.task
        flat = entry.runs.predictions.reshape(-1, task.n_rows * task.n_outputs)
        own = {name: shortest(flat[:, i]) for i, name in enumerate(prediction_names(task))}
        block = _run_columns(entry, columns, engine, device) | {name: own.get(name, "") for name in predictions}
        lines = [_line(block)] if place == 0 else []
        yield "".join(f"{line}\n" for line in itertools.chain(lines, _lines(block.values()))).encode()


def runs_table(entries: Sequence[Entry], columns: Sequence[str], engine: str, device: str) -> bytes:
    """runs.csv as a whole; see `runs_blocks`."""
    return b"".join(runs_blocks(entries, columns, engine, device))


def median(values: npt.NDArray[Any], is_counted: npt.NDArray[np.bool_]) -> float:
    """The median where what is not counted is larger than everything; infinite where that reaches the middle."""
    return float(np.median(np.where(is_counted, values.astype(np.float64), np.inf))) if len(values) else np.inf


def configurations_table(entries: Sequence[Entry], columns: Sequence[str], allocation: Allocation) -> bytes:
    """configurations.csv: one row per configuration, ci_low descending, then n_parameters, then trial."""
    import pandas as pd

    n_runs = np.array([len(e.runs) for e in entries], np.int64)
    n_learned = np.array([int(e.runs.learned.sum()) for e in entries], np.int64)
    n_planned = np.array([len(allocation.seeds(e.runs)) for e in entries], np.int64)
    rates = allocation.rates(n_learned, n_runs)
    counts = np.array([np.bincount(e.runs.outcome, minlength=len(outcomes)) for e in entries]).reshape(
        -1, len(outcomes)
    )
    labels = [e.configuration.labels() for e in entries]
    epochs = [median(e.runs.epochs_to_learn, e.runs.learned) for e in entries]
    losses = [median(e.runs.final_loss, np.isfinite(e.runs.final_loss)) for e in entries]
    n_parameters = np.array([e.configuration.n_parameters for e in entries])
    trials = np.array([e.trial for e in entries])
    table = {
        "configuration": [e.configuration.id for e in entries],
        "trial": trials,
        **{c: [_label(row[c]) for row in labels] for c in columns},
        "n_parameters": n_parameters,
        "n_runs": n_runs,
        "n_learned": n_learned,
        "success_rate": decimals(rates.value),
        "ci_low": decimals(rates.low),
        "ci_high": decimals(rates.high),
        "ci_method": rates.method,
        "verdict": verdict(rates, allocation.reliability.target),
        "median_epochs_to_learn": [f"{x:.1f}".removesuffix(".0") if np.isfinite(x) else "" for x in epochs],
        "median_final_loss": shortest(np.array(losses, np.float32)),
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


def read_table(
    path: Path | io.BytesIO,
    only: Callable[[str], bool] = lambda column: True,
    needed: Sequence[str] | None = None,
) -> Any:
    """A table as a pandas DataFrame with the right types: text, Int64 where numbers may be missing, float32, bool.

    `only` says which columns to keep: a million runs with all of them need gigabytes. `needed`: which there must be,
    those of a sweep's table where it is not given.
    `width` is a number unless some network has unequal layers. Raises `ResultsError` for a file that is no such table.
    """
    import pandas as pd

    try:
        content = None if isinstance(path, Path) else path.getvalue()

        def source() -> Any:  # a file is read piece by piece, a million runs in a fifth of the memory
            return path if content is None else io.BytesIO(content)

        header = pd.read_csv(source(), nrows=0).columns
        is_of_runs = "run" in header
        if isinstance(path, Path) and path in ((own := Folder(path.parent)).runs, own.configurations):
            is_of_runs = path == own.runs  # whatever it holds
        usual = _needed_runs if is_of_runs else _needed_configurations
        missing = [c for c in needed or usual if c not in header]
        if missing:
            raise ValueError(f"no column {missing[0]}")
        header = [c for c in header if only(c)]
        types: Any = {c: "str" for c in header if c in _text_columns}
        types |= {c: _always_columns[c] for c in header if c in _always_columns}
        types |= {c: "Int64" for c in header if c in _whole_columns}
        types |= {c: "float32" for c in header if c in _narrow_columns or c.startswith("p_")}
        known: Any = {"keep_default_na": False, "na_values": [""]}
        table = pd.read_csv(source(), dtype=types, usecols=header, **known)
        for column, allowed in (("outcome", outcomes), ("verdict", verdicts)):
            if column in table and not set(table[column]) <= set(allowed):
                raise ValueError(f"in column {column} something else than {', '.join(allowed)}")
        for column in table.select_dtypes("float"):
            if np.isinf(table[column]).any():  # what is not finite is left out when a table is written
                raise ValueError(f"in column {column} an infinite number")
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
    names = prediction_names(configuration.task)
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


def whole_numbers(values: Sequence[int | None]) -> Any:
    """A column of whole numbers of which some are missing, as reading a table gives it."""
    import pandas as pd

    return pd.array(values, "Int64")


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
