"""What a shell asks of the command: help by its short name, completion."""

import os
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from sweep.cli.common import app

runner = CliRunner(env={"COLUMNS": "80"})


@pytest.mark.parametrize("command", [(), ("train",), ("verify",)], ids=" ".join)
def test_h_is_help(command: tuple[str, ...]) -> None:
    short, long = runner.invoke(app, [*command, "-h"]), runner.invoke(app, [*command, "--help"])
    assert short.exit_code == long.exit_code == 0
    assert short.stdout == long.stdout and "-h, --help" in long.stdout


@pytest.mark.parametrize("typed, offered", [("re", {"report", "rescue", "replay"}), ("run --en", {"--engine"})])
def test_a_shell_completes_commands_and_options(typed: str, offered: set[str]) -> None:
    words = f"sweep {typed}"
    asked = {"_SWEEP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    code = "from sweep.cli import main; main()"
    done = subprocess.run(
        (sys.executable, "-c", f"import sys; sys.argv = ['sweep']; {code}"),
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) == offered, done.stderr


def test_every_command_is_offered() -> None:
    group = typer.main.get_command(app)
    assert {p.name for p in group.params} >= {"install_completion", "show_completion"}
