"""What an experiment will do, before it does it: its configurations, its engine, about how long it takes."""

import itertools
import math
import os
from dataclasses import dataclass
from pathlib import Path

from sweep import engines, executors, experiment_file
from sweep.engines import Engine
from sweep.experiment import Experiment, max_checked
from sweep.model import Configuration
from sweep.results import ResultsError

seconds_in_hour = 3600


def expected_seconds(experiment: Experiment, engine: str, workers: int) -> float:
    """About how long an experiment will train, in seconds, from its configurations' sizes; right to a factor of three.

    A grid of over 2,000 points, or another sampler's choice, is judged by a sample of its points.
    """
    points = list(experiment.sample_points())
    seconds = sum(run_seconds(experiment.configuration(point), engine) for point in points) / len(points)
    n_workers = workers if engine == "native" else 1
    return seconds * experiment.n_trials * len(experiment.seeds) / n_workers


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

    Raises `ExperimentFileError`, `EngineError`, and `ResultsError` where it would take more than `limit` hours.
    """
    path = Path(path)
    experiment = experiment_file.load(path)
    chosen = engines.choose(engine, device, map(experiment.configuration, experiment.sample_points()))
    n_workers = workers or executors.available_cores()
    seconds = expected_seconds(experiment, chosen.name, n_workers)
    if seconds > limit * seconds_in_hour:
        raise ResultsError(
            f"{path}: asks for {experiment.n_trials * len(experiment.seeds):,} networks, about "
            f"{seconds / seconds_in_hour:,.0f} hours on this machine; --limit HOURS allows more than {limit:g}"
        )
    return Plan(path, experiment, chosen, n_workers, seconds)
