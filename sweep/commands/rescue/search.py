"""The search for what rescues a configuration: every single change for the table, then a race.

In the race all that a level makes is trained under a few seeds, what cannot be reliable is dropped, the others get more
seeds, and the cheapest that is left is confirmed on fresh ones. Notation: arrays `[model]` in the order of the seeds.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sweep.commands.rescue.answer import Attempt, Booleans, Cause, Proportion, Rescued
from sweep.commands.rescue.changes import changed, cost, describe_change, n_steps, redraws
from sweep.commands.rescue.moves import by_cost, menu, one_more, pairs, single_moves
from sweep.commands.rescue.trainer import Trainer
from sweep.networks.configuration import Configuration
from sweep.networks.limits import limits
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.runs.success import above_margin
from sweep.statistics.pairs import mcnemar, pair

Say = Callable[[str], None]

# attempts that draw the weights anew and keep row order, masks and samples, or the other way round
redraw_kinds = ("redraw weights", "redraw rest")
# parts of the budget: for the table of single changes, and beside it for each that takes over four times as long
share_of_table, share_of_dear = 0.25, 0.1
# the fewest seeds that something is tried on
min_seeds = 16
# seeds after which the race drops what is hopeless; how many go on, and how many of a level are confirmed at most
stages, max_raced, max_confirmed = (16, 64, 256), 64, 8
# how far the search goes: changes laid over each other, times the cost, configurations that it goes on from at once
max_changes = 4
max_cost_ratio = 400
n_parents = 3
# single changes that cost more come with the pairs
costly = 4


class Search:
    """The changes tried on one configuration, and how many seeds learned with each."""

    def __init__(self, trainer: Trainer, base: Configuration, own: Runs, say: Say) -> None:
        self.trainer = trainer
        self.base = base
        self.own = own
        self.say = say
        self.tried: set[Configuration] = set()
        self._raced: dict[Configuration, Booleans] = {}
        self._redrawn: list[Booleans | None] = []

    def attempts(self) -> tuple[Attempt, ...]:
        """Every change of one kind, and the two redraws: on all seeds, or where that is too costly on failing ones."""
        singles, drawn = list(changed(self.base)), redraws(self.base)
        budget = self.trainer.budget
        dear = {c for _, c in singles if self.trainer.of_one(c) > costly * self.trainer.of_one(self.base)}
        usual = [c for _, c in singles if c not in dear] + [self.base for r in drawn if r]
        n_usual = max(min_seeds, self.trainer.affordable(usual, share_of_table * budget))
        asked: list[tuple[str, str, Configuration, Cohort[Configuration]]] = []
        for kind, c in singles:
            n = n_usual if c not in dear else self.trainer.affordable([c], share_of_dear * budget)
            if n >= min(min_seeds, len(self.own)):
                asked.append((describe_change(self.base, c), kind, c, self._cohort(c, n)))
        anew = dict(zip(self.own.seed.tolist(), self.trainer.block.fresh(len(self.own)), strict=True))
        for kind, r in zip(redraw_kinds, drawn, strict=True):
            if r:
                cohort = self._cohort(self.base, n_usual)
                other = np.array([anew[s] for s in cohort.seeds.tolist()], np.uint32)
                asked.append((r.label, kind, self.base, replace(cohort, streams=dict.fromkeys(r.streams, other))))
        trained = self.trainer.train_cohorts([cohort for *_, cohort in asked])
        self.tried |= {c for _, _, c, _ in asked} - {self.base}
        done = [self._attempt(label, kind, c, r) for (label, kind, c, _), r in zip(asked, trained, strict=True)]
        by_kind = {kind: runs for (_, kind, _, _), runs in zip(asked, trained, strict=True)}
        self._redrawn = [self._of_failed(by_kind[kind]) if kind in by_kind else None for kind in redraw_kinds]
        return tuple(done)

    def _cohort(self, c: Configuration, n: int) -> Cohort[Configuration]:
        """A configuration under `n` of the block's seeds, those that failed first."""
        first = np.sort(np.argsort(self.own.learned, kind="stable")[:n])
        return Cohort(c, self.own.seed[first], self.trainer.success)

    def _before(self, runs: Runs) -> Runs:
        """The configuration's own runs under the seeds of other ones."""
        return self.own.take(np.isin(self.own.seed, runs.seed))

    def _of_failed(self, runs: Runs) -> Booleans:
        return runs.learned[~self._before(runs).learned]

    def _attempt(self, label: str, kind: str, configuration: Configuration, runs: Runs) -> Attempt:
        before, learned = self._before(runs), runs.learned
        confidence = self.trainer.reliability.confidence
        by_outcome: dict[str, tuple[int, int]] = {}
        for code in np.unique(self.own.outcome[~self.own.learned]).tolist():
            of_outcome = before.outcome == code
            by_outcome[outcomes[code]] = (int((of_outcome & learned).sum()), int(of_outcome.sum()))
        return Attempt(
            label=label,
            kind=kind,
            configuration=configuration,
            rescued=Proportion.of(learned[~before.learned], confidence),
            by_outcome=by_outcome,
            lost=Proportion.of(~learned[before.learned], confidence),
            parameters_ratio=configuration.n_parameters / self.base.n_parameters,
            steps_ratio=n_steps(configuration) / n_steps(self.base),
        )

    def cause(self, as_it_is: Proportion) -> Cause:
        """What the redraws say of the failing seeds, beside the rate on fresh seeds; see `Cause`."""
        found = self._cause()
        named = {"weights": (0,), "only weights": (0,), "rest": (1,), "only rest": (1,), "both": (0, 1)}
        shares = [self._share_of_failed(self._redrawn[i]) for i in named.get(found.name, ())]
        is_no_better = all(share.low <= as_it_is.k / as_it_is.n for share in shares)
        is_reliable = as_it_is.low >= self.trainer.reliability.target
        return replace(found, is_base_rate=bool(shares) and is_no_better and not is_reliable)

    def _share_of_failed(self, redrawn: Booleans | None) -> Proportion:
        return Proportion.of(np.zeros(0, bool) if redrawn is None else redrawn, self.trainer.reliability.confidence)

    def _cause(self) -> Cause:
        weights, rest = self._redrawn
        confidence = self.trainer.reliability.confidence
        shares = [self._share_of_failed(x) for x in (weights, rest) if x is not None]
        if weights is None or rest is None:
            whole = "only rest" if weights is None else "only weights"
            return Cause(_judge_shares(shares, whole) if shares else "nothing", None)
        p_value = mcnemar(pair(weights, rest))
        if p_value < 1 - confidence:
            return Cause("weights" if shares[0].k > shares[1].k else "rest", p_value)
        return Cause(_judge_shares(shares, "both"), p_value)

    def cheapest(self, failed: Mapping[str, int]) -> Rescued | None:
        """The cheapest reliable configuration of the first level that has one; None within the search's bounds.

        failed: the failing seeds by outcome, `plateau` among these.
        """
        for n_changes, candidates in enumerate(self._levels(failed), 1):
            self.say(f"{len(candidates):,} with {n_changes} change{'s' if n_changes > 1 else ''}")
            for configuration in self._race(candidates):
                found = self._confirmed(configuration)
                if found:
                    return found
        return None

    def _levels(self, failed: Mapping[str, int]) -> Iterator[list[Configuration]]:
        """What each level makes: single changes; costly ones and pairs; then one more on the best so far."""
        moves = menu(self.base, failed)
        singles = [c for _, c in changed(self.base)] + single_moves(self.base, moves)
        is_costly = {c: cost(c) > costly * cost(self.base) for c in singles}
        yield [c for c in is_costly if not is_costly[c]]
        yield [c for c in is_costly if is_costly[c]] + pairs(self.base, moves)
        for _ in range(max_changes - 2):
            best = sorted(self._raced, key=lambda c: (-self._share(c), by_cost(c)))[:n_parents]
            yield one_more(best, moves)

    def _share(self, c: Configuration) -> float:
        """The share that learned in the race, drawn to a half where few were trained."""
        learned = self._raced[c]
        return (float(learned.sum()) + 1) / (len(learned) + 2)

    def _race(self, candidates: Sequence[Configuration]) -> list[Configuration]:
        """Those that may be reliable, the cheapest first; of equal cost those that learn more often."""
        bound, target = max_cost_ratio * cost(self.base), self.trainer.reliability.target
        new = [c for c in dict.fromkeys(candidates) if c not in self._raced and c != self.base]
        # what is known to stay below the target needs no training
        left = [c for c in new if cost(c) <= bound]
        success = self.trainer.success
        if success == above_margin(max(success.threshold, 0.0)):  # every row right, of which the limits speak
            left = [c for c in left if all(limit.share >= target for limit in limits(c))]
        possible = set(left)
        # what takes far less time goes first: the table itself instead of many samples
        left.sort(key=lambda c: costly * self.trainer.of_one(c) > self.trainer.of_one(self.base))
        for first, end in itertools.pairwise((0, *stages)):
            seeds = self.trainer.screen(first, end)
            if not len(seeds):
                break
            asked = self.trainer.within(left, len(seeds), self.trainer.left / 3)
            for c, runs in zip(asked, self.trainer.train(asked, seeds), strict=True):
                self._raced[c] = np.concatenate([self._raced.get(c, runs.learned[:0]), runs.learned])
            # what was too costly stays at what it has shown
            left = [c for c in left if c in self._raced and not self.trainer.is_hopeless(self._raced[c])]
            left = sorted(left, key=lambda c: (by_cost(c), -self._share(c)))[:max_raced]
        self.tried |= set(self._raced)
        self.trainer.n_left_out += len(possible - set(self._raced))
        return [c for c in left if self.trainer.seems_reliable(self._raced[c])][:max_confirmed]

    def _confirmed(self, configuration: Configuration) -> Rescued | None:
        if not self.trainer.is_affordable(configuration):
            self.trainer.n_left_out += 1
            return None
        fresh = self.trainer.fresh_rate(configuration)
        if not fresh.shows(self.trainer.reliability):
            return None
        return Rescued(
            label=describe_change(self.base, configuration),
            configuration=configuration,
            fresh=fresh,
            parameters_ratio=configuration.n_parameters / self.base.n_parameters,
            steps_ratio=n_steps(configuration) / n_steps(self.base),
        )


def _judge_shares(shares: Sequence[Proportion], whole: str) -> str:
    """`whole` where every redraw rescues some, `neither` where none rescues many, else `open`."""
    if all(s.low > 0.05 for s in shares):
        return whole
    return "neither" if all(s.high < 0.2 for s in shares) else "open"


def count_failures(configuration: Configuration, own: Runs) -> dict[str, int]:
    """The failing runs by outcome; those that are flat with every row merged count as `plateau`."""
    names = [outcomes[code] for code in own.outcome.tolist()]
    n_rows = configuration.task.n_rows
    counts: dict[str, int] = {}
    for name, merged in zip(names, own["merged_rows"].tolist(), strict=True):
        is_plateau = name in ("stuck", "unconverged") and len(merged.split("+")) == n_rows and " " not in merged
        name = "plateau" if is_plateau else name
        counts[name] = counts.get(name, 0) + (name != "learned")
    return {name: n for name, n in counts.items() if n}
