"""Runs that an engine cannot train: recorded, counted as missing, tried again, and no loss to the others."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support.faulty_engine import FaultyEngine, run_faulty
from support.folders import contents, written
from support.shell import call

import sweep
from sweep.commands.verify import verify
from sweep.experiment.file import parse
from sweep.networks.diagnosis import diagnose
from sweep.networks.measurements import Measurements, NetworkCohort, join
from sweep.networks.settings import resolve
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.runs.cohort import Broken, Cohort
from sweep.runs.outcomes import failures
from sweep.runs.runs import Runs
from sweep.search.reading import stored_trials
from sweep.training import choice, cohorts
from sweep.training.threads import attempt, train_over_threads
from sweep.training.trainer import Guard, TrainerName

GRID = """
fixed: {epochs: 30, learning_rate: 0.05}
vary:
  width: [2, 3, 4]
  optimizer: [adam, sgd]
  seed: 100
study: {trials_per_round: 2}
reliability: {target: 0.2}
"""


def one_seed(cohort: NetworkCohort) -> None:
    if cohort.configuration.widths == (3,) and 70 in cohort.seeds:
        raise RuntimeError("the kernel lost its way")


def one_configuration(cohort: NetworkCohort) -> None:
    if cohort.configuration.widths == (3,):
        raise MemoryError


def check_counts(results: Results, n_planned: int) -> None:
    rows = results.configurations
    assert (rows["n_learned"] + rows[[f"n_{f}" for f in failures]].sum(axis=1) == rows["n_runs"]).all()
    assert set(rows["n_runs"] + rows["n_missing"]) == {n_planned}
    assert results.manifest.runs_missing == rows["n_missing"].sum()
    assert results.manifest.runs_planned == n_planned * len(rows)
    assert len(results.runs) == rows["n_runs"].sum()


def test_one_bad_seed_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    whole = sweep.run(path, tmp_path / "whole")
    results = run_faulty(path, out, one_seed, monkeypatch)
    check_counts(results, 100)
    identities = whole.configurations.query("width == 3")["configuration"].tolist()
    lost = {f"{identity}-70" for identity in identities}
    assert {run for b in results.manifest.broken for run in b.runs} == lost
    for b in results.manifest.broken:
        assert b.traceback.startswith("Traceback")
        assert b.traceback.endswith("RuntimeError: the kernel lost its way\n")
        assert b.traceback.count("Traceback") == 1
    kept = whole.runs[~whole.runs["run"].isin(lost)].reset_index(drop=True)
    assert kept.equals(results.runs)
    findings = verify(out, 10).findings
    assert {f"runs.csv: {run} is missing" for run in lost} <= set(findings)
    # the same command tries them again, and ends as if nothing had been
    sweep.run(path, out)
    assert contents(out) == contents(tmp_path / "whole")
    assert sweep.load(out).manifest.broken == ()
    assert verify(out, 10).is_right


@pytest.mark.parametrize("study", ["", ", sampler: tpe, trials: 8", ", sampler: random, trials: 8", ", trial: run"])
def test_a_configuration_that_breaks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: str) -> None:
    text = GRID.replace("round: 2", f"round: 2{study}").replace("seed: 100", "seed: 5")
    path, out = written(tmp_path, text), tmp_path / "out"
    results = run_faulty(path, out, one_configuration, monkeypatch)
    check_counts(results, 5)
    missing = results.configurations.query("width == 3")
    assert len(missing) and set(missing["n_missing"]) == {5}
    assert missing["success_rate"].isna().all()
    assert set(missing["verdict"]) == {"inconclusive"}
    experiment = parse(text)
    if experiment.study.trial == "configuration":
        trials = stored_trials(experiment, Folder(out).journal, study_name(experiment, TrainerName("native", "cpu")))
        assert [t.values is None for t in trials] == [t.point["width"] == 3 for t in trials]
    again = sweep.run(path, out)
    check_counts(again, 5)
    assert again.manifest.runs_missing == 0
    assert verify(out, 10).is_right
    if "tpe" not in study:
        sweep.run(path, tmp_path / "whole")
        assert contents(out) == contents(tmp_path / "whole")


def test_an_exception_in_the_diagnosis_costs_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(cohort: NetworkCohort, measurements: Measurements) -> Runs:
        one_seed(cohort)
        return diagnose(cohort, measurements)

    path, out = written(tmp_path, GRID), tmp_path / "out"
    whole = sweep.run(path, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(cohorts, "diagnose", faulty)
        assert call("run", path, "--out", out, "--quiet").exit_code == 1
    results = sweep.load(out)
    check_counts(results, 100)
    lost = {f"{i}-70" for i in whole.configurations.query("width == 3")["configuration"]}
    assert {run for b in results.manifest.broken for run in b.runs} == lost
    assert all(b.traceback.endswith("RuntimeError: the kernel lost its way\n") for b in results.manifest.broken)
    assert whole.runs[~whole.runs["run"].isin(lost)].reset_index(drop=True).equals(results.runs)
    sweep.run(path, out)
    assert contents(out) == contents(tmp_path / "whole")


def test_adaptive_seeds_go_on_around_what_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = GRID.replace("seed: 100", "seed: {count: 32, up_to: 128}")
    path, out = written(tmp_path, text), tmp_path / "out"
    results = run_faulty(path, out, one_seed, monkeypatch)
    rows = results.configurations
    assert (rows["n_learned"] + rows[[f"n_{f}" for f in failures]].sum(axis=1) == rows["n_runs"]).all()
    assert results.manifest.runs_missing == rows["n_missing"].sum() > 0
    assert results.manifest.runs_planned == rows["n_runs"].sum() + rows["n_missing"].sum()
    sweep.run(path, out)
    sweep.run(path, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_everything_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(cohort: NetworkCohort) -> None:
        raise ZeroDivisionError

    path, out = written(tmp_path, GRID.replace("seed: 100", "seed: 5")), tmp_path / "out"
    results = run_faulty(path, out, fault, monkeypatch)
    assert results.manifest.runs_missing == results.manifest.runs_planned == 30
    assert results.manifest.confirmation is None
    sweep.run(path, out)
    sweep.run(path, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_the_command_ends_with_code_1_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    command = ["run", str(path), "--out", str(out)]
    with monkeypatch.context() as patched:
        patched.setattr(choice, "choose", lambda *_: FaultyEngine(one_seed))
        for _ in range(2):  # the second time nothing is new, and still something is wrong
            result = call(*command)
            assert result.exit_code == 1
            assert "2 runs broke, the first c" in result.stderr
            assert "(RuntimeError: the kernel lost its way)" in result.stderr
            assert "the same command tries them again" in result.stderr
            assert "Which configurations" in result.stdout
    for arguments in (["show"], ["report"], ["importance"]):
        assert call(*arguments, out).exit_code == 0, arguments
    assert call("verify", out, "--sample", "5").exit_code == 1
    assert call(*command).exit_code == 0


def test_readers_bear_a_configuration_without_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path, GRID.replace("seed: 100", "seed: 5")), tmp_path / "out"
    results = run_faulty(path, out, one_configuration, monkeypatch)
    rows = results.configurations
    empty = rows.query("width == 3")["configuration"].iloc[0]
    other = rows.query("width == 2")["configuration"].iloc[0]
    for arguments in (["show", str(out)], ["show", str(out), "--json"], ["report", str(out)], ["importance", str(out)]):
        result = call(*arguments)
        assert result.exit_code == 0, (arguments, result.exception, result.stderr)
    for arguments in (["compare", str(out), empty, other], ["rescue", str(out), empty]):
        result = call(*arguments)
        assert result.exit_code in (0, 2), (arguments, result.exception)
        assert not result.exception or isinstance(result.exception, SystemExit), (arguments, result.exception)


def test_an_interruption_is_no_broken_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(cohort: NetworkCohort) -> None:
        if cohort.configuration.widths == (3,):
            raise KeyboardInterrupt

    path, out = written(tmp_path, GRID), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_faulty(path, out, fault, monkeypatch)
    assert not Folder(out).manifest.exists()


# the executor


def cohort(n: int) -> NetworkCohort:
    return Cohort(resolve({"width": 2, "epochs": 3}), np.arange(n, dtype=np.uint32))


@pytest.mark.parametrize("bad", [[0], [99], [3, 4, 64], list(range(100))])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_broke_is_narrowed_to_its_runs(bad: list[int], workers: int) -> None:
    def fault(piece: NetworkCohort) -> None:
        if set(bad) & set(piece.seeds.tolist()):
            raise OverflowError

    broken: list[Broken] = []
    guard = Guard(broken.append, lambda: False)
    ((found, measured),) = train_over_threads(FaultyEngine(fault), [cohort(100)], workers, guard=guard)
    assert sorted(seed for b in broken for seed in b.seeds) == bad
    good = [seed for seed in range(100) if seed not in bad]
    assert found.seeds.tolist() == good
    assert len(diagnose(found, measured.check(found))) == len(good)
    whole = FaultyEngine(lambda _: None).train(cohort(100))
    for f in dataclasses.fields(Measurements):
        np.testing.assert_array_equal(getattr(measured, f.name), getattr(whole, f.name)[good], err_msg=f.name)


def test_without_a_guard_it_is_an_exception() -> None:
    def fault(piece: NetworkCohort) -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        list(train_over_threads(FaultyEngine(fault), [cohort(3)], 1))


def test_after_a_stop_no_piece_begins() -> None:
    begun: list[int] = []
    guard = Guard(lambda _: None, lambda: len(begun) > 0)
    told: list[int] = []
    engine = FaultyEngine(lambda piece: begun.append(len(piece)))
    found = list(train_over_threads(engine, [cohort(64), cohort(200)], 1, lambda n_done, _: told.append(n_done), guard))
    assert begun == told == [64]
    assert sorted(len(c) for c, _ in found) == [0, 64]
    for c, measured in found:
        measured.check(c)


def test_streams_of_the_runs_that_are_kept() -> None:
    from sweep.networks.randomness import Stream

    seeds = np.arange(6, dtype=np.uint32)
    own = Cohort(resolve({"width": 2, "epochs": 3}), seeds, streams={Stream.ORDER: seeds + np.uint32(10)})
    pieces = [
        p for p in attempt(FaultyEngine(lambda _: None).train, own.part(slice(2, 5))) if not isinstance(p, Broken)
    ]
    found, _ = join(own, pieces)
    assert found.seeds.tolist() == [2, 3, 4]
    assert found.streams[Stream.ORDER].tolist() == [12, 13, 14]
