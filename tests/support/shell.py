"""Commands, in this process."""

from pathlib import Path

from typer.testing import CliRunner, Result

from sweep.cli.common import app


def call(*arguments: str | Path, **environment: str) -> Result:
    """A command's end; an exception that it did not answer fails the test."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result
