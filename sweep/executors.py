"""Where cohorts are trained: cohorts in, measurements out, in order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from sweep.engines import Engine
from sweep.runs import Cohort, Measurements, concatenate


def available_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def assert_subnormals() -> None:
    """Raise `FloatingPointError` where this thread's processor flushes subnormal numbers to zero.

    A library may switch that on for a whole thread when it is loaded; results would no longer be the same everywhere.
    """
    tiny = np.array([2.0**-126], np.float32)
    if (tiny * np.float32(0.5))[0] == 0:
        raise FloatingPointError(
            "subnormal numbers are flushed to zero in this thread; a loaded library switched that on"
        )


def _cost(cohort: Cohort) -> int:
    """A cohort's work, roughly: parameters times steps, and rows times parameters for each epoch."""
    c = cohort.configuration
    return len(cohort) * c.epochs * c.n_parameters * (c.steps_per_epoch + c.rows_per_epoch)


def train(
    engine: Engine, cohorts: Sequence[Cohort], workers: int, on_piece: Callable[[Cohort, Measurements], None]
) -> Iterator[Measurements]:
    """Train cohorts, in pieces, over threads where the engine allows; yields each cohort's measurements, in order.

    The largest pieces start first, so that the threads end together. `on_piece` is told of every piece that is done. A
    stop from outside (Ctrl-C) lets the pieces in flight end and drops the others.
    """
    pieces = [cohort.split(engine.piece_size) for cohort in cohorts]
    if not engine.is_threaded:
        for parts in pieces:
            measured: list[Measurements] = []
            for part in parts:
                measured.append(engine.train(part))
                on_piece(part, measured[-1])
            yield concatenate(measured)
        return
    with ThreadPoolExecutor(workers, "train", initializer=assert_subnormals) as pool:
        try:
            futures: dict[tuple[int, int], Future[Measurements]] = {}
            places = [(i, j) for i, parts in enumerate(pieces) for j in range(len(parts))]
            for i, j in sorted(places, key=lambda place: -_cost(pieces[place[0]][place[1]])):
                futures[i, j] = pool.submit(engine.train, pieces[i][j])
            for i, parts in enumerate(pieces):
                done = []
                for j, part in enumerate(parts):
                    done.append(futures.pop((i, j)).result())
                    on_piece(part, done[-1])
                yield concatenate(done)
        finally:
            pool.shutdown(cancel_futures=True)
