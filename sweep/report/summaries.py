"""The answer of a sweep as data: how many configurations are reliable, which is the smallest, how the others failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep import experiment_file
from sweep.experiment import Experiment
from sweep.results import Results, ResultsError
from sweep.runs import failures
from sweep.vocabulary import did_you_mean


@dataclass(frozen=True)
class Answer:
    """`shown`: the rows of configurations.csv to show, the best first; `columns`: the hyperparameters that vary.

    `named`: the row of the configuration that the closing sentence names, the smallest reliable one, else the one with
    the highest lower bound; `confirmation`: its rate on fresh seeds, as in the manifest; `id_length`: characters that
    tell ids apart. `n_failed`: failing runs by outcome.
    """

    tasks: tuple[str, ...]
    conditions: str
    n_configurations: int
    verdicts: Mapping[str, int]
    n_seeds: int
    shown: Any
    columns: tuple[str, ...]
    named: Mapping[str, Any] | None
    confirmation: Mapping[str, Any] | None
    n_failed: Mapping[str, int]
    id_length: int


def _span(values: Any, digits: str = ",") -> str:
    """`1,000`, or `500 to 1,000`."""
    low, high = values.min(), values.max()
    return format(low, digits) if low == high else f"{low:{digits}} to {high:{digits}}"


def describe_conditions(table: Any, experiment: Experiment) -> str:
    """Under which conditions a rate was found: target, confidence, epochs, learning rates."""
    reliability = experiment.reliability
    wanted = f"success rate >= {reliability.target:g} at {100 * reliability.confidence:g}% confidence"
    if reliability.margin > 0:
        wanted += f", margin above {reliability.margin:g}"
    return f"{wanted}; {_span(table['epochs'])} epochs, learning rate {_span(table['learning_rate'], 'g')}"


def varied_columns(table: Any, experiment: Experiment) -> tuple[str, ...]:
    """The hyperparameters of the table that take more than one value; where none does, those that the file names."""
    between = table.columns[2 : list(table.columns).index("n_parameters")]
    varied = tuple(c for c in between if table[c].nunique() > 1)
    return varied or tuple(c for c in between if c in {**experiment.fixed, **experiment.vary}) or ("width", "depth")


def _unique_length(ids: Any) -> int:
    """How many characters tell the ids apart, at least 6."""
    return next((n for n in range(6, 13) if ids.str[:n].nunique() == len(ids)), 13)


def summarise(results: Results, top: int = 10) -> Answer:
    """The answer of a finished sweep, from its files alone."""
    experiment = experiment_file.load(results.folder.experiment)
    table = results.configurations
    confirmation = results.manifest.get("confirmation")
    named = None
    if confirmation is not None:
        rows = table[table["configuration"] == confirmation["configuration"]]
        named = None if rows.empty else rows.iloc[0].to_dict()
    counted = table["verdict"].value_counts()
    return Answer(
        tasks=tuple(dict.fromkeys(table["task"])),
        conditions=describe_conditions(table, experiment),
        n_configurations=len(table),
        verdicts={name: int(counted.get(name, 0)) for name in ("reliable", "unreliable", "inconclusive")},
        n_seeds=len(experiment.seeds),
        shown=table.head(top),
        columns=varied_columns(table, experiment),
        named=named,
        confirmation=confirmation,
        n_failed={name: int(table[f"n_{name}"].sum()) for name in failures},
        id_length=_unique_length(table["configuration"]),
    )


def select_rows(table: Any, where: str | None, sort: str | None) -> Any:
    """The rows where an expression over columns holds, sorted by a column, largest first.

    Raises `ResultsError` for an expression or a column that does not fit.
    """
    if where is not None:
        if "@" in where or "__" in where:
            raise ResultsError(
                f"--where: found {where}; allowed: columns, numbers, quoted words, comparisons, and, or, not"
            )
        try:
            rows = table.query(where, engine="python")
        except (ValueError, TypeError, NameError, SyntaxError, AttributeError, KeyError) as error:
            raise ResultsError(f"--where: {error}; columns: {', '.join(table.columns)}") from None
        table = rows
    if sort is not None:
        if sort not in table.columns:
            raise ResultsError(f"--sort: no column {sort}; {did_you_mean(sort, table.columns)}")
        table = table.sort_values(sort, ascending=False, kind="stable")
    return table
