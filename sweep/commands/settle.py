"""The inconclusive configurations below the smallest that is shown reliable, on fresh seeds until each is settled."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sweep.results.manifest import Confirmation
from sweep.runs.cohort import Seeds, Subject
from sweep.runs.errors import SettingError, show
from sweep.runs.runs import Entry, Runs
from sweep.search.allocation import Allocation
from sweep.statistics.adaptive import Rule, by_verdict, looks, play, unsettled
from sweep.statistics.evidence import mixtures
from sweep.statistics.intervals import confidence_sequence

first, most = 16, 1024
# the seeds of each configuration, by its id, and how many are expected in all: what came of them
Train = Callable[[Mapping[str, Seeds], int], Mapping[str, Runs]]


def check_settle(settle: str | None) -> None:
    """Raise `SettingError` for what cannot be settled."""
    if settle not in (None, "smaller"):
        raise SettingError(("settle",), f"found {show(settle)}", "allowed: smaller")


def smaller_open(
    entries: Sequence[Entry[Subject]], allocation: Allocation, named: Entry[Subject]
) -> list[Entry[Subject]]:
    """The inconclusive configurations with fewer parameters than the named one; none where that is not reliable."""
    found = allocation.standing([e.runs for e in entries]).verdicts
    words = {e.configuration.id: word for e, word in zip(entries, found, strict=True)}
    if words[named.configuration.id] != "reliable":
        return []
    limit = named.configuration.n_parameters
    smaller = [e for e in entries if e.configuration.n_parameters < limit]
    smaller = [e for e in smaller if words[e.configuration.id] == "inconclusive"]
    return sorted(smaller, key=lambda e: (e.configuration.n_parameters, e.trial))


def settle(ids: Sequence[str], seeds: Seeds, allocation: Allocation, train: Train) -> tuple[Confirmation, ...]:
    """Train configurations on fresh `seeds`, in their order, while their verdicts are open, and say what came of it.

    They are looked at together, every 16 seeds or an eighth, by one-sided mixtures. What they had before is left out:
    they were chosen by it. The family is the experiment's, `fdr` where that has none; its size is their number.
    """
    counts, reliability = looks(first, len(seeds)), allocation.reliability
    look = by_verdict(_rule(allocation, len(ids)))
    learned = np.full((len(ids), len(seeds)), -1, np.int8)
    has_broken = np.zeros(len(ids), np.bool_)
    while True:
        course = play(learned, look, counts)
        wanted = course.wanted(counts)
        is_next = (wanted > course.known) & ~has_broken
        if not is_next.any():
            break
        asked = [i for i in range(len(ids)) if is_next[i]]
        next_seeds = {ids[i]: seeds[course.known[i] : wanted[i]] for i in asked}
        runs = train(next_seeds, int(wanted.sum()))
        for i in asked:
            _enter(learned[i], seeds, runs.get(ids[i]))
            has_broken[i] = (learned[i, : wanted[i]] < 0).any()
    rates = confidence_sequence(course.n_learned, course.n_runs, reliability.confidence)
    return tuple(
        Confirmation(
            configuration=identity,
            first_seed=int(seeds[0]),
            n_runs=int(course.n_runs[i]),
            n_learned=int(course.n_learned[i]),
            success_rate=round(float(np.nan_to_num(rates.value[i])), 6),
            ci_low=round(float(rates.low[i]), 6),
            ci_high=round(float(rates.high[i]), 6),
            ci_method=rates.method,
            verdict=str(course.words[i]),
        )
        for i, identity in enumerate(ids)
    )


def _rule(allocation: Allocation, n: int) -> Rule:
    family = "fdr" if allocation.family == "none" else allocation.family
    return Rule(allocation.reliability, family, max(1, n))


def judge(n_learned: Sequence[int], found: Sequence[Confirmation], allocation: Allocation) -> list[str]:
    """The verdicts by what came of settling, all together: those that the last look gave."""
    rule = _rule(allocation, len(found))
    e = mixtures(n_learned, [f.n_runs for f in found], allocation.reliability.target)
    return [str(word) for word in rule.settle(e, unsettled(len(found)))]


def _enter(row: npt.NDArray[np.int8], seeds: Seeds, runs: Runs | None) -> None:
    """Write which seeds learned into a row of the matrix, by the place of each seed."""
    if runs is not None:
        places = {seed: place for place, seed in enumerate(seeds.tolist())}
        row[[places[seed] for seed in runs.seed.tolist()]] = runs.learned


def are_of_the_same_seeds(found: Sequence[Confirmation], ids: Sequence[str], seeds: Seeds) -> bool:
    """Whether a manifest has been told already what settling these would say."""
    return bool(found) and [f.configuration for f in found] == list(ids) and found[0].first_seed == int(seeds[0])
