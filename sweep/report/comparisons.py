"""Two configurations of a folder against each other, and all against the best, as data and as words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sweep import experiment_file
from sweep.comparison import against_the_best, paired
from sweep.reliability import Difference, Pairs, mcnemar, paired_difference
from sweep.report.summaries import setting_text
from sweep.results import Results, ResultsError
from sweep.results.selection import hyperparameters_of, learned_by_seed, select_configuration
from sweep.results.tables import to_records


@dataclass(frozen=True)
class Comparison:
    """`first` and `second`: rows of configurations.csv; `columns`: the hyperparameters in which they differ.

    `pairs`, `p_value` and `difference` are over the seeds that both have, None where there are none. `best`: the row
    with the highest rate of all; `open_to_best`: ids that cannot be told from it, itself the first; `smallest_open`:
    the row among them with the fewest parameters. `is_adaptive`: seeds were added while verdicts were open.
    """

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    columns: tuple[str, ...]
    confidence: float
    pairs: Pairs | None
    p_value: float | None
    difference: Difference | None
    n_configurations: int
    best: Mapping[str, Any]
    open_to_best: tuple[str, ...]
    smallest_open: Mapping[str, Any]
    is_adaptive: bool


def summarise_comparison(results: Results, first: str, second: str) -> Comparison:
    """Compare two configurations, each named by its id, the beginning of it, or `width=8,optimizer=adam`.

    Raises `ResultsError` where a name does not fit one configuration, or both fit the same one.
    """
    table = results.configurations
    ids = list(table["configuration"])
    chosen = [select_configuration(table, text) for text in (first, second)]
    if chosen[0] == chosen[1]:
        raise ResultsError(f"{first} and {second} are the same configuration, {chosen[0]}; allowed: two that differ")
    confidence = experiment_file.load(results.folder.experiment).reliability.confidence
    learned = learned_by_seed(results.runs, ids)
    rows = to_records(table)
    one, other = (ids.index(identity) for identity in chosen)
    pairs = paired(learned[one], learned[other])
    best = against_the_best(learned, table["n_parameters"].to_numpy(), confidence)
    candidates = [i for i in range(len(ids)) if best.is_open[i]]
    candidates.sort(key=lambda i: i != best.best)
    return Comparison(
        first=rows[one],
        second=rows[other],
        columns=tuple(c for c in hyperparameters_of(table) if rows[one][c] != rows[other][c]),
        confidence=confidence,
        pairs=pairs if pairs.n else None,
        p_value=mcnemar(pairs) if pairs.n else None,
        difference=paired_difference(pairs, confidence) if pairs.n else None,
        n_configurations=len(ids),
        best=rows[best.best],
        open_to_best=tuple(ids[i] for i in candidates),
        smallest_open=rows[min(candidates, key=lambda i: rows[i]["n_parameters"])],
        is_adaptive=bool((table["ci_method"] == "beta-binomial").any()),
    )


def comparison_record(c: Comparison) -> dict[str, Any]:
    """A comparison as plain mappings and numbers, for JSON."""
    return {
        "first": c.first,
        "second": c.second,
        "confidence": c.confidence,
        "pairs": None if c.pairs is None else asdict(c.pairs) | {"n": c.pairs.n},
        "mcnemar_p": c.p_value,
        "difference": None if c.difference is None else asdict(c.difference),
        "best": c.best,
        "not_told_from_best": list(c.open_to_best),
        "adaptive_seeds": c.is_adaptive,
    }


def _settings(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    return ", ".join(f"{c} {setting_text(row[c])}" for c in columns)


def _rate(row: Mapping[str, Any]) -> str:
    interval = f"{row['ci_low']:.3f}-{row['ci_high']:.3f} {row['ci_method']}"
    return f"{row['n_learned']:,}/{row['n_runs']:,} learned, {interval}: {row['verdict']}"


def describe_comparison(c: Comparison) -> list[str]:
    """A comparison in words, line by line."""
    lines = [
        f"{mark}  {row['configuration']}  {_settings(row, c.columns)}  {row['n_parameters']:,} parameters  {_rate(row)}"
        for mark, row in (("A", c.first), ("B", c.second))
    ]
    lines += ["", *_pair_lines(c), "", *_best_lines(c)]
    if c.is_adaptive:
        lines.append("seeds were added while verdicts were open, so the tests are a guide, not exact")
    return lines


def _pair_lines(c: Comparison) -> list[str]:
    pairs, d = c.pairs, c.difference
    if pairs is None or d is None:
        return ["no seed was trained with both: there is nothing to pair"]
    lines = [
        f"on the {pairs.n:,} seed{'s' if pairs.n > 1 else ''} of both: {pairs.both:,} learned by both, "
        f"{pairs.only_first:,} by A only, {pairs.only_second:,} by B only, {pairs.neither:,} by neither",
        f"rate of A - rate of B: {d.value:+.3f}, {d.low:+.3f} to {d.high:+.3f} (Tango's score interval, "
        f"{100 * c.confidence:g}%)",
        f"equal rates: p = {c.p_value:.3g} (McNemar's exact test)",
    ]
    if c.p_value is not None and c.p_value <= 1 - c.confidence:
        return [*lines, f"{'A' if d.value > 0 else 'B'} learns more often"]
    return [*lines, "these seeds cannot tell which learns more often"]


def _best_lines(c: Comparison) -> list[str]:
    if c.n_configurations == 2:
        return []
    n, best = len(c.open_to_best) - 1, c.best["configuration"]
    level = f"one-sided McNemar, Bonferroni over {c.n_configurations - 1:,}, {100 * c.confidence:g}%"
    lines = [f"best of {c.n_configurations:,}: {best}, {c.best['n_learned']:,}/{c.best['n_runs']:,} learned"]
    if not n:
        return [*lines, f"every other one is shown to learn less often ({level})"]
    lines.append(f"{n:,} other{'s' if n > 1 else ''} cannot be told from it ({level})")
    for mark, row in (("A", c.first), ("B", c.second)):
        if row["configuration"] != best:
            told = "cannot be told from it" if row["configuration"] in c.open_to_best else "learns less often"
            lines.append(f"{mark} {told}")
    small = c.smallest_open
    if small["configuration"] != best:
        lines.append(f"the smallest of them: {small['configuration']}, {small['n_parameters']:,} parameters")
    return lines
