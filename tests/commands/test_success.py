"""A criterion of success of one's own, from the file to the last word said of it."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from support.folders import Stopped, contents, stop_after, swept, written
from support.shell import call
from support.untyped import sweep

from sweep.commands.verify import verify
from sweep.experiment import file as experiment_file
from sweep.networks.settings import resolve
from sweep.runs.errors import SettingError

GRID = """
fixed: {epochs: 100, learning_rate: 0.05}
vary: {width: [3, 8], seed: 24}
study: {trials_per_round: 1}
reliability: {target: 0.2, success: "%s"}
"""
CRITERIA = ("loss < 0.2", "accuracy >= 0.75", "max_error <= 0.25", "margin >= 0.5")


@pytest.fixture(scope="module", params=CRITERIA)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, swept(tmp_path_factory.mktemp("finished"), GRID % request.param)


def test_what_counts_as_learned(finished: tuple[str, Path]) -> None:
    """By the criterion alone: everything else is as it is without one."""
    success, folder = finished
    runs = sweep.load(folder).runs
    numbers = runs.rename(columns={"final_loss": "loss"})
    if "max_error" not in success:
        assert "max_error" not in runs
    assert (runs["learned"] == numbers.eval(success)).all()
    assert 0 < runs["learned"].sum() < len(runs)
    assert (runs["epochs_to_learn"].notna() == runs["learned"]).all()
    assert (runs["outcome"].eq("learned") == runs["learned"]).all()
    usual = sweep.train({"epochs": 100, "learning_rate": 0.05, "width": 3}, 24)
    own = runs[runs["width"] == 3].reset_index(drop=True)
    assert (own["run"] == usual["run"]).all()  # no part of a configuration's id
    assert (own["final_loss"] == usual["final_loss"]).all()


def test_the_largest_error_is_in_the_table_where_it_is_asked_for() -> None:
    runs = sweep.train({"epochs": 100, "learning_rate": 0.05}, 24, success="max_error < 0.25")
    errors = np.abs(runs[["p_00", "p_01", "p_10", "p_11"]].to_numpy() - resolve({}).targets().T)
    assert (runs["max_error"].to_numpy() == errors.max(axis=1)).all()


def test_words_say_the_criterion(finished: tuple[str, Path]) -> None:
    success, folder = finished
    shown = call("show", folder)
    assert f"success: {success}; 100 epochs" in " ".join(shown.stdout.split()), shown.stdout
    assert call("report", folder).exit_code == 0
    page = (folder / "report.html").read_text()
    _, sign, number = success.split()
    words = {"<": "below", ">=": "at least", "<=": "at most"}[sign]
    assert f"is {words} {number} after the last epoch with dropout off" in page
    assert "right side of 0.5" not in page
    run = sweep.load(folder).runs.query("learned")["run"].iloc[0]
    replayed = call("replay", folder, run)
    assert replayed.exit_code == 0
    assert f"learned: {success} from " in replayed.stdout


def test_verification_knows_it(finished: tuple[str, Path], tmp_path: Path) -> None:
    _, folder = finished
    assert verify(folder).findings == ()
    copied = tmp_path / "copied"
    copied.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (copied / path.name).write_bytes(path.read_bytes())
    other = GRID % "loss < 1e-06"
    (copied / "experiment.yaml").write_text(other)
    findings = verify(copied, sample=0).findings
    assert any("outcome contradicts the other columns" in finding for finding in findings), findings


def test_another_criterion_is_another_experiment_and_the_same_one_goes_on(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID % "loss < 0.2"), tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(path, out, observe=stop_after(3))
    refused = call("run", written(tmp_path, GRID % "loss < 0.1", "other.yaml"), "--out", out)
    assert refused.exit_code == 2
    assert "success.threshold: there 0.2, here 0.1" in refused.stderr
    sweep.run(path, out)
    whole = swept(tmp_path / "whole", GRID % "loss < 0.2")
    assert contents(out) == contents(whole)
    assert json.loads((out / "manifest.json").read_text())["runs_missing"] == 0


def test_train_counts_prints_and_saves_the_criterion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = ("epochs=100", "learning_rate=0.05", "--seeds", "24")
    record = json.loads(call("train", *network, "--success", "loss < 0.01", "--json").stdout)
    runs = sweep.train({"epochs": 100, "learning_rate": 0.05}, 24, success="loss < 0.01")
    assert record["success"] == "loss < 0.01"
    assert record["n_learned"] == runs["learned"].sum() == (runs["final_loss"] < 0.01).sum()
    assert record["n_learned"] != json.loads(call("train", *network, "--json").stdout)["n_learned"]
    lines = call("train", *network, "--success", "loss < 0.01").stdout.splitlines()
    assert lines[0].endswith(", 100 epochs, success: loss < 0.01")
    (save,) = [shlex.split(line.removesuffix(" &&")) for line in lines if "--save" in line]
    assert call(*save[1:]).exit_code == 0
    experiment = experiment_file.load("mine.yaml")
    assert (str(experiment.criterion), len(experiment.seeds)) == ("loss < 0.01", 24)
    assert [c.id for c in experiment.networks] == [record["configuration"]]


@pytest.mark.parametrize(
    ("success", "message"),
    [
        (
            "los < 1",
            "--success: no such number of a network: los; did you mean loss? allowed: accuracy, "
            "loss, margin, max_error, test_accuracy, test_loss",
        ),
        ("loss", "--success: found 'loss'; allowed: one comparison of a metric with a number, accuracy >= 0.95"),
        (
            "test_loss < 1",
            "--success: test_loss, and xor has no test rows; allowed: loss, or a task with test: 0.25",
        ),
        ("accuracy >= 2", "--success: accuracy >= 2 never holds; allowed: a comparison of accuracy, from 0 to 1"),
        ("", "--success: found ''; allowed: one comparison of a metric with a number, accuracy >= 0.95"),
    ],
)
def test_train_refuses_what_a_file_refuses(success: str, message: str) -> None:
    refused = call("train", "epochs=1", "--success", success)
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", message + "\n")


def test_python_refuses_what_a_file_refuses() -> None:
    for given in ({"success": "los < 1"}, {"success": "loss"}, {"success": "loss < 0.1", "margin": 0.2}):
        with pytest.raises(SettingError):
            sweep.train({"epochs": 1}, 1, **given)
