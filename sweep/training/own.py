"""Trainers of one's own: something that gives numbers for settings and a seed, run by run.

What a run comes to is judged by the numbers alone; nothing here knows a network.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from numbers import Real
from time import perf_counter
from typing import Any, cast

import numpy as np

from sweep.runs.cohort import Broken, Cohort
from sweep.runs.errors import UserError, show
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.runs.settings import Settings, reserved
from sweep.runs.success import Success
from sweep.training.trainer import Guard, Kept, OnCount

max_told = 4_000  # characters of what a crash said
n_first = 4  # runs that all crash before anything else ends: then all will


class TrainerError(UserError):
    """A trainer of one's own that cannot be used as asked, or of which every run crashes."""


@dataclass(frozen=True)
class Given:
    """What a run came to: numbers, or else an outcome, `crashed`, `timeout` or `lost`, and what was told about it."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    told: str = ""


def numbers_of(value: object, metric: str) -> dict[str, float]:
    """What a run gave as numbers by name: a mapping of them, or a single one, which is called `metric`.

    Raises `ValueError` with what was found where it is neither.

    >>> numbers_of(True, "success"), numbers_of({"loss": 1}, "success")
    ({'success': 1.0}, {'loss': 1.0})
    """
    given = cast(Mapping[object, object], value) if isinstance(value, Mapping) else {metric: value}
    numbers: dict[str, float] = {}
    for name, x in given.items():
        if not isinstance(name, str) or name in reserved:
            raise ValueError(f"found the metric {show(name)}; allowed: a name that is no column of the tables")
        if not isinstance(x, Real | np.bool_):
            raise ValueError(f"{name}: found {show(x)}; allowed: a number, true or false")
        numbers[name] = float(x)
    return numbers


def outcome_of(given: Given, success: Success) -> str:
    """How a run ended, by what it gave.

    >>> outcome_of(Given({"accuracy": 0.9}), Success.parse("accuracy >= 0.95"))
    'missed'
    """
    if given.outcome:
        return given.outcome
    value = given.numbers[success.metric]
    return "diverged" if not math.isfinite(value) else "learned" if success.holds(value) else "missed"


def as_runs(cohort: Cohort[Settings], success: Success, ended: Sequence[tuple[int, Given, float, int]]) -> Runs:
    """The runs of a cohort that ended: each by its place, what it gave, its seconds and how often it was tried."""
    names = dict.fromkeys(name for _, given, _, _ in ended for name in given.numbers)
    measured = {name: np.array([g.numbers.get(name, np.nan) for _, g, _, _ in ended]) for name in names}
    measured |= {
        "seconds": np.array([round(seconds, 3) for *_, seconds, _ in ended]),
        "attempts": np.array([float(attempts) for *_, attempts in ended]),
    }
    codes = np.array([outcomes.index(outcome_of(given, success)) for _, given, _, _ in ended], np.int8)
    return Runs(cohort.seeds[[place for place, *_ in ended]], codes, measured)


@dataclass(frozen=True)
class RunByRun:
    """A trainer that makes one run after the other, several at a time: `make` gives what a run came to.

    make: of settings, a seed and the name of the metric that a single number is; retries: how often a run that was
    lost is tried again, on the same seed; close: ends what `make` keeps. `is_threaded`: whether `make` may be called by
    several threads.
    """

    name: str
    make: Callable[[Mapping[str, Any], int, str], Given]
    close: Callable[[], None]
    retries: int = 1
    is_threaded: bool = True
    device: str = "cpu"
    n_programs: int = 0

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.name

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Make the runs of cohorts; see `Trainer`. Raises `TrainerError` where all of the first ones crash."""
        crashed: list[str] | None = []

        def watch(given: Given) -> None:
            nonlocal crashed
            if crashed is not None:
                crashed = [*crashed, given.told] if given.outcome == "crashed" else None
            if crashed is not None and len(crashed) >= min(n_first, sum(map(len, cohorts))):
                raise TrainerError(
                    f"{self.name}: each of the first {len(crashed)} runs crashed; one said\n{crashed[0]}"
                )

        pool = ThreadPoolExecutor(workers if self.is_threaded else 1, "run")
        try:
            futures = [[pool.submit(self._attempt, c, i, guard) for i in range(len(c))] for c in cohorts]
            for cohort, own in zip(cohorts, futures, strict=True):
                ended: list[tuple[int, Given, float, int]] = []
                for place, future in enumerate(own):
                    result = future.result()
                    if result is None:
                        continue
                    given, seconds, attempts = result
                    if given.outcome == "lost":
                        seeds = (int(cohort.seeds[place]),)
                        guard.on_broken(Broken(cohort.configuration.id, seeds, f"lost {attempts} times: {given.told}"))
                        continue
                    watch(given)
                    on_count(1, int(outcome_of(given, cohort.success) == "learned"))
                    ended.append((place, given, seconds, attempts))
                yield Kept(cohort.configuration.id, as_runs(cohort, cohort.success, ended))
        finally:
            pool.shutdown(cancel_futures=True)
            self.close()

    def _attempt(self, cohort: Cohort[Settings], place: int, guard: Guard) -> tuple[Given, float, int] | None:
        """What a run came to, its seconds, how often it was tried; None where a stop came first."""
        success = cohort.success
        given, seconds, attempts = Given(outcome="lost"), 0.0, 0
        while given.outcome == "lost" and attempts <= self.retries:
            if guard.is_stopped():
                return None
            started = perf_counter()
            given = self.make(cohort.configuration.values, int(cohort.seeds[place]), success.metric)
            seconds, attempts = perf_counter() - started, attempts + 1
        if not given.outcome and success.metric not in given.numbers:
            found = ", ".join(given.numbers) or "nothing"
            given = Given(outcome="crashed", told=f"it gave {found}, and no {success.metric}")
        return given, seconds, attempts
