"""How a run may end: one table, with all that is said and shown of each outcome.

A run's code is the place of its outcome in the table, so new rows go to the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True)
class Outcome:
    """One way to end.

    `of`: whose runs may end so, those of a `network`, of mere `settings`, or of `any` subject. `letter` and `colour`:
    how page and charts show it; `meaning`: what happened, in a line.
    """

    name: str
    of: str
    letter: str
    colour: str
    meaning: str


# Okabe and Ito's colours, told apart by colour-blind readers; learned stands out by lightness too
outcome_table = (
    Outcome(
        name="learned",
        of="any",
        letter="L",
        colour="#009e73",
        meaning="the criterion of success held after the last epoch",
    ),
    Outcome(
        name="diverged",
        of="any",
        letter="V",
        colour="#b3001b",
        meaning="the numbers grew beyond all bounds",
    ),
    Outcome(
        name="dead",
        of="network",
        letter="D",
        colour="#6b7280",
        meaning="a whole layer is off on every row, so no gradient of the loss passes it",
    ),
    Outcome(
        name="stuck",
        of="network",
        letter="S",
        colour="#cc79a7",
        meaning="at rest above what the task needs: no descent was found; of a large network, the loss was flat",
    ),
    Outcome(
        name="unconverged",
        of="network",
        letter="C",
        colour="#e69f00",
        meaning="the loss was still falling when training ended, or it looked flat and a descent was found",
    ),
    Outcome(
        name="unsettled",
        of="network",
        letter="U",
        colour="#56b4e9",
        meaning="the loss wandered up and down to the end",
    ),
    Outcome(
        name="missed",
        of="settings",
        letter="M",
        colour="#cc79a7",
        meaning="the criterion of success did not hold at the end",
    ),
    Outcome(
        name="crashed",
        of="settings",
        letter="X",
        colour="#6b7280",
        meaning="the run ended with an exception, an exit code or a signal of its own",
    ),
    Outcome(
        name="timeout",
        of="settings",
        letter="T",
        colour="#e69f00",
        meaning="the run took longer than it may",
    ),
)
by_name: Mapping[str, Outcome] = {outcome.name: outcome for outcome in outcome_table}
outcomes = tuple(by_name)


def outcomes_of(subject: str) -> tuple[Outcome, ...]:
    """The outcomes that runs of a kind of subject may have."""
    return tuple(o for o in outcome_table if o.of in ("any", subject))


def failures_of(subject: str) -> tuple[str, ...]:
    """The names of those other than `learned`.

    >>> failures_of("network")
    ('diverged', 'dead', 'stuck', 'unconverged', 'unsettled')
    """
    return tuple(o.name for o in outcomes_of(subject) if o.name != "learned")


failures = failures_of("network")


class _OfRun(Protocol):
    """What is kept of one run that ended in some way."""

    @property
    def configuration(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def outcome(self) -> str: ...


_Told = TypeVar("_Told", bound=_OfRun)


def lowest_seeds(kept: Iterable[_Told]) -> list[_Told]:
    """Of each configuration and outcome that of the lowest seed, in the order of first appearance."""
    found: dict[tuple[str, str], _Told] = {}
    for one in kept:
        key = (one.configuration, one.outcome)
        if key not in found or one.seed < found[key].seed:
            found[key] = one
    return list(found.values())
