"""Programs as trainers: what a run is told, how it may end, and that nothing of it stays."""

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.processes import is_gone

from sweep.runs.cohort import Cohort
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import merge
from sweep.runs.settings import Settings
from sweep.runs.success import Success
from sweep.training import processes
from sweep.training.own import Given, TrainerError, checked
from sweep.training.programs import Command, as_trainer, curve_of, max_half, result_of
from sweep.training.trainer import Guard, ignore_count

SUCCESS = Success.parse("score >= 0.5")


def run(script: str, seed: int = 0, settings: Mapping[str, Any] = {}, **limits: Any) -> Given:
    """One run of a shell script, which has the seed as its first argument and the settings behind."""
    argv = ("sh", "-c", script, "sh", "{seed}", *(f"{{{name}}}" for name in settings))
    return as_trainer(Command(argv), Limits.of(limits), 1).make(settings, seed, "score")


def test_an_argument_stays_one_whatever_is_in_it() -> None:
    nasty = "a b; $(touch x) `id` 'q' \"\n*"
    code = f"import json, sys; print(json.dumps(dict(n=len(sys.argv), same=sys.argv[1] == {nasty!r})))"
    command = Command((sys.executable, "-c", code, "{word}", "--list={list}", "{{word}}"))
    given = as_trainer(command, Limits(), 1).make({"word": nasty, "list": [1, "x y"]}, 0, "same")
    assert given.numbers == {"n": 4.0, "same": 1.0}
    assert command.filled({"word": nasty, "list": [1, "x y"]}, 0)[3:] == [nasty, '--list=[1, "x y"]', "{word}"]


def test_what_a_run_is_told_by_its_environment() -> None:
    script = """
    test -z "$(ls -A "$SWEEP_OUT")" && touch "$SWEEP_OUT/x" && echo "$SWEEP_OUT" >&2
    test "$SWEEP_SETTINGS" = '{"lr": 0.5}' && test -z "$(cat)" && echo "{\\"score\\": $SWEEP_SEED}"
    exit 3
    """
    given = run(script, seed=7, settings={"lr": 0.5})
    assert given.outcome == "crashed" and given.told.startswith("exit code 3\n")
    assert not Path(given.told.splitlines()[1]).exists()  # the folder is gone with the run
    assert run(script.replace("exit 3", ""), seed=7, settings={"lr": 0.5}).numbers == {"score": 7.0}


def test_threads_of_numeric_libraries_are_set_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "31")
    given = run('echo "{\\"score\\": $OMP_NUM_THREADS, \\"mkl\\": $MKL_NUM_THREADS}"')
    assert given.numbers == {"score": float(len(os.sched_getaffinity(0))), "mkl": 31.0}
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("script", "outcome", "told"),
    [
        ("echo 0.75", "", ""),
        ('echo start; echo \'{"score": 1, "n": 3}\'; echo done', "", ""),
        ("echo '{\"score\": -nan}'", "", ""),
        ("echo nonsense", "crashed", "it printed no line that is a JSON object or a number\nnonsense"),
        ("echo '[1]'; echo true; echo '{'", "crashed", "it printed no line that is"),
        ('echo \'{"score": "high"}\'', "crashed", "score: found 'high'; allowed: a number"),
        ("echo 1; echo why >&2; exit 3", "crashed", "exit code 3\nwhy"),
        ("exit 75", "lost", "exit code 75"),
        ("kill -KILL $$", "lost", "ended from outside"),
        ("kill -TERM $$", "lost", "ended from outside"),
        ("(sh -c 'kill -KILL $$')", "lost", "ended from outside"),
        ("kill -SEGV $$", "crashed", "signal SIGSEGV"),
    ],
)
def test_how_a_run_ends(script: str, outcome: str, told: str) -> None:
    given = run(script)
    assert given.outcome == outcome and given.told.startswith(told), given
    assert bool(given.numbers) == (not outcome)


def test_a_program_that_cannot_be_started_crashes(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    given = as_trainer(Command((str(broken),)), Limits(), 1).make({}, 0, "score")
    assert given.outcome == "crashed" and given.told.startswith("cannot be started: ")
    nul = as_trainer(Command(("echo", "{word}")), Limits(), 1).make({"word": "a\0b"}, 0, "score")
    assert nul.outcome == "crashed" and "null byte" in nul.told


def test_the_end_of_a_long_output_is_read_and_little_of_it_is_kept() -> None:
    given = run("yes 0123456789012345678901234567890 | head -c 100000000; echo; echo 0.25")
    assert given.numbers == {"score": 0.25}
    loud = run("yes xxxxxxxx | head -c 5000000 >&2; echo last >&2; exit 1")
    assert loud.told.endswith("last") and len(loud.told) < 5_000


def test_a_run_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {shlex.quote(str(tmp_path / 'child'))}; trap '' TERM; echo hm >&2; sleep 600"
    given = run(script, timeout=0.5)
    assert (given.outcome, given.told) == ("timeout", "ended after 0.5 s\nhm")
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_child_that_holds_the_pipes_keeps_nobody_waiting(tmp_path: Path) -> None:
    given = run(f"sleep 600 & echo $! > {shlex.quote(str(tmp_path / 'child'))}; echo 0.5", timeout=100)
    assert given.numbers == {"score": 0.5} and given.seconds < 50
    assert is_gone(int((tmp_path / "child").read_text()))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="environments are shown by Linux")
@pytest.mark.parametrize("start", ["setsid sleep 600", "setsid sh -c 'setsid sleep 600 & echo $! > CHILD; sleep 600'"])
def test_what_leaves_the_group_is_killed_too(tmp_path: Path, start: str) -> None:
    child = shlex.quote(str(tmp_path / "child"))
    started = f"{start.replace('CHILD', child)} & echo $! >> {child}.first"
    given = run(f"{started}; until test -s {child} || test -s {child}.first; do sleep 0.01; done; echo 0.5")
    assert given.numbers == {"score": 0.5}
    numbers = [int(line) for path in tmp_path.iterdir() for line in path.read_text().split()]
    assert numbers and all(map(is_gone, numbers))


def test_memory_is_limited() -> None:
    code = "x = bytearray(400 << 20); print(1)"
    command = Command((sys.executable, "-c", code))
    given = as_trainer(command, Limits.of({"memory": "200 MiB"}), 1).make({}, 0, "score")
    assert given.outcome == "crashed" and "MemoryError" in given.told
    assert as_trainer(command, Limits.of({"memory": "2 GiB"}), 1).make({}, 0, "score").numbers == {"score": 1.0}


def test_a_run_killed_for_want_of_memory_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    kills = iter([processes.count_memory_kills() + 1, processes.count_memory_kills() + 1])
    monkeypatch.setattr(processes, "count_memory_kills", lambda: next(kills))
    assert run("kill -KILL $$").told == "killed by the system, which had no memory left"
    assert run("kill -KILL $$").outcome == "lost"


def test_curves_are_kept_and_hopeless_runs_given_up() -> None:
    point = 'echo "{\\"step\\": %d, \\"score\\": %s}"'
    lines = "; ".join(point % (step, score) for step, score in ((1, 0.1), (50, 0.15), (60, 0.1)))
    given = run(f"{lines}; echo 0.9", stop="score < 0.1 at step 50")
    assert given.numbers == {"score": 0.9}
    assert [step for step, _ in given.curve] == [1.0, 50.0, 60.0] and given.curve[1][1] == {"score": 0.15}
    ended = run(f"{lines}; sleep 600", stop="score < 0.2 at step 50")
    assert (ended.outcome, ended.told.splitlines()[0]) == ("missed", "given up: score < 0.2 at step 50")
    assert ended.numbers == {"score": 0.15}


def train(
    script: str, seeds: Sequence[int], limits: Mapping[str, Any] = {}, **known: Any
) -> tuple[dict[int, str], Any]:
    cohort = Cohort(Settings.of({}), np.array(seeds, np.uint32), success=SUCCESS)
    trainer = as_trainer(Command(("sh", "-c", script, "sh", "{seed}")), Limits.of(limits), 2)
    broken: list[Any] = []
    guard = Guard(broken.append, known.get("is_stopped", lambda: False))
    kept = list(trainer.train([cohort], 2, ignore_count, guard))
    runs = merge([k.runs for k in kept])
    ends = {int(s): outcomes[code] for s, code in zip(runs.seed, runs.outcome, strict=True)}
    return ends, (runs, [x for k in kept for x in k.endings], broken)


def test_outcomes_retries_and_what_was_said(tmp_path: Path) -> None:
    script = f"""cd {shlex.quote(str(tmp_path))}; case $1 in
    0) echo 1;; 1) echo 0.2;; 2) echo '{{"score": nan}}';; 3) echo no luck >&2; exit 2;; 4) sleep 600;;
    5) test -e again && echo 0.5 || {{ touch again; exit 75; }};; 6) kill -KILL $$;; esac"""
    ends, (runs, endings, broken) = train(script, range(7), {"timeout": "1 s", "retries": 2})
    assert ends == {0: "learned", 1: "missed", 2: "diverged", 3: "crashed", 4: "timeout", 5: "learned"}
    assert runs["attempts"].tolist() == [1, 1, 1, 1, 1, 2]
    assert list(runs.measured)[0] == "score" and list(runs.measured)[-2:] == ["seconds", "attempts"]
    assert {e.outcome: e.told for e in endings} == {"crashed": "exit code 2\nno luck", "timeout": "ended after 1 s"}
    assert [b.traceback for b in broken] == ["lost 3 times: ended from outside"]


def test_where_every_first_run_crashes_nothing_runs_on() -> None:
    with pytest.raises(TrainerError, match="each of the first 4 runs crashed; one said\nexit code 9\nwhy"):
        train("echo why >&2; exit 9", range(100))


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """As in a terminal: whoever starts the tests in the background may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_an_interruption_ends_what_runs(tmp_path: Path) -> None:
    script = f"echo $$ > {shlex.quote(str(tmp_path))}/$1; sleep 600"
    cohort = Cohort(Settings.of({}), np.arange(4, dtype=np.uint32), success=SUCCESS)
    trainer = as_trainer(Command(("sh", "-c", script, "sh", "{seed}")), Limits(), 2)

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2 or not all(p.read_text().strip() for p in tmp_path.iterdir()):
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    threading.Timer(0.1, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(trainer.train([cohort], 2, ignore_count, Guard(lambda _: None, lambda: False)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]
    assert all(is_gone(int(p.read_text())) for p in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "varied", "message"),
    [
        ((), (), "program: none behind --; allowed: -- PROGRAM ARG..."),
        (("sh", "{rate}"), ("lr",), "program: nothing fills {rate}; allowed: lr, momentum, seed, settings"),
        (("sh", "{momentum}"), ("lr",), "program: no place for lr, which varies; allowed: {lr} in an argument"),
        (("no-such-program-at-all", "{lr}"), ("lr",), "program: no-such-program-at-all is none that can be run"),
        (("sh", "\udcff"), (), "program: an argument that is no UTF-8"),
    ],
)
def test_commands_that_cannot_be(argv: tuple[str, ...], varied: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Command(argv).check(varied, ("lr", "momentum"))
    assert str(caught.value).startswith(message)


def test_all_settings_may_go_in_one_place() -> None:
    command = Command(("sh", "{settings}", "{momentum}"))
    command.check(("lr",), ("lr", "momentum"))
    assert command.filled({"lr": 1, "momentum": 0.9}, 3)[1:] == ['{"lr": 1, "momentum": 0.9}', "0.9"]


def test_a_recorded_name_is_the_command_again() -> None:
    command = Command(("sh", "-c", "echo 'a  b'\n{seed}", "{lr}"))
    assert Command.recorded(command.name) == command
    for name in ("function f", "program ", "program 'open", "native"):
        assert Command.recorded(name) is None


def test_results_and_curves_of_odd_lines() -> None:
    assert result_of('{"a": 1}\n{"b": ' + "[" * 100_000 + "\nnan") != {"a": 1}  # nan is a number, if none that is one
    assert result_of('{"a": 1}\n{"b": ' + "[" * 100_000) == {"a": 1}
    assert result_of("1_000\n\n") is None and result_of("9" * (max_half // 4)) is None
    assert curve_of(['{"step": 1}', '{"step": "x", "a": 1}', '{"step": 2, "a": "b", "c": 1}']) == ((2.0, {"c": 1.0}),)


def test_numbers_do_not_take_the_place_of_settings() -> None:
    given = Given({"score": 1.0, "rate": 0.5, "cost": 2.0})
    assert checked(given, "score", {"rate": 0.5}).numbers == {"score": 1.0, "cost": 2.0}
    assert checked(given, "score", {"rate": 0.1}).told == "it gave rate 0.5, and that is the name of a setting"
    assert checked(given, "loss", {}).told == "it gave score, rate, cost, and no loss"
    assert "seconds" in run('echo \'{"score": 1, "seconds": 3}\'').told
