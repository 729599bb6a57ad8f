"""Runs trained again, and their rows compared with those of the folder."""

import csv
import hashlib
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from sweep.commands.progress import Observer, Progress, counting
from sweep.commands.repeat import are_same, not_compared
from sweep.commands.settle import judge, most
from sweep.networks.measurements import Example, NetworkCohort
from sweep.results.contents import Contents, at_most, run_names
from sweep.results.files import ResultsError
from sweep.results.tables import runs_table
from sweep.runs.cohort import Cohort, Subject
from sweep.runs.runs import Entry, Runs, merge
from sweep.search.allocation import Allocation
from sweep.training.cohorts import Trained, train_cohorts
from sweep.training.engine import Engine
from sweep.training.trainer import Guard, Trainer

# another engine than native, or than the folder's, may end so large a part of the runs otherwise: float32 trajectories
# part after many steps, where a network stands on an edge
allowed_different = 0.1


@dataclass(frozen=True)
class Retraining:
    """How the runs came out that were trained again.

    n_identical: every cell of the row is the same; n_same_outcome: other numbers, same outcome; different: the names of
    those that ended otherwise.
    """

    n_runs: int
    n_identical: int
    n_same_outcome: int
    different: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Runs to train again: seeds by configuration.

    `n_named` of them are all runs of the configurations that the answer names; `n_drawn` of `n_others` were drawn from
    the rest by the `nonce`, each with the same chance.
    """

    seeds: Mapping[str, Sequence[int]]
    n_named: int
    n_drawn: int
    n_others: int
    nonce: str

    @property
    def power(self) -> float:
        """The chance that a single forged row is in the sample, where it is of no configuration that is named."""
        return self.n_drawn / self.n_others if self.n_others else 1.0


def sample_runs(contents: Contents, n: int, nonce: str, named: Collection[str] = ()) -> Sample:
    """All runs of the configurations `named`, and `n` of the others, by the order of a digest of nonce and name.

    Whoever wrote the folder could not know the nonce, and so not which rows are looked at.
    """
    runs = [run for p in contents.planned for run in run_names(p) if run in contents.rows]
    of_named = [run for run in runs if run.rpartition("-")[0] in named]
    others = sorted((run for run in runs if run.rpartition("-")[0] not in named), key=lambda run: _digest(nonce, run))
    drawn = others[:n]
    chosen: dict[str, list[int]] = {}
    for run in (*of_named, *drawn):
        identity, _, seed = run.rpartition("-")
        chosen.setdefault(identity, []).append(int(seed))
    return Sample(chosen, len(of_named), len(drawn), len(others), nonce)


def _digest(nonce: str, run: str) -> bytes:
    return hashlib.sha256(f"{nonce} {run}".encode()).digest()


def retrain(
    contents: Contents, chosen: Mapping[str, Sequence[int]], engine: Engine, workers: int, observe: Observer
) -> Retraining:
    """Train the chosen runs again, and with the engine native every example, and compare."""
    is_exact = engine.name == "native" == contents.trainer.name
    examples = _examples(contents) if is_exact else []
    cohorts = _cohorts(contents, chosen, examples)
    count = counting(observe, Progress("verify", 0, sum(map(len, cohorts)), 0))
    trained = list(train_cohorts(engine, cohorts, workers, count))
    wanted = {f"{identity}-{seed}" for identity, seeds in chosen.items() for seed in seeds}
    name, rows = contents.folder.runs.name, _rows_of(contents, trained)
    n_identical, different, changed_cells = 0, list[str](), list[str]()
    for run in sorted(wanted):
        row, own = rows[run], dict(zip(contents.table.columns, contents.table.rows[contents.rows[run]], strict=True))
        changed = [c for c, x in row.items() if own.get(c) != x and c not in ("engine", "device")]
        n_identical += not changed
        if "outcome" in changed or "learned" in changed:
            different.append(run)
        if changed:
            cells = (f"{c} {own.get(c) or 'nothing'}, trained again {row[c] or 'nothing'}" for c in changed[:2])
            changed_cells.append(f"{name}: {run}: {'; '.join(cells)}")
    findings: list[str] = []
    if is_exact:
        findings = at_most(changed_cells, contents.folder.runs, "rows are not what training gives")
    elif len(different) > allowed_different * len(wanted):
        findings = [f"{name}: {len(different)} of {len(wanted)} runs end otherwise, {different[0]} for one"]
    findings += _check_weights(contents, trained, examples)
    n_same = len(wanted) - n_identical - len(different)
    return Retraining(len(wanted), n_identical, n_same, tuple(different), tuple(findings))


def make_again(
    contents: Contents, chosen: Mapping[str, Sequence[int]], trainer: Trainer, workers: int, observe: Observer
) -> Retraining:
    """Make the chosen runs of a program again, and compare their outcomes and numbers, not how long they took."""
    entries = {e.configuration.id: e for e in contents.entries}
    cohorts: list[Cohort[Subject]] = [
        Cohort(entries[i].configuration, np.array(sorted(seeds), np.uint32), success=contents.experiment.criterion)
        for i, seeds in chosen.items()
    ]
    blocks: dict[str, list[Runs]] = {identity: [] for identity in chosen}
    count = counting(observe, Progress("verify", 0, sum(map(len, cohorts)), 0))
    with closing(trainer):
        for kept in trainer.train(cohorts, workers, count, Guard(lambda _: None, lambda: False, lambda: True)):
            blocks[kept.configuration].append(kept.runs)
    n_identical, different = 0, list[str]()
    for identity, seeds in chosen.items():
        before, now = entries[identity].runs, merge(blocks[identity])
        for seed in sorted(seeds):
            one, other = before.take(before.seed == seed), now.take(now.seed == seed)
            if one.outcome.tolist() != other.outcome.tolist():
                different.append(f"{identity}-{seed}")
            else:
                n_identical += _are_equal(one, other)
    name, n_runs, findings = contents.folder.runs.name, sum(map(len, chosen.values())), list[str]()
    if len(different) > allowed_different * n_runs:
        findings = [f"{name}: {len(different)} of {n_runs} runs end otherwise, {different[0]} for one"]
    n_same = n_runs - n_identical - len(different)
    return Retraining(n_runs, n_identical, n_same, tuple(different), tuple(findings))


def _are_equal(one: Runs, other: Runs) -> bool:
    """Whether two runs of somebody's own gave the same numbers."""
    nothing = np.full(1, np.nan)
    names = {*one.measured, *other.measured} - set(not_compared)
    return all(
        are_same(float(one.measured.get(n, nothing)[0]), float(other.measured.get(n, nothing)[0])) for n in names
    )


def _examples(contents: Contents) -> list[Example]:
    """The examples of planned runs; none where they cannot be read, which is a finding elsewhere."""
    try:
        return [e for e in contents.folder.read_examples() if e.run in contents.rows]
    except ResultsError:
        return []


def _cohorts(
    contents: Contents, chosen: Mapping[str, Sequence[int]], examples: Iterable[Example]
) -> list[NetworkCohort]:
    seeds = {identity: set(listed) for identity, listed in chosen.items()}
    for example in examples:
        seeds.setdefault(example.configuration, set()).add(example.seed)
    success = contents.experiment.criterion
    return [
        Cohort(e.configuration, np.array(sorted(seeds[e.configuration.id]), np.uint32), success)
        for e in contents.networks
        if e.configuration.id in seeds
    ]


def _rows_of(contents: Contents, trained: Sequence[Trained]) -> dict[str, dict[str, str]]:
    """The rows that training gives, by run, as they would be written."""
    trials = {p.configuration.id: p.trial for p in contents.planned}
    entries = [Entry(trials[t.cohort.configuration.id], t.cohort.configuration, t.runs) for t in trained]
    if not entries:
        return {}
    name, device = contents.trainer.name, contents.trainer.device
    content = runs_table(entries, contents.columns, name, device).decode()
    return {row["run"]: row for row in csv.DictReader(io.StringIO(content, newline=""))}


def _check_weights(contents: Contents, trained: Sequence[Trained], examples: Sequence[Example]) -> list[str]:
    """Examples whose weights, losses or predictions are not what training gives."""
    by_configuration = {t.cohort.configuration.id: t for t in trained}
    findings: list[str] = []
    for example in examples:
        t = by_configuration[example.configuration]
        (model,) = np.flatnonzero(t.cohort.seeds == example.seed)
        pairs = {
            "weights": (example.weights, t.measurements.weights[model]),
            "losses": (example.losses, t.measurements.losses[model]),
            "predictions": (example.predictions, t.measurements.predictions[model]),
            "epochs": (example.epochs, t.cohort.configuration.snapshots),
        }
        wrong = [name for name, (a, b) in pairs.items() if not np.array_equal(a, b, equal_nan=True)]
        if wrong:
            findings.append(
                f"{contents.folder.examples.name}: {example.run}: {', '.join(wrong)}: not what training gives"
            )
    return at_most(findings, contents.folder.examples, "such examples")


def check_settled(contents: Contents, engine: Engine, workers: int) -> list[str]:
    """Whether what the manifest says of the smaller configurations that were settled is what training gives."""
    found, name = contents.manifest.settled, contents.folder.manifest.name
    by_id = {e.configuration.id: e.configuration for e in contents.networks}
    for own in found:
        if own.configuration not in by_id:
            return [f"{name}: settled: {own.configuration} is not planned"]
        if not 0 <= own.n_runs <= most:
            return [f"{name}: settled: n_runs: found {own.n_runs}"]
    fresh, criterion = contents.experiment.seeds.fresh(most), contents.experiment.criterion
    asked = [Cohort(by_id[own.configuration], fresh[: own.n_runs], criterion) for own in found if own.n_runs]
    learned = {t.cohort.configuration.id: int(t.runs.learned.sum()) for t in train_cohorts(engine, asked, workers)}
    findings: list[str] = []
    words = judge([learned.get(f.configuration, 0) for f in found], found, Allocation.of(contents.experiment))
    for own, word in zip(found, words, strict=True):
        wanted = {
            "first_seed": int(fresh[0]),
            "n_learned": learned.get(own.configuration, 0),
            "success_rate": round(learned.get(own.configuration, 0) / max(1, own.n_runs), 6),
            "verdict": word,
        }
        findings += [
            f"{name}: settled: {own.configuration}: {key}: found {getattr(own, key)}, trained again {value}"
            for key, value in wanted.items()
            if getattr(own, key) != value
        ]
    return at_most(findings, contents.folder.manifest, "such numbers")


def check_confirmation(contents: Contents, engine: Engine, workers: int) -> list[str]:
    """Whether the confirmation on fresh seeds in the manifest is what training gives."""
    found, name = contents.manifest.confirmation, contents.folder.manifest.name
    if found is None:
        return []
    by_id = {e.configuration.id: e.configuration for e in contents.networks}
    configuration, n_runs = by_id.get(found.configuration), found.n_runs
    if configuration is None:
        return [f"{name}: confirmation: {found.configuration} is not planned"]
    if not 1 <= n_runs <= 1 << 20:
        return [f"{name}: confirmation: n_runs: found {n_runs}"]
    fresh = contents.experiment.seeds.fresh(n_runs)
    success = contents.experiment.criterion
    ((_, _, runs),) = train_cohorts(engine, [Cohort(configuration, fresh, success)], workers)
    n_learned = int(runs.learned.sum())
    wanted = {"first_seed": int(fresh[0]), "n_learned": n_learned, "success_rate": round(n_learned / n_runs, 6)}
    return [
        f"{name}: confirmation: {key}: found {getattr(found, key)}, trained again {value}"
        for key, value in wanted.items()
        if getattr(found, key) != value
    ]
