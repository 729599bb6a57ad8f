"""The referee: Keras against the native engine on runs of a results folder, in a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import swept
from support.shell import call

from sweep.commands import audit as audit_command
from sweep.commands.audit import Audit, Case, RefereeTraining, audit, choose_unlike_runs, compare_weights
from sweep.commands.verify import verify
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.results.contents import Contents, read_contents
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.runs.cohort import Cohort
from sweep.training.initial import initial_weights
from sweep.training.native import NativeEngine

VARIED = """
fixed: {epochs: 60, learning_rate: 0.05}
vary:
  width: [2, 3]
  depth: [0, 1, 2]
  optimizer: [adam, sgd]
  batch_size: [2, full]
  seed: 4
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("finished"), VARIED)


@pytest.fixture(scope="module")
def contents(finished: Path) -> Contents:
    found, _ = read_contents(Folder(finished))
    assert found is not None
    return found


def first_steps(**settings: Any) -> NetworkCohort:
    return Cohort(resolve({"epochs": 50, "learning_rate": 0.01, **settings}), np.array([3], np.uint32))


def by_native(cohort: NetworkCohort, share_of_a_step: float = 0.0) -> RefereeTraining:
    """A referee that agrees up to a share of a step's movement."""
    weights = NativeEngine().train(cohort).weights[0]
    step = np.abs(weights - initial_weights(cohort)[0]).mean() / 50
    moved = weights + np.float32(share_of_a_step * step)
    return RefereeTraining(moved, moved, None)


def test_weights_agree_to_one_percent_of_a_step() -> None:
    cohort = first_steps(optimizer="sgd", activation="tanh")
    assert compare_weights(cohort, by_native(cohort)) == "agree"
    assert compare_weights(cohort, by_native(cohort, 0.002)) == "agree"
    assert compare_weights(cohort, by_native(cohort, 0.1)) == "differ"


def test_weights_that_are_not_finite_are_held_against_each_other() -> None:
    calm, wild = first_steps(optimizer="sgd"), first_steps(optimizer="sgd", learning_rate=1e30, activation="linear")
    assert compare_weights(calm, by_native(calm, np.nan)) == "differ"
    assert not np.isfinite(by_native(wild).weights).all()
    assert compare_weights(wild, by_native(wild)) == "agree"
    said = by_native(calm)
    assert compare_weights(calm, replace(said, weights=said.weights * np.float32(np.nan))) == "undecided"


def test_what_float32_cannot_hold_is_undecided() -> None:
    cohort = first_steps()
    said = by_native(cohort, 1.0)
    assert compare_weights(cohort, replace(said, disturbed=said.disturbed + np.float32(0.01))) == "undecided"


def test_another_learning_rate_of_one_percent_is_seen() -> None:
    cohort = first_steps(activation="tanh")
    other = first_steps(activation="tanh", learning_rate=0.0101)
    assert compare_weights(cohort, by_native(other)) == "differ"


def test_runs_are_chosen_over_unlike_configurations(contents: Contents) -> None:
    chosen = choose_unlike_runs(contents, 6)
    assert len({p.configuration.id for p, _ in chosen}) == 6
    labels = [p.configuration.labels() for p, _ in chosen]
    assert {x["depth"] for x in labels} == {0, 1, 2}
    for name in ("optimizer", "batch_size"):
        assert len({x[name] for x in labels}) == 2
    assert [(p.configuration.id, seed) for p, seed in choose_unlike_runs(contents, 6)] == [
        (p.configuration.id, seed) for p, seed in chosen
    ]
    assert len(choose_unlike_runs(contents, 1000)) == len(contents.planned)


SCRIPT = """
import sys
from sweep.commands.audit import audit
found = audit(sys.argv[1], 3)
print(found.is_new, [r.weights for r in found.runs], [r.outcome == r.outcome_keras for r in found.runs])
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def test_keras_testifies_in_a_process_of_its_own(copy: Path) -> None:
    before = {p.name: p.read_bytes() for p in copy.iterdir()}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True ['agree', 'agree', 'agree'] [True, True, True]"
    content = (copy / "audit.json").read_bytes()
    assert {p.name for p in copy.iterdir()} == {*before, "audit.json"}
    assert all((copy / name).read_bytes() == old for name, old in before.items())
    again = subprocess.run([sys.executable, "-c", SCRIPT, str(copy)], capture_output=True, text=True, check=True)
    assert again.stdout.startswith("False")
    assert (copy / "audit.json").read_bytes() == content
    assert verify(copy, 0).findings == ()


def answering(monkeypatch: pytest.MonkeyPatch, share_of_a_step: float) -> list[int]:
    """Put a referee in place of the process; the list grows with each call."""
    calls: list[int] = []

    def ask(cases: list[Case]) -> list[RefereeTraining]:
        calls.append(len(cases))
        whole = [None if case.whole is None else NativeEngine().train(case.whole) for case in cases]
        said = [by_native(case.first_steps, share_of_a_step) for case in cases]
        return [replace(s, whole=w) for s, w in zip(said, whole, strict=True)]

    monkeypatch.setattr(audit_command, "_ask", ask)
    return calls


def test_an_audit_that_holds_is_read_and_another_is_made(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, 0.0)
    first = audit(copy, 2)
    assert first.is_new and calls == [2]
    second = audit(copy, 2)
    assert not second.is_new and second == replace(first, is_new=False) and calls == [2]
    assert audit(copy, 3).is_new and calls == [2, 3]
    content = json.loads((copy / "audit.json").read_text())
    assert set(content) == {"files", "versions", "n_asked", "runs"}
    content["files"]["runs.csv"] = "0" * 64
    (copy / "audit.json").write_text(json.dumps(content))
    assert audit(copy, 3).is_new
    (copy / "audit.json").write_text("[]")
    assert audit(copy, 3).is_new and len(calls) == 4


def test_long_trainings_are_not_trained_to_the_end(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 0.0)
    monkeypatch.setattr(audit_command, "max_steps", 150)
    found = audit(copy, 6)
    ended = [run for run in found.runs if run.outcome_keras is not None]
    assert 0 < len(ended) < 6
    assert all(run.outcome_keras == run.outcome for run in ended)


def test_the_command_fails_where_weights_differ(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 0.0)
    right = call("audit", copy, "--runs", "4")
    assert right.exit_code == 0
    assert right.stdout.strip() == (
        "audit: 4 runs again with Keras: weights after the first steps: 4 agree; at the end 4 of 4 same outcome"
    )
    answering(monkeypatch, 0.5)
    wrong = call("audit", copy, "--runs", "3")
    assert wrong.exit_code == 1
    assert wrong.stdout.count("the weights differ") == 3
    said_before = call("audit", copy, "--runs", "3")
    assert said_before.exit_code == 1 and "said before" in said_before.stdout


def test_a_folder_that_is_not_finished_or_was_changed_is_an_error(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no results folder"):
        audit(tmp_path)
    shutil.copy(copy / "experiment.yaml", tmp_path)
    with pytest.raises(ResultsError, match="an unfinished sweep"):
        audit(tmp_path)
    runs = copy / "runs.csv"
    runs.write_bytes(runs.read_bytes().replace(b"True", b"False", 1))
    with pytest.raises(ResultsError, match="was changed"):
        audit(copy)


def test_a_referee_that_breaks_down_is_an_error(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    bad = call("audit", copy)
    assert bad.exit_code == 2 and bad.stdout == "" and "referee" in bad.stderr
    assert not (copy / "audit.json").exists()


def test_an_audit_of_nothing_is_no_pass(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Audit({}, {}, 0, ()).is_right
    monkeypatch.setattr(audit_command, "choose_unlike_runs", lambda contents, n: [])
    monkeypatch.setattr(audit_command, "_ask", lambda cases: [])
    found = call("audit", copy)
    assert found.exit_code == 1 and not found.stdout and "no run to audit" in found.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: runs[:1], "1 runs, where 2 were to be audited"),
        (lambda runs: [runs[0], runs[0]], "the same configuration twice"),
        (lambda runs: [{**runs[0], "run": "c000000000000-1"}, runs[1]], "a run that is not in runs.csv"),
        (lambda runs: [{**runs[0], "outcome": "diverged"}, runs[1]], "or with another outcome"),
        (lambda runs: [{**runs[0], "weights": "agreed"}, runs[1]], "neither agree, differ nor"),
        (lambda runs: [{**runs[0], "steps": 0}, runs[1]], "a number of steps that is none"),
        (lambda runs: [{**runs[0], "outcome_keras": "fine"}, runs[1]], "an outcome that there is not"),
    ],
)
def test_an_audit_that_says_what_cannot_be_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]], said: str
) -> None:
    answering(monkeypatch, 0.0)
    assert audit(copy, 2).is_right
    content = json.loads((copy / "audit.json").read_text())
    content["runs"] = change(content["runs"])
    (copy / "audit.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=said):
        audit(copy, 2)
