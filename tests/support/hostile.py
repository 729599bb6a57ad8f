"""Hostile input in great numbers: in tests/, `python -m support.hostile files|folders N [SECONDS]`.

`files`: mutated experiment files, of which each must be an experiment or one message, in little memory. `folders`:
damaged results folders, on which each reading command must end with code 0, 1 or 2 and never with an exception. What
was tried is printed as JSON; what is not so answered ends the process with its traceback. Where SECONDS are given, no
answer takes longer.
"""

import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

import optuna_dashboard
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from optuna.storages import BaseStorage
from support.documents import WithoutAliases, anything, places_of, replaced
from support.folders import listing, swept

import sweep
from sweep.cli.common import app
from sweep.commands import audit as audit_command
from sweep.commands.check import plan
from sweep.experiment.file import ExperimentFileError, max_mistakes
from sweep.report.terminal.progress import describe_plan, describe_power
from sweep.results.files import ResultsError
from sweep.training.engine import EngineError

memory = 3 * 2**30
counted: Counter[str] = Counter()

corpus = (
    "fixed: {task: xor, activation: relu, epochs: 100}\n"
    "vary:\n  width: [2, 4]\n  depth: {low: 1, high: 3, step: 1}\n  optimizer: [sgd, {name: sgd, momentum: 0.9}]\n"
    "  seed: {first: 0, count: 16, up_to: 128}\n"
    "study: {sampler: grid, trials: null, seed: 0, objective: success_rate, trials_per_round: 32}\n"
    "reliability: {target: 0.9, confidence: 0.95, margin: 0.0}\n",
    "# drawn\nvary:\n  learning_rate: {low: 1e-4, high: 1, log: true}\n  batch_size: [1, full]\n"
    "  kernel_initializer: [he_normal, {name: variance_scaling, scale: 2.0, mode: fan_in}]\n  seed: [3, 1, 2]\n"
    "study: {sampler: tpe, trials: 20, objective: [success_rate, n_parameters], trial: run}\n",
    "cases:\n- {layers: [4, 2], dropout: 0.1}\n- {task: {name: parity, bits: 3}, encoding: bipolar}\n"
    "- task: {inputs: [[0.5, 1], [0, 1]], targets: [[0], [1]]}\n"
    "- {samples: 100, use_bias: no, loss: mean_squared_error}\nfixed: {epochs: 10}\n",
    "fixed:\n  task: {file: data.csv, targets: [y]}\n  width: 3\nvary: {seed: 5}\nstudy: {storage: 'sqlite:///s.db'}\n",
)
extremes = st.sampled_from(
    [0, -1, 1, 255, 999_999, 10**6, 10**9, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**64, 1e308, -1e308, 5e-324, 0.1, 1e6]
)


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    """A valid file of which some bytes are cut, doubled, moved, flipped or put in."""
    content = draw(st.sampled_from(corpus)).encode()
    for _ in range(draw(st.integers(1, 5))):
        a, n = draw(st.integers(0, len(content))), draw(st.integers(0, 12))
        piece = draw(
            st.binary(max_size=6)
            | st.text(st.sampled_from("[]{}:,-#&*!|>'\"%@`?~.0123456789eE\n\t\\"), max_size=6).map(str.encode)
            | st.just(content[a : a + n])
            | st.just(content[a : a + n] * 50)
        )
        content = content[:a] + piece + content[a + draw(st.integers(0, n)) :]
    return content


@st.composite
def mutated_trees(draw: st.DrawFn) -> bytes:
    """A valid file in which other values, extreme ones among them, stand in some places."""
    tree: Any = yaml.safe_load(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places_of(tree)))
        other: Any = yaml.safe_load(draw(st.sampled_from(corpus)))
        moved = st.sampled_from(places_of(other)).map(lambda p: _at(other, p))  # noqa: B023  (drawn at once)
        tree = replaced(tree, place, draw(extremes | st.lists(extremes, max_size=4) | anything | moved))
    return yaml.dump(tree, Dumper=WithoutAliases, sort_keys=False, allow_unicode=True).encode()


def _at(value: Any, place: Sequence[str | int]) -> Any:
    for key in place:
        value = value[key]
    return value


def answer(path: Path) -> str:
    """What the file is answered with: `valid` or `refused`; any other exception passes."""
    try:
        planned = plan(path, limit=24)
        assert describe_plan(planned).isprintable() and describe_power(planned.experiment).isprintable()
    except (ExperimentFileError, ResultsError, EngineError) as error:
        lines = str(error).split("\n")
        assert all(line.startswith(("  ", str(path))) for line in lines) and lines[0][0] != " ", lines
        assert len(lines) <= 2 * max_mistakes + 1 and all(map(str.isprintable, lines)), lines
        return "refused"
    return "valid"


def fuzz_files(n: int, folder: Path) -> None:
    """Answer `n` mutated files."""
    (folder / "data.csv").write_text("a,b,y\n0.5,1,0\n-2,1,1\n")
    path = folder / "e.yaml"

    @settings(
        max_examples=n,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(mutated_bytes() | mutated_trees())
    def fuzz(content: bytes) -> None:
        path.write_bytes(content)
        in_time(lambda: counted.update([answer(path)]))

    fuzz()


of_strangers = ("link", "pipe", "deep", "escape")
decoy = "mine"  # a file beside the folder, to which links lead


def damage(folder: Path, draw: random.Random) -> str:
    """Damage one to three files of a results folder, in words."""
    done: list[str] = []
    for _ in range(draw.randint(1, 3)):
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
        if not files:
            break
        path = draw.choice(files)
        content = path.read_bytes()
        kind = draw.choice(
            ("remove", "cut", "flip", "zero", "double", "swap", "number", "lines", "fold", *of_strangers)
        )
        a, b = sorted(draw.choices(range(len(content) + 1), k=2))
        lines = content.splitlines(keepends=True)
        if kind == "remove":
            path.unlink()
        elif kind == "cut":
            path.write_bytes(content[:a])
        elif kind == "flip":
            changed = bytearray(content)
            for i in draw.choices(range(len(content)), k=draw.randint(1, 8)) if content else ():
                changed[i] ^= 1 << draw.randrange(8)
            path.write_bytes(bytes(changed))
        elif kind == "zero":
            path.write_bytes(content[:a] + bytes(b - a) + content[b:])
        elif kind == "double":
            path.write_bytes(content[:b] + content[a:])
        elif kind == "swap":
            other = draw.choice(files)
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        elif kind == "number":
            digits = [i for i, c in enumerate(content) if 48 <= c < 58]
            i = draw.choice(digits) if digits else 0
            new = draw.choice((b"-1", b"99999999999999999999", b"1e999", b"nan", b"x", b"", b"null", b"[]"))
            path.write_bytes(content[:i] + new + content[i + 1 :])
        elif kind == "lines":
            draw.shuffle(lines)
            path.write_bytes(b"".join(lines[: draw.randint(0, len(lines))]))
        elif kind == "link":
            path.unlink()
            path.symlink_to(folder.parent / decoy)
        elif kind == "pipe":
            path.unlink()
            os.mkfifo(path)
        elif kind == "deep":
            path.write_bytes(content[:a] + draw.choice((b"[", b'{"a":')) * 100_000 + content[b:])
        elif kind == "escape":
            path.write_bytes(content[:a] + b"\x1b[31m\x07" + content[a:])
        else:
            path.unlink()
            path.mkdir()
        done.append(f"{kind} {path.name}")
    return ", ".join(done)


def reading_commands(folder: Path, rows: Sequence[str]) -> list[list[str]]:
    """The commands that read a results folder, without those that take many seconds."""
    first, second, run = rows
    results = str(folder)
    return [
        ["show", results],
        ["show", results, "--json"],
        ["verify", results, "--sample", "3"],
        ["compare", results, first, second],
        ["importance", results],
        ["replay", results, run],
        ["rescue", results, first, "--quiet"],
    ]


def call(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, standard output and error of a command; an exception passes."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app(list(arguments))
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def _read_studies(storage: BaseStorage) -> None:
    """Read a storage as the dashboard does, without a server."""
    for study in storage.get_all_studies():
        storage.get_all_trials(study._study_id)  # pyright: ignore[reportPrivateUsage]


def damage_folders(n: int, folder: Path) -> None:
    """Answer commands on `n` damaged folders."""
    text = (
        "fixed: {epochs: 60, learning_rate: 0.05}\nvary: {width: [2, 3], optimizer: [adam, sgd], seed: 5}\n"
        "study: {sampler: random, trials: 6, trials_per_round: 2}\nreliability: {target: 0.2}\n"
    )
    whole, path = sweep.load(swept(folder, text, "whole")), folder / "e.yaml"
    identities = whole.configurations["configuration"].tolist()
    rows = (identities[0], identities[1], whole.runs["run"].iloc[0])
    optuna_dashboard.wsgi = _read_studies
    WSGIServer.serve_forever = lambda self, poll_interval=0.5: None
    referee = audit_command._audit_runs  # pyright: ignore[reportPrivateUsage]
    (folder / decoy).write_text("first\nsecond\n")
    mine = listing(folder)[decoy]
    for i in range(n):
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder / "whole", out)
        done = damage(out, random.Random(i))
        before = listing(out)
        commands = [
            *reading_commands(out, rows),
            ["dashboard", str(out), "--port", "0"],
            ["report", str(out)],
            ["audit", str(out), "--runs", "1"],
            ["run", str(path), "--out", str(out), "--quiet"],
        ]
        for arguments in commands:
            if arguments[0] == "report" and i % 10:  # it takes a second
                continue
            # Keras takes ten: else all is read, and nothing trained
            audit_command._audit_runs = referee if n > 100 and i % 10 == 0 else lambda *_: []  # pyright: ignore[reportPrivateUsage]

            def answered(arguments: Sequence[str] = arguments) -> None:
                code, printed, told = call(arguments)
                assert code in (0, 1, 2), code
                assert code != 2 or told, printed
                assert "\x1b" not in printed + told and "\x07" not in printed + told, (printed, told)
                counted[f"code {code}"] += 1

            try:
                in_time(answered)
            except BaseException:
                counted["failures"] += 1
                print(f"\nfolder {i}: {done}: {' '.join(arguments)}", file=sys.stderr)
                traceback.print_exc()
            if arguments[0] not in ("report", "audit", "run"):
                assert listing(out) == before, (i, done, arguments)
        assert listing(folder)[decoy] == mine, (i, done)
        counted["folders"] += 1
    if counted["failures"]:
        raise SystemExit(1)


longest = 0


def in_time(work: Callable[[], None]) -> None:
    """Work that raises `TimeoutError` where it takes longer than what was asked for; 0 is as long as it likes."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no answer after {longest} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(longest)
    try:
        work()
    finally:
        signal.alarm(0)


def main() -> None:
    """Run a campaign."""
    global longest
    kind, n = sys.argv[1], int(sys.argv[2])
    longest = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with tempfile.TemporaryDirectory() as temporary:
        sweep.train({"epochs": 1}, 2)  # what loads on demand needs memory of its own
        if kind == "files":  # to draw a chart reserves far more than it uses
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        {"files": fuzz_files, "folders": damage_folders}[kind](n, Path(temporary))
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
