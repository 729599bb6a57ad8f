"""The answer of a sweep as data: how many configurations are reliable, which is the smallest, how the others failed."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.experiment.experiment import Experiment
from sweep.report.words import counted
from sweep.results.files import ResultsError
from sweep.results.manifest import Confirmation
from sweep.results.results import Results
from sweep.results.selection import hyperparameters_of, learned_by_seed
from sweep.results.tables import to_records
from sweep.runs.endings import Ending, shortened
from sweep.runs.errors import did_you_mean
from sweep.runs.outcomes import failures_of
from sweep.search.allocation import Allocation
from sweep.statistics.exact_tests import Count, count_of_reliable, discoveries

max_merge = 40  # characters
max_gated = 5


@dataclass(frozen=True)
class Answer:
    """`shown`: the rows of configurations.csv to show, the best first; `columns`: the hyperparameters that vary.

    `aim`: what is to be done reliably, `learn xor`. `named`: the row of the configuration that the closing sentence
    names, the smallest reliable one, else the one with the highest lower bound; `confirmation`: its rate on fresh
    seeds, as in the manifest; `id_length`: characters that tell ids apart. `n_failed`: failing runs by outcome.
    `allocation`: what the seeds can show. `false_discoveries`: the false discovery rate at which Benjamini and Hochberg
    call the same configurations reliable, where each was judged for itself; None where that is not defined.
    `n_smaller_open`: the inconclusive configurations with fewer parameters than the reliable one that is named;
    `settled`: what came of their fresh seeds. `puzzling`: the id of a configuration whose failures are worth an
    explanation, the best of those found unreliable, else the best that failed
    at all; None where no run failed, or where they are of no network.
    """

    aim: str
    conditions: str
    n_configurations: int
    n_runs: int
    verdicts: Mapping[str, int]
    allocation: Allocation
    shown: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...]
    named: Mapping[str, Any] | None
    confirmation: Confirmation | None
    n_failed: Mapping[str, int]
    id_length: int
    false_discoveries: float | None
    n_smaller_open: int
    settled: tuple[Confirmation, ...]
    puzzling: str | None

    @property
    def superlative(self) -> str:
        """What the named configuration is among the reliable ones: the smallest, where there are sizes."""
        return "smallest shown reliable" if self.named is not None and "n_parameters" in self.named else "most reliable"


def _span(values: Any, digits: str = ",") -> str:
    """`1,000`, or `500 to 1,000`; where some are texts, the one that all are."""
    if values.dtype.kind not in "if":
        return str(values.iloc[0]) if values.nunique() == 1 else f"one of {values.nunique()}"
    low, high = values.min(), values.max()
    return format(low, digits) if low == high else f"{low:{digits}} to {high:{digits}}"


def describe_conditions(table: Any, experiment: Experiment) -> str:
    """Under which conditions a rate was found: target, confidence, epochs, learning rates."""
    reliability = experiment.reliability
    wanted = f"success rate >= {reliability.target:g} at {100 * reliability.confidence:g}% confidence"
    if experiment.success is not None:
        wanted += f"; success: {experiment.success}"
    if experiment.subject != "network":
        return wanted
    if reliability.margin > 0:
        wanted += f", margin above {reliability.margin:g}"
    return f"{wanted}; {_span(table['epochs'])} epochs, learning rate {_span(table['learning_rate'], 'g')}"


def varied_columns(table: Any) -> tuple[str, ...]:
    """The hyperparameters of the table that take more than one value; where none does, those that say most."""
    varied = tuple(c for c in hyperparameters_of(table) if table[c].nunique(dropna=False) > 1)
    usual = ("width", "depth", "activation", "optimizer")
    return varied or tuple(c for c in hyperparameters_of(table) if c in usual or "task" not in table)


def _unique_length(ids: Any) -> int:
    """How many characters tell the ids apart, at least 6."""
    return next((n for n in range(6, 13) if ids.str[:n].nunique() == len(ids)), 13)


def _aim(table: Any, experiment: Experiment) -> str:
    """What is to be done reliably: learn a task, or succeed."""
    return f"learn {', '.join(dict.fromkeys(table['task']))}" if experiment.subject == "network" else "succeed"


def summarise(results: Results, top: int = 10) -> Answer:
    """The answer of a finished sweep, from its files alone."""
    experiment = results.experiment
    table = results.configurations
    confirmation = results.manifest.confirmation
    named = None
    if confirmation is not None:
        rows = table[table["configuration"] == confirmation.configuration]
        named = next(iter(to_records(rows)), None)
    counted = table["verdict"].value_counts()
    allocation = Allocation.of(experiment)
    return Answer(
        aim=_aim(table, experiment),
        conditions=describe_conditions(table, experiment),
        n_configurations=len(table),
        n_runs=int(table["n_runs"].sum()),
        verdicts={name: int(counted.get(name, 0)) for name in ("reliable", "unreliable", "inconclusive")},
        allocation=allocation,
        shown=to_records(table.head(top)),
        columns=varied_columns(table),
        named=named,
        confirmation=confirmation,
        n_failed={name: int(table[f"n_{name}"].sum()) for name in failures_of(experiment.subject)},
        id_length=_unique_length(table["configuration"]),
        false_discoveries=_false_discoveries(table, allocation),
        n_smaller_open=_n_smaller_open(table, named),
        settled=results.manifest.settled,
        puzzling=_puzzling(table) if experiment.subject == "network" else None,
    )


def _false_discoveries(table: Any, allocation: Allocation) -> float | None:
    is_reliable = (table["verdict"] == "reliable").to_numpy(bool)
    if allocation.family != "none" or "p_reliable" not in table or len(table) < 2 or not is_reliable.any():
        return None
    return discoveries(table["p_reliable"].to_numpy(float), is_reliable).rate


def _n_smaller_open(table: Any, named: Mapping[str, Any] | None) -> int:
    if named is None or named["verdict"] != "reliable" or "n_parameters" not in table:
        return 0
    return int(((table["n_parameters"] < named["n_parameters"]) & (table["verdict"] == "inconclusive")).sum())


def count_over_seeds(answer: Answer, table: Any, runs: Any) -> Count | None:
    """How many of the configurations as many other seeds call reliable; None where that is not defined.

    `runs` has the columns configuration, seed and learned.
    """
    n_seeds = len(answer.allocation.block)
    if answer.allocation.is_adaptive or answer.n_configurations < 2 or n_seeds < 2 or not answer.n_runs:
        return None
    learned = learned_by_seed(runs, list(table["configuration"]))
    return count_of_reliable(learned, answer.allocation.reliability, answer.allocation.family)


def _puzzling(table: Any) -> str | None:
    failed = table[table["n_learned"] < table["n_runs"]]
    chosen = failed[failed["verdict"] == "unreliable"]
    chosen = failed if chosen.empty else chosen
    return None if chosen.empty else str(chosen["configuration"].iloc[0])


def commonest_merge(runs: Any) -> str | None:
    """The rows that stuck runs of a table most often give one output; None where none do, or nothing says so."""
    if "merged_rows" not in runs:
        return None
    merged = runs["merged_rows"][runs["outcome"] == "stuck"]
    counted = merged[merged != ""].value_counts()
    return None if counted.empty else shorten_merge(str(counted.index[0]))


def shorten_merge(merged: str) -> str:
    """Merged rows by name, or, where these are too many for a sentence, how many in each group.

    >>> shorten_merge("00+01 10+11"), shorten_merge("+".join(f"{i:05b}" for i in range(20)) + " 10100+10101")
    ('00+01 10+11', '20 and 2 rows')
    """
    counts = [str(group.count("+") + 1) for group in merged.split()]
    return merged if len(merged) <= max_merge else f"{' and '.join(counts)} rows"


def gate(rows: Any) -> tuple[int, str]:
    """Whether all of some configurations are reliable, as an exit code and in words.

    0: all are; 3: one is found unreliable; 4: none is, but the seeds cannot tell of all. Raises `ResultsError` for
    no rows, of which that would be true.
    """
    if rows.empty:
        raise ResultsError("--gate: no configuration is asked for; allowed: a --where that holds for one or more")
    for code, verdict, words in (
        (3, "unreliable", "not reliable"),
        (4, "inconclusive", "inconclusive, the seeds cannot tell"),
    ):
        found = rows["configuration"][rows["verdict"] == verdict].tolist()
        if found:
            named = ", ".join(found[:max_gated]) + (", ..." if len(found) > max_gated else "")
            return code, f"gate: {len(found):,} of {counted(len(rows), 'configuration')} {words}: {named}"
    return 0, f"gate: {counted(len(rows), 'configuration')}, all reliable"


def said_at_their_end(results: Results, n_lines: int) -> list[tuple[Ending, str]]:
    """For each outcome, what one run said at its end, of the best configuration that has one: its last lines."""
    found: dict[str, Ending] = {}
    places = {identity: place for place, identity in enumerate(results.configurations["configuration"])}
    endings = [x for x in results.folder.read_endings() if x.configuration in places]
    for ending in sorted(endings, key=lambda x: places[x.configuration]):
        found.setdefault(ending.outcome, ending)
    return [(ending, shortened(ending.told, n_lines)) for ending in found.values()]


_allowed_nodes = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.cmpop, ast.Load),
    *(ast.BinOp, ast.BitAnd, ast.BitOr, ast.Add, ast.Sub, ast.Mult, ast.Div),
    *(ast.Name, ast.Constant, ast.List, ast.Tuple),
)
max_expression = 1000


def _check_expression(where: str, columns: Any) -> None:
    """Raise `ResultsError` for an expression that is more than a condition on columns, before anything evaluates it."""
    allowed = "allowed: columns, numbers, quoted words, comparisons, + - * /, and, or, not"
    if len(where) > max_expression:
        raise ResultsError(f"--where: {len(where):,} characters; allowed: at most {max_expression:,}")
    try:
        tree = ast.parse(where.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ResultsError(f"--where: cannot be read: {where}; {allowed}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in columns:
            raise ResultsError(f"--where: no column {node.id}; {did_you_mean(node.id, columns)}")
        if not isinstance(node, _allowed_nodes):
            found = ast.unparse(node) or where  # an operator by itself has no text
            raise ResultsError(f"--where: found {found}; {allowed}")
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitAnd | ast.BitOr):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and not isinstance(side.value, int | float):
                    raise ResultsError(f"--where: found {ast.unparse(node)}; {allowed}")
    if not isinstance(tree.body, ast.BoolOp | ast.UnaryOp | ast.Compare | ast.BinOp):
        raise ResultsError(f"--where: found {where}, which is no condition; {allowed}")


def select_rows(table: Any, where: str | None, sort: str | None) -> Any:
    """The rows where an expression over columns holds, sorted by a column, largest first; by `-column` smallest first.

    Raises `ResultsError` for an expression or a column that does not fit.
    """
    if where is not None:
        _check_expression(where, table.columns)
        try:
            table = table.query(where, engine="python")
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RuntimeError) as error:
            raise ResultsError(f"--where: {where} does not fit the columns: {error}") from None
    if sort is not None:
        column = sort.removeprefix("-")
        if column not in table.columns:
            raise ResultsError(f"--sort: no column {column}; {did_you_mean(column, table.columns)}")
        table = table.sort_values(column, ascending=sort.startswith("-"), kind="stable")
    return table
