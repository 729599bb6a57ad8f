"""The command line: a shell over the library. Results go to stdout, progress and messages to stderr."""

from sweep.cli import interruption

# isort: split
import io
import os
import sys
from typing import Any

import typer

# importing a module of commands adds them, in this order
from sweep.cli import experiments as experiments
from sweep.cli import networks as networks
from sweep.cli import own as own
from sweep.cli import pages as pages
from sweep.cli import results as results
from sweep.cli import statistics as statistics
from sweep.cli import trust as trust
from sweep.cli.common import app, user_errors

__all__ = ["app", "main"]


def _open_closed_streams() -> None:
    """Give a process whose output was closed (`>&-`) one that leads nowhere, before a file gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(opened, "w" if number else "r"))


def main() -> Any:
    """The command `sweep`."""
    interruption.end_at_once()
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name or a bar that the terminal's encoding lacks is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    code: Any = 0
    try:
        interruption.interrupt()
        with user_errors():  # of --help and --version; the commands answer their own
            try:
                app()
            except SystemExit as end:
                code = end.code
    except typer.Exit as end:
        code = end.exit_code
    except (Exception, KeyboardInterrupt):
        if not interruption.asked.is_set():
            raise
        code = 130
    interruption.is_ending.set()
    sys.exit(code)


interruption.as_before()
