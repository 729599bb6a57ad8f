"""The command line: exit codes, what goes to stdout and stderr, one message for bad input, never a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import generate
import numpy as np
import pandas as pd
import pytest
from support.folders import SMALL, written
from support.shell import call
from typer.testing import Result

import sweep
from sweep.cli.common import order
from sweep.report.summaries import gate

SWEEP = [sys.executable, "-m", "sweep"]


def run_process(
    *arguments: str | Path, environment: Mapping[str, str] = {}, **known: Any
) -> subprocess.CompletedProcess[str]:
    command = [*SWEEP, *map(str, arguments)]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **environment},
        check=False,
        **known,
    )
    assert "Traceback" not in result.stderr
    return result


def assert_refused(result: Result, *words: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_help_shows_each_command_whole_in_the_order_of_use() -> None:
    lines = call("--help", COLUMNS="80", TERMINAL_WIDTH="80").stdout.splitlines()
    listed = lines[lines.index("Commands:") + 1 :]
    assert [line.split()[0] for line in listed] == list(order)
    assert not [line for line in listed if line.endswith("...")]


def test_the_version_is_said() -> None:
    assert call("--version").stdout == f"xor-sweep {version('xor-sweep')}\n"


def test_the_generated_pages_are_current() -> None:
    for path, text in generate.pages().items():
        assert path.read_text() == text, f"{path.name} is older than the commands or the vocabulary: make docs"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["show"],
        ["check", "--nonsense", "x"],
        ["show", "x", "--top", "0"],
        ["run", "x", "--workers", "0"],
    ],
)
def test_usage_errors(arguments: Sequence[str]) -> None:
    assert_refused(call(*arguments))


# new and check


def test_new_then_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    result = call("new", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"wrote {path} " in result.stderr
    assert path.read_text().startswith("# yaml-language-server: $schema=sweep.schema.json\n")
    checked = call("check", path)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "12 configurations x 64 seeds = 768 networks" in checked.stdout
    assert "at most 1 may fail" in checked.stdout
    assert_refused(call("new", path), "exists already")
    assert_refused(call("new", tmp_path / "no" / "such.yaml"), "No such file or directory")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.yaml", "sweep.schema.json"]


def test_check_says_what_the_seeds_cannot_show(tmp_path: Path) -> None:
    for target, n in ((0.95, 72), (0.99999, 368_887)):
        result = call("check", written(tmp_path, f"reliability: {{target: {target}}}"))
        assert f"at least {n:,} are needed" in result.stdout
    assert call("check", written(tmp_path, "vary: {seed: 1000000}")).exit_code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fixed: {widht: 3}", ["e.yaml:1", "widht", "did you mean width?"]),
        ("vary: [1]", ["e.yaml:1"]),
        ("fixed:\n\t- x", ["e.yaml:2"]),
        ("study: {sampler: tpe}", ["trials"]),
        ("fixed: {epochs: -3}", ["e.yaml:1", "epochs"]),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_bad_experiments_get_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, text: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(call(command, written(tmp_path, text)), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["e.yaml"]


@pytest.mark.parametrize("command", ["check", "run", "show"])
def test_files_that_are_not_there(tmp_path: Path, command: str) -> None:
    for name in ("missing", "", "a\x00b", "x" * 5000, "é [/bold] x"):
        assert_refused(call(command, str(tmp_path / name)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "fast"], ["engine", "allowed: auto, native, fused, keras"]),
        (["--device", "tpu"], ["device", "allowed: auto, cpu, gpu"]),
        (["--engine", "native", "--device", "gpu"], ["--engine fused"]),
    ],
)
def test_engines_that_cannot(tmp_path: Path, options: list[str], words: list[str]) -> None:
    path = written(tmp_path, SMALL)
    assert_refused(call("check", path, *options), *words)
    assert_refused(call("run", path, "--out", tmp_path / "out", *options), *words)
    assert not (tmp_path / "out").exists()


# run


def test_run_separates_answer_and_progress(tmp_path: Path) -> None:
    path, out = written(tmp_path, SMALL), tmp_path / "out"
    first = call("run", path, "--out", out)
    assert first.exit_code == 0
    assert first.stdout.startswith("\nWhich configurations reliably learn xor?")
    assert str(out / "runs.csv") in first.stdout
    assert "e: 6 configurations x 12 seeds = 72 networks" in first.stderr
    assert "72/72" in first.stderr and "72/72" not in first.stdout
    again = call("run", path, "--out", out)
    assert (again.exit_code, again.stdout) == (0, first.stdout)


def test_quiet_says_nothing(tmp_path: Path) -> None:
    result = call("run", written(tmp_path, SMALL), "--out", tmp_path / "out", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "out" / "runs.csv").exists()
    other = written(tmp_path, SMALL.replace("60", "61"))
    assert_refused(
        call("run", other, "--out", tmp_path / "out", "--quiet"), "fixed.epochs: there 60, here 61", "--fresh"
    )
    assert call("run", other, "--out", tmp_path / "out", "--quiet", "--fresh").exit_code == 0
    assert (tmp_path / "out.old-1").is_dir()


def test_the_folder_is_named_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("run", written(tmp_path, SMALL, "mine one.yaml").name, "--quiet").exit_code == 0
    assert (tmp_path / "results" / "mine one" / "runs.csv").exists()


@pytest.mark.parametrize("name", ["two words", "é ü 漢字", "[bold]x[nothing]", "a[/b]", ":smile:", "-dash", "100%"])
def test_any_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    path = written(tmp_path, SMALL, f"{name}.yaml")
    result = call("run", path, "--out", tmp_path / name)
    assert result.exit_code == 0
    assert f"rows: {tmp_path / name}/runs.csv" in result.stdout
    assert call("show", tmp_path / name, "--sort", "width").exit_code == 0
    assert call("check", path).stdout.startswith(f"{path}: ok\n")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    assert_refused(call("run", path, "--out", path), str(path))
    assert_refused(call("run", path, "--out", path / "below"), str(path))
    assert_refused(call("run", path, "--out", "/proc/nowhere/out"), "/proc/nowhere")
    assert_refused(call("run", path, "--out", tmp_path), "holds other files")
    assert path.read_text() == SMALL


@pytest.mark.parametrize("limit", ["0", "-1", "1e-9"])
def test_the_limit(tmp_path: Path, limit: str) -> None:
    assert_refused(call("run", written(tmp_path, SMALL), "--out", tmp_path / "out", "--limit", limit), "--limit")
    assert not (tmp_path / "out").exists()


def test_a_storage_that_cannot_be_opened(tmp_path: Path) -> None:
    text = SMALL + "study: {storage: 'sqlite:////no/such/folder/x.db'}"
    assert_refused(call("run", written(tmp_path, text), "--out", tmp_path / "out", "--quiet"), "storage")


# show


def test_show(finished: Path) -> None:
    result = call("show", finished, "--top", "2")
    assert (result.exit_code, result.stderr) == (0, "")
    table = sweep.load(finished).configurations
    assert [i[:6] in result.stdout for i in table["configuration"]][:2] == [True, True]
    assert result.stdout.count("0.05") <= 3


def test_show_as_a_gate(finished: Path) -> None:
    table = sweep.load(finished).configurations
    codes = {"reliable": 0, "unreliable": 3, "inconclusive": 4}
    assert {"reliable", "inconclusive"} <= set(table["verdict"])
    for row in table.itertuples():
        done = call("show", finished, "--where", f"configuration == '{row.configuration}'", "--gate")
        assert done.exit_code == codes[row.verdict] and row.configuration[:6] in done.stdout
        assert done.stderr.startswith("gate: 1 configuration") or done.stderr.startswith("gate: 1 of 1 configuration")
    assert call("show", finished, "--gate", "--json").exit_code == 4
    done = call("show", finished, "--where", "width > 99", "--gate")
    assert (done.exit_code, done.stdout) == (2, "") and "no configuration is asked for" in done.stderr


def test_a_gate_says_what_is_worst() -> None:
    def rows(*verdicts: str) -> Any:
        return pd.DataFrame({"configuration": [f"c{i}" for i in range(len(verdicts))], "verdict": verdicts})

    assert gate(rows("reliable", "reliable")) == (0, "gate: 2 configurations, all reliable")
    assert gate(rows("reliable", "inconclusive", "unreliable")) == (3, "gate: 1 of 3 configurations not reliable: c2")
    code, words = gate(rows("inconclusive", *["reliable"] * 3))
    assert (code, words) == (4, "gate: 1 of 4 configurations inconclusive, the seeds cannot tell: c0")
    assert gate(rows(*["unreliable"] * 7))[1].endswith("c3, c4, ...")


def test_show_prints_nothing_of_a_damaged_folder(copy: Path) -> None:
    (copy / "runs.csv").write_text("run,trial\nc1-0,0\n")
    result = call("show", copy)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "runs.csv: cannot be read: no column" in result.stderr


def test_show_as_json(finished: Path) -> None:
    rows = json.loads(call("show", finished, "--json", "--top", "99").stdout)
    table = sweep.load(finished).configurations
    assert [r["configuration"] for r in rows] == list(table["configuration"])
    assert list(rows[0]) == list(table.columns)
    for row, (_, expected) in zip(rows, table.iterrows(), strict=True):
        assert row["ci_low"] == expected["ci_low"]
        assert np.float32(row["median_final_loss"]) == np.float32(expected["median_final_loss"])
        assert (row["median_epochs_to_learn"] is None) == bool(np.isnan(expected["median_epochs_to_learn"]))
    assert json.loads(call("show", finished, "--json", "--where", "width > 99").stdout) == []


def test_show_sorts_and_selects(finished: Path) -> None:
    def widths(*options: str) -> list[int]:
        return [row["width"] for row in json.loads(call("show", finished, "--json", *options).stdout)]

    assert widths("--sort", "width") == [8, 8, 4, 4, 2, 2]
    assert widths("--sort", "width", "--top", "3") == [8, 8, 4]
    assert widths("--sort", "-width") == [2, 2, 4, 4, 8, 8]
    assert widths("--where", "width == 4 and optimizer == 'adam'") == [4]
    assert sorted(widths("--where", "not (width in [2, 4]) or optimizer != 'adam'")) == [2, 4, 8, 8]
    assert sorted(widths("--where", "2 < width < 8")) == [4, 4]
    assert sorted(widths("--where", "(width > 2) & (width * 2 - 1 < epochs / 6)")) == [4, 4]
    assert widths("--where", "success_rate > 1") == []
    assert sorted(widths("--where", " -width <= -8 ")) == [8, 8]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "width =",
        "width = 3",
        "widht > 3",
        "width",
        "3",
        "True",
        "width + 1",
        "task > 3",
        "-task == 'xor'",
        "width > 'a'",
        "width & task",
        "@pd.io",
        "@__import__('os').system('touch pwned')",
        "__import__('os').system('touch pwned')",
        "().__class__",
        "width.to_csv('pwned')",
        "task.str.len() > 1",
        "index.map(print)",
        "width[0] > 1",
        "[x for x in (1, 2)]",
        "(lambda: 1)()",
        "'a' * 999999999 == task",
        "9 ** 9 ** 9 > width",
        "width > 1; width",
        "width > 1\nwidth < 9",
        "`width` > 1",
        "width > \x00",
        "(" * 500 + "width" + ")" * 500 + " > 1",
        "width > 1 and " * 500 + "width > 1",
        "width / 0 > 'x'",
        "f'{width}' == '1'",
        "width is None",
        "width if width > 1 else width",
        "1 == 1",
        "not 3",
    ],
)
def test_hostile_expressions_get_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Path, expression: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(call("show", finished, "--where", expression), "--where")
    assert list(tmp_path.iterdir()) == []


def test_sort_by_what_is_no_column(finished: Path) -> None:
    for name in ("widht", "-widht"):
        assert_refused(call("show", finished, "--sort", name), "--sort: no column widht; did you mean width?")


def test_a_condition_that_holds_for_none_is_said(finished: Path) -> None:
    for options, shown in (((), ""), (("--json",), "[]\n")):
        done = call("show", finished, "--where", "width > 99", *options)
        assert (done.exit_code, done.stdout) == (0, shown)
        assert done.stderr == "--where: width > 99 holds for none of 6 configurations\n"


def test_export(tmp_path: Path, finished: Path) -> None:
    path = tmp_path / "é x.csv"
    result = call("show", finished, "--export", path, "--where", "width > 2", "--top", "1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote 1 row to {path}\n")
    assert len(pd.read_csv(path)) == 1
    assert "wrote 4 rows" in call("show", finished, "--export", path, "--where", "width > 2").stderr
    table = sweep.load(finished).configurations
    exported = pd.read_csv(path)
    assert list(exported.columns) == list(table.columns)
    wanted = table[table["width"] > 2]["median_final_loss"].to_numpy()
    np.testing.assert_array_equal(exported["median_final_loss"].to_numpy().astype(np.float32), wanted)


def test_exports_that_cannot_be(tmp_path: Path, finished: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, word in (
        ("x.txt", ".parquet"),
        ("x", ".csv"),
        ("no/x.csv", "No such file"),
        ("folder.csv", "folder.csv"),
    ):
        assert_refused(call("show", finished, "--export", tmp_path / name), word)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize("name", ["runs.csv", "configurations.csv", "manifest.json", "experiment.yaml"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "text"])
def test_damaged_folders_get_one_message(finished: Path, copy: Path, name: str, damage: str) -> None:
    content = (copy / name).read_bytes()
    if damage == "gone":
        (copy / name).unlink()
    else:
        (copy / name).write_bytes({"empty": b"", "cut": content[: len(content) // 2 + 7], "text": b"\xff{"}[damage])
    if name == "runs.csv" and damage != "gone":  # show reads the configurations only; a run makes it anew
        result = call("run", finished.parent / "e.yaml", "--out", copy, "--quiet")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "runs.csv: its last line is torn; kept as runs.csv.old-1, made anew" in result.stderr
        assert (copy / name).read_bytes() == (finished / name).read_bytes()
    else:
        assert_refused(call("show", copy), "out")


def test_folders_without_results(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", written(tmp_path, SMALL)):
        assert_refused(call("show", path), "no results folder")


# processes


@pytest.mark.parametrize("arguments", [["--help"], ["check", "E"], ["show", "R"], ["run", "E", "--out", "O"]])
def test_what_needs_no_keras_and_no_database_imports_none(tmp_path: Path, finished: Path, arguments: list[str]) -> None:
    places = {"E": str(written(tmp_path, SMALL)), "R": str(finished), "O": str(tmp_path / "out")}
    program = (
        "import atexit, sys\n"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'sqlalchemy', 'statsmodels'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from sweep.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", program, *(places.get(a, a) for a in arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "HEAVY []" in result.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sweep, sys; print(sorted({'numpy', 'pandas', 'optuna', 'numba', 'keras'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_reader_that_stops_early(finished: Path) -> None:
    for options in ([], ["--json"], ["--sort", "width"]):
        process = subprocess.Popen(
            [*SWEEP, "show", str(finished), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()
        process.stderr.close()
        assert (process.wait(), stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(finished: Path) -> None:
    for options in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [*SWEEP, "show", str(finished), *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert result.returncode == 2
        assert result.stderr.splitlines()[0].endswith("No space left on device")
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_terminals_without_unicode(tmp_path: Path, finished: Path, encoding: str) -> None:
    environment = {"PYTHONIOENCODING": encoding}
    assert run_process("show", finished, environment=environment).returncode == 0
    path = written(tmp_path, SMALL, "漢字.yaml")
    assert run_process("check", path, environment=environment).returncode == 0
    assert run_process("check", tmp_path / "字.yaml", environment=environment).returncode == 2
