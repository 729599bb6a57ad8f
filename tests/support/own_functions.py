"""Functions of settings and a seed that stand for somebody's own training."""

import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sweep


def coin(settings: Mapping[str, Any], seed: int) -> Mapping[str, float]:
    """A score that is drawn by the seed alone, above a half for a share `rate` of the seeds."""
    draw = random.Random(seed).random()
    return {"score": draw / settings["rate"] if settings["rate"] else 2.0, "draw": draw}


def moody(settings: Mapping[str, Any], seed: int) -> float:
    """Ends in each way that a run may end, by the seed; `folder` remembers what was lost once."""
    match seed % 8:
        case 1:
            return 0.1
        case 2:
            return float("nan")
        case 3:
            raise RuntimeError("no luck\x1b[31m")
        case 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 5:
            time.sleep(60)
        case 6:
            again = Path(settings["folder"]) / f"{seed}"
            if not again.exists():
                again.touch()
                raise sweep.Lost("the node is gone")
        case 7:
            again = Path(settings["folder"]) / f"{seed}"
            if not again.exists():
                again.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case _:
            pass
    return 1.0


def vanishing(settings: Mapping[str, Any], seed: int) -> float:
    """Seed 3 is always lost."""
    if seed == 3:
        os._exit(75)
    return 1.0


def broken(settings: Mapping[str, Any], seed: int) -> float:
    """Crashes always."""
    raise RuntimeError("a bug")


def parent(settings: Mapping[str, Any], seed: int) -> float:
    """Starts a process that outlives a run, has left its group and never ends by itself; writes its number down."""
    import subprocess

    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path(settings["folder"], str(seed)).write_text(str(child.pid))
    time.sleep(60)
    return 1.0


def falling(settings: Mapping[str, Any], seed: int) -> Mapping[str, object]:
    """A loss that falls at the speed `rate`, by step, to the floor `rest`; seed 0 ends before it begins."""
    if seed == 0:
        raise RuntimeError("no luck")
    noise = random.Random(seed).random() / 1000
    losses = [max(settings["rest"], 2 - settings["rate"] * step) + noise for step in range(100)]
    return {"loss": losses, "accuracy": 1 - losses[-1] / 2}


def by_points(settings: Mapping[str, Any], seed: int) -> Iterator[Mapping[str, float]]:
    """A score that rises by `rate` a point, but for odd seeds; whoever goes on with those never ends."""
    for step in range(10 if seed % 2 == 0 else 10**9):
        if seed % 2 and step > 5:
            time.sleep(60)
        yield {"step": 10 * step, "score": 0.0 if seed % 2 else settings["rate"] * step, "seed_of_it": seed}


def remainders(settings: Mapping[str, Any], seed: int) -> Mapping[str, float]:
    """Whole numbers, as a few lines of awk give them too; seed 5 crashes."""
    if seed == 5:
        raise RuntimeError("no luck")
    return {"score": (seed * settings["step"]) % 7, "cost": seed + settings["step"]}


def asked_of_the_process(settings: Mapping[str, Any], seed: int) -> Mapping[str, float]:
    """The number of the process, the threads that its libraries may start; seed 3 takes more memory than it may."""
    if seed == 3:
        _ = bytearray(settings["bytes"])
    return {"pid": os.getpid(), "threads": float(os.environ["OMP_NUM_THREADS"])}


# the same as `remainders`, as a program
AWK = (
    'BEGIN { if (seed == 5) { print "no luck" > "/dev/stderr"; exit 1 } '
    'printf "{\\"score\\": %d, \\"cost\\": %d}\\n", (seed * step) % 7, seed + step }'
)
BY_AWK = ("awk", "-v", "step={step}", "-v", "seed={seed}", AWK)
