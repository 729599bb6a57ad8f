"""The long tests that try to lose or spoil a sweep, and how much they tried, for docs/reliability.md.

`--page` runs them (ten minutes on two cores) and writes the numbers into the page; `--page FILE` writes those that
a run with XOR_SWEEP_RECORD=FILE left. The numbers are written by the tests themselves, each when it has passed.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
TESTS = ("tests/commands/test_kills.py", "tests/cli/test_hostile.py", "tests/training/test_cluster.py")
begin, end = "<!-- make reliability-page: tried -->", "<!-- end -->"


def run_tests(record: Path) -> None:
    """Run the long tests, which add what they tried to `record`; ends the process where one fails."""
    command = [sys.executable, "-m", "pytest", "-m", "slow", *TESTS]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ, "XOR_SWEEP_RECORD": str(record)}, check=False)
    if ended.returncode:
        raise SystemExit("a test failed: nothing is written")


def table(record: str) -> str:
    """What was tried, the numbers of equal words added up, and where."""
    tried: Counter[str] = Counter()
    for line in record.splitlines():
        what, n = json.loads(line)
        tried[what] += n
    rows = [f"| {what.partition(': ')[2]} | {n:,} |" for what, n in tried.items()]
    machine = f"CPython {platform.python_version()}, optuna {version('optuna')}, {platform.system()}"
    return "\n".join(
        ["| what was tried | how many |", "|---|---:|", *rows, "", f"Lost or wrong: none. Recorded with {machine}."]
    )


def fill(page: str, record: str) -> str:
    """The page with its numbers made anew."""
    before, found, rest = page.partition(begin)
    if not found:
        raise ValueError(f"{PAGE}: no place for the numbers")
    return f"{before}{begin}\n\n{table(record)}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Run what the arguments ask for."""
    match sys.argv[1:]:
        case ["--page"]:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "record"
                run_tests(file)
                record = file.read_text()
        case ["--page", name]:
            record = Path(name).read_text()
        case _:
            raise SystemExit("usage: reliability.py --page [FILE]")
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
