"""Ask and tell: the same rows as a function's, whatever is left unanswered, and nothing told is lost."""

from pathlib import Path

import pandas as pd
import pytest
from support.folders import written
from support.own_functions import remainders
from support.shell import call

import sweep
from sweep.commands.asking import Asking, Job
from sweep.experiment.file import ExperimentFileError
from sweep.results.files import ResultsError
from sweep.runs.errors import SettingError

TEXT = """
vary: {step: [1, 2, 3], seed: {count: 4, up_to: 16}}
study: {trials_per_round: 2}
reliability: {success: "score >= 2", target: 0.5}
"""


def answer(asking: Asking, job: Job) -> None:
    try:
        asking.tell(job, remainders(job.settings, job.seed))
    except RuntimeError as error:
        asking.tell(job, crashed=str(error))


def test_limits_of_runs_that_somebody_else_makes_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT + "limits: {timeout: 3 s}\n")
    with pytest.raises(SettingError, match="limits: found limits of a run, which somebody else makes; allowed: none"):
        sweep.open(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_rows_are_those_of_a_function(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    with sweep.open(path, tmp_path / "out") as asking:
        n_asked, lost = 0, ""
        while job := asking.ask():
            n_asked += 1
            if n_asked == 3:
                lost = job.run  # nobody answers
                continue
            answer(asking, job)
        results = asking.results
    assert lost in set(results.runs["run"]) and n_asked == len(results.runs) + 1
    by_function = sweep.run(path, tmp_path / "other", train=remainders, workers=1, confirm=0)
    columns = [c for c in results.runs.columns if c not in ("engine", "seconds")]
    pd.testing.assert_frame_equal(results.runs[columns], by_function.runs[columns])
    assert call("verify", tmp_path / "out").exit_code == 0


def test_what_was_told_is_kept_and_the_rest_asked_again(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    first = sweep.open(path, tmp_path / "out")
    told: set[str] = set()
    for _ in range(5):
        job = first.ask()
        assert job is not None
        answer(first, job)
        told.add(job.run)
    unanswered = first.ask()
    with pytest.raises(ResultsError):
        _ = first.results
    with pytest.raises(ResultsError):  # the folder is held
        sweep.open(path, tmp_path / "out")
    first.close()
    with sweep.open(path, tmp_path / "out") as again:
        asked: set[str] = set()
        while job := again.ask():
            asked.add(job.run)
            answer(again, job)
        assert again.is_finished and not asked & told and unanswered is not None and unanswered.run in asked
        n_runs = len(again.results.runs)
    assert n_runs == len(asked | told)
    with sweep.open(path, tmp_path / "out") as whole:
        assert whole.ask() is None and len(whole.results.runs) == n_runs


def test_unanswered_jobs_are_asked_again_when_nothing_else_is_left(tmp_path: Path) -> None:
    text = "vary: {step: [1], seed: 3}\nreliability: {success: 'score >= 2'}\n"
    with sweep.open(written(tmp_path, text), tmp_path / "out") as asking:
        runs = [job.run for _ in range(7) if (job := asking.ask())]
        assert len(set(runs[:3])) == 3 and runs == (runs[:3] * 3)[:7]
        for seed in range(3):
            job = next(job for _ in range(3) if (job := asking.ask()) and job.seed == seed)
            asking.tell(job, 3.0)
            asking.tell(job, 0.0)  # a second answer changes nothing
        assert asking.ask() is None and asking.results.configurations["n_learned"].tolist() == [3]


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    with sweep.open(path, tmp_path / "out") as asking:
        job = asking.ask()
        assert job is not None
        for value, message in (("high", "found 'high'"), ({"run": 1}, "found the metric 'run'"), (None, "found null")):
            with pytest.raises(ResultsError, match=message):
                asking.tell(job, value)
        with pytest.raises(ResultsError, match="no run that this sweep asked for"):
            asking.tell(Job("c0-1", {}, 1), 1.0)
        asking.tell(job, {"other": 1})
        assert [e.told for e in asking._folder.read_endings()] == ["it gave other, and no score"]  # pyright: ignore
    with pytest.raises(ExperimentFileError, match="reliability.success"):
        sweep.open(written(tmp_path, "vary: {width: [2]}", "n.yaml"))
