"""Ask and tell: a sweep whose runs somebody else makes, over the same study, seeds, folder and tables."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweep.commands.check import Plan
from sweep.commands.run import Sweep, begin, nothing_settled
from sweep.commands.study import plan_file
from sweep.experiment.experiment import Experiment
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.results.resume import held
from sweep.runs.cohort import Cohort, Subject
from sweep.runs.endings import max_told
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits
from sweep.runs.settings import Settings
from sweep.search.study import Search
from sweep.training.own import Ended, Given, RunByRun, as_kept, checked, numbers_of
from sweep.training.trainer import Trainer

name = "ask and tell"


@dataclass(frozen=True)
class Job:
    """A run to be made: `settings` by name, under a `seed`; `run` is its name in the tables."""

    run: str
    settings: dict[str, Any]
    seed: int


@dataclass
class _Open:
    """A job that nobody has answered yet: its cohort and its place there; when it was last asked for."""

    job: Job
    cohort: Cohort[Settings]
    place: int
    asked: float | None = None


def _nobody(limits: Limits, n_workers: int) -> Trainer:
    """The name under which the runs stand; nobody here makes them. Raises `SettingError` for limits of them."""
    if not limits.are_none:
        raise SettingError(("limits",), "found limits of a run, which somebody else makes", "allowed: none")

    def make(*_: object) -> Given:
        raise RuntimeError("runs of ask and tell are made elsewhere")

    return RunByRun(name, make, lambda: None, limits.retries)


class Asking:
    """A sweep that is asked for its runs and told of them, by any number of threads of this process.

    Every answer is durable when `tell` returns. The folder is held until `close`, or the end of a `with` block.
    """

    def __init__(self, plan: Plan, out: str | os.PathLike[str] | None = None, *, fresh: bool = False) -> None:
        """Begin a sweep, or go on with it. Raises `ResultsError` for a folder of another experiment."""
        self._folder = Folder(Path(out) if out is not None else Path("results") / plan.source.path.stem)
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._began = time.perf_counter()
        with ExitStack() as stack:
            stack.enter_context(held(self._folder, is_fresh=fresh))
            begun = begin(plan, self._folder)
            self._sweep = None if begun is None else begun[0]
            self._rounds = iter(()) if begun is None else self._cohorts(*begun)
            self._advance()
            self._stack = stack.pop_all()

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, **known: Any) -> Self:
        """The sweep of an experiment file. Raises `ExperimentFileError`."""

        def trainer(experiment: Experiment) -> Any:
            return _nobody

        return cls(plan_file(path, trainer, workers=1, confirm=0), out, **known)

    def _cohorts(self, sweep: Sweep, search: Search) -> Iterator[list[Cohort[Subject]]]:
        yield from sweep.rounds(search)
        sweep.finish(self._began, lambda: None, nothing_settled)

    def _advance(self) -> None:
        """Open the jobs of what is to be trained next; where that is nothing, the tables are written."""
        for cohort in next(self._rounds, ()):
            settings = cohort.configuration
            if not isinstance(settings, Settings):
                raise TypeError("only settings of one's own are asked for")
            own = Cohort(settings, cohort.seeds, success=cohort.success)
            for place, seed in enumerate(cohort.seeds.tolist()):
                job = Job(f"{settings.id}-{seed}", settings.values, seed)
                self._open[job.run] = _Open(job, own, place)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be asked for."""
        return not self._open

    def ask(self) -> Job | None:
        """A run to be made; None where nothing is left.

        One that nobody was given comes first, then, again, the one that was given out longest ago and not answered.
        """
        with self._lock:
            found = min(self._open.values(), key=lambda o: o.asked or 0.0, default=None)
            if found is None:
                return None
            found.asked = time.perf_counter()
            return found.job

    def tell(self, job: Job, value: object = None, *, crashed: str | None = None) -> None:
        """What a run came to: numbers by name, a number, true or false; or, in `crashed`, why there is none.

        A run that was lost is told of by nobody: it is asked for again. A second answer of a run changes nothing.
        Raises `ResultsError` for something else than numbers, or a job that is not of this sweep.
        """
        with self._lock:
            found = self._open.get(job.run)
            if self._sweep is None or found is None:
                self._check_is_told(job)
                return
            success = found.cohort.success
            try:
                numbers = {} if crashed is not None else numbers_of(value, success.metric)
            except ValueError as error:
                raise ResultsError(f"{job.run}: {error}") from None
            given = Given(
                numbers,
                "" if crashed is None else "crashed",
                (crashed or "")[-max_told:],
                0.0 if found.asked is None else time.perf_counter() - found.asked,
            )
            ended = Ended(found.place, checked(given, success.metric, job.settings), 1)
            self._sweep.keep([as_kept(found.cohort, [ended])])
            del self._open[job.run]
            if not self._open:
                self._advance()

    def _check_is_told(self, job: Job) -> None:
        """Raise `ResultsError` where a job is none of this sweep's."""
        entries = self._sweep.entries if self._sweep is not None else {}
        identity = job.run.rpartition("-")[0]
        if identity not in entries or job.seed not in entries[identity].runs.seed:
            raise ResultsError(f"{job.run}: no run that this sweep asked for; allowed: a job that ask gave")

    @property
    def results(self) -> Results:
        """The results, when every job was answered. Raises `ResultsError` before."""
        self._folder.check_is_finished()
        return Results(self._folder)

    def close(self) -> None:
        """Let go of the folder; what was told is kept, and what was not is asked for again."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
