"""What Python shows of results: their answer, as text and as HTML; the study; what type checkers say of calls."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from support.folders import SMALL, contents, swept, written

import sweep
from sweep import api
from sweep.commands.progress import Progress
from sweep.report.summaries import summarise
from sweep.report.terminal.answer import answer_sentence
from sweep.report.terminal.replay import describe_replay
from sweep.report.terminal.rescue import describe_rescue
from sweep.results.resume import study_name
from sweep.search.reading import stored_trials
from sweep.training.trainer import TrainerName

TYPED = """
import sweep

sweep.train({"width": 8}, seeds="a lot")
sweep.train({"width": 8}, nonsense=1)
sweep.train({"width": 8}, epochs=3)
n_runs: int = len(sweep.train({"width": 8}, seeds=[1, 2])["learned"])
table: str = sweep.train({"width": 8})
kept: sweep.Results = sweep.train(build=lambda seed: seed, data=(1, 2), vary={"units": [4]})
name: str = sweep.run("e.yaml").study().study_name
try:
    found: sweep.Results = sweep.study(lambda settings, seed: 1.0)
except sweep.SettingError as error:
    place: tuple[str | int, ...] = error.place
"""


def html_of(value: Any) -> str | None:
    """What a notebook shows of a value."""
    return value._repr_html_()


def test_results_show_their_answer_and_the_best(finished: Path) -> None:
    results = sweep.load(finished)
    lines = repr(results).splitlines()
    answer = summarise(results)
    assert lines[0].startswith("Which configurations reliably learn xor? (success rate >= 0.2 at 95% confidence; 60")
    assert lines[1] == answer_sentence(answer)
    table = results.configurations
    shown = [line.split()[0] for line in lines[3:9]]
    assert shown == [identity[: answer.id_length] for identity in table["configuration"]]
    assert sum("\u2588" in line for line in lines) >= 1
    page = html_of(results)
    assert page is not None
    widths = [float(x) for x in re.findall(r"width:([\d.]+)%", page)]
    assert widths == [round(100 * rate, 1) for rate in table["success_rate"]]
    assert page.count("<tr>") == 1 + len(table) and "success rate &gt;= 0.2" in page


def test_ten_of_many_are_shown_and_what_cannot_be_read_is_named(tmp_path: Path, copy: Path) -> None:
    out = swept(tmp_path, "fixed: {epochs: 2}\nvary: {width: {low: 2, high: 13, step: 1}, seed: 2}", "many", confirm=0)
    results = sweep.load(out)
    assert len(re.findall("^c[0-9a-f]{5}", repr(results), re.MULTILINE)) == 10
    damaged = sweep.load(copy)
    (copy / "configurations.csv").write_text("nothing")
    assert repr(damaged) == f"Results('{copy}')" and html_of(damaged) is None


def test_a_replay_and_a_rescue_show_their_words(finished: Path) -> None:
    results = sweep.load(finished)
    replayed = sweep.replay(results, str(results.runs["run"][0]))
    assert repr(replayed) == "\n".join(describe_replay(replayed)) and replayed.is_same
    assert (html_of(replayed) or "").startswith(f"<pre>{replayed.example.run}: xor: ")
    row = results.configurations.iloc[-1]
    found = sweep.rescue(results, row["configuration"])
    assert repr(found) == "\n".join(describe_rescue(found)) and len(found.table()) == len(found.attempts)


def test_the_study_has_names_that_say_something(finished: Path) -> None:
    results = sweep.load(finished)
    study = results.study()
    name = study_name(results.experiment, TrainerName("native", "cpu"))
    assert study.study_name == f"e-{name.removeprefix('sweep-')[:6]}"
    assert study.metric_names == ["success_rate"]
    table = results.configurations.set_index("configuration")
    for trial in study.trials:
        row = table.loc[trial.user_attrs["configuration"]]
        assert trial.user_attrs["parameters"] == row["n_parameters"]
        assert trial.user_attrs["verdict"] == row["verdict"]
        assert trial.user_attrs["interval"] == f"{row['ci_low']:.3f}-{row['ci_high']:.3f}"
    before = contents(finished, ("study.journal",))
    with pytest.raises(PermissionError):
        study.set_user_attr("note", "mine")
    assert contents(finished, ("study.journal",)) == before


@pytest.mark.parametrize(("family", "has_verdicts"), [("fwer", False), ("fdr", False), ("none", True)])
def test_a_trial_says_no_verdict_in_which_later_ones_have_a_part(
    tmp_path: Path, family: str, has_verdicts: bool
) -> None:
    text = f"fixed: {{epochs: 2}}\nvary: {{width: [2, 4], seed: 4}}\nreliability: {{family: {family}}}"
    trials = sweep.load(swept(tmp_path, text, confirm=0)).study().trials
    assert ["verdict" in trial.user_attrs for trial in trials] == [has_verdicts] * 2
    assert all("interval" in trial.user_attrs for trial in trials)


def test_a_study_of_an_earlier_version_is_found_by_its_name(tmp_path: Path) -> None:
    out = swept(tmp_path, "fixed: {epochs: 2}\nvary: {width: [2, 4], seed: 4}", confirm=0)
    results = sweep.load(out)
    name = study_name(results.experiment, TrainerName("native", "cpu"))
    journal = out / "study.journal"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    for entry in entries:
        if "study_name" in entry:
            entry["study_name"] = name
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert results.study().study_name == name
    assert len(stored_trials(results.experiment, journal, name)) == 2
    written(tmp_path, "fixed: {epochs: 2}\nvary: {width: [2, 4], seed: 4}", "renamed.yaml")
    sweep.run(tmp_path / "renamed.yaml", out, confirm=4)
    assert optuna.get_all_study_names(JournalStorage(JournalFileBackend(str(journal)))) == [name]


def test_a_notebook_shows_how_far_a_sweep_is_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.run(written(tmp_path, SMALL), tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    sweep.run(written(tmp_path, SMALL), tmp_path / "shown")
    said = capsys.readouterr().err
    assert said.startswith("\rtrain 72/72 ") and "\rconfirm 1,024/1,024 " in said
    assert said.count("\n") == 1 and said.endswith("\n")
    seen: list[Progress] = []
    sweep.run(written(tmp_path, SMALL), tmp_path / "own", observe=seen.append)
    assert seen and capsys.readouterr().err == ""


def test_what_is_of_the_other_way_of_training_is_refused() -> None:
    for given, found in (
        ({"settings": {}, "epochs": 3}, "epochs is of a training of build="),
        ({"settings": {}, "data": (1, 2)}, "data is of a training of build="),
        ({"build": len, "data": (1, 2), "margin": 0.1}, "margin is of a training of settings"),
        ({"build": len}, "needs settings, or build=function and data"),
    ):
        with pytest.raises(TypeError, match=found):
            sweep.train(**given)  # pyright: ignore


def test_type_checkers_know_what_calls_take_and_give(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(Path(sweep.__file__).parents[1])]}))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "typed.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    wrong = [x["range"]["start"]["line"] for x in json.loads(done.stdout)["generalDiagnostics"]]
    lines = TYPED.splitlines()
    assert [lines[i] for i in dict.fromkeys(wrong)] == lines[3:6] + lines[7:8]


def test_type_checkers_see_what_is_there() -> None:
    assert sorted(sweep.__all__) == sorted(api.__all__)  # what __init__.pyi has
    assert all(getattr(sweep, name) is getattr(api, name) for name in api.__all__)


def test_every_error_of_a_user_is_exported() -> None:
    for name in ("SettingError", "ExperimentFileError", "ResultsError", "EngineError", "ExecutorError", "TrainerError"):
        assert issubclass(getattr(sweep, name), sweep.UserError)
