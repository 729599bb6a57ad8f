"""What would have rescued the seeds that failed: one change at a time, then the cheapest that makes it reliable.

Every change is trained under the seeds of the configuration, so that a seed is compared with itself. Cost is
parameters times steps. Notation: arrays `[model]` in the order of the seeds.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.commands.rescue.changes import changed, describe_change, kinds, redraws
from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.results.results import Results
from sweep.results.selection import select_configuration
from sweep.results.tables import frame
from sweep.runs.cohort import Cohort, Seeds
from sweep.runs.outcomes import failures, outcomes
from sweep.runs.runs import Runs
from sweep.runs.success import Success, above_margin
from sweep.statistics.intervals import wilson
from sweep.statistics.pairs import mcnemar, pair
from sweep.statistics.verdicts import Target
from sweep.training import choice, threads
from sweep.training.cohorts import train_cohorts
from sweep.training.engine import Engine

Booleans = npt.NDArray[np.bool_]
Say = Callable[[str], None]

# attempts that draw the weights anew and keep row order, masks and samples, or the other way round
redraw_kinds = ("redraw weights", "redraw rest")
# fresh seeds that confirm
n_fresh = 1024
# fresh seeds, other than those that confirm, on which a change is tried first
n_screen = 256
# how far the search goes: changes laid over each other, times the cost, configurations that it goes on from at once
max_changes = 4
max_cost_ratio = 64
n_parents = 3


@dataclass(frozen=True)
class Proportion:
    """`k` of `n`, and Wilson's interval for the rate behind it: 0 to 1 where `n` is 0."""

    k: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, mask: Booleans, confidence: float) -> "Proportion":
        """The share of a mask."""
        k, n = int(mask.sum()), len(mask)
        rate = wilson(k, n, confidence)
        return cls(k, n, float(rate.low), float(rate.high))


@dataclass(frozen=True)
class Attempt:
    """One change, and what it does to the seeds.

    rescued: of the seeds that failed; by_outcome: the same, parted by how they had failed; lost: of the seeds that had
    learned. The ratios are the change's parameters and steps over the configuration's.
    """

    label: str
    kind: str
    configuration: Configuration
    rescued: Proportion
    by_outcome: Mapping[str, tuple[int, int]]
    lost: Proportion
    parameters_ratio: float
    steps_ratio: float


@dataclass(frozen=True)
class Cause:
    """Whether it was the weights or the rest of the randomness (row order, dropout masks, samples).

    name: `weights` or `rest`, the redraw that rescues more of the failing seeds by McNemar's exact test at the
    experiment's confidence. Else by the intervals of both: `both`, each above 1 in 20; `neither`, each below 1 in 5;
    `open`, too few seeds to tell. Where there is one redraw, by its interval: `only weights` or `only rest`, `neither`,
    `open`. `nothing`: no randomness at all. p_value: the test's, where there are both redraws.
    """

    name: str
    p_value: float | None


@dataclass(frozen=True)
class Rescued:
    """The cheapest change found that makes the configuration reliable: its rate on fresh seeds."""

    label: str
    configuration: Configuration
    fresh: Proportion
    parameters_ratio: float
    steps_ratio: float


@dataclass(frozen=True)
class Rescue:
    """What happened to the seeds, what each change does, and the cheapest that is enough.

    by_outcome: the failing seeds by outcome; as_it_is: the configuration's own rate on fresh seeds; cheapest: None
    where the configuration is reliable as it is, where no seed failed, or where none was found among the `n_tried`
    other configurations.
    """

    configuration: Configuration
    engine: str
    reliability: Target
    n_seeds: int
    by_outcome: Mapping[str, int]
    as_it_is: Proportion
    attempts: tuple[Attempt, ...]
    cause: Cause | None
    cheapest: Rescued | None
    n_tried: int

    @property
    def n_failed(self) -> int:
        """How many of the seeds failed."""
        return sum(self.by_outcome.values())

    @property
    def is_reliable(self) -> bool:
        """Whether the configuration is reliable as it is."""
        return self.as_it_is.low >= self.reliability.target

    def records(self) -> list[dict[str, Any]]:
        """One plain mapping for each change, for JSON and tables."""
        return [
            {
                "change": a.label,
                "kind": a.kind,
                "configuration": a.configuration.id,
                "n_failed": a.rescued.n,
                "n_rescued": a.rescued.k,
                "rescued_low": round(a.rescued.low, 6),
                "rescued_high": round(a.rescued.high, 6),
                "ci_method": "wilson",
                "n_learned": a.lost.n,
                "n_lost": a.lost.k,
                "parameters_ratio": round(a.parameters_ratio, 6),
                "steps_ratio": round(a.steps_ratio, 6),
                **{f"n_{name}": n for name, (_, n) in a.by_outcome.items()},
                **{f"n_{name}_rescued": k for name, (k, _) in a.by_outcome.items()},
            }
            for a in self.attempts
        ]

    def table(self) -> Any:
        """The changes as a DataFrame, a row for each."""
        return frame(self.records())

    def summary(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        cheapest = self.cheapest and {
            "change": self.cheapest.label,
            "configuration": self.cheapest.configuration.id,
            "settings": self.cheapest.configuration.labels(),
            "fresh": dataclasses.asdict(self.cheapest.fresh),
            "parameters_ratio": round(self.cheapest.parameters_ratio, 6),
            "steps_ratio": round(self.cheapest.steps_ratio, 6),
        }
        return {
            "configuration": self.configuration.id,
            "settings": self.configuration.labels(),
            "engine": self.engine,
            "reliability": dataclasses.asdict(self.reliability),
            "n_seeds": self.n_seeds,
            "n_failed": self.n_failed,
            "failed_by_outcome": dict(self.by_outcome),
            "as_it_is": dataclasses.asdict(self.as_it_is),
            "is_reliable": self.is_reliable,
            "changes": self.records(),
            "cause": self.cause and dataclasses.asdict(self.cause),
            "cheapest": cheapest,
            "n_tried": self.n_tried,
        }


def cost(configuration: Configuration) -> int:
    """Parameters times steps: what a training costs, roughly."""
    return configuration.n_parameters * n_steps(configuration)


def n_steps(configuration: Configuration) -> int:
    """Weight updates of a training."""
    return configuration.epochs * configuration.steps_per_epoch


def rescue(
    results: Results,
    configuration: str,
    *,
    engine: str = "auto",
    workers: int | None = None,
    say: Say = lambda message: None,
) -> Rescue:
    """What would have rescued the failing seeds of a configuration in a results folder.

    `configuration`: its id, the beginning of one, or `width=8,optimizer=adam`. Its seeds are trained again, so that
    rows of another engine do not mix in. Raises `ResultsError`, `EngineError`.
    """
    results.folder.check_has_experiment()
    identity = select_configuration(results.configurations, configuration)
    runs = results.runs
    seeds = runs.loc[runs["configuration"] == identity, "seed"].to_numpy(np.uint32)
    experiment = results.experiment
    reliability, success = experiment.reliability, experiment.criterion
    found = results.configuration(identity)
    return rescue_configuration(found, seeds, reliability, success, engine=engine, workers=workers, say=say)


def rescue_configuration(
    configuration: Configuration,
    seeds: Iterable[int] | Seeds,
    reliability: Target = Target(),  # noqa: B008  (frozen)
    success: Success = above_margin(0.0),  # noqa: B008  (frozen)
    *,
    engine: str = "auto",
    workers: int | None = None,
    say: Say = lambda message: None,
) -> Rescue:
    """As `rescue`, for a configuration and seeds without a results folder. `say` is told what is being trained.

    The same arguments give the same values. Raises `EngineError`.
    """
    chosen = choice.choose(engine, "auto", [configuration])
    block = SeedBlock(listed=tuple(map(int, seeds)))
    trainer = _Trainer(chosen, workers or threads.available_cores(), block, reliability, success)
    own = trainer.train([configuration], block.seeds())[0]
    fresh = trainer.fresh_rate(configuration)
    failed = ~own.learned
    by_outcome = {
        name: n for i, name in enumerate(outcomes) if name in failures and (n := int((own.outcome == i).sum()))
    }
    attempts: tuple[Attempt, ...] = ()
    cause = cheapest = None
    n_tried = 0
    if failed.any():
        say(f"{len(block)} seeds, {int(failed.sum())} failed: one change at a time")
        search = _Search(trainer, configuration, own, say)
        attempts = search.attempts()
        cause = search.cause()
        if fresh.low < reliability.target:
            cheapest = search.cheapest()
        n_tried = len(search.tried)
    return Rescue(
        configuration=configuration,
        engine=chosen.name,
        reliability=reliability,
        n_seeds=len(block),
        by_outcome=by_outcome,
        as_it_is=fresh,
        attempts=attempts,
        cause=cause,
        cheapest=cheapest,
        n_tried=n_tried,
    )


@dataclass(frozen=True)
class _Trainer:
    """Trains configurations under the block's seeds, and under fresh ones: first those that confirm, then the screen's.

    An engine that trains one network at a time gets as many fresh seeds as the block has.
    """

    engine: Engine
    workers: int
    block: SeedBlock
    reliability: Target
    success: Success

    def train(self, configurations: Sequence[Configuration], seeds: Seeds) -> list[Runs]:
        return self.train_cohorts([Cohort(c, seeds, self.success) for c in configurations])

    def train_cohorts(self, cohorts: Sequence[NetworkCohort]) -> list[Runs]:
        trained = train_cohorts(self.engine, cohorts, self.workers)
        return [runs for _, _, runs in trained]

    @property
    def _n_fresh(self) -> tuple[int, int]:
        return (n_fresh, n_screen) if self.engine.is_threaded else (len(self.block), len(self.block))

    def fresh_rate(self, configuration: Configuration) -> Proportion:
        """The rate on the fresh seeds that confirm."""
        n, _ = self._n_fresh
        (runs,) = self.train([configuration], self.block.fresh(n))
        return Proportion.of(runs.learned, self.reliability.confidence)

    def seems_reliable(self, configuration: Configuration, learned: Booleans) -> bool:
        """Whether the block's runs `learned` and the screen's show the target together."""
        confidence, target = self.reliability.confidence, self.reliability.target
        if Proportion.of(learned, confidence).high < target:
            return False
        n, screen = self._n_fresh
        (runs,) = self.train([configuration], self.block.fresh(n + screen)[n:])
        return Proportion.of(np.concatenate([learned, runs.learned]), confidence).low >= target


def _judge_shares(shares: Sequence[Proportion], whole: str) -> str:
    """`whole` where every redraw rescues some, `neither` where none rescues many, else `open`."""
    if all(s.low > 0.05 for s in shares):
        return whole
    return "neither" if all(s.high < 0.2 for s in shares) else "open"


class _Search:
    """The changes tried on one configuration: learned or not under the block's seeds, by configuration."""

    def __init__(self, trainer: _Trainer, base: Configuration, own: Runs, say: Say) -> None:
        self.trainer = trainer
        self.base = base
        self.own = own
        self.say = say
        self.failed = ~own.learned
        self.tried: dict[Configuration, Booleans] = {}
        self._useful: set[str] = set()
        self._redrawn: list[Booleans | None] = []

    def attempts(self) -> tuple[Attempt, ...]:
        """Every change of one kind, and the two redraws."""
        singles = list(changed(self.base))
        seeds = self.own.seed
        anew = dict(zip(seeds.tolist(), self.trainer.block.fresh(len(seeds)), strict=True))
        other = np.array([anew[s] for s in seeds.tolist()], np.uint32)
        drawn = redraws(self.base)
        success = self.trainer.success
        cohorts = [Cohort(c, seeds, success) for _, c in singles]
        cohorts += [Cohort(self.base, seeds, success, dict.fromkeys(r.streams, other)) for r in drawn if r]
        trained = [runs.learned for runs in self.trainer.train_cohorts(cohorts)]
        done: list[Attempt] = []
        for (kind, configuration), learned in zip(singles, trained, strict=False):
            self.tried[configuration] = learned
            done.append(self._attempt(describe_change(self.base, configuration), kind, configuration, learned))
            if done[-1].rescued.k > done[-1].lost.k:
                self._useful.add(kind)
        rest = iter(trained[len(singles) :])
        self._redrawn = [next(rest) if r else None for r in drawn]
        for kind, r, learned in zip(redraw_kinds, drawn, self._redrawn, strict=True):
            if r and learned is not None:
                done.append(self._attempt(r.label, kind, self.base, learned))
        return tuple(done)

    def _attempt(self, label: str, kind: str, c: Configuration, learned: Booleans) -> Attempt:
        confidence = self.trainer.reliability.confidence
        parts = {name: self.own.outcome == i for i, name in enumerate(outcomes) if name in failures}
        return Attempt(
            label=label,
            kind=kind,
            configuration=c,
            rescued=Proportion.of(learned[self.failed], confidence),
            by_outcome={k: (int(learned[m].sum()), int(m.sum())) for k, m in parts.items() if m.any()},
            lost=Proportion.of(~learned[~self.failed], confidence),
            parameters_ratio=c.n_parameters / self.base.n_parameters,
            steps_ratio=n_steps(c) / n_steps(self.base),
        )

    def cause(self) -> Cause:
        """Whether it was the weights or the rest; see `Cause`."""
        weights, rest = (None if x is None else x[self.failed] for x in self._redrawn)
        confidence = self.trainer.reliability.confidence
        shares = [Proportion.of(x, confidence) for x in (weights, rest) if x is not None]
        if weights is None or rest is None:
            whole = "only rest" if weights is None else "only weights"
            return Cause(_judge_shares(shares, whole) if shares else "nothing", None)
        p_value = mcnemar(pair(weights, rest))
        if p_value < 1 - confidence:
            return Cause("weights" if shares[0].k > shares[1].k else "rest", p_value)
        return Cause(_judge_shares(shares, "both"), p_value)

    def cheapest(self) -> Rescued | None:
        """The reliable configuration of the fewest changes, of those the cheapest; None within the search's bounds."""
        level = dict(self.tried)
        for n_changes in range(1, max_changes + 1):
            for configuration in sorted(level, key=lambda c: (cost(c), c.n_parameters)):
                found = self._confirmed(configuration, level[configuration])
                if found:
                    return found
            if n_changes < max_changes:
                level = self._next_level(level)
        return None

    def _confirmed(self, configuration: Configuration, learned: Booleans) -> Rescued | None:
        if not self.trainer.seems_reliable(configuration, learned):
            return None
        fresh = self.trainer.fresh_rate(configuration)
        if fresh.low < self.trainer.reliability.target:
            return None
        return Rescued(
            label=describe_change(self.base, configuration),
            configuration=configuration,
            fresh=fresh,
            parameters_ratio=configuration.n_parameters / self.base.n_parameters,
            steps_ratio=n_steps(configuration) / n_steps(self.base),
        )

    def _next_level(self, level: Mapping[Configuration, Booleans]) -> dict[Configuration, Booleans]:
        """One more change on the best of a level: of the kinds that rescued more than they lost, if there are any."""
        parents = sorted(level, key=lambda c: (-int(level[c].sum()), cost(c)))[:n_parents]
        allowed = self._useful or set(kinds)
        new: list[Configuration] = []
        for parent in parents:
            for kind, configuration in changed(parent):
                is_new = configuration not in self.tried and configuration not in new and configuration != self.base
                if kind in allowed and is_new and cost(configuration) <= max_cost_ratio * cost(self.base):
                    new.append(configuration)
        self.say(f"no single change is enough: {len(new)} combinations")
        trained = [runs.learned for runs in self.trainer.train(new, self.own.seed)]
        self.tried |= zip(new, trained, strict=True)
        return dict(zip(new, trained, strict=True))
