"""Ctrl-C at twenty moments of each command: it ends without a traceback, and what was kept is whole."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Record

import sweep

TEXT = "fixed: {epochs: 60, learning_rate: 0.05}\nvary: {width: [2, 3], seed: 200}\nreliability: {target: 0.2}\n"
BEGUN = """
from sweep.cli import interruption
print("begun", flush=True)
from sweep.cli import main
main()
"""
COMMANDS = (
    ("check", "e.yaml"),
    ("run", "e.yaml", "--out", "new"),
    ("show", "out"),
    ("verify", "out"),
    ("rescue", "out", "width=2"),
    ("report", "out"),
    ("train", "width=2", "epochs=100"),
)
TABLES = ("runs.csv", "configurations.csv", "configurations.jsonl")
N_MOMENTS = 20


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_ctrl_c_at_any_moment(tmp_path: Path, command: tuple[str, ...], record: Record) -> None:
    (tmp_path / "e.yaml").write_text(TEXT)
    sweep.run(tmp_path / "e.yaml", tmp_path / "out")
    before = digests(tmp_path / "out")
    for moment in range(N_MOMENTS):
        begun = [sys.executable, "-c", BEGUN, *command]
        with subprocess.Popen(
            begun, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "begun\n"
            time.sleep(0.1 * (moment + 1))  # `main` has begun
            process.send_signal(signal.SIGINT)
            _, told = process.communicate()
        assert "Traceback" not in told, told
        assert process.returncode in (0, 130, -signal.SIGINT), told
        assert digests(tmp_path / "out") == before
        record("interruptions: commands interrupted by Ctrl-C, each at another moment", 1)
    if command[0] == "run":
        sweep.run(tmp_path / "e.yaml", tmp_path / "new")
        assert digests(tmp_path / "new") == before
