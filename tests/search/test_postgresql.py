"""The study in a real PostgreSQL, which the tests start: `make postgres` installs it.

Without it these tests are skipped by name.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.folders import contents, written
from support.postgresql import BINARIES, Server, running_server

import sweep
from sweep.commands import run as run_command
from sweep.commands import verify
from sweep.commands.check import plan
from sweep.experiment.file import parse
from sweep.results.resume import study_name
from sweep.runs.errors import SettingError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINARIES, reason="PostgreSQL is missing: make postgres installs it"),
]
TEXT = """
fixed: {epochs: 30, batch_size: 2}
vary:
  width: {low: 2, high: 7, step: 1}
  learning_rate: [0.03, 0.1]
  seed: 4
study: {sampler: SAMPLER, trials: 12, trials_per_round: 4, seed: SEED, storage: STORAGE}
"""
SECONDS = 300

# runs a sweep and waits at each piece of work until it is told to go on
SWEEPING = """
import sys
import sweep

def observe(progress):
    print(progress.stage, progress.n_done, flush=True)
    sys.stdin.readline()

sweep.run(sys.argv[1], sys.argv[2], workers=1, observe=observe)
print("done 0", flush=True)
"""
# reads a study again and again: its states by trial, for each line that it gets
READING = """
import json, sys
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
for _ in sys.stdin:
    study = optuna.load_study(storage=sys.argv[1], study_name=sys.argv[2])
    print(json.dumps({t.user_attrs["index"]: [t.state.name, t.values] for t in study.trials}), flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with running_server() as started:
        yield started


def text(sampler: str, seed: int, storage: str) -> str:
    return TEXT.replace("SAMPLER", sampler).replace("SEED", str(seed)).replace("STORAGE", f"'{storage}'")


class Process:
    """A Python program that answers line by line."""

    def __init__(self, program: str, *arguments: str | Path) -> None:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def kill(self) -> None:
        self._process.kill()
        assert self._process.wait(SECONDS) == -signal.SIGKILL
        self._close()

    def end(self) -> None:
        self._close()
        assert self._process.wait(SECONDS) == 0

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("journals")
    for sampler in ("tpe", "random"):
        sweep.run(written(folder / f"of {sampler}", text(sampler, 5, "journal")), folder / sampler)
    return {sampler: contents(folder / sampler) for sampler in ("tpe", "random")}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_second_process_reads_while_the_sweep_writes(
    tmp_path: Path, server: Server, journals: dict[str, Any], sampler: str
) -> None:
    path, out = written(tmp_path, text(sampler, 5, server.url())), tmp_path / "out"
    engine = plan(path).trainer
    reader: Process | None = None
    counts: list[int] = []
    sweeping = Process(SWEEPING, path, out)
    told = sweeping.answer()
    while told and not told.startswith("done"):
        reader = reader or Process(READING, server.url(), study_name(parse(path.read_text()), engine))
        trials = json.loads(reader.ask())
        finished = [values for state, values in trials.values() if state == "COMPLETE"]
        assert all(0 <= rate <= 1 for (rate,) in finished)
        counts.append(len(finished))
        told = sweeping.ask()
    sweeping.end()
    assert reader is not None
    assert len(json.loads(reader.ask())) == 12
    reader.end()
    assert counts == sorted(counts)
    assert {0, 4, 8, 12} <= set(counts)  # in the middle of each round, and while the best is confirmed
    assert contents(out) == journals[sampler]
    assert verify.verify(out, sample=3).findings == ()


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_killed_and_run_again_on_a_database(
    tmp_path: Path, server: Server, journals: dict[str, Any], sampler: str
) -> None:
    path, out = written(tmp_path, text(sampler, 5, server.url("other"))), tmp_path / "out"
    for n_pieces in (1, 4, 7):
        sweeping = Process(SWEEPING, path, out)
        sweeping.answer()
        for _ in range(n_pieces):
            sweeping.ask()
        sweeping.kill()
    sweep.run(path, out)
    assert contents(out) == journals[sampler]
    before = (out / "manifest.json").read_bytes()
    sweep.run(path, out)
    assert (out / "manifest.json").read_bytes() == before


def test_a_database_that_goes_away(tmp_path: Path, journals: dict[str, Any]) -> None:
    with running_server() as server:
        path, out = written(tmp_path, text("random", 5, server.url())), tmp_path / "out"
        n_seen = 0

        def observe(progress: run_command.Progress) -> None:
            nonlocal n_seen
            n_seen += 1
            if n_seen == 6:
                server.stop()

        with pytest.raises(SettingError, match="goes on when it is there again") as caught:
            sweep.run(path, out, observe=observe)
        assert "secret" not in str(caught.value)
        server.start()
        sweep.run(path, out)
    assert contents(out) == journals["random"]


def test_a_password_stands_in_the_experiment_only(tmp_path: Path, server: Server) -> None:
    path, out = written(tmp_path, text("random", 6, server.url("hunter2"))), tmp_path / "out"
    command = [sys.executable, "-m", "sweep", "run", str(path), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert "hunter2" not in ended.stdout + ended.stderr
    files = {p.name for p in out.rglob("*") if p.is_file() and b"hunter2" in p.read_bytes()}
    assert files == {"experiment.yaml"}
    # another password is the same experiment; it goes on with the same study
    other = written(tmp_path, text("random", 6, server.url("changed")))
    before = contents(out)
    sweep.run(other, out)
    assert contents(out) == before
    assert (out / "experiment.yaml").read_bytes() == other.read_bytes()
    # another server is not, and the message keeps the secret
    path.write_text(path.read_text().replace("/postgres?", "/elsewhere?"))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 2
    assert "holds another experiment" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert "changed" not in ended.stderr
