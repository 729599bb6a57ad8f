"""A stopwatch for `make sweep` from nothing: a fresh clone, empty caches of packages and kernels, part by part.

It measures what is committed. Usage: python benchmarks/setup.py [--page]; with `--page` it writes docs/performance.md.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import machine

from sweep.training.threads import available_cores

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- make bench-setup: begin -->", "<!-- make bench-setup: end -->"

PARTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "virtual environment": (("make", ".venv/bin/python"),),
    "packages": (("make", ".venv/.packages"),),
    "kernel": (("make", ".venv/.kernel"),),
    "sweep": ((".venv/bin/sweep", "run", "experiments/xor.yaml"),),
    "audit and page": ((".venv/bin/sweep", "audit", "results/xor"), (".venv/bin/sweep", "report", "results/xor")),
}

# seconds of version 0.1.0, which installed by pip, on two cores of an AMD processor without AVX-512
BEFORE: Mapping[str, float] = {"packages": 130, "kernel": 69, "sweep": 20, "audit and page": 25}
BEFORE_IN_ALL = 261


def measure() -> dict[str, float]:
    """Seconds of each part, in a clone that is removed afterwards."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        clone, caches = Path(temporary) / "clone", str(Path(temporary) / "caches")
        subprocess.run(("git", "clone", "--quiet", str(ROOT), str(clone)), check=True)
        known = {
            k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
        }
        empty = {"UV_CACHE_DIR": caches, "XDG_CACHE_HOME": caches, "PIP_NO_CACHE_DIR": "1"}
        for part, commands in PARTS.items():
            started = time.perf_counter()
            for command in commands:
                subprocess.run(command, cwd=clone, env={**known, **empty}, stdout=subprocess.DEVNULL, check=True)
            found[part] = time.perf_counter() - started
    return found


def describe(seconds: Mapping[str, float], busy: float) -> str:
    """The table of the parts, in Markdown, under a line that says where it was measured; busy: processes before it."""
    where = f"{machine.processor()}, {available_cores()} cores"
    rows = [(part, f"{BEFORE[part]:.0f}" if part in BEFORE else "", f"{s:.0f}") for part, s in seconds.items()]
    rows.append(("in all", f"{BEFORE_IN_ALL}", f"{sum(seconds.values()):.0f}"))
    lines = [f"| {part} | {before} | {now} |" for part, before, now in rows]
    others = f", {busy:.0f} other processes running" if busy >= 0.5 else ""
    head = (
        f"`make sweep` from nothing, in seconds. Now: {where}{others}. Before: version 0.1.0, which installed by pip."
    )
    return "\n".join([f"{head}\n", "| part | before | now |", "|---|---:|---:|", *lines])


def main() -> None:
    """Print the table; with `--page` write it into docs/performance.md too."""
    busy = os.getloadavg()[1]
    said = describe(measure(), busy)
    print(said)
    if "--page" in sys.argv[1:]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{said}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
