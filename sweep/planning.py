"""What an experiment will do, before it does it: its configurations, its engine, about how long it takes."""

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep import engines, executors, experiment_file
from sweep.engines import Engine
from sweep.experiment import Experiment, max_checked
from sweep.model import Configuration
from sweep.results import ResultsError
from sweep.runs import max_snapshots

seconds_in_hour = 3600


# networks side by side in a thread, times weights, gradients and the optimizer's state of each
piece_copies = 32 * 5
# seconds beside training, of one trial and of one run, and what a stored run takes, in bytes
trial_seconds = {"grid": 0.002, "random": 0.002, "qmc": 0.002, "tpe": 0.03}
row_seconds = 1e-5
row_bytes = 500


def expected_seconds(experiment: Experiment, engine: str, workers: int) -> float:
    """About how long an experiment will take, in seconds, from its configurations' sizes; right to a factor of three.

    A grid of over 2,000 points, or another sampler's choice, is judged by a sample of its points.
    """
    points = list(experiment.sample_points())
    seconds = sum(run_seconds(experiment.configuration(point), engine) for point in points) / len(points)
    n_workers = workers if engine == "native" else 1
    n_runs = experiment.n_trials * len(experiment.seeds)
    n_stored_trials = n_runs if experiment.study.trial == "run" else experiment.n_trials
    beside = n_stored_trials * trial_seconds[experiment.study.sampler] + n_runs * row_seconds
    return seconds * n_runs / n_workers + beside


def expected_bytes(configurations: Sequence[Configuration], *, n_at_once: int, n_runs: int, workers: int) -> float:
    """About how much memory networks of these configurations may take, in bytes.

    What is measured of those that are trained `n_at_once`, of each configuration about as many; the training of one
    piece in each thread; the rows of all runs.
    """
    measured = [c.n_parameters + max_snapshots * (c.task.n_rows * c.task.n_outputs + 1) for c in configurations]
    of_threads = workers * piece_copies * max(c.n_parameters for c in configurations)
    return 4 * (n_at_once * sum(measured) / len(measured) + of_threads) + n_runs * row_bytes


def refuse_beyond_memory(needed: float, what: str, allowed: str) -> None:
    """Raise `ResultsError` where something needs more bytes than the machine has."""
    present = executors.physical_memory()
    if needed > present:
        raise ResultsError(
            f"{what}, about {_short(needed / 2**30)} GiB of memory, this machine has {_short(present / 2**30)}\n"
            f"  allowed: {allowed}"
        )


def run_seconds(configuration: Configuration, engine: str) -> float:
    """Seconds of one network's training on one core, fitted to measurements on a 2.6 GHz processor with AVX-512."""
    c = configuration
    n_steps = c.epochs * c.steps_per_epoch
    n_rows = c.epochs * c.rows_per_epoch
    if engine == "keras":
        return 0.1 + 1.2e-4 * n_steps
    return (n_steps * (3.5 * c.n_parameters + 25) + n_rows * (1.6 * c.n_parameters + 45)) * 1e-9 / 3


def describe_seconds(seconds: float) -> str:
    """A duration in words.

    >>> describe_seconds(8), describe_seconds(300), describe_seconds(4e9)
    ('8 s', '5 min', '130 years')
    """
    for unit, size in (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{float(f'{seconds / size:.2g}'):,g} {unit}"
    return f"{max(1, round(seconds))} s"


@dataclass(frozen=True)
class Plan:
    """What an experiment will do: the configurations it will ask for, with which engine, in about how many seconds."""

    path: Path
    experiment: Experiment
    engine: Engine
    workers: int
    seconds: float

    @property
    def n_configurations(self) -> int:
        """Different configurations of a small grid; else the number of trials, some of which may repeat."""
        points = self.experiment.n_points
        if self.experiment.study.sampler == "grid" and points and points <= max_checked:
            chosen = itertools.islice(self.experiment.grid(), self.experiment.n_trials)
            return len({self.experiment.configuration(point).id for point in chosen})
        return self.experiment.n_trials


def plan(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    limit: float = math.inf,
) -> Plan:
    """Read an experiment, choose its engine and estimate its time; nothing is trained or written.

    Raises `ExperimentFileError`, `EngineError`, and `ResultsError` where it would take more than `limit` hours, or more
    memory than there is.
    """
    path = Path(path)
    experiment = experiment_file.load(path)
    chosen = engines.choose(engine, device, map(experiment.configuration, experiment.sample_points()))
    n_workers = workers or executors.available_cores()
    seconds = expected_seconds(experiment, chosen.name, n_workers)
    if seconds > limit * seconds_in_hour:
        raise ResultsError(
            f"{path}: asks for {_describe_networks(experiment)}, about {describe_seconds(seconds)} on this machine; "
            f"raise --limit above {limit:g} hours if you mean it"
        )
    needed = expected_bytes(
        list(map(experiment.configuration, experiment.sample_points())),
        n_at_once=min(experiment.study.trials_per_round, experiment.n_trials) * len(experiment.seeds),
        n_runs=experiment.n_trials * len(experiment.seeds),
        workers=n_workers,
    )
    allowed = "smaller networks, fewer seeds, a smaller study.trials_per_round"
    refuse_beyond_memory(needed, f"{path}: asks for {_describe_networks(experiment)}", allowed)
    return Plan(path, experiment, chosen, n_workers, seconds)


def _describe_networks(experiment: Experiment) -> str:
    sizes = {experiment.configuration(point).n_parameters for point in experiment.sample_points()}
    n = experiment.n_trials * len(experiment.seeds)
    up_to = "up to " if len(sizes) > 1 else ""
    return f"{_short(n)} network{'s' if n != 1 else ''} of {up_to}{_short(max(sizes))} parameters"


def _short(n: float) -> str:
    """A number with as many digits as a person reads.

    >>> _short(64), _short(1234567), _short(4.1e9)
    ('64', '1.2e6', '4.1e9')
    """
    return f"{n:,.0f}" if n < 1e6 else f"{n:.1e}".replace("e+0", "e").replace("e+", "e")
