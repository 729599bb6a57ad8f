"""Sweeps that are killed, or find the disk full, at a chosen file operation. The product has no hook for this.

A server process imports everything once and forks a process for each command. In that process the functions that write
are replaced by ones that count their steps: before and after each open for writing, write, fsync, replace, rename,
unlink, mkdir, rmdir and truncate, and in the middle of each write. At one of these steps the process is killed, or the
disk is full from there on.
"""

import builtins
import errno
import io
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

seconds = 300


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, minus the signal that killed it, what it printed, the steps it counted."""

    code: int
    printed: str
    steps: tuple[str, ...]


class Server:
    """The client's side of the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "120"}
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, *arguments: object, fault: str = "none", at: int = -1) -> Ended:
        """Run `sweep` with these arguments in a process of its own. `fault`: none, kill or full, `at` which step."""
        assert self._process.stdin is not None and self._process.stdout is not None
        printed, steps = self._folder / "printed", self._folder / "steps"
        request = {"arguments": list(map(str, arguments)), "fault": fault, "at": at}
        request |= {"root": str(self._folder), "printed": str(printed), "steps": str(steps)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        counted = tuple(steps.read_text().splitlines()) if code >= 0 else ()
        return Ended(code, printed.read_text(), counted)

    def close(self) -> None:
        """End the server."""
        self._process.communicate(timeout=seconds)


# the server's side ----------------------------------------------------------------------------------------------------


class _Fault:
    """Counts steps; does what it is to do at one of them."""

    def __init__(self, kind: str, at: int, root: str) -> None:
        self.kind, self.at, self.root = kind, at, root
        self.steps: list[str] = []

    def is_here(self) -> bool:
        """Whether the next step is the one."""
        return len(self.steps) == self.at

    def step(self, name: str) -> None:
        """A step of this name is reached."""
        is_here, is_past = self.is_here(), len(self.steps) >= self.at
        self.steps.append(name)
        if self.kind == "kill" and is_here:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "full" and is_past and name in ("before open", "before write", "half write", "before fsync"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function with a step before and after it."""

        def stepping(*arguments: Any, **named: Any) -> Any:
            paths = [x for x in arguments if isinstance(x, str | os.PathLike)]
            if paths and named.get("dir_fd") is None and not any(map(self.is_inside, paths)):
                return function(*arguments, **named)
            self.step(f"before {name}")
            result = function(*arguments, **named)
            self.step(f"after {name}")
            return result

        return stepping

    def is_inside(self, path: Any) -> bool:
        """Whether a path lies in the folder that is watched."""
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root)  # pyright: ignore[reportUnknownArgumentType]


def _install(fault: _Fault) -> None:
    import sweep.results.lock

    plain_open = io.open

    class Raw(io.FileIO):
        def write(self, data: Any, /) -> Any:
            content = bytes(data)
            fault.step("before write")
            if fault.is_here():
                super().write(content[: len(content) // 2])
            fault.step("half write")
            n = super().write(content)
            fault.step("after write")
            return n

        def truncate(self, size: int | None = None, /) -> int:
            fault.step("before truncate")
            n = super().truncate(size)
            fault.step("after truncate")
            return n

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if "b" not in mode or not set(mode) & set("wa+") or not fault.is_inside(file):
            return plain_open(file, mode, *arguments, **named)
        fault.step("before open")
        raw = Raw(file, mode.replace("b", ""), opener=named.get("opener"))
        fault.step("after open")
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    builtins.open = io.open = opened  # pyright: ignore[reportAttributeAccessIssue]
    sweep.results.lock.FileIO = Raw  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir"):
        setattr(os, name, fault.around(getattr(os, name), name))


def _child(request: dict[str, Any]) -> int:
    from sweep.cli.common import app

    sys.stdout = sys.stderr = open(request["printed"], "w", buffering=1)
    fault = _Fault(request["fault"], request["at"], request["root"] + "/out")
    _install(fault)
    try:
        app(request["arguments"])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.close()
    Path(request["steps"]).write_text("\n".join(fault.steps))
    return code


def _serve(requests: Sequence[str]) -> None:
    # what a sweep imports on its way

    import sweep
    import sweep.cli  # pyright: ignore[reportUnusedImport]
    import sweep.report.terminal.progress  # pyright: ignore[reportUnusedImport]
    from sweep.training.native import NativeEngine

    sweep.train({"epochs": 1}, 1)  # the kernel is loaded
    NativeEngine()
    for line in requests:
        child = os.fork()
        if child == 0:
            code = 71
            try:
                code = _child(json.loads(line))
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(sys.stdin)  # pyright: ignore[reportArgumentType]
