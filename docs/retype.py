"""Type the commands of docs/tutorial.md again, in an empty folder, and put under each what it prints.

`python docs/retype.py` rewrites the page; a test compares it with what this makes. The native engine gives the same
numbers everywhere.
"""

import contextlib
import re
import shlex
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from sweep.cli.common import app

PAGE = Path(__file__).parent / "tutorial.md"


def retyped(text: str, folder: Path) -> str:
    """The page with its console blocks typed in `folder`, after its first Python block was run there."""
    script = re.search(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert script is not None
    with contextlib.chdir(folder):
        exec(compile(script[1], "my_network.py", "exec"), {"__name__": "__main__"})
        return re.sub(r"^```console\n(.*?)^```$", lambda m: _block(m[1]), text, flags=re.MULTILINE | re.DOTALL)


def _block(old: str) -> str:
    lines = [line for line in old.splitlines() if line.startswith("$ ")]
    return "```console\n" + "".join(f"{line}\n{_printed(line.removeprefix('$ '))}" for line in lines) + "```"


def _printed(line: str) -> str:
    """What a command prints to standard output, blank lines at its ends left out."""
    program, *arguments = shlex.split(line)
    if program == "cat":
        return Path(arguments[0]).read_text()
    assert program == "sweep", line
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments)
    assert result.exit_code == 0, f"{line}: {result.output}"
    shown = "\n".join(line.rstrip() for line in result.stdout.strip("\n").splitlines())
    return shown + "\n" if shown else ""


def main() -> None:
    """Rewrite the page."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(retyped(PAGE.read_text(), Path(folder)))


if __name__ == "__main__":
    main()
