"""The configuration that a sweep's answer names, and its rate on fresh seeds: it was the best of many on its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sweep.results.manifest import Confirmation
from sweep.runs.cohort import Subject
from sweep.runs.runs import Entry, Runs
from sweep.search.allocation import Allocation
from sweep.statistics.intervals import wilson
from sweep.statistics.seeds import bar_of
from sweep.statistics.verdicts import Target


def choose_named(entries: Sequence[Entry[Subject]], allocation: Allocation) -> Entry[Subject] | None:
    """The smallest configuration found reliable; where none is, the one with the highest lower bound."""
    if not entries:
        return None
    learned = [int(e.runs.learned.sum()) for e in entries]
    rates = allocation.rates(learned, [len(e.runs) for e in entries])
    is_reliable = allocation.standing([e.runs for e in entries]).verdicts == "reliable"
    n_parameters = np.array([e.configuration.n_parameters for e in entries])
    if is_reliable.any():
        return entries[np.lexsort((-rates.low, np.where(is_reliable, n_parameters, np.iinfo(np.int64).max)))[0]]
    return entries[np.lexsort((n_parameters, -rates.low))[0]]


def summarise(configuration: str, first_seed: int, runs: Runs, reliability: Target) -> Confirmation | None:
    """The rate of a configuration's `runs` on fresh seeds, with Wilson's interval; None where none could be trained."""
    n, n_learned = len(runs), int(runs.learned.sum())
    if n == 0:
        return None
    rate = wilson(n_learned, n, reliability.confidence)
    return Confirmation(
        configuration=configuration,
        first_seed=first_seed,
        n_runs=n,
        n_learned=n_learned,
        success_rate=round(float(rate.value), 6),
        ci_low=round(float(rate.low), 6),
        ci_high=round(float(rate.high), 6),
        ci_method=rate.method,
        verdict=str(bar_of(replace(reliability, family=None)).verdicts(n_learned, n)),
    )
