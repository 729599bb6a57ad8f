"""A program as a trainer: each run a process of its own group, told its settings by arguments and environment.

No shell is between: an argument is an argument, whatever is in it. What it prints is read with a limit and a deadline,
since what it started may hold its pipes open.
"""

import contextlib
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import IO, Any

from sweep.runs.curves import Points
from sweep.runs.endings import max_told
from sweep.runs.errors import SettingError, did_you_mean
from sweep.runs.limits import Limits, Stop
from sweep.training import processes
from sweep.training.own import Given, RunByRun, given_up, numbers_of
from sweep.training.threads import available_cores

max_half = 2**19  # bytes of a stream that are kept of its beginning, and as many of its end
max_line = 2**16  # bytes of a line that is looked at while a run goes on
read_size = 2**16
seconds_between_looks = 0.02  # where the system has no way to wait for a process's end and for its output together
_hole = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{([A-Za-z_][\w.-]*)\}")
_no_numbers = re.compile(r"(?<=[:\s])([-+]?)(nan|inf|infinity)(?=\s*[,}])", re.IGNORECASE)
prefix = "program "


@dataclass(frozen=True)
class Command:
    """A program and its arguments; `{lr}` in an argument is the place of a setting, `{{lr}}` is `{lr}` itself."""

    argv: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise SettingError(("program",), "none behind --", "allowed: -- PROGRAM ARG...")
        try:
            " ".join(self.argv).encode()
        except UnicodeEncodeError:
            raise SettingError(("program",), "an argument that is no UTF-8", "allowed: text") from None

    @property
    def name(self) -> str:
        """What tables and messages call it: the whole of it, since another argument is another program."""
        return prefix + shlex.join(self.argv)

    @classmethod
    def recorded(cls, name: str) -> "Command | None":
        """The command whose name that is; None where it is no program's."""
        try:
            words = shlex.split(name.removeprefix(prefix)) if name.startswith(prefix) else []
        except ValueError:
            return None
        return cls(tuple(words)) if words and words[0] else None

    @property
    def holes(self) -> tuple[str, ...]:
        """The names of the settings that it has places for."""
        return tuple(dict.fromkeys(m[2] for argument in self.argv for m in _hole.finditer(argument) if m[2]))

    def check(self, varied: Iterable[str], known: Iterable[str]) -> None:
        """Raise `SettingError` for a place that nothing fills, a varied setting without one, or no such program.

        `known`: every setting that there is, the varied ones among them.
        """
        fillers = (*known, "seed", "settings")
        for name in self.holes:
            if name not in fillers:
                raise SettingError(("program",), f"nothing fills {{{name}}}", did_you_mean(name, fillers))
        lacking = [] if "settings" in self.holes else [name for name in varied if name not in self.holes]
        if lacking:
            place = f"no place for {lacking[0]}, which varies"
            allowed = f"allowed: {{{lacking[0]}}} in an argument, or {{settings}}, all of them as JSON"
            raise SettingError(("program",), place, allowed)
        if "{" not in self.argv[0] and shutil.which(self.argv[0]) is None:
            allowed = "allowed: a program on the PATH, or the path of an executable file"
            raise SettingError(("program",), f"{self.argv[0]} is none that can be run", allowed)

    def filled(self, settings: Mapping[str, Any], seed: int) -> list[str]:
        """The arguments of one run; a setting stays one argument, or a part of it.

        >>> Command(("train", "--lr={lr}", "{seed}", "{{x}}")).filled({"lr": 0.1}, 3)
        ['train', '--lr=0.1', '3', '{x}']
        """
        fillers = {"settings": json.dumps(settings), **settings, "seed": seed}

        def fill(match: re.Match[str]) -> str:
            return f"{{{match[1]}}}" if match[1] else as_text(fillers[match[2]])

        return [_hole.sub(fill, argument) for argument in self.argv]


def as_text(value: object) -> str:
    """A setting as an argument: words as they are, everything else as JSON.

    >>> as_text("adam"), as_text(0.1), as_text(True), as_text([4, 2])
    ('adam', '0.1', 'true', '[4, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value)


def as_trainer(command: Command, limits: Limits, n_workers: int) -> RunByRun:
    """A program as a trainer, for as many workers as there will be.

    Raises `SettingError` for a limit that cannot be.
    """
    processes.check_memory_limit(limits.memory)
    runs = _Runs(command, limits, max(1, available_cores() // n_workers))
    return RunByRun(command.name, runs.make, runs.end, limits.retries, recipe=ProgramRecipe(command, limits))


@dataclass(frozen=True)
class ProgramRecipe:
    """What another machine makes a program's trainer of; the program is there, in the folder where runs begin."""

    command: Command
    limits: Limits

    def make(self) -> RunByRun:
        """The trainer, for one worker of several."""
        return as_trainer(self.command, self.limits, max(1, available_cores() // self.limits.cores))


class _Runs:
    """The runs of a program that go on."""

    def __init__(self, command: Command, limits: Limits, n_threads: int) -> None:
        self._command = command
        self._limits = limits
        self._threads = processes.thread_settings(n_threads)
        self._groups: set[int] = set()
        self._lock = threading.Lock()

    def make(self, settings: Mapping[str, Any], seed: int, metric: str) -> Given:
        """What a run came to."""
        with tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True) as out:
            own = {"SWEEP_SEED": str(seed), "SWEEP_SETTINGS": json.dumps(settings), "SWEEP_OUT": out}
            mark = processes.new_mark()
            started = perf_counter()
            try:
                process = subprocess.Popen(
                    self._command.filled(settings, seed),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **self._threads, **own, **mark},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:  # ValueError: a character that no argument can have
                return Given(outcome="crashed", told=f"cannot be started: {error}")
            with process, self._noted(process.pid, mark):
                processes.limit_memory(process.pid, self._limits.memory)
                how, output, errors = _read(process, self._limits)
            return replace(
                _given(how, process.returncode, output, errors, metric, self._limits.stop),
                seconds=perf_counter() - started,
            )

    @contextmanager
    def _noted(self, pid: int, mark: Mapping[str, str]) -> Generator[None]:
        """A group that `end` kills; it ends with the block, whatever happens in it."""
        processes.note_group(pid, mark)
        with self._lock:
            self._groups.add(pid)
        try:
            yield
        finally:
            with self._lock:
                self._groups.discard(pid)
            processes.forget_group(pid)

    def end(self) -> None:
        """Kill the runs that go on."""
        with self._lock:
            for pid in self._groups:
                processes.signal_group(pid, signal.SIGKILL)


class _Stream:
    """What is kept of what a program prints: its beginning and its end."""

    def __init__(self) -> None:
        self._head, self._tail, self._n_cut = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        room = max_half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * max_half:
            self._cut()

    def _cut(self) -> None:
        self._n_cut += max(0, len(self._tail) - max_half)
        del self._tail[:-max_half]

    def text(self) -> str:
        """It, with a line that says how much is left out where some is."""
        self._cut()
        cut = f"\n[{self._n_cut:,} bytes left out]\n".encode() if self._n_cut else b""
        return (bytes(self._head) + cut + bytes(self._tail)).decode(errors="replace")


class _Judge:
    """Looks at the points of a curve as they come, until the rule has seen the one that it judges."""

    def __init__(self, rule: Stop | None) -> None:
        self._rule = rule
        self._line = b""

    def gives_up(self, chunk: bytes) -> bool:
        """Whether the run is to be given up."""
        if self._rule is None:
            return False
        *lines, self._line = (self._line + chunk).split(b"\n")
        self._line = self._line[-max_line:]
        for step, numbers in curve_of(line.decode(errors="replace") for line in lines):
            if self._rule.judges(step, numbers):
                rule, self._rule = self._rule, None
                return rule.holds(numbers)
        return False


def _read(process: "subprocess.Popen[bytes]", limits: Limits) -> tuple[str, str, str]:
    """Read what a process prints until it ends or is ended: how it was ended, if it was; its output and its errors."""
    streams = {stream: _Stream() for stream in (process.stdout, process.stderr) if stream is not None}
    judge, how = _Judge(limits.stop), ""
    deadline = perf_counter() + (limits.timeout or float("inf"))
    with selectors.DefaultSelector() as selector, _end_of(process) as end:
        for stream in streams:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        if end is not None:
            selector.register(end, selectors.EVENT_READ)
        while not how and not _has_ended(process):
            left = deadline - perf_counter()
            if left <= 0:
                how = f"ended after {limits.timeout:g} s"
                break
            for key, _ in selector.select(min(left, 3600.0) if end is not None else seconds_between_looks):
                if key.fileobj is end:
                    continue
                chunk = os.read(key.fd, read_size)
                streams[key.fileobj].add(chunk)  # pyright: ignore[reportArgumentType]
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout and judge.gives_up(chunk):
                    how = f"{given_up}: {limits.stop}"
    if how:
        processes.signal_group(process.pid, signal.SIGTERM)
        _wait(process)
    processes.signal_group(process.pid, signal.SIGKILL)  # what it started has no business any more
    for stream, kept in streams.items():
        _drain(stream, kept)
    output, errors = (kept.text() for kept in streams.values())
    return how, output, errors


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a process has ended; it is not waited for, so that its number stays its own."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Give a process that was asked to end some time."""
    ends = perf_counter() + processes.seconds_to_die
    while not _has_ended(process) and perf_counter() < ends:
        threading.Event().wait(seconds_between_looks)


@contextmanager
def _end_of(process: "subprocess.Popen[bytes]") -> Generator[int | None]:
    """Something to select on that is ready when a process has ended; None where the system has no such thing."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _drain(stream: IO[bytes], kept: _Stream) -> None:
    """Read what is left in a pipe; one that is still being written to is left after as much as is kept."""
    n_left = 2 * max_half
    with contextlib.suppress(BlockingIOError):
        while n_left > 0 and (chunk := os.read(stream.fileno(), read_size)):
            kept.add(chunk)
            n_left -= len(chunk)


def _given(how: str, exit_code: int, output: str, errors: str, metric: str, rule: Stop | None) -> Given:
    """What a run came to, by how it was ended, its exit code, and what it printed."""
    curve = curve_of(output.splitlines())
    last = errors.strip()[-max_told:] or output.strip()[-max_told:]
    if rule is not None and how.startswith(given_up):  # by that point, whatever was printed until it was ended
        place = next((i for i, (step, own) in enumerate(curve) if rule.judges(step, own)), len(curve) - 1)
        curve = curve[: place + 1]
        return Given(curve[-1][1] if curve else {}, "missed", _join(how, last), curve=curve)
    if how:
        return Given(outcome="timeout", told=_join(how, last), curve=curve)
    if exit_code != 0:
        outcome, words = processes.death(exit_code)
        return Given(outcome=outcome, told=_join(words, last), curve=curve)
    value = result_of(output)
    try:
        if value is None:
            raise ValueError("it printed no line that is a JSON object or a number")
        return Given(numbers_of(value, metric), curve=curve)
    except ValueError as error:
        return Given(outcome="crashed", told=_join(str(error), last), curve=curve)


def _join(how: str, last: str) -> str:
    return f"{how}\n{last}".strip()


def result_of(output: str) -> "dict[str, Any] | float | None":
    r"""The last line that is a JSON object or a number; numbers that are none may stand as C prints them.

    >>> result_of('epoch 1\n{"accuracy": 0.9}\ndone\n'), result_of("0.5"), result_of("nothing")
    ({'accuracy': 0.9}, 0.5, None)
    >>> result_of('{"loss": -nan, "n": 3}')
    {'loss': nan, 'n': 3}
    """
    for line in reversed(output.splitlines()):
        line = line.strip()
        found = _object(line) if line.startswith("{") else _number(line)
        if found is not None:
            return found
    return None


def _object(line: str) -> dict[str, Any] | None:
    """A line's JSON object."""
    for text in (line, _no_numbers.sub("NaN", line)):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found  # pyright: ignore[reportUnknownVariableType]
    return None


def _number(line: str) -> float | None:
    try:
        return float(line) if len(line) <= max_line and "_" not in line else None
    except ValueError:
        return None


def curve_of(lines: Iterable[str]) -> Points:
    """The points of a curve among lines: objects of numbers that say their step.

    >>> curve_of(['{"step": 3, "accuracy": 0.7}', "{}", "x"])
    ((3.0, {'accuracy': 0.7}),)
    """
    points: list[tuple[float, Mapping[str, float]]] = []
    for line in lines:
        found = _object(line.strip()) if '"step"' in line else None
        step = None if found is None else found.pop("step", None)
        numbers = {k: float(v) for k, v in (found or {}).items() if isinstance(v, int | float)}
        if isinstance(step, int | float) and numbers:
            points.append((float(step), numbers))
    return tuple(points)
