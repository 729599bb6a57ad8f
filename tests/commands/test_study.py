"""Functions of one's own, by the same loop as networks: to tables, answer and page."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.folders import contents, written
from support.own_functions import asked_of_the_process, broken, by_points, coin, falling, moody, parent, vanishing
from support.processes import is_gone
from support.shell import call

import sweep
from sweep.commands.check import Plan
from sweep.commands.run import execute
from sweep.commands.study import as_source
from sweep.report.page.page import write_page
from sweep.results.files import ResultsError
from sweep.runs.cohort import Cohort
from sweep.runs.errors import SettingError, UserError
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.training.executor import Threads
from sweep.training.own import TrainerError
from sweep.training.trainer import Guard, Kept, OnCount

RATES = {"rate": [0.0, 0.5, 0.999], "word": ["a", "b,c"]}


def study(out: Path, **options: Any) -> Any:
    given: dict[str, Any] = {"vary": RATES, "seeds": 40, "success": "score >= 1", "workers": 2, **options}
    return sweep.study(coin, out=out, **given)


@pytest.fixture(scope="module")
def coins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("coins") / "out").folder.path


class Sums:
    """A trainer in a few lines: no network, no process."""

    name, device, title, is_threaded, n_programs = "sums", "cpu", "sums", False, 0

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        for cohort in cohorts:
            score = cohort.seeds * float(cohort.configuration.values["factor"])
            learned = cohort.success.holds(score)
            codes = np.where(learned, outcomes.index("learned"), outcomes.index("missed")).astype(np.int8)
            on_count(len(cohort), int(learned.sum()))
            yield Kept(cohort.configuration.id, Runs(cohort.seeds, codes, {"score": score}))

    def close(self) -> None:
        """Nothing is kept."""


def test_a_trainer_of_a_few_lines_runs_to_tables_and_page(tmp_path: Path) -> None:
    sections = {"vary": {"factor": [1, 3], "seed": 30}, "reliability": {"success": "score >= 15", "target": 0.5}}
    planned = Plan(as_source(coin, sections), Sums(), Threads(1), 10, 0.0)
    results = execute(planned, tmp_path / "out")
    table = results.configurations.set_index("factor")
    assert table["n_learned"].to_dict() == {1: 15, 3: 25}
    assert table["verdict"].to_dict() == {1: "inconclusive", 3: "reliable"}
    assert results.runs["score"].tolist() == [float(f * s) for f in (1, 3) for s in range(30)]
    assert results.manifest.confirmation is not None and results.manifest.confirmation.n_learned == 10
    page = write_page(results).read_text()
    assert "1 of 2 configurations reliably succeeds" in page and "success: score ≥ 15" in page


def test_the_tables_hold_what_the_function_gave(coins: Path) -> None:
    results = sweep.load(coins)
    runs = results.runs
    assert list(runs.columns) == [
        *("run", "trial", "configuration", "rate", "word", "seed", "engine", "device", "learned", "outcome"),
        *("score", "draw", "seconds", "attempts"),
    ]
    assert len(runs) == 6 * 40 and set(runs["engine"]) == {"function coin"}
    for row in runs.itertuples():
        wanted = coin({"rate": row.rate}, row.seed)
        assert (row.score, row.draw) == (wanted["score"], wanted["draw"])  # to the last digit
        assert row.learned == (row.outcome == "learned") == (wanted["score"] >= 1)
    table = results.configurations
    rates = runs.groupby("configuration")["learned"].mean()
    assert table.set_index("configuration")["success_rate"].to_dict() == pytest.approx(rates.to_dict(), abs=1e-6)
    assert [c for c in table.columns if c.startswith(("n_", "median_"))] == [
        *("n_runs", "n_learned", "n_diverged", "n_missed", "n_crashed", "n_timeout", "n_missing"),
        *("median_score", "median_draw", "median_seconds", "median_attempts"),
    ]
    assert (table["n_learned"] + table["n_missed"] == table["n_runs"]).all()
    medians = runs.groupby("configuration")["score"].median()
    assert table.set_index("configuration")["median_score"].to_dict() == medians.to_dict()
    lines = (coins / "configurations.jsonl").read_text().splitlines()
    assert {json.loads(line)["settings"]["word"] for line in lines} == {"a", "b,c"}


def test_the_same_call_goes_on_and_more_seeds_extend_it(coins: Path, tmp_path: Path) -> None:
    small = study(tmp_path / "out", seeds=16)
    before = small.runs
    grown = study(tmp_path / "out").runs
    shared = grown.merge(before[["run", "seconds"]], on=["run", "seconds"])
    assert len(shared) == len(before)  # not made again
    columns = ["run", "score", "draw", "outcome"]
    pd.testing.assert_frame_equal(grown[columns], sweep.load(coins).runs[columns])
    unchanged = contents(tmp_path / "out")
    study(tmp_path / "out")
    assert contents(tmp_path / "out") == unchanged
    with pytest.raises(ResultsError, match="holds another experiment"):
        study(tmp_path / "out", success="score >= 2")


def test_readers_read_them(coins: Path, tmp_path: Path) -> None:
    for arguments in (["show"], ["show", "--json"], ["importance"], ["report"], ["verify"]):
        result = call(arguments[0], coins, *arguments[1:])
        assert result.exit_code == 0, (arguments, result.output)
    shown = call("show", coins).output
    assert "reliably succeed? (success rate >= 0.9 at 95% confidence; success: score >= 1)" in shown
    assert "missed" in shown and "most reliable: c" in shown
    page = (coins / "report.html").read_text()
    assert "We ran function coin with 6 settings" in page
    table = sweep.load(coins).configurations
    one, other = table["configuration"].iloc[0], table["configuration"].iloc[-1]
    assert call("compare", coins, one, other).exit_code == 0
    for command in (["audit", coins], ["replay", coins, f"{one}-0"], ["rescue", coins, one]):
        result = call(*command)
        assert result.exit_code == 2 and "function coin" in result.stderr, result.output
        assert len(result.stderr.splitlines()) == 1


def test_every_way_to_end_is_an_outcome(tmp_path: Path) -> None:
    results = sweep.study(
        moody, fixed={"folder": str(tmp_path)}, seeds=8, out=tmp_path / "out", workers=2, timeout=12, confirm=0
    )
    runs = results.runs.set_index("seed")
    assert runs["outcome"].to_dict() == {
        **{0: "learned", 1: "missed", 2: "diverged", 3: "crashed", 4: "crashed"},
        **{5: "timeout", 6: "learned", 7: "learned"},
    }
    assert runs["attempts"].to_dict() == {**dict.fromkeys(range(6), 1), 6: 2, 7: 2}
    row = results.configurations.iloc[0]
    assert Counter(runs["outcome"]) == {
        "learned": row["n_learned"],
        **{k: row[f"n_{k}"] for k in ("missed", "diverged", "crashed", "timeout")},
    }
    assert row["n_missing"] == 0
    assert "\x1b" not in write_page(results).read_text()


def test_a_run_that_is_lost_again_and_again_is_missing_and_asked_for_again(tmp_path: Path) -> None:
    results = sweep.study(vanishing, seeds=6, out=tmp_path / "out", workers=2, confirm=0)
    assert results.runs["seed"].tolist() == [0, 1, 2, 4, 5]
    assert results.configurations["n_missing"].tolist() == [1]
    (lost,) = results.manifest.broken
    assert lost.runs[0].endswith("-3") and lost.traceback == "lost 2 times: exit code 75"
    again = sweep.study(vanishing, seeds=6, out=tmp_path / "out", workers=2, retries=0, confirm=0)
    assert again.manifest.broken[0].traceback == "lost 1 times: exit code 75"


def test_curves_are_kept_and_say_how_a_run_that_missed_ended(tmp_path: Path) -> None:
    vary = {"rate": [0.001, 0.1], "rest": [0.5]}
    options: dict[str, Any] = {"vary": vary, "success": "loss < 0.1", "workers": 1, "confirm": 0}
    results = sweep.study(falling, seeds=4, out=tmp_path / "out", **options)
    runs = results.runs
    assert list(runs.columns)[8:12] == ["learned", "outcome", "course", "loss"]
    assert runs[runs["seed"] == 0][["outcome", "course"]].to_numpy().tolist() == [["crashed", ""]] * 2
    ended = runs[runs["seed"] > 0].groupby("rate")["course"].unique().map(list).to_dict()
    assert ended == {0.001: ["still falling"], 0.1: ["at rest"]}
    assert "median_course" not in results.configurations and "median_loss" in results.configurations
    curves = results.folder.read_curves()
    assert set(curves) == set(runs["run"][runs["seed"] > 0])
    for row in runs[runs["seed"] > 0].itertuples():
        assert curves[row.run].steps[[0, -1]].tolist() == [1, 100]
        assert curves[row.run].metrics["loss"][-1] == np.float32(row.loss)
    sweep.study(falling, seeds=6, out=tmp_path / "out", **options)
    assert len(results.folder.read_curves()) == 2 * 5
    assert call("verify", tmp_path / "out").exit_code == 0


def test_the_function_says_what_a_file_says(tmp_path: Path) -> None:
    text = """
fixed: {word: a}
vary: {rate: {low: 0.1, high: 0.9}, seed: {first: 3, count: 16, up_to: 32}}
cases: [{shape: 1}, {shape: 2}]
study: {sampler: random, trials: 4, seed: 7, trials_per_round: 2, storage: "sqlite:///STUDY", objective: [draw low]}
reliability: {success: score >= 1, target: 0.5, confidence: 0.9, family: fwer}
limits: {timeout: 20 s, memory: 8 GiB, retries: 2}
"""
    path = written(tmp_path, text.replace("STUDY", str(tmp_path / "by_file.db")))
    by_file = sweep.run(path, tmp_path / "file", train=coin, workers=1, confirm=0)
    by_call = sweep.study(
        coin,
        fixed={"word": "a"},
        vary={"rate": {"low": 0.1, "high": 0.9}},
        cases=[{"shape": 1}, {"shape": 2}],
        seeds={"first": 3, "count": 16, "up_to": 32},
        success="score >= 1",
        target=0.5,
        confidence=0.9,
        family="fwer",
        sampler="random",
        trials=4,
        study_seed=7,
        trials_per_round=2,
        storage=f"sqlite:///{tmp_path / 'by_call.db'}",
        objective=["draw low"],
        timeout="20 s",
        memory="8 GiB",
        retries=2,
        workers=1,
        confirm=0,
        out=tmp_path / "call",
    )
    same = replace(by_file.experiment.study, storage=by_call.experiment.study.storage)
    assert by_call.experiment == replace(by_file.experiment, study=same)
    assert (by_call.experiment.reliability.family, by_call.experiment.limits.retries) == ("fwer", 2)
    pd.testing.assert_frame_equal(by_call.runs.drop(columns="seconds"), by_file.runs.drop(columns="seconds"))


def test_points_are_a_curve_and_a_hopeless_run_is_given_up(tmp_path: Path) -> None:
    text = (
        "vary: {rate: [0.5], seed: 4}\nreliability: {success: score >= 4, target: 0.5}\n"
        "limits: {stop: score < 0.1 at step 25, timeout: 30 s}\n"
    )
    results = sweep.run(written(tmp_path, text), tmp_path / "out", train=by_points, workers=2)
    runs = results.runs.set_index("seed")
    assert runs["outcome"].tolist() == ["learned", "missed", "learned", "missed"]
    assert runs["score"].tolist() == [4.5, 0.0, 4.5, 0.0]
    ends = {run[-1]: curve.steps[-1] for run, curve in results.folder.read_curves().items()}
    assert ends == {"0": 90.0, "1": 30.0, "2": 90.0, "3": 30.0}
    shown = call("show", results.folder.path).stdout
    assert "missed" in shown and "given up: score < 0.1 at step 25" in shown


def test_what_a_run_started_ends_with_it(tmp_path: Path) -> None:
    sweep.study(
        parent, fixed={"folder": str(tmp_path)}, seeds=2, out=tmp_path / "out", workers=2, timeout=10, confirm=0
    )
    for seed in range(2):
        assert is_gone(int((tmp_path / str(seed)).read_text()))


def test_where_every_first_run_crashes_it_ends_with_what_one_said(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="each of the first 4 runs crashed; one said\n(.*\n)*RuntimeError: a bug"):
        sweep.study(broken, seeds=50, out=tmp_path / "out", workers=2)
    assert issubclass(TrainerError, UserError)


def test_a_function_that_no_process_can_import_is_called_here(tmp_path: Path) -> None:
    def closure(settings: Mapping[str, Any], seed: int) -> bool:
        return os.getpid() == here and seed < 5

    here = os.getpid()
    results = sweep.study(closure, seeds=10, out=tmp_path / "out", confirm=0)
    assert results.configurations["n_learned"].tolist() == [5]
    with pytest.raises(SettingError, match="found 3, but function closure is no function at the head"):
        sweep.study(closure, seeds=10, out=tmp_path / "out", timeout=3)


def test_processes_live_over_rounds_with_their_threads_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = sweep.study(
        asked_of_the_process,
        vary={"place": list(range(40))},  # two rounds
        fixed={"bytes": 2**31},
        seeds=4,
        success="pid >= 1",
        out=tmp_path / "out",
        workers=1,
        memory="1 GiB",
    )
    runs = results.runs
    assert runs["pid"].nunique() == 1 and runs["pid"].iloc[0] != os.getpid()
    assert set(runs["threads"].dropna()) == {float(len(os.sched_getaffinity(0)))}
    assert (runs.loc[runs["seed"] == 3, "outcome"] == "crashed").all()
    assert "MemoryError" in results.folder.read_endings()[0].told
    assert is_gone(int(runs["pid"].iloc[0]))  # it ended with the sweep


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "much"}, "limits.memory: found 'much'"),
        ({"retries": -1}, "limits.retries: found -1"),
        ({"objective": ["success_rate", "draw"]}, "accuracy high"),
        ({"vary": {"seed": [1]}}, "seed"),
        ({"vary": {"course": [1, 2]}}, "vary.course[0]: a column of the tables has that name"),
        ({"vary": {"learned": [1, 2]}}, "vary.learned[0]: a column of the tables has that name"),
        ({"vary": {"rate": 3}}, "vary.rate"),
        ({"success": "score"}, "allowed: one comparison of a metric with a number"),
        ({"success": "other >= 1"}, "it gave score, draw, and no other"),
        ({"seeds": -1}, "seed"),
        ({"workers": 0}, "workers: found 0"),
        ({"timeout": -1}, "timeout: found -1"),
        ({"stop": "score < 1"}, "limits.stop: found 'score < 1'"),
        ({"stop": "score < 1 at step 3"}, "limits.stop: found score < 1 at step 3, but function coin gives its curve"),
        ({"sampler": "tpe"}, "none given for the sampler tpe"),
    ],
)
def test_mistakes_are_one_message(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        study(tmp_path / "out", **options)
    assert message in str(caught.value)
