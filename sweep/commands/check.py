"""What an experiment will do, before it does it: its configurations, its engine, about how long it takes."""

import itertools
import math
import os
from collections.abc import Generator, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sweep.experiment import file as experiment_file
from sweep.experiment.experiment import Experiment
from sweep.experiment.file import ExperimentFile
from sweep.networks.configuration import Configuration
from sweep.networks.snapshots import max_snapshots
from sweep.results.files import ResultsError
from sweep.runs.errors import SettingError
from sweep.search.allocation import Allocation
from sweep.training import choice, threads
from sweep.training.cohorts import EngineTrainer
from sweep.training.costs import describe_seconds, program_seconds, run_seconds
from sweep.training.engine import Engine
from sweep.training.executor import Executor, Threads
from sweep.training.trainer import Trainer, TrainerName

seconds_in_hour = 3600


n_confirmation = 1024
# networks side by side in a thread, times weights, gradients and the optimizer's state of each
piece_copies = 32 * 5
# seconds beside training, of one trial and of one run, and what a stored run takes, in bytes
trial_seconds = {"grid": 0.002, "random": 0.002, "qmc": 0.002, "tpe": 0.03}
row_seconds = 1e-5
row_bytes = 500


def n_programs(experiment: Experiment, engine: Engine, n_confirmation: int) -> int:
    """How many programs the engine compiles for an experiment; at most, where seeds are added or points repeat.

    By the configurations of the sample that `seconds_of_one` takes.
    """
    counts = Allocation.of(experiment).counts()
    blocks = {n - before for before, n in itertools.pairwise([0, *counts])}
    configurations = set(experiment.networks)
    known = frozenset[Hashable]().union(*(engine.programs(c, n) for c in configurations for n in blocks))
    return len(known) + max(len(engine.programs(c, n_confirmation) - known) for c in configurations)


def seconds_of_one(experiment: Experiment, engine: Engine) -> float:
    """About how long one of an experiment's networks trains on one core, in seconds; right to a factor of three.

    By its configurations' sizes; a grid of over 2,000 points, or another sampler's choice, by a sample of its points.
    """
    configurations = experiment.networks
    return sum(run_seconds(c, engine.name) for c in configurations) / len(configurations)


def seconds_beside(experiment: Experiment) -> float:
    """About how long an experiment takes beside training, in seconds: its trials, its tables."""
    n_runs = experiment.n_trials * len(experiment.seeds)
    n_stored_trials = n_runs if experiment.study.trial == "run" else experiment.n_trials
    return n_stored_trials * trial_seconds[experiment.study.sampler] + n_runs * row_seconds


def expected_bytes(configurations: Sequence[Configuration], *, n_at_once: int, n_runs: int, workers: int) -> float:
    """About how much memory networks of these configurations may take, in bytes.

    What is measured of those that are trained `n_at_once`, of each configuration about as many; the training of one
    piece in each thread; the rows of all runs.
    """
    measured = [c.n_parameters + max_snapshots * (c.task.n_rows * c.n_outputs + 1) for c in configurations]
    of_threads = workers * piece_copies * max(c.n_parameters for c in configurations)
    return 4 * (n_at_once * sum(measured) / len(measured) + of_threads) + n_runs * row_bytes


def refuse_beyond_memory(needed: float, what: str, allowed: str) -> None:
    """Raise `ResultsError` where something needs more bytes than the machine has."""
    present = threads.physical_memory()
    if needed > present:
        raise ResultsError(
            f"{what}, about {_short(needed / 2**30)} GiB of memory, this machine has {_short(present / 2**30)}\n"
            f"  allowed: {allowed}"
        )


@dataclass(frozen=True)
class Plan:
    """What an experiment will do: the configurations it will ask for, what trains them, and where.

    `n_confirmation`: on how many fresh seeds the configuration that the answer names is trained again. `core_seconds`:
    about how long training would take on one core, 0 where nobody knows; `n_programs`: how many programs the engine
    compiles, at most; `confirmation_seconds`: of one core, for the fresh seeds.
    """

    source: ExperimentFile
    trainer: Trainer
    executor: Executor
    n_confirmation: int
    core_seconds: float
    n_programs: int = 0
    confirmation_seconds: float = 0.0

    @property
    def experiment(self) -> Experiment:
        """What is asked."""
        return self.source.experiment

    @property
    def trained_by(self) -> str:
        """Engine and device, as a folder's blocks have them."""
        return str(TrainerName.of(self.trainer))

    @property
    def n_runs(self) -> int:
        """How many runs it asks for, at most; those on fresh seeds come beside."""
        return self.experiment.n_trials * len(self.experiment.seeds)

    @property
    def seconds(self) -> float:
        """About how long it will take."""
        return self.seconds_beyond(0)

    def seconds_beyond(self, n_present: int) -> float:
        """About how long it will take where so many of its runs are there already."""
        share = 1 - min(1.0, n_present / self.n_runs)
        training = self.core_seconds * share + self.confirmation_seconds
        return training / self.executor.n_workers + seconds_beside(self.experiment) * share

    def check_limit(self, hours: float) -> None:
        """Raise `ResultsError` where it would take longer than that."""
        if self.seconds > hours * seconds_in_hour:
            where = "this machine" if isinstance(self.executor, Threads) else f"{self.executor.n_workers} cores"
            raise ResultsError(
                f"{self.source.path}: asks for {_describe_networks(self.experiment)}, "
                f"about {describe_seconds(self.seconds)} on {where}; raise --limit above {hours:g} hours if you mean it"
            )

    @property
    def n_configurations(self) -> int:
        """Different configurations of a small grid; else the number of trials, some of which may repeat."""
        n = self.experiment.n_trials
        is_known = self.experiment.study.sampler == "grid" and self.experiment.is_small
        return len(set(self.experiment.configurations[:n])) if is_known else n


def plan(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    limit: float = math.inf,
    confirm: int = n_confirmation,
) -> Plan:
    """Read an experiment, choose its engine and estimate its time; nothing is trained or written.

    `confirm`: on how many fresh seeds the configuration that the answer names is to be trained again, 0 for none; an
    engine that trains one network at a time takes as many at most as each configuration had. Raises
    `ExperimentFileError`, `EngineError`, and `ResultsError` where it would take more than `limit` hours, or more memory
    than there is.
    """
    source = experiment_file.read(path)
    experiment = source.experiment
    chosen = choice.choose(engine, device, experiment.networks)
    n_workers = (workers or threads.available_cores()) if chosen.is_threaded else 1
    if confirm < 0:
        raise SettingError(("confirm",), f"found {confirm}", "allowed: a number of seeds, 0 for none")
    n_confirmed = confirm if chosen.is_threaded else min(confirm, len(experiment.seeds))
    n_compiled = n_programs(experiment, chosen, n_confirmed)
    of_one = seconds_of_one(experiment, chosen)
    seconds = of_one * experiment.n_trials * len(experiment.seeds) + program_seconds[chosen.name] * n_compiled
    threads_here, fresh = Threads(n_workers), of_one * n_confirmed
    planned = Plan(source, EngineTrainer(chosen), threads_here, n_confirmed, seconds, n_compiled, fresh)
    planned.check_limit(limit)
    needed = expected_bytes(
        experiment.networks,
        n_at_once=min(experiment.study.trials_per_round, experiment.n_trials) * len(experiment.seeds),
        n_runs=experiment.n_trials * len(experiment.seeds),
        workers=n_workers,
    )
    allowed = "smaller networks, fewer seeds, a smaller study.trials_per_round"
    refuse_beyond_memory(needed, f"{source.path}: asks for {_describe_networks(experiment)}", allowed)
    return planned


@contextmanager
def spread(planned: Plan, ray: str | None, workers: int | None, limit: float) -> Generator[Plan]:
    """The plan on a Ray cluster, for as long as the block lasts; without an address the plan as it is.

    Raises `ExecutorError` where there is no such cluster, `ResultsError` where that would take more than `limit` hours,
    `SettingError` for GPUs of runs without one: nobody would hand them out.
    """
    limits = planned.experiment.limits
    if ray is None:
        if limits.gpus:
            found = f"found {limits.gpus:g}, and no cluster that hands them out"
            raise SettingError(("limits", "gpus"), found, "allowed: 0, or --ray ADDRESS")
        yield planned
        return
    from sweep.training.cluster import connected

    with connected(ray, workers, limits) as cluster:
        on_cluster = replace(planned, executor=cluster)
        on_cluster.check_limit(limit)
        yield on_cluster


def _describe_networks(experiment: Experiment) -> str:
    sizes = {c.n_parameters for c in experiment.configurations}
    n = experiment.n_trials * len(experiment.seeds)
    up_to = "up to " if len(sizes) > 1 else ""
    return f"{_short(n)} network{'s' if n != 1 else ''} of {up_to}{_short(max(sizes))} parameters"


def _short(n: float) -> str:
    """A number with as many digits as a person reads.

    >>> _short(64), _short(1234567), _short(4.1e9)
    ('64', '1.2e6', '4.1e9')
    """
    return f"{n:,.0f}" if n < 1e6 else f"{n:.1e}".replace("e+0", "e").replace("e+", "e")
