"""Cohorts trained on threads of this process: cohorts in, measurements out, in order."""

import os
import traceback
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from sweep.networks.measurements import Measurements, NetworkCohort, join
from sweep.runs.cohort import Broken
from sweep.training.engine import Engine
from sweep.training.trainer import Guard, OnCount, ignore_count

Pieces = Sequence[tuple[NetworkCohort, Measurements] | Broken]
Train = Callable[[NetworkCohort], Measurements]

# pieces grow up to so many times an engine's smallest, as long as every thread gets so many of them and none costs more
# than this, some tenths of a second
MAX_ENLARGEMENT = 8
PIECES_PER_WORKER = 16
MAX_COST = 1_000_000_000


def available_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def physical_memory() -> float:
    """The memory of this machine, in bytes; infinite where the system does not say."""
    if hasattr(os, "sysconf"):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return float("inf")


def assert_subnormals() -> None:
    """Raise `FloatingPointError` where this thread's processor flushes subnormal numbers to zero.

    A library may switch that on for a whole thread when it is loaded; results would no longer be the same everywhere.
    """
    tiny = np.array([2.0**-126], np.float32)
    if (tiny * np.float32(0.5))[0] == 0:
        raise FloatingPointError(
            "subnormal numbers are flushed to zero in this thread; a loaded library switched that on"
        )


def _cost(cohort: NetworkCohort) -> int:
    """A cohort's work, roughly: parameters times steps, and rows times parameters for each epoch."""
    c = cohort.configuration
    return len(cohort) * c.epochs * c.n_parameters * (c.steps_per_epoch + c.rows_per_epoch)


def _pieces(engine: Engine, cohorts: Sequence[NetworkCohort], workers: int) -> list[list[NetworkCohort]]:
    """The cohorts cut into pieces, larger ones where there are many quick models: less is done for each of those."""
    smallest = engine.piece_size
    plenty = sum(map(len, cohorts)) // (PIECES_PER_WORKER * workers * smallest) if engine.is_threaded else 1
    pieces: list[list[NetworkCohort]] = []
    for cohort in cohorts:
        cost = _cost(cohort.part(slice(smallest)))
        pieces.append(cohort.split(smallest * max(1, min(MAX_ENLARGEMENT, plenty, MAX_COST // max(1, cost)))))
    return pieces


def _in_order(engine: Engine, pieces: Sequence[Sequence[NetworkCohort]]) -> list[tuple[int, int]]:
    """The places of the pieces in the order of training: the costliest first, so that the threads end together.

    What shares compiled programs comes together, since an engine may not be able to keep them all.
    """
    places = [(i, j) for i, parts in enumerate(pieces) for j in range(len(parts))]
    costs = {(i, j): _cost(pieces[i][j]) for i, j in places}
    programs = {(i, j): engine.programs(pieces[i][j].configuration, len(pieces[i][j])) for i, j in places}
    largest: dict[frozenset[Hashable], int] = {}
    for place in sorted(places, key=lambda place: costs[place]):
        largest[programs[place]] = costs[place]
    order = {group: n for n, group in enumerate(sorted(largest, key=lambda group: -largest[group]))}
    return sorted(places, key=lambda place: (order[programs[place]], -costs[place]))


def attempt(train: Train, cohort: NetworkCohort) -> Pieces:
    """Train a cohort; where that raises, its halves, down to the runs that cannot be trained: the others are kept."""
    try:
        return [(cohort, train(cohort))]
    except Exception:  # goes on after any error, as the diagnosis does: it is recorded, the sweep ends with code 1
        told = traceback.format_exc()
    if len(cohort) == 1:
        return [Broken(cohort.configuration.id, (int(cohort.seeds[0]),), told)]
    half = len(cohort) // 2
    return [*attempt(train, cohort.part(slice(half))), *attempt(train, cohort.part(slice(half, None)))]


def train_over_threads(
    engine: Engine,
    cohorts: Sequence[NetworkCohort],
    workers: int,
    on_count: OnCount = ignore_count,
    guard: Guard | None = None,
    finish: Callable[[NetworkCohort, Measurements], Measurements] | None = None,
) -> Iterator[tuple[NetworkCohort, Measurements]]:
    """Train cohorts, in pieces, over threads where the engine allows; yields each cohort with its measurements.

    `on_count` is told of every piece that is done how many runs it has and how many of them learned. Without a `guard`
    an exception ends it all, as does a stop from outside: the pieces in flight end, the others are dropped. `finish`
    adds to the measurements of a piece, on the thread that trained it.
    """

    def train(piece: NetworkCohort) -> Measurements:
        measured = engine.train(piece)
        return measured if finish is None else finish(piece, measured)

    def train_piece(piece: NetworkCohort) -> Pieces:
        if guard is None:
            return [(piece, train(piece))]
        return [] if guard.is_stopped() else attempt(train, piece)

    def collect(cohort: NetworkCohort, done: Iterable[Pieces]) -> tuple[NetworkCohort, Measurements]:
        kept: list[tuple[NetworkCohort, Measurements]] = []
        for part in (part for pieces in done for part in pieces):
            if not isinstance(part, Broken):
                piece, measured = part
                on_count(len(piece), measured.count_learned(piece))
                kept.append(part)
            elif guard is not None:
                guard.on_broken(part)
        return join(cohort, kept)

    pieces = _pieces(engine, cohorts, workers)
    if not engine.is_threaded:
        for cohort, parts in zip(cohorts, pieces, strict=True):
            yield collect(cohort, map(train_piece, parts))
        return
    with ThreadPoolExecutor(workers, "train", initializer=assert_subnormals) as pool:
        try:
            futures: dict[tuple[int, int], Future[Pieces]] = {}
            for i, j in _in_order(engine, pieces):
                futures[i, j] = pool.submit(train_piece, pieces[i][j])
            for i, cohort in enumerate(cohorts):
                yield collect(cohort, (futures.pop((i, j)).result() for j in range(len(pieces[i]))))
        finally:
            pool.shutdown(cancel_futures=True)
