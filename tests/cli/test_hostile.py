"""Hostile experiment files and damaged results folders: answered, whatever they hold. See `support.hostile`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from http.server import HTTPServer
from pathlib import Path

import pytest
from conftest import Record
from support.folders import listing, swept
from support.hostile import reading_commands
from support.shell import call

import sweep
from sweep.cli.common import app
from sweep.commands import dashboard

n_files, n_folders = 20_000, 400
seconds = 6000


def campaign(*arguments: object, timeout: float = 600) -> dict[str, int]:
    """What `support.hostile` counted, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "support.hostile", *map(str, arguments)]
    tests = Path(__file__).parents[1]
    ended = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False, timeout=timeout)
    assert ended.returncode == 0, ended.stderr[-5000:]
    return json.loads(ended.stdout.splitlines()[-1])


def test_some_mutated_files_are_answered() -> None:
    counted = campaign("files", 200)
    assert counted["valid"] + counted["refused"] >= 200
    assert counted["valid"] > 0


def test_some_damaged_folders_are_answered() -> None:
    counted = campaign("folders", 8)
    assert counted["folders"] == 8
    assert counted["code 0"] and counted["code 1"] and counted["code 2"]


def test_every_command_that_reads_a_folder_is_tried() -> None:
    tried = {arguments[0] for arguments in reading_commands(Path("out"), ("a", "b", "a-0"))}
    tried |= {"dashboard", "report", "audit", "run"}
    others = {"new", "check", "train", "import", "plan", "judge"}  # read no results
    names = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    assert names == tried | others


@pytest.mark.slow
@pytest.mark.timeout(seconds)
def test_many_mutated_files_are_answered_in_time(record: Record) -> None:
    counted = campaign("files", n_files, 60, timeout=seconds)
    assert counted["valid"] + counted["refused"] >= n_files
    record("files: mutated experiment files that were an experiment", counted["valid"])
    record("files: mutated experiment files that were refused with one message", counted["refused"])


@pytest.mark.slow
@pytest.mark.timeout(seconds)
def test_many_damaged_folders_are_answered_in_time(record: Record) -> None:
    counted = campaign("folders", n_folders, 300, timeout=seconds)
    assert counted["folders"] == n_folders
    record("folders: damaged results folders", n_folders)
    record("folders: commands on them, all ended with code 0, 1 or 2", sum(counted[f"code {i}"] for i in range(3)))


# reading commands write nothing

TEXT = "fixed: {epochs: 60, learning_rate: 0.05}\nvary: {width: [2, 3], seed: 8}\nreliability: {target: 0.2}\n"
names = ("two words", "é ü 漢字 🎲", "it's [a] {b} $x;", "-dash", "100%")


def folder_of(place: Path, text: str = TEXT) -> tuple[Path, list[list[str]]]:
    """A results folder, and the commands that read it."""
    results = sweep.load(swept(place, text))
    identities = results.configurations["configuration"].tolist()
    run = str(results.runs["run"].iloc[0])
    return place / "out", reading_commands(place / "out", (identities[0], identities[1], run))


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_reading_commands_write_nothing(tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "" if storage == "journal" else f"study: {{storage: 'sqlite:///{tmp_path}/out.db'}}\n"
    out, commands = folder_of(tmp_path, TEXT + url)
    before = listing(tmp_path)
    for arguments in commands:
        assert call(*arguments).exit_code == 0, arguments
        assert listing(tmp_path) == before, arguments
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answers: list[str] = []

    def ask(server: HTTPServer) -> None:
        for path in ("/dashboard/studies/0", "/api/studies"):
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=60) as answer:
                answers.append(answer.read().decode())
            thread.join()

    monkeypatch.setattr("wsgiref.simple_server.WSGIServer.serve_forever", ask)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = call("dashboard", out, "--port", str(port))
    (study,) = [x for x in json.loads(answers[1])["study_summaries"] if x["study_name"].startswith("e-")]
    address = f"http://127.0.0.1:{port}/dashboard/studies/{study['study_id']}"
    assert (served.exit_code, served.stderr) == (0, f"the study of {out}: {address} (Ctrl-C ends it)\n")
    assert "Optuna Dashboard" in answers[0]
    assert listing(tmp_path) == before
    assert dashboard.host == "127.0.0.1"


CALLS = """
import json, sys
from typer.testing import CliRunner
from sweep.cli import app
for arguments in json.loads(sys.argv[1]):
    ended = CliRunner().invoke(app, arguments)
    print(json.dumps([ended.exit_code, ended.stdout, ended.stderr]))
"""


def test_what_may_not_be_written_is_one_message(tmp_path: Path) -> None:
    out, reading = folder_of(tmp_path)
    path = str(tmp_path / "e.yaml")
    writing = [
        ["report", str(out)],
        ["run", path, "--quiet", "--out", str(tmp_path / "new")],
        ["run", path, "--quiet", "--out", str(out), "--fresh"],
        ["run", path, "--quiet", "--out", str(out)],
        ["show", str(out), "--export", str(tmp_path / "x.csv")],
        ["new", str(tmp_path / "y.yaml")],
    ]
    command = [sys.executable, "-c", CALLS, json.dumps([*reading, *writing])]
    if os.geteuid() == 0:  # root may write whatever the mode says, unless it gives that up
        if not shutil.which("setpriv"):
            pytest.skip("root cannot give up its rights here: no setpriv")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]
    before = listing(tmp_path)
    modes = {p: p.stat().st_mode for p in (tmp_path, out, *out.iterdir())}
    try:
        for p in modes:
            p.chmod(0o555 if p.is_dir() else 0o444)
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    finally:
        for p, mode in modes.items():
            p.chmod(mode)
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(answers) == len(reading) + len(writing), ended.stderr
    assert [code for code, _, _ in answers[: len(reading)]] == [0] * len(reading)
    for arguments, (code, printed, told) in zip(writing, answers[len(reading) :], strict=True):
        assert (code, printed) == (2, ""), arguments
        assert told.endswith(": Permission denied\n") and told.count("\n") == 1, (arguments, told)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", names)
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    _, commands = folder_of(place)
    for arguments in commands:
        assert call(*arguments).exit_code == 0, arguments
