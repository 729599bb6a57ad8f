"""Two configurations of a folder against each other, and all against the best, as data and as words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.selection import hyperparameters_of, learned_by_seed, select_configuration
from sweep.results.tables import to_records
from sweep.statistics.best import not_shown_worse, paired
from sweep.statistics.pairs import (
    Difference,
    Equivalence,
    Pairs,
    equivalence,
    mcnemar,
    mcnemar_mid_p,
    paired_difference,
)

default_margin = 0.05


@dataclass(frozen=True)
class Comparison:
    """`first` and `second`: rows of configurations.csv; `columns`: the hyperparameters in which they differ.

    `pairs`, `mid_p`, `p_value`, `difference` and `equivalence` are over the seeds that both have, None where there are
    none; `mid_p` decides, `p_value` is the exact one beside it. `best`: the row with the highest rate of all;
    `open_to_best`: ids that no other one is shown better than, the best the first; `smallest_open`: the row among them
    with the fewest parameters; `n_common`: the seeds that all have. `is_adaptive`: seeds were added while verdicts were
    open.
    """

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    columns: tuple[str, ...]
    confidence: float
    pairs: Pairs | None
    mid_p: float | None
    p_value: float | None
    difference: Difference | None
    equivalence: Equivalence | None
    n_configurations: int
    best: Mapping[str, Any]
    open_to_best: tuple[str, ...]
    smallest_open: Mapping[str, Any]
    n_common: int
    is_adaptive: bool

    @property
    def answer(self) -> str:
        """`A`, `B` (learns more often), `equivalent` within the margin, or `open`; the first that is shown."""
        if self.mid_p is None or self.pairs is None or self.equivalence is None:
            return "open"
        if self.mid_p <= 1 - self.confidence:
            return "A" if self.pairs.only_first > self.pairs.only_second else "B"
        return "equivalent" if self.equivalence.is_shown else "open"


def summarise_comparison(results: Results, first: str, second: str, margin: float = default_margin) -> Comparison:
    """Compare two configurations, each named by its id, the beginning of it, or `width=8,optimizer=adam`.

    `margin`: rates that differ by less are equivalent. Raises `ResultsError` where a name does not fit one
    configuration, both fit the same one, or the margin lies not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise ResultsError(f"--margin: found {margin:g}; allowed: a number between 0 and 1")
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
    best = not_shown_worse(learned, sizes, table["verdict"].to_numpy(np.str_), confidence)
    candidates = [i for i in range(len(ids)) if best.is_open[i]]
    candidates.sort(key=lambda i: i != best.best)
    return Comparison(
        first=rows[one],
        second=rows[other],
        columns=tuple(c for c in hyperparameters_of(table) if rows[one][c] != rows[other][c]),
        confidence=confidence,
        pairs=pairs if pairs.n else None,
        mid_p=mcnemar_mid_p(pairs) if pairs.n else None,
        p_value=mcnemar(pairs) if pairs.n else None,
        difference=paired_difference(pairs, confidence) if pairs.n else None,
        equivalence=equivalence(pairs, margin, confidence) if pairs.n else None,
        n_configurations=len(ids),
        best=rows[best.best],
        open_to_best=tuple(ids[i] for i in candidates),
        smallest_open=rows[min(candidates, key=lambda i: sizes[i])],
        n_common=best.n_seeds,
        is_adaptive=bool((table["ci_method"] == "beta-binomial").any()),
    )


def comparison_record(c: Comparison) -> dict[str, Any]:
    """A comparison as plain mappings and numbers, for JSON."""
    return {
        "first": c.first,
        "second": c.second,
        "confidence": c.confidence,
        "pairs": None if c.pairs is None else asdict(c.pairs) | {"n": c.pairs.n},
        "mcnemar_mid_p": c.mid_p,
        "mcnemar_p": c.p_value,
        "difference": None if c.difference is None else asdict(c.difference),
        "equivalence": None if c.equivalence is None else asdict(c.equivalence),
        "answer": c.answer,
        "best": c.best,
        "not_told_from_best": list(c.open_to_best),
        "adaptive_seeds": c.is_adaptive,
    }
