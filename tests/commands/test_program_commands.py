"""Programs by the commands: checked, swept, shown, verified, and made again only where the user says so."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from support.folders import written
from support.own_functions import BY_AWK, remainders
from support.processes import is_gone
from support.shell import call

import sweep
from sweep.results.folder import Folder
from sweep.runs.errors import UserError

TEXT = """
vary: {step: [1, 2, 3], seed: 12}
reliability: {success: "score >= 2", target: 0.5}
limits: {timeout: 1 min}
"""
PROGRAM = ("--", *BY_AWK)


def sections_without(text: str, name: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(name))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("awk")
    result = call("run", written(folder, TEXT), "--out", folder / "out", "--workers", "2", *PROGRAM)
    assert result.exit_code == 0, result.output
    assert "3 configurations x 12 seeds = 36 runs; program awk" in result.stderr
    return folder / "out"


def test_a_function_and_a_program_give_the_same_rows(swept: Path, tmp_path: Path) -> None:
    by_program = sweep.load(swept)
    by_function = sweep.run(written(tmp_path, TEXT), tmp_path / "out", train=remainders, workers=2)
    columns = [c for c in by_program.runs.columns if c not in ("engine", "seconds")]
    assert columns[-3:] == ["score", "cost", "attempts"]
    pd.testing.assert_frame_equal(by_function.runs[columns], by_program.runs[columns])
    left_out = ["median_seconds"]
    one, other = (r.configurations.drop(columns=left_out) for r in (by_function, by_program))
    pd.testing.assert_frame_equal(one, other)
    assert by_function.manifest.confirmation == by_program.manifest.confirmation
    assert set(by_program.runs.loc[by_program.runs["seed"] == 5, "outcome"]) == {"crashed"}


def test_what_a_crash_said_is_shown(swept: Path) -> None:
    shown = call("show", swept).output
    assert "crashed, c" in shown and "  exit code 1\n  no luck\n" in shown
    assert call("report", swept).exit_code == 0
    page = (swept / "report.html").read_text()
    assert "What runs said at their end" in page and "exit code 1\nno luck" in page


def test_check_says_what_three_runs_showed(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    result = call("check", path, "--workers", "2", *PROGRAM)
    assert result.exit_code == 0, result.output
    *_, tried, in_all = result.output.splitlines()
    assert tried == "tried with step 1: seed 0 twice: score 0 both times: repeatable; seed 1: score 1: the seed is used"
    assert in_all.endswith("on 2 workers") and " s a run; in all about " in in_all
    unused = call("check", path, "--", "sh", "-c", "echo 3", "{step}").output
    assert "repeatable; seed 1: score 3: the same, is the seed used?" in unused
    changing = call("check", path, "--", "sh", "-c", "date +%N", "{step}").output
    assert "not repeatable" in changing and "seed is" not in changing
    broken = call("check", path, "--", "sh", "-c", "echo why >&2; exit 3", "{step}")
    assert broken.exit_code == 2
    assert "each of 3 runs crashed; one said\nexit code 3\nwhy" in broken.stderr
    assert not (tmp_path / "results").exists()


def test_where_all_crash_the_sweep_ends_with_code_2(tmp_path: Path) -> None:
    script = "printf 'why \\033[31m' >&2; exit 3"
    result = call("run", written(tmp_path, TEXT), "--out", tmp_path / "out", "--", "sh", "-c", script, "{step}")
    assert result.exit_code == 2
    assert "each of the first 4 runs crashed; one said\nexit code 3\nwhy \\u001b[31m" in result.stderr


def test_once_a_run_has_worked_those_that_crash_are_data(tmp_path: Path) -> None:
    """In a later round, on the fresh seeds, where the same command goes on, and where verify makes them again."""
    text = (
        "vary: {x: [1, 2, 3], seed: 6}\nstudy: {trials_per_round: 1}\nreliability: {success: 'y >= 1', target: 0.5}\n"
    )
    path = written(tmp_path, text)
    program = ("--workers", "1", "--", "sh", "-c", "test $1 = 1 && test $2 -lt 6 && echo 1", "sh", "{x}", "{seed}")
    assert call("run", path, "--out", tmp_path / "out", *program).exit_code == 0
    results = sweep.load(tmp_path / "out")
    assert results.runs.groupby("x")["outcome"].unique().map(list).to_dict() == {
        1: ["learned"],
        2: ["crashed"],
        3: ["crashed"],
    }
    assert results.manifest.confirmation is not None and results.manifest.confirmation.n_learned == 0
    verified = call("verify", tmp_path / "out", "--sample", "all", *program[2:])
    assert verified.exit_code == 0, verified.output


def test_a_file_of_settings_needs_to_be_told_what_runs_it(swept: Path, tmp_path: Path) -> None:
    for text in (TEXT, sections_without(TEXT, "limits")):
        for path in (written(tmp_path, text), swept / "experiment.yaml"):
            for command in ("check", "run"):
                result = call(command, path)
                assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
                assert f"say what runs them: sweep run {path} -- PROGRAM ARG..." in result.stderr
    with pytest.raises(UserError, match="limit: found 3, with a function of one's own"):
        sweep.run(written(tmp_path, TEXT), train=remainders, limit=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--engine", "native", *PROGRAM], "--engine: is of networks; allowed: without it"),
        (["run", "--limit", "3", *PROGRAM], "--limit: is of networks"),
        (["check", "--device", "cpu", *PROGRAM], "--device: is of networks"),
        (["run", "--"], "program: none behind --"),
        (["run", "--", "awk", "{seed}"], "program: no place for step, which varies; allowed: {step} in an argument"),
        (["run", "--", "awk", "{stpe}"], "program: nothing fills {stpe}; did you mean step?"),
    ],
)
def test_commands_that_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = call(arguments[0], written(tmp_path, TEXT), *arguments[1:])
    assert result.exit_code == 2 and message in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.yaml"]


def test_another_command_does_not_go_on(swept: Path, tmp_path: Path) -> None:
    result = call("run", written(tmp_path, TEXT), "--out", swept, "--", "awk", "-v", "x={step}", BY_AWK[-1])
    assert result.exit_code == 2 and "now asked for: program awk -v" in result.stderr


def test_verify_makes_runs_again_only_with_the_command(swept: Path) -> None:
    alone = call("verify", swept)
    assert alone.exit_code == 0 and "no run was made again: that needs program awk" in alone.output
    given = call("verify", swept, "--sample", "5", *PROGRAM)
    assert given.exit_code == 0, given.output
    assert ": 5 identical, 0 same outcome, 0 different" in given.output
    other = call("verify", swept, "--", "awk", "{seed}")
    assert other.exit_code == 2 and "found program awk '{seed}'" in other.stderr
    assert call("verify", swept, "--engine", "native").exit_code == 2


def test_replay_shows_the_command_and_runs_it_only_when_told(swept: Path) -> None:
    identity = sweep.load(swept).configurations["configuration"].iloc[0]
    shown = call("replay", swept, f"{identity}-3")
    assert shown.exit_code == 0
    assert f"{identity}-3: learned, score " in shown.output and "--again runs that here" in shown.output
    (typed,) = [line for line in shown.output.splitlines() if line.startswith("  SWEEP_SEED=3 ")]
    assert 'SWEEP_SETTINGS=\'{"step": ' in typed and shlex.split(typed)[2:5] == ["awk", "-v", shlex.split(typed)[4]]
    again = call("replay", swept, f"{identity}-3", "--again")
    assert again.exit_code == 0 and again.output.endswith("made again: the same outcome and numbers\n")
    assert call("replay", swept, f"{identity}-3", "--engine", "native").exit_code == 2


def test_a_folder_that_says_another_outcome_is_found_out(swept: Path, tmp_path: Path) -> None:
    identity = sweep.load(swept).configurations["configuration"].iloc[0]
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", swept, copy], check=True)
    runs = (copy / "runs.csv").read_text()
    (row,) = [line for line in runs.splitlines() if line.startswith(f"{identity}-3,")]
    changed = row.replace("True,learned", "False,missed")
    assert changed != row
    (copy / "runs.csv").write_text(runs.replace(row, changed))
    again = call("replay", copy, f"{identity}-3", "--again")
    assert again.exit_code == 1 and "made again: learned, there missed" in again.output


def test_a_kill_loses_no_run_that_ended(tmp_path: Path) -> None:
    path = written(tmp_path, "vary: {x: [1, 2], seed: 30}\nreliability: {success: 'score >= 0.5', target: 0.5}\n")
    script = f"echo $1-$2 >> {shlex.quote(str(tmp_path / 'made'))}; sleep 0.2; echo 1"
    out = ("--out", str(tmp_path / "out"), "--workers", "2", "--quiet")
    command = [*out, "--", "sh", "-c", script, "sh", "{x}", "{seed}"]
    process = subprocess.Popen([sys.executable, "-m", "sweep", "run", str(path), *command])
    while not list((tmp_path / "out").glob("parts/*.npz")):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored, _ = Folder(tmp_path / "out").read_parts(f"program {shlex.join(command[len(out) + 1 :])} on cpu")
    known = {(identity, seed) for identity, runs in stored.items() for seed in runs.seed.tolist()}
    assert known
    made = (tmp_path / "made").read_text().split()
    assert call("run", path, *command).exit_code == 0
    ids = {r.identity: r.settings["x"] for r in sweep.load(tmp_path / "out").settings.values()}
    before = [f"{ids[identity]}-{seed}" for identity, seed in known]
    again = (tmp_path / "made").read_text().split()[len(made) :]
    assert not set(before) & set(again)  # what was stored is not made again
    assert len(sweep.load(tmp_path / "out").runs) == 60


def test_killed_at_several_moments_the_rows_are_those_of_a_whole_sweep(tmp_path: Path) -> None:
    """Before a run is stored, between stored ones, and while the named one is tried on fresh seeds."""
    path = written(tmp_path, "vary: {x: [1, 2], seed: 20}\nreliability: {success: 'score >= 2', target: 0.5}\n")
    made = tmp_path / "made"
    made.touch()
    script = f"echo >> {shlex.quote(str(made))}; sleep 0.1; echo $(($1 * $2 % 5))"
    program = ("--workers", "2", "--quiet", "--", "sh", "-c", script, "sh", "{x}", "{seed}")
    assert call("run", path, "--out", tmp_path / "whole", *program).exit_code == 0
    command = [sys.executable, "-m", "sweep", "run", str(path), "--out", str(tmp_path / "out"), *program]
    for n_more in (1, 20, 25):
        n_before = len(made.read_text())
        process = subprocess.Popen(command)
        while len(made.read_text()) < n_before + n_more and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert call("run", path, "--out", tmp_path / "out", *program).exit_code == 0
    whole, found = (sweep.load(tmp_path / name) for name in ("whole", "out"))
    same = [results.runs.drop(columns=["seconds", "attempts"]) for results in (whole, found)]
    pd.testing.assert_frame_equal(*same)
    assert found.manifest.confirmation == whole.manifest.confirmation and found.manifest.broken == ()


def test_objectives_of_any_number(tmp_path: Path) -> None:
    text = """
vary: {step: {low: 1, high: 9}, seed: 6}
study: {sampler: tpe, trials: 12, trials_per_round: 4, objective: [success_rate, cost low]}
reliability: {success: "score >= 2", target: 0.5}
"""
    results = sweep.run(written(tmp_path, text), tmp_path / "out", train=remainders, workers=2)
    assert results.experiment.objectives == (("success_rate", "high"), ("cost", "low"))
    assert call("verify", tmp_path / "out").exit_code == 0  # the study was told what the rows give
    told = [json.loads(line) for line in (tmp_path / "out" / "study.journal").read_text().splitlines()]
    values = [entry["values"] for entry in told if entry.get("state") == 1 and entry.get("values")]
    assert len(values) >= 12 and all(len(pair) == 2 for pair in values)
    wrong = text.replace("cost low", "cost")
    with pytest.raises(UserError, match="accuracy high"):
        sweep.run(written(tmp_path, wrong), tmp_path / "other", train=remainders)


def test_a_program_is_tried_without_a_file() -> None:
    script = "test $2 = 4 && { echo oh >&2; exit 3; }; test $2 = 5 && exit 75; echo $(($2 * $1))"
    command = ["train", "factor=2", "--seeds", "12", "--success", "score >= 6", "--workers", "2"]
    program = ["--", "sh", "-c", script, "sh", "{factor}", "{seed}"]
    told = call(*command, *program)
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0].endswith("factor 2, success: score >= 6") and lines[1].startswith("learned by 7 of 11 seeds: ")
    assert lines[2] == "the others: missed 27.3% (3), crashed 9.1% (1)"
    assert lines[4] == "1 run lost: lost 2 times: exit code 75" and lines[-2:] == ["  exit code 3", "  oh"]
    record = json.loads(call(*command, "--json", *program).stdout)
    assert (record["n_runs"], record["n_learned"], record["n_lost"]) == (11, 7, 1)
    assert record["medians"]["score"] == 13.0 and record["settings"] == {"factor": 2}
    gone = call("train", "--seeds", "3", "--", "sh", "-c", "exit 75")
    assert gone.exit_code == 2 and "every run was lost 2 times: exit code 75" in gone.stderr
    assert call("train", "--success", "a > 1").exit_code == 2
    assert "allowed: --seeds N" in call("train", "seed=3", *program).stderr


@pytest.mark.parametrize(("signals", "code"), [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), -15)])
def test_programs_end_with_the_sweep_that_is_stopped(
    tmp_path: Path, signals: tuple[signal.Signals, ...], code: int
) -> None:
    path = written(tmp_path, "vary: {x: [1], seed: 4}\nreliability: {success: 'score >= 1'}\n")
    script = f"sleep 600 & echo $! > {shlex.quote(str(tmp_path))}/child$1; wait"
    command = [sys.executable, "-m", "sweep", "run", str(path), "--out", str(tmp_path / "out"), "--workers", "2", "--"]
    process = subprocess.Popen([*command, "sh", "-c", script, "sh", "{seed}", "{x}"], stderr=subprocess.PIPE)
    assert process.stderr is not None
    while len([p for p in tmp_path.glob("child*") if p.read_text().strip()]) < 2:
        time.sleep(0.02)
        assert process.poll() is None
    for place, number in enumerate(signals):
        while place and b"stopping: " not in process.stderr.readline():
            pass
        process.send_signal(number)
    assert process.wait() == code
    process.stderr.close()
    for child in tmp_path.glob("child*"):
        assert is_gone(int(child.read_text()))
