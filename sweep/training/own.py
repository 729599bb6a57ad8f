"""Trainers of one's own: something that gives numbers for settings and a seed, run by run.

What a run comes to is judged by the numbers alone; nothing here knows a network.
"""

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from numbers import Real
from time import perf_counter, sleep
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from sweep.runs.cohort import Broken, Cohort
from sweep.runs.curves import Curve, Points
from sweep.runs.endings import Ending, max_told
from sweep.runs.errors import UserError, show
from sweep.runs.outcomes import lowest_seeds, outcomes
from sweep.runs.runs import Runs
from sweep.runs.settings import Settings, reserved
from sweep.runs.success import Success
from sweep.training.courses import course_of_loss, last_numbers
from sweep.training.trainer import Guard, Kept, OnCount

n_first = 4  # runs that all crash before anything else ends: then all will
# what has ended is handed on after so long, so that it can be stored: a hundredth of the time so far, within these
seconds_between = (1.0, 10.0)
seconds_to_look = 0.05
given_up = "given up"  # what is told first of a run that `limits.stop` ended


class TrainerError(UserError):
    """A trainer of one's own that cannot be used as asked, or of which every run crashes."""


@dataclass(frozen=True)
class Given:
    """What a run came to: numbers, or else an outcome, `crashed`, `timeout`, `lost` or `missed`, and what was told.

    seconds: how long it took; curve: `(step, numbers)` of each point that it gave on its way; words: cells for the
    columns of text that the tables know.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    told: str = ""
    seconds: float = 0.0
    curve: Points = ()
    words: Mapping[str, str] = field(default_factory=dict)


class Ended(NamedTuple):
    """A run of a cohort that ended: its place, what it gave, how often it was tried."""

    place: int
    given: Given
    attempts: int


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


def given_of(value: object, metric: str) -> Given:
    """What a run gave, by what it returned; a list of numbers is a curve, as `Model.fit(..).history` holds them.

    >>> given_of({"loss": [2, 1]}, "success").numbers
    {'loss': 1.0}
    """
    if isinstance(value, Given):
        return value
    if not isinstance(value, Mapping):
        return Given(numbers_of(value, metric))
    last, points = last_numbers(cast(Mapping[object, object], value))
    return Given(numbers_of(last, metric), curve=tuple((n, numbers_of(own, metric)) for n, own in points))


def checked(given: Given, metric: str, settings: Mapping[str, Any]) -> Given:
    """What a run came to, its settings left out, where it tells them again.

    It crashed, where it ended by itself and did not give the number that success compares, or gave another number under
    the name of a setting.
    """
    if given.outcome:
        return given
    own = {name: x for name, x in given.numbers.items() if not (name in settings and settings[name] == x)}
    twice = [name for name in own if name in settings]
    if twice:
        told = f"it gave {twice[0]} {own[twice[0]]:g}, and that is the name of a setting"
    elif metric not in own:
        told = f"it gave {', '.join(own) or 'nothing'}, and no {metric}"
    else:
        return replace(given, numbers=own)
    return replace(given, numbers={}, outcome="crashed", told=told)


def outcome_of(given: Given, success: Success) -> str:
    """How a run ended, by what it gave.

    >>> outcome_of(Given({"accuracy": 0.9}), Success.parse("accuracy >= 0.95"))
    'missed'
    """
    if given.outcome:
        return given.outcome
    value = given.numbers[success.metric]
    return "diverged" if not math.isfinite(value) else "learned" if success.holds(value) else "missed"


def as_kept(cohort: Cohort[Settings], ended: Sequence[Ended]) -> Kept:
    """The runs of a cohort that ended, the metric that success compares first, and what those said that failed."""
    success = cohort.success
    names = dict.fromkeys([success.metric, *(name for e in ended for name in e.given.numbers)])
    measured = {name: np.array([e.given.numbers.get(name, np.nan) for e in ended]) for name in names}
    measured |= {
        "seconds": np.array([float(f"{e.given.seconds:.4g}") for e in ended]),
        "attempts": np.array([float(e.attempts) for e in ended]),
    }
    ends = [outcome_of(e.given, success) for e in ended]
    curves = [Curve.of(e.given.curve) for e in ended]
    measured |= _texts([e.given for e in ended], ends, curves)
    seeds = cohort.seeds[[e.place for e in ended]]
    runs = Runs(seeds, np.array([outcomes.index(end) for end in ends], np.int8), measured)
    said = (
        Ending(cohort.configuration.id, int(seed), end, e.given.told[-max_told:])
        for seed, end, e in zip(seeds, ends, ended, strict=True)
        if e.given.told
    )
    by_seed = {int(seed): curve for seed, curve in zip(seeds, curves, strict=True) if curve is not None}
    return Kept(cohort.configuration.id, runs, endings=lowest_seeds(said), curves=by_seed)


def _texts(
    given: Sequence[Given], ends: Sequence[str], curves: Sequence[Curve | None]
) -> dict[str, npt.NDArray[np.str_]]:
    """The columns of text of runs that ended so: what they gave, and how the loss of those went that missed."""
    rows = [dict(g.words) for g in given]
    for row, end, curve in zip(rows, ends, curves, strict=True):
        if end == "missed" and (course := course_of_loss(curve)):
            row["course"] = course
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, "") for row in rows], np.str_) for name in names}


def _batch(cohorts: Sequence[Cohort[Any]], ended: Mapping[int, Sequence[Ended]]) -> Iterator[Kept]:
    """What came in of cohorts, by their place, as what is stored together."""
    for i in sorted(ended):
        yield as_kept(cohorts[i], ended[i])._replace(ends_batch=i == max(ended))


class Crashes:
    """How many of the first runs crashed, as long as all do; so many are enough to end it, 0 never are."""

    def __init__(self, name: str, n_enough: int) -> None:
        self._name = name
        self._n_enough = n_enough
        self._n_crashed: int | None = 0 if n_enough else None

    def watch(self, outcome: str, told: str) -> None:
        """Raise `TrainerError` where the first runs all crashed."""
        if self._n_crashed is None or outcome != "crashed":
            self._n_crashed = None
            return
        self._n_crashed += 1
        if self._n_crashed >= self._n_enough:
            raise TrainerError(f"{self._name}: each of the first {self._n_crashed} runs crashed; one said\n{told}")


class Recipe(Protocol):
    """What another process makes a trainer of its own of: it can be pickled, and equal ones make equal trainers."""

    def make(self) -> "RunByRun":
        """The trainer, for one worker."""
        ...


@dataclass(frozen=True)
class RunByRun:
    """A trainer that makes one run after the other, several at a time: `make` gives what a run came to.

    make: of settings, a seed and the name of the metric that a single number is; retries: how often a run that was
    lost is tried again, on the same seed; end: ends what `make` has begun or keeps. `is_threaded`: whether `make` may
    be called by several threads. recipe: of which other machines make the same trainer; None where none can.
    n_first: so many first runs that all crash end it; 0 for never.
    """

    name: str
    make: Callable[[Mapping[str, Any], int, str], Given]
    end: Callable[[], None]
    retries: int = 1
    is_threaded: bool = True
    device: str = "cpu"
    n_programs: int = 0
    recipe: Recipe | None = None
    n_first: int = n_first

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.name

    def close(self) -> None:
        """End what it keeps."""
        self.end()

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Make the runs of cohorts; see `Trainer`. What has ended comes about every second, a cohort in parts.

        Raises `TrainerError` where all of the first runs crash, and none is known that did not.
        """
        crashes = Crashes(self.name, 0 if guard.has_worked() else min(self.n_first, sum(map(len, cohorts))))
        n_threads = workers if self.is_threaded else 1
        is_over = threading.Event()
        places = ((i, place) for i, cohort in enumerate(cohorts) for place in range(len(cohort)))
        pool = ThreadPoolExecutor(n_threads, "run")
        waiting: dict[Future[Ended | None], int] = {}
        ended: dict[int, list[Ended]] = {}
        started = given_at = perf_counter()
        try:
            while True:
                for i, place in itertools.islice(places, 0 if guard.is_stopped() else 2 * n_threads - len(waiting)):
                    waiting[pool.submit(self._attempt, cohorts[i], place, guard, is_over)] = i
                if not waiting:
                    break
                for future in wait(waiting, seconds_between[0], FIRST_COMPLETED)[0]:
                    i, result = waiting.pop(future), future.result()
                    if result is not None and self._is_kept(cohorts[i], result, on_count, guard):
                        crashes.watch(result.given.outcome, result.given.told)
                        ended.setdefault(i, []).append(result)
                now, (shortest, longest) = perf_counter(), seconds_between
                if now - given_at > min(longest, max(shortest, (now - started) / 100)):
                    yield from _batch(cohorts, ended)
                    ended, given_at = {}, perf_counter()
            yield from _batch(cohorts, ended)
        except BaseException:  # an interruption too: what runs is of no use any more
            is_over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in waiting):
                self.end()  # again and again: one may just have begun
                sleep(seconds_to_look)
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_kept(self, cohort: Cohort[Settings], ended: Ended, on_count: OnCount, guard: Guard) -> bool:
        """Whether a run ended so that it counts; of one that is lost the guard is told."""
        if ended.given.outcome == "lost":
            seeds = (int(cohort.seeds[ended.place]),)
            told = f"lost {ended.attempts} times: {ended.given.told}"
            guard.on_broken(Broken(cohort.configuration.id, seeds, told))
            return False
        on_count(1, int(outcome_of(ended.given, cohort.success) == "learned"))
        return True

    def _attempt(self, cohort: Cohort[Settings], place: int, guard: Guard, is_over: threading.Event) -> Ended | None:
        """What a run came to; None where a stop came first."""
        success = cohort.success
        given, attempts = Given(outcome="lost"), 0
        while given.outcome == "lost" and attempts <= self.retries:
            if is_over.is_set() or guard.is_stopped():
                return None
            given = self.make(cohort.configuration.values, int(cohort.seeds[place]), success.metric)
            attempts += 1
        return Ended(place, checked(given, success.metric, cohort.configuration.values), attempts)
