"""Sweeps that are killed, or find the disk full, at any step of writing: the same command ends with the same bytes."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import Record
from support.faults import Ended, Server

from sweep import load
from sweep.results.files import ResultsError
from sweep.results.folder import Folder

BASE = "fixed: {epochs: 40, learning_rate: 0.05}\nreliability: {target: 0.2}\n"
experiments = {
    "grid": "vary: {width: [2, 4], depth: [0, 1], optimizer: [adam, sgd], seed: 6}\nstudy: {trials_per_round: 3}\n",
    "adaptive": (
        "vary: {width: [2, 4], optimizer: [adam, sgd], seed: {count: 8, up_to: 64}}\nstudy: {trials_per_round: 2}\n"
    ),
    "tpe": (
        "vary: {width: {low: 2, high: 7, step: 1}, optimizer: [adam, sgd], seed: 5}\n"
        "study: {sampler: tpe, trials: 15, trials_per_round: 4}\n"
    ),
    "run": "vary: {width: [2, 4], optimizer: [adam, sgd], seed: 4}\nstudy: {trial: run, trials_per_round: 2}\n",
}
tables = ("runs.csv", "configurations.csv")
seconds = 300


class Sweeps:
    """One experiment's sweeps in one folder, each command in a process of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.server = Server(folder)
        self.path, self.out = folder / f"{name}.yaml", folder / "out"
        self.path.write_text(BASE + experiments[name])
        whole = self.run()
        assert (whole.code, whole.printed) == (0, "")
        self.steps = whole.steps
        self.digests = self.found()
        self.draw = random.Random(name)

    def run(self, fault: str = "none", at: int = -1) -> Ended:
        return self.server.run("run", self.path, "--out", self.out, "--quiet", "--workers", 2, fault=fault, at=at)

    def found(self) -> list[str]:
        return [hashlib.sha256((self.out / name).read_bytes()).hexdigest() for name in tables]

    def clear(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)

    def check_the_end(self, moment: str) -> None:
        """The same command, undisturbed, ends with the bytes of the uninterrupted sweep."""
        ended = self.run()
        assert (ended.code, ended.printed) == (0, ""), moment
        assert self.found() == self.digests, moment
        assert load(self.out).manifest.files == Folder(self.out).digests(), moment
        assert not Folder(self.out).parts.exists() and not list(self.out.glob(".*")), moment

    def moments(self, n: int) -> Sequence[int]:
        """`n` steps: of each kind one where n allows, then any."""
        kinds = sorted(set(self.steps))
        chosen = [self.draw.choice([i for i, step in enumerate(self.steps) if step == kind]) for kind in kinds]
        self.draw.shuffle(chosen)
        others = [i for i in range(len(self.steps)) if i not in chosen]
        return (chosen + self.draw.sample(others, max(0, min(n, len(self.steps)) - len(chosen))))[:n]


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Sweeps]:
    made = Sweeps(tmp_path_factory.mktemp(request.param), request.param)
    yield made
    made.server.close()


def check_kills(sweeps: Sweeps, moments: Sequence[int]) -> None:
    for at in moments:
        moment = f"step {at}, {sweeps.steps[at]}"
        sweeps.clear()
        assert sweeps.run("kill", at).code == -9, moment
        if Folder(sweeps.out).experiment.exists() and not Folder(sweeps.out).is_finished():
            with pytest.raises(ResultsError, match="unfinished"):
                load(sweeps.out)
        sweeps.check_the_end(moment)


def check_full_disks(sweeps: Sweeps, moments: Sequence[int]) -> int:
    """How many of the moments were before the last write."""
    n_full = 0
    for at in moments:
        moment = f"step {at}, {sweeps.steps[at]}"
        sweeps.clear()
        ended = sweeps.run("full", at)
        if ended.code:
            assert ended.code == 2, (moment, ended.printed)
            assert ended.printed.count("\n") == 1 and "No space left on device" in ended.printed, (
                moment,
                ended.printed,
            )
            n_full += 1
        sweeps.check_the_end(moment)
    return n_full


@pytest.mark.parametrize("sweeps", ["adaptive", "tpe"], indirect=True)
def test_killed_at_some_moments(sweeps: Sweeps) -> None:
    assert {"before fsync", "after replace", "half write", "before rmdir", "after mkdir"} <= set(sweeps.steps)
    check_kills(sweeps, sweeps.moments(4))


@pytest.mark.parametrize("sweeps", ["adaptive"], indirect=True)
def test_a_disk_that_is_full_at_some_moments(sweeps: Sweeps) -> None:
    writes = [i for i, step in enumerate(sweeps.steps) if step == "half write"]
    assert check_full_disks(sweeps, [writes[len(writes) // 2], writes[-1]]) == 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sweeps", list(experiments), indirect=True)
def test_killed_at_many_moments(sweeps: Sweeps, record: Record) -> None:
    moments = sweeps.moments(60)
    assert {sweeps.steps[at] for at in moments} == set(sweeps.steps)
    check_kills(sweeps, moments)
    record("kills: sweeps killed once, each at another step of writing", len(moments))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sweeps", list(experiments), indirect=True)
def test_killed_again_and_again(sweeps: Sweeps, record: Record) -> None:
    n_kills = 0
    for _ in range(5):
        sweeps.clear()
        moments: list[int] = []
        for _ in range(4):
            moments.append(sweeps.draw.randrange(len(sweeps.steps) // 3))  # what goes on has fewer steps left
            n_kills += sweeps.run("kill", moments[-1]).code == -9
        sweeps.check_the_end(str(moments))
    record("kills: further kills, in sweeps killed up to four times", n_kills)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sweeps", list(experiments), indirect=True)
def test_a_disk_that_is_full_at_many_moments(sweeps: Sweeps, record: Record) -> None:
    record("faults: disks full from some step of writing on", check_full_disks(sweeps, sweeps.moments(50)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_small_file_system(tmp_path: Path, small_disk: Path, record: Record) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(BASE + experiments["grid"].replace("seed: 6", "seed: 60"))
    command = [sys.executable, "-m", "sweep", "run", str(path), "--quiet", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=seconds)
    n_full = 0
    for kibibytes in (128, 160, 192, 256, 320, 4096):
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(small_disk)], check=True)
        ended = subprocess.run(
            [*command, str(small_disk / "out")], capture_output=True, text=True, check=False, timeout=seconds
        )
        if ended.returncode:
            assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
            assert "No space left on device" in ended.stderr
            n_full += 1
    assert ended.returncode == 0
    assert n_full >= 2
    for name in tables:
        assert (small_disk / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert os.statvfs(small_disk).f_bavail
    record("faults: runs on a file system too small for them", n_full)


@pytest.mark.slow
def test_a_database_on_a_small_file_system(tmp_path: Path, small_disk: Path, record: Record) -> None:
    path, storage = tmp_path / "e.yaml", f"study: {{storage: 'sqlite:///{small_disk}/study.db', "
    grid = experiments["grid"].replace("depth: [0, 1]", "depth: [0, 1, 2, 3], dropout: [0.0, 0.1, 0.2, 0.3, 0.4]")
    path.write_text(BASE + grid)
    command = [sys.executable, "-m", "sweep", "run", str(path), "--quiet", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=seconds)
    path.write_text(BASE + grid.replace("study: {", storage))
    n_full = 0
    for kibibytes in (128, 220, 240, 8192):
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(small_disk)], check=True)
        ended = subprocess.run(
            [*command, str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=seconds
        )
        if ended.returncode:
            assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
            assert "database or disk is full" in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
            assert ended.stderr.count("\n") <= 2
            n_full += 1
    assert ended.returncode == 0
    assert n_full >= 2
    for name in tables:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    record("faults: runs on a file system too small for them", n_full)


def _children(pid: int) -> list[int]:
    """The processes that a process started, by its threads too."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_process_that_trains_is_killed(tmp_path: Path, record: Record) -> None:
    """As the kernel does where memory runs out: what was in training breaks, and the same command trains it."""
    path = tmp_path / "e.yaml"
    path.write_text(BASE.replace("epochs: 40", "epochs: 400") + experiments["grid"].replace("seed: 6", "seed: 64"))
    command = [sys.executable, "-m", "sweep", "run", str(path), "--engine", "fused", "--quiet", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=seconds)
    with subprocess.Popen([*command, str(tmp_path / "out")], stderr=subprocess.PIPE, text=True) as process:
        killed: set[int] = set()
        while process.poll() is None and len(killed) < 2:
            for child in set(_children(process.pid)) - killed:
                time.sleep(3)  # it is starting, compiling or training
                os.kill(child, signal.SIGKILL)
                killed.add(child)
            time.sleep(0.1)
        _, told = process.communicate(timeout=seconds)
    assert killed and process.returncode in (0, 1), told
    assert "Traceback" not in told
    assert process.returncode == 0 or "ended with code -9" in told, told
    subprocess.run([*command, str(tmp_path / "out")], check=True, timeout=seconds)
    for name in tables:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    record("kills: processes that train, killed under a sweep", len(killed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_make_sweep_is_killed(tmp_path: Path, record: Record) -> None:
    """With all that it started, at many moments: `make sweep` again ends as an undisturbed one."""
    root = Path(__file__).parents[2]
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    path = tmp_path / "experiments" / "small.yaml"
    path.parent.mkdir()
    path.write_text(BASE.replace("epochs: 40", "epochs: 2000") + experiments["grid"].replace("seed: 6", "seed: 64"))
    is_set_up = ("--old-file=.venv/.packages", "--old-file=.venv/.kernel")
    command = ["make", f"--makefile={root / 'Makefile'}", *is_set_up, "sweep", "EXPERIMENT=experiments/small.yaml"]
    out = tmp_path / "results" / "small"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    began = time.monotonic()
    with start() as whole:
        printed, _ = whole.communicate(timeout=seconds)
    lasted = time.monotonic() - began
    assert whole.returncode == 0, printed
    digests = [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in tables]
    shutil.rmtree(out)
    n_kills = 0
    for moment in range(1, 11):
        with start() as process:
            time.sleep(lasted * moment / 11)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=seconds)
        n_kills += process.returncode == -signal.SIGKILL
        with start() as again:
            printed, _ = again.communicate(timeout=seconds)
        assert again.returncode == 0 and "Traceback" not in printed, printed
        assert [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in tables] == digests
        assert (out / "audit.json").exists() and (out / "report.html").exists()
        shutil.rmtree(out)
    assert n_kills
    record("kills: `make sweep` killed with all that it started", n_kills)
