"""Two configurations of a folder against each other, and all against the best, as data and as words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.selection import hyperparameters_of, learned_by_seed, select_configuration
from sweep.results.tables import to_records
from sweep.statistics.best import against_the_best, paired
from sweep.statistics.pairs import Difference, Pairs, mcnemar, paired_difference


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
    confidence = results.experiment.reliability.confidence
    learned = learned_by_seed(results.runs, ids)
    rows = to_records(table)
    one, other = (ids.index(identity) for identity in chosen)
    pairs = paired(learned[one], learned[other])
    sizes = table["n_parameters"].to_numpy() if "n_parameters" in table else np.zeros(len(table), np.int64)
    best = against_the_best(learned, sizes, confidence)
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
        smallest_open=rows[min(candidates, key=lambda i: sizes[i])],
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
