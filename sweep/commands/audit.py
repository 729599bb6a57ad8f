"""The referee: some runs again with Keras, in a process of its own, held against the native engine step by step.

The yardstick is the movement of one step: the root mean square over a network's weights of what a step changes, the
median over the steps looked at. After the first 50 steps every weight has to agree to 1% of that. Where float32 itself
cannot hold that, no engine can: a network that Keras itself takes further than the tolerance from initial weights
disturbed by a rounding is left undecided. Outcomes at the end of the training are reported and never held against a
sweep, since float32 trajectories part in the long run.
"""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from sweep.experiment.regular_files import read_regular
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.results.contents import Contents, read_contents
from sweep.results.files import ResultsError, write_atomically
from sweep.results.folder import Folder
from sweep.results.tables import read_runs
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Entry
from sweep.training import choice
from sweep.training.engine import EngineError
from sweep.training.initial import initial_weights
from sweep.training.rest import with_descents

answers = ("agree", "differ", "undecided")
n_steps = 50
tolerance = 0.01
disturbance = 2.0**-22
# steps of complete trainings that the referee does at most, all runs together: some ten seconds
max_steps = 40_000
longest = 1 << 24  # bytes of audit.json


@dataclass(frozen=True)
class AuditedRun:
    """One run under audit.

    weights: `agree`, `differ`, or `undecided` where float32 cannot hold the comparison; steps: after how many; outcome:
    the one of runs.csv; outcome_keras: Keras's at the end of the training, None where that was too long to train.
    """

    run: str
    steps: int
    weights: str
    outcome: str
    outcome_keras: str | None


@dataclass(frozen=True)
class Audit:
    """What the referee said, for files of these SHA-256, with these versions. `is_new`: said now, not read."""

    files: Mapping[str, str]
    versions: Mapping[str, str]
    n_asked: int
    runs: tuple[AuditedRun, ...]
    is_new: bool = True

    @property
    def is_right(self) -> bool:
        """Whether there were runs, and the weights of none differ."""
        return bool(self.runs) and all(run.weights != "differ" for run in self.runs)


def audit(path: str | os.PathLike[str], n_runs: int = 6, storage: str | None = None) -> Audit:
    """Let Keras train `n_runs` runs of a finished results folder, over unlike configurations; writes audit.json.

    An audit that was made for the same files with the same versions is read instead. `storage`: as for `verify`. Raises
    `ResultsError`, `EngineError`.
    """
    folder = Folder(Path(path))
    folder.check_has_experiment()
    folder.check_is_finished()
    folder.check_has_networks()
    files = {name: digest for name, digest in folder.digests().items() if name in ("experiment.yaml", "runs.csv")}
    versions = {name: version(name) for name in ("xor-sweep", "numpy", "numba", "tensorflow", "keras")}
    folder.check_runs()
    known = _read(folder)
    if known is not None and (known.files, known.versions, known.n_asked) == (files, versions, n_runs):
        _check_possible(known, folder)
        return known
    contents, findings = read_contents(folder, storage)
    if contents is None:
        raise ResultsError(f"{path}: {'; '.join(findings)}")
    if not contents.planned and contents.study_problem:
        raise ResultsError(f"{path}: {contents.study_problem}")
    made = Audit(files, versions, n_runs, tuple(_audit_runs(contents, choose_unlike_runs(contents, n_runs))))
    content = {key: value for key, value in asdict(made).items() if key != "is_new"}
    write_atomically(folder.audit, (json.dumps(content, indent=2) + "\n").encode())
    return made


_kinds = {"run": (str,), "steps": (int,), "weights": (str,), "outcome": (str,), "outcome_keras": (str, type(None))}


def _read(folder: Folder) -> Audit | None:
    """The audit in the folder; None where there is none that can be read."""
    try:
        content = json.loads(read_regular(folder.audit, longest))
        recorded = content.pop("runs")
        if not all(type(run[name]) in kinds for run in recorded for name, kinds in _kinds.items()):
            return None
        runs = tuple(AuditedRun(**run) for run in recorded)
        return Audit(**content, runs=runs, is_new=False)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _check_possible(known: Audit, folder: Folder) -> None:
    """Raise `ResultsError` where an audit says what no audit of these files could have said."""
    runs = read_runs(folder.runs, lambda column: column in ("run", "configuration", "outcome"))
    recorded = dict(zip(runs["run"], runs["outcome"], strict=True))
    n = min(known.n_asked, runs["configuration"].nunique())
    problems = {
        f"{len(known.runs)} runs, where {n} were to be audited": len(known.runs) != n,
        "the same configuration twice": len({r.run.rpartition("-")[0] for r in known.runs}) < len(known.runs),
        "a run that is not in runs.csv, or with another outcome": any(
            recorded.get(r.run) != r.outcome for r in known.runs
        ),
        "weights that neither agree, differ nor are undecided": any(r.weights not in answers for r in known.runs),
        "a number of steps that is none": any(r.steps < 1 for r in known.runs),
        "an outcome that there is not": any(r.outcome_keras not in (None, *outcomes) for r in known.runs),
    }
    for problem, is_found in problems.items():
        if is_found:
            raise ResultsError(f"{folder.audit}: says what cannot be: {problem}; remove it, and audit again")


def choose_unlike_runs(contents: Contents, n: int) -> list[tuple[Entry[Configuration], int]]:
    """`n` configurations, each as unlike those before as there is, with a seed of each.

    Unlike: in as many hyperparameters as possible. Ties, the first configuration and the seeds go by a digest of names.
    """
    left = sorted(contents.networks, key=lambda e: _digest(e.configuration.id))
    labels = np.array([[str(x) for x in e.configuration.labels().values()] for e in left], object)
    distance = np.full(len(left), np.inf)
    chosen: list[tuple[Entry[Configuration], int]] = []
    for _ in range(min(n, len(left))):
        i = int(np.argmax(distance))
        distance = np.minimum(distance, (labels != labels[i]).sum(axis=1))
        distance[i] = -1
        seeds = left[i].runs.seed.tolist()
        chosen.append((left[i], min(seeds, key=lambda seed: _digest(f"{left[i].configuration.id}-{seed}"))))
    return chosen


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


# what the referee is asked and answers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One run for the referee: its first steps, and the whole training unless that is too long."""

    first_steps: NetworkCohort
    whole: NetworkCohort | None


@dataclass(frozen=True)
class RefereeTraining:
    """What Keras makes of a case.

    weights after the first steps `[parameter]`; the same from disturbed initial weights; measurements of the whole.
    """

    weights: npt.NDArray[np.float32]
    disturbed: npt.NDArray[np.float32]
    whole: Measurements | None


def _cases(contents: Contents, chosen: Sequence[tuple[Entry[Configuration], int]]) -> list[Case]:
    """The cases, the cheapest of them to be trained completely while there are steps left."""
    success = contents.experiment.criterion
    cases: list[Case] = []
    for entry, seed in chosen:
        c = entry.configuration
        cohort = Cohort(c, np.array([seed], np.uint32), success)
        epochs = min(c.epochs, -(-n_steps // c.steps_per_epoch))
        cases.append(Case(replace(cohort, configuration=replace(c, epochs=epochs)), cohort))
    left = max_steps
    for i in sorted(range(len(cases)), key=lambda i: _n_steps(chosen[i][0])):
        left -= _n_steps(chosen[i][0])
        if left < 0:
            cases[i] = replace(cases[i], whole=None)
    return cases


def _n_steps(entry: Entry[Configuration]) -> int:
    return entry.configuration.epochs * entry.configuration.steps_per_epoch


def testify(cases: Sequence[Case]) -> list[RefereeTraining]:
    """Train the cases with Keras, in this process."""
    from sweep.training.keras.referee import KerasEngine

    engine = KerasEngine()
    answers: list[RefereeTraining] = []
    for case in cases:
        start = initial_weights(case.first_steps)
        signs = np.where(np.arange(start.size) % 2, 1, -1).reshape(start.shape)
        moved = (start * (1 + signs * disturbance)).astype(np.float32)
        answers.append(
            RefereeTraining(
                engine.train_from(case.first_steps, start).weights[0],
                engine.train_from(case.first_steps, moved).weights[0],
                None if case.whole is None else engine.train(case.whole),
            )
        )
    return answers


def answer_cases() -> None:
    """The process of the referee: cases from stdin, testimony to stdout."""
    cases = cast(Sequence[Case], pickle.load(sys.stdin.buffer))
    answers = pickle.dumps(testify(cases))
    sys.stdout.buffer.write(answers)


def _ask(cases: Sequence[Case]) -> list[RefereeTraining]:
    command = [sys.executable, "-c", f"import {__name__} as audit; audit.answer_cases()"]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, input=pickle.dumps(cases), stdout=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        raise EngineError(f"the referee's process ended with {done.returncode}; its messages stand above")
    return pickle.loads(done.stdout)


# the verdict ----------------------------------------------------------------------------------------------------------


def _audit_runs(contents: Contents, chosen: Sequence[tuple[Entry[Configuration], int]]) -> list[AuditedRun]:
    cases = _cases(contents, chosen)
    recorded = dict(zip(contents.table.column("run"), contents.table.column("outcome"), strict=True))
    audited: list[AuditedRun] = []
    for (entry, seed), case, found in zip(chosen, cases, _ask(cases), strict=True):
        run = f"{entry.configuration.id}-{seed}"
        short = case.first_steps.configuration
        ended = None
        if case.whole is not None and found.whole is not None:
            ended = outcomes[diagnose(case.whole, with_descents(case.whole, found.whole)).outcome[0]]
        steps = short.epochs * short.steps_per_epoch
        audited.append(AuditedRun(run, steps, compare_weights(case.first_steps, found), recorded[run], ended))
    return audited


def compare_weights(cohort: NetworkCohort, found: RefereeTraining) -> str:
    """`agree`, `differ` or `undecided`, for the weights of one run after its first steps."""
    path = _native_path(cohort)
    own, keras, disturbed = path[-1], found.weights.astype(np.float64), found.disturbed.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # a training may leave the finite numbers
        movement = np.sqrt((np.diff(path, axis=0) ** 2).mean(axis=1)) / cohort.configuration.steps_per_epoch
    allowed = tolerance * float(np.median(movement[np.isfinite(movement)])) if np.isfinite(movement).any() else 0.0
    is_finite = np.isfinite(keras)
    if np.array_equal(own, keras, equal_nan=True):
        return "agree"
    if not np.array_equal(is_finite, np.isfinite(disturbed)) or _distance(disturbed, keras) > allowed:
        return "undecided"
    agrees = np.array_equal(is_finite, np.isfinite(own)) and _distance(own, keras) <= allowed
    return "agree" if agrees else "differ"


def _distance(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """The largest difference of two networks' finite weights."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[both] - b[both]).max(initial=0.0))


def _native_path(cohort: NetworkCohort) -> npt.NDArray[np.float64]:
    """The native engine's weights after each epoch, from the initial ones on: `[epoch, parameter]`."""
    c = cohort.configuration
    engine = choice.choose("native", "cpu", [c])
    shorter = (replace(cohort, configuration=replace(c, epochs=epochs)) for epochs in range(1, c.epochs + 1))
    weights = [initial_weights(cohort)[0], *(engine.train(one).weights[0] for one in shorter)]
    return np.array(weights, np.float64)
