"""The processes of runs: how they end, what they may take, and that nothing of theirs stays behind."""

import contextlib
import os
import re
import signal
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sweep.runs.errors import SettingError

try:
    import resource
except ImportError:  # not a Unix
    resource = None

lost_exit_code = 75  # EX_TEMPFAIL: as a program says that another try may do
unguarded_exit_code = 73  # of a process that ran the script itself instead of what it was started for
unguarded = 'it ran the script that called; allowed: in a script, the call under if __name__ == "__main__":'
# what ends a process from outside; other signals are its own doing
from_outside = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# how a shell says that what it ran was ended so
from_outside_by_shell = (128 + signal.SIGKILL, 128 + signal.SIGTERM)
seconds_to_settle = 0.2  # for one that is about to end by itself
seconds_to_die = 2.0
# what numeric libraries read; without them each process starts a thread for every core
thread_variables = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)

mark_name = "SWEEP_PROCESS"  # a variable that tells what a run started, wherever it went
_mark = re.compile(rb"SWEEP_PROCESS=[0-9a-f]{32}")
n_looks = 10  # for what has a mark: who is being killed may have begun another

_live: dict[int, bytes] = {}  # groups that runs are in, with the marks of what they start
_marks: set[bytes] = set()  # those of what is being started too
_is_ending = [False]
_memory_kills = [0]
_lock = threading.RLock()  # a signal may come while the thread that answers it has the lock


def thread_settings(n_threads: int) -> dict[str, str]:
    """The environment by which numeric libraries start so many threads; what the user set stays."""
    return {name: str(n_threads) for name in thread_variables if name not in os.environ}


@contextmanager
def environment(added: dict[str, str]) -> Generator[None]:
    """Variables in the environment of this process, for the processes started in the block; none of them was there."""
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def check_memory_limit(memory: int | None) -> None:
    """Raise `SettingError` where this system cannot limit a process's memory."""
    if memory is not None and not hasattr(resource, "prlimit"):
        found = "a limit of memory, which this system cannot set for a process"
        raise SettingError(("limits", "memory"), found, "allowed: none here; Linux can")


def limit_memory(pid: int, memory: int | None) -> None:
    """Let a process, 0 for this one, have so many bytes of data; one that has ended already needs no limit."""
    if memory is not None and resource is not None and hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))


def new_mark() -> dict[str, str]:
    """What is added to the environment of what a process starts that leads a group; nothing else has it.

    While all ends nothing more is to be started: whoever asks waits for the end of this process.
    """
    mark = {mark_name: uuid.uuid4().hex}
    with _lock:
        _marks.add(_variable(mark))
        is_ending = _is_ending[0]
    if is_ending:
        threading.Event().wait()
    return mark


def _variable(mark: Mapping[str, str]) -> bytes:
    return f"{mark_name}={mark[mark_name]}".encode()


def note_group(pid: int, mark: Mapping[str, str]) -> None:
    """Remember a process that leads a group, so that `end_all` ends it and what it starts with this mark."""
    with _lock:
        _live[pid] = _variable(mark)
        is_ending = _is_ending[0]
    if is_ending:  # it was started while all others were killed
        signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, sign: signal.Signals) -> None:
    """Send a signal to all of a group; to the process alone where it has not made its group yet."""
    try:
        os.killpg(pid, sign)
    except (ProcessLookupError, PermissionError):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sign)


def forget_group(pid: int) -> None:
    """Kill what is left of a group, and what has left it and not its environment.

    The process that leads it was not waited for yet: its number is still its own.
    """
    signal_group(pid, signal.SIGKILL)
    with _lock:
        mark = _live.pop(pid, None)
        _marks.discard(mark or b"")
    if mark is not None:
        _kill_marked({mark}, pid)


def end_all() -> None:
    """Kill every group that runs are in, and what has left one, before this process ends; no run is started after."""
    with _lock:
        _is_ending[0] = True
        groups, marks = list(_live), set(_marks)
    for pid in groups:
        signal_group(pid, signal.SIGKILL)
    _kill_marked(marks)


def _kill_marked(marks: set[bytes], after: int = 0) -> None:
    """Kill processes with one of these marks, whole variables `NAME=value`, begun `after` the one of this number.

    Where the system does not show environments (Linux does), none.
    """
    if any(not _mark.fullmatch(mark) for mark in marks):
        raise ValueError(f"found {marks}; allowed: marks that new_mark made, which no other process can have")
    for _ in range(n_looks):
        found = [pid for pid, own in _environments(after) if not marks.isdisjoint(own)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _environments(after: int) -> Iterator[tuple[int, list[bytes]]]:
    """The other processes of this user, with the variables that each was started with.

    Only those of a number above `after`, as long as numbers have not begun anew since.
    """
    if not os.path.exists("/proc/self/environ"):
        return
    last = int(Path("/proc/loadavg").read_text().split()[-1])
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if (pid > after or last < after) and pid != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:  # ended, or another user's
                yield pid, file.read().split(b"\0")


def death(exit_code: int | None) -> tuple[str, str]:
    """What the end of a process says of its run: the outcome `lost` or `crashed`, and how it ended in words.

    >>> death(3), death(75)
    (('crashed', 'exit code 3'), ('lost', 'exit code 75'))
    """
    if exit_code is None:
        return "lost", "ended from outside"
    is_killed = exit_code in (-signal.SIGKILL, from_outside_by_shell[0])
    if is_killed and _is_out_of_memory():
        return "crashed", "killed by the system, which had no memory left"
    if -exit_code in from_outside or exit_code in from_outside_by_shell:
        return "lost", "ended from outside"
    if exit_code < 0:
        return "crashed", f"signal {signal.Signals(-exit_code).name}"
    if exit_code == unguarded_exit_code:
        return "crashed", unguarded
    return "lost" if exit_code == lost_exit_code else "crashed", f"exit code {exit_code}"


def _is_out_of_memory() -> bool:
    """Whether the system killed a process of this control group for its memory since this was last asked."""
    with _lock:
        before, _memory_kills[0] = _memory_kills[0], count_memory_kills()
        return _memory_kills[0] > before


def count_memory_kills() -> int:
    """How many processes of this control group the system has killed for want of memory; 0 where it does not say."""
    try:
        own = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
        events = Path(f"/sys/fs/cgroup{own}/memory.events").read_text().split()
        return int(events[events.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


_memory_kills[0] = count_memory_kills()
