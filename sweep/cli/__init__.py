"""The command line: a shell over the library. Results go to stdout, progress and messages to stderr."""

import io
import sys
from typing import Any

# importing a module of commands adds them, in this order
from sweep.cli import experiments as experiments
from sweep.cli import networks as networks
from sweep.cli import own as own
from sweep.cli import pages as pages
from sweep.cli import results as results
from sweep.cli import statistics as statistics
from sweep.cli import trust as trust
from sweep.cli.common import app

__all__ = ["app", "main"]


def main() -> Any:
    """The command `sweep`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name or a bar that the terminal's encoding lacks is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    return app()
