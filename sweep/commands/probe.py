"""What `sweep check` finds out of a program beforehand: does it work, is it repeatable, is its seed used."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sweep.commands.check import Plan
from sweep.runs.settings import Settings
from sweep.search.allocation import Allocation
from sweep.training.own import Given, RunByRun, TrainerError, checked


@dataclass(frozen=True)
class Probe:
    """The first configuration under its first seed twice, and under the second once.

    other: None where there is one seed; `metric`: the number that success compares.
    """

    settings: Mapping[str, object]
    metric: str
    seeds: tuple[int, ...]
    first: Given
    again: Given
    other: Given | None

    @property
    def is_repeatable(self) -> bool:
        """Whether the first seed gave the same numbers both times."""
        return are_equal(self.first, self.again)

    @property
    def is_seed_used(self) -> bool | None:
        """Whether the second seed gave other numbers; None where nothing says so."""
        if self.other is None or not self.is_repeatable:
            return None
        return not are_equal(self.first, self.other)

    @property
    def seconds(self) -> float:
        """How long a run took, on average."""
        return float(np.mean([given.seconds for given in (self.first, self.again, self.other) if given is not None]))


def are_equal(one: Given, other: Given) -> bool:
    """Whether two runs ended with the same numbers, of which some may be none."""
    a, b = one.numbers, other.numbers
    return one.outcome == other.outcome and a.keys() == b.keys() and all(a[k] == b[k] or a[k] != a[k] for k in a)


def probe(plan: Plan) -> Probe:
    """Make three runs; nothing is kept. Raises `TrainerError`, with what one said, where all of them crash."""
    configuration, success, trainer = plan.experiment.configurations[0], plan.experiment.success, plan.trainer
    if not (isinstance(configuration, Settings) and isinstance(trainer, RunByRun) and success is not None):
        raise TypeError("only a trainer of one's own is probed")
    seeds = tuple(plan.experiment.seeds.seeds()[:2].tolist())
    made: list[Given] = []
    try:
        for seed in (seeds[0], *seeds):
            given = trainer.make(configuration.values, seed, success.metric)
            made.append(checked(given, success.metric, configuration.values))
    finally:
        trainer.close()
    if all(given.outcome in ("crashed", "lost") for given in made):
        raise TrainerError(f"{trainer.name}: each of {len(made)} runs crashed; one said\n{made[0].told}")
    return Probe(configuration.values, success.metric, seeds, made[0], made[1], made[2] if len(made) > 2 else None)


def expected_seconds(plan: Plan, seconds: float) -> tuple[float, float]:
    """About how long a sweep takes, at least and at most, where every run takes so many seconds."""
    counts = Allocation.of(plan.experiment).counts()
    per_worker = seconds / plan.executor.n_workers
    fewest, most = (per_worker * (plan.n_configurations * n + plan.n_confirmation) for n in (counts[0], counts[-1]))
    return fewest, most
