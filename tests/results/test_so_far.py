"""A folder whose sweep is running or was stopped: shown as far as it is, without an effect on it."""

from pathlib import Path
from typing import Any

import pytest
from support.folders import SMALL, Stopped, listing, stop_after, swept, written
from support.own_functions import coin
from support.shell import call

import sweep
from sweep.results.files import ResultsError
from sweep.results.so_far import load_so_far

VARY = {"rate": [0.0, 0.5, 0.999]}


def stopped_study(out: Path, n_calls: int, **options: Any) -> Path:
    given: dict[str, Any] = {"vary": VARY, "seeds": 20, "success": "score >= 1", "workers": 1, "confirm": 0, **options}
    with pytest.raises(Stopped):
        sweep.study(coin, out=out, observe=stop_after(n_calls), **given)
    return out


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sweep.training.own.seconds_between", (0.0, 0.0))
    return stopped_study(tmp_path / "out", 30)


def test_what_is_stored_is_shown_with_how_far_it_is(stopped: Path) -> None:
    before = listing(stopped)
    results = load_so_far(stopped)
    n = len(results.runs)
    assert 0 < n < 60 and results.so_far == f"unfinished: {n} of 60 runs so far, verdicts may still change"
    for row in results.runs.itertuples():
        assert row.score == coin({"rate": row.rate}, row.seed)["score"]
    table = results.configurations
    assert table["n_runs"].sum() == n and (table["n_runs"] + table["n_missing"]).eq(20).all()
    for arguments in (["show"], ["show", "--json"], ["show", "--sort", "rate"]):
        done = call(arguments[0], stopped, *arguments[1:])
        assert done.exit_code == 0 and str(results.so_far) in done.output, done.output
    assert listing(stopped) == before
    done = call("report", stopped)
    assert done.exit_code == 0 and str(results.so_far) in done.stderr
    assert str(results.so_far) in (stopped / "report.html").read_text()
    for refused in (lambda: sweep.load(stopped), lambda: sweep.replay(sweep.load(stopped), "c1-0")):
        with pytest.raises(ResultsError, match="an unfinished sweep; sweep run with the same experiment goes on"):
            refused()
    assert call("show", stopped, "--gate").exit_code == 2
    whole = sweep.study(coin, out=stopped, vary=VARY, seeds=20, success="score >= 1", workers=1, confirm=0)
    shared = whole.runs.merge(results.runs[["run", "seconds"]], on=["run", "seconds"])
    assert len(shared) == n and load_so_far(stopped).so_far is None
    assert "unfinished" not in call("show", stopped).output


def test_a_study_that_is_no_grid_is_known_by_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.training.own.seconds_between", (0.0, 0.0))
    vary = {"rate": {"low": 0.1, "high": 0.9}}
    out = stopped_study(tmp_path / "out", 30, vary=vary, sampler="random", trials=4)
    results = load_so_far(out)
    assert f" of {4 * 20} runs so far" in str(results.so_far)
    assert len(results.runs) and results.runs["rate"].between(0.1, 0.9).all()


def test_a_folder_that_grows_is_unfinished_until_it_has(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep.study(coin, out=out, vary=VARY, seeds=4, success="score >= 1", workers=1, confirm=0)
    runs = sweep.load(out).runs
    stopped_study(out, 1, seeds=8)
    results = load_so_far(out)
    assert f"unfinished: {len(results.runs)} of 24 runs" in str(results.so_far) and len(results.runs) >= 12
    shared = results.runs.merge(runs[["run", "seconds"]], on=["run", "seconds"])
    assert len(shared) == len(runs)


def test_networks_too(tmp_path: Path) -> None:
    whole = sweep.load(swept(tmp_path, SMALL, workers=1)).runs
    experiment = written(tmp_path, SMALL.replace("vary:", "study: {trials_per_round: 2}\nvary:"))
    with pytest.raises(Stopped):
        sweep.run(experiment, tmp_path / "half", observe=stop_after(4), workers=1)
    results = load_so_far(tmp_path / "half")
    assert " of 72 runs so far" in str(results.so_far) and 0 < len(results.runs) < 72
    found = results.runs.merge(whole, on=list(whole.columns))
    assert len(found) == len(results.runs)
    assert {e.configuration for e in results.examples} == set(results.configurations["configuration"])
    for command in ("show", "report"):
        assert call(command, tmp_path / "half").exit_code == 0


def test_where_no_run_is_stored(tmp_path: Path) -> None:
    out = stopped_study(tmp_path / "out", 0)
    for command in ("show", "report", "dashboard"):
        done = call(command, out)
        assert done.exit_code == 2 and "of which no run is stored yet" in done.stderr
    done = sweep.study(coin, out=out, vary=VARY, seeds=20, success="score >= 1", workers=1, confirm=0)
    assert len(done.runs) == 60
