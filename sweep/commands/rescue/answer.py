"""What a rescue finds: each change with what it does to the seeds, the cause, the cheapest change that is enough."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.results.tables import frame
from sweep.statistics.intervals import wilson
from sweep.statistics.seeds import bar_of
from sweep.statistics.verdicts import Target

Booleans = npt.NDArray[np.bool_]


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

    def shows(self, reliability: Target) -> bool:
        """Whether so many of so many are the verdict `reliable`: of one configuration, by the exact test.

        >>> Proportion.of(np.ones(35, np.bool_), 0.95).shows(Target(0.9)), Proportion(36, 36, 0.9, 1).shows(Target(0.9))
        (False, True)
        """
        return str(bar_of(replace(reliability, family=None)).verdicts(self.k, self.n)) == "reliable"


@dataclass(frozen=True)
class Attempt:
    """One change, and what it does to the seeds that it was tried on.

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

    is_base_rate: whether what is named is no bad luck: the configuration is not reliable as it is, and the failing
    seeds learn no more often with it drawn anew, as far as their intervals show, than fresh seeds do. Then any other
    weights fail as often: it is the configuration.
    """

    name: str
    p_value: float | None
    is_base_rate: bool = False


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
    other configurations. n_left_out: configurations that the search would have tried with a larger budget than
    `budget`, in seconds of one core.
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
    n_left_out: int
    budget: float

    @property
    def n_failed(self) -> int:
        """How many of the seeds failed."""
        return sum(self.by_outcome.values())

    @property
    def is_reliable(self) -> bool:
        """Whether the configuration is reliable as it is."""
        return self.as_it_is.shows(self.reliability)

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
            "n_left_out": self.n_left_out,
            "budget_seconds": self.budget,
        }
