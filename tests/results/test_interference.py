"""What comes in between: another sweep in the folder, damaged files, Ctrl-C."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import TABLES, Stopped, contents, stop_after, swept, written
from support.interruption import INTERRUPTED

import sweep
from sweep.commands import run as run_command
from sweep.commands.check import plan
from sweep.commands.run import Progress
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.lock import locked

GRID = """
fixed: {epochs: 40, learning_rate: 0.05}
vary: {width: [2, 4], optimizer: [adam, sgd], seed: 6}
study: {trials_per_round: 1}
reliability: {target: 0.2}
"""
# each round takes some tenths of a second, and has several pieces
LONG = GRID.replace("epochs: 40", "epochs: 2000").replace("seed: 6", "seed: 640")
seconds = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(swept(tmp_path_factory.mktemp("whole"), GRID))


# two sweeps on one folder

HOLDS = """
import sys, time
from pathlib import Path
from sweep.results.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(file: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.mark.parametrize("fresh", [False, True])
def test_the_second_sweep_on_a_folder_is_refused(tmp_path: Path, whole: dict[str, bytes], fresh: bool) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    out.mkdir()
    with holder(Folder(out).lock) as process:
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with pytest.raises(ResultsError, match=f"out: in use by another sweep: process {process.pid} on ") as caught:
            sweep.run(path, out, fresh=fresh)
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; let it end", str(caught.value))
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        process.kill()  # the lock ends with it; the file it left locks nothing
        process.wait(seconds)
        assert Folder(out).lock.exists()
    sweep.run(path, out)
    assert contents(out) == whole
    assert not Folder(out).lock.exists()


def test_a_lock_ends_with_its_sweep(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    for _ in range(2):
        with locked(file), pytest.raises(ResultsError, match=f"process {os.getpid()} "), locked(file):
            pass
        assert not file.exists()
    with pytest.raises(Stopped), locked(file):
        raise Stopped
    assert not file.exists()


def test_a_refused_sweep_leaves_no_folder(tmp_path: Path) -> None:
    path = written(tmp_path, GRID + "cases: [{task: {file: runs.csv, targets: [y]}}]")
    (tmp_path / "runs.csv").write_text("a,b,y\n0,1,1\n1,1,0\n")
    with pytest.raises(ResultsError, match="has a file of that name"):
        sweep.run(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# damaged files


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b""], ids=["cut", "flipped", "empty"])
def test_a_damaged_block_is_set_aside_and_trained_again(
    tmp_path: Path, whole: dict[str, bytes], damage: Callable[[bytes], bytes]
) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(path, out, observe=stop_after(7))
    block = sorted(Folder(out).parts.glob("*.npz"))[1]
    block.write_bytes(damaged := damage(block.read_bytes()))
    said: list[str] = []
    with pytest.raises(Stopped):
        run_command.execute(plan(path), out, observe=stop_after(1), say=said.append)
    (message,) = said
    assert message.startswith(f"{block}: damaged, cannot be read: ")
    assert message.endswith(f"; kept as {block.name}.old-1, made anew")
    assert block.with_name(f"{block.name}.old-1").read_bytes() == damaged
    sweep.run(path, out)
    assert contents(out) == whole


@pytest.mark.parametrize(
    "name", ["manifest.json", "examples.npz", "runs.csv", "configurations.csv", "configurations.jsonl", "study.journal"]
)
@pytest.mark.parametrize("damage", [cut, lambda _: b""], ids=["cut", "empty"])
def test_a_torn_file_of_a_finished_sweep_is_made_again(
    tmp_path: Path, whole: dict[str, bytes], name: str, damage: Callable[[bytes], bytes]
) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    file = out / name
    file.write_bytes(damage(file.read_bytes()))
    results = sweep.run(path, out)
    same = [table for table in TABLES if table != name or name != "examples.npz"]
    assert contents(out, same) == {table: whole[table] for table in same}
    assert Folder(out).is_intact()
    assert results.manifest.files == Folder(out).digests()
    kept = (out / f"{name}.old-1").exists()
    assert kept == (name in ("manifest.json", "examples.npz", "runs.csv"))  # the others are made from these


@pytest.mark.parametrize("tail", [b"\0" * 512, b'{"op_code": 4, "wor', b"garbage\n", b'{"a": 1}\n\xff\xfe\n'])
def test_a_damaged_tail_of_the_journal_is_cut(tmp_path: Path, whole: dict[str, bytes], tail: bytes) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(path, out, observe=stop_after(7))
    journal = Folder(out).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-3]) + tail.replace(b'{"a": 1}\n', lines[-3]))
    sweep.run(path, out)
    assert contents(out) == whole


def test_what_killed_sweeps_were_about_to_write_is_removed(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    for name in (".runs.csv.123.tmp", ".configurations.jsonl.7.tmp", ".manifest.json.9.tmp"):
        (out / name).write_text("half")
    (out / ".report.html.9.tmp").write_text("of another command, which may be writing it")
    sweep.run(path, out)
    assert [p.name for p in out.glob(".*")] == [".report.html.9.tmp"]


def test_an_experiment_that_was_damaged_is_refused(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    Folder(out).experiment.write_text("vary: [")
    with pytest.raises(ResultsError, match="put the file back, or --fresh"):
        sweep.run(path, out)


# Ctrl-C


def interrupted(path: Path, out: Path, times: int, stderr: int) -> subprocess.Popen[bytes]:
    """A sweep in a process of its own that gets SIGINT in the middle of its second round, which has ten pieces."""
    command = [sys.executable, "-c", INTERRUPTED, "15", str(times), "run", str(path), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)


@pytest.fixture(scope="module")
def whole_long(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(swept(tmp_path_factory.mktemp("long"), LONG))


def test_ctrl_c_keeps_what_is_in_training(tmp_path: Path, whole_long: dict[str, bytes]) -> None:
    path, out = written(tmp_path, LONG), tmp_path / "out"
    process = interrupted(path, out, 1, subprocess.PIPE)
    stdout, stderr = process.communicate(timeout=seconds)
    assert (process.returncode, stdout) == (130, b"")
    told = stderr.decode()
    assert "stopping: what is in training ends and is kept; Ctrl-C again stops at once" in told
    assert told.endswith("interrupted; the same command goes on where it stopped\n")
    assert "Traceback" not in told
    stored, _ = Folder(out).read_parts("native on cpu")
    assert 640 < sum(map(len, stored.values())) <= 2 * 640
    with pytest.raises(ResultsError, match="unfinished"):
        sweep.load(out)
    sweep.run(path, out)
    assert contents(out) == whole_long


@pytest.mark.parametrize("seeds", ["200", "{count: 100, until: half_width 0.015}"])
@pytest.mark.parametrize("n_asked", [0, 1, 3, 5, 6, 9, 14])
def test_a_stop_keeps_the_pieces_that_are_done(tmp_path: Path, seeds: str, n_asked: int) -> None:
    path, out = written(tmp_path, GRID.replace("seed: 6", f"seed: {seeds}")), tmp_path / "out"
    left = [n_asked]

    def is_stopped() -> bool:
        left[0] -= 1
        return left[0] < 0

    with pytest.raises(KeyboardInterrupt):
        run_command.execute(plan(path, workers=1), out, is_stopped=is_stopped)
    stored, _ = Folder(out).read_parts("native on cpu")
    n_stored = sum(map(len, stored.values()))
    assert (n_stored == 0) == (n_asked == 0)
    n_trained = 0

    def count(progress: Progress) -> None:
        nonlocal n_trained
        n_trained = progress.n_done if progress.stage == "train" else n_trained

    results = sweep.run(path, out, observe=count)
    assert n_trained == len(results.runs)  # what was stored is not trained again
    sweep.run(path, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_ctrl_c_twice_stops_at_once(tmp_path: Path, whole_long: dict[str, bytes]) -> None:
    path, out = written(tmp_path, LONG), tmp_path / "out"
    ours, theirs = pty.openpty()  # a terminal, so that there is a progress bar, whose cursor comes back
    process = interrupted(path, out, 2, theirs)
    os.close(theirs)
    told = drained(ours)
    assert process.wait(seconds) == 130
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    assert b"stopping:" in told and b"stopped at once; the same command goes on" in told
    assert told.rfind(b"\x1b[?25h") > told.rfind(b"\x1b[?25l")
    assert b"Traceback" not in told
    stored, _ = Folder(out).read_parts("native on cpu")
    assert sum(map(len, stored.values())) == 640
    sweep.run(path, out)
    assert contents(out) == whole_long


def drained(descriptor: int) -> bytes:
    """What a terminal shows until its other end is closed."""
    told = b""
    try:
        while more := os.read(descriptor, 1000):
            told += more
    except OSError:  # how Linux ends it
        pass
    os.close(descriptor)
    return told
