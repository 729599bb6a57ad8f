"""The command line: a shell over the library. Results go to stdout, progress and messages to stderr."""

import io
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Find out which neural-network configurations reliably learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ExperimentPath = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="An experiment file (YAML).", show_default=False)
]
ResultsPath = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder.", show_default=False)]
EngineName = Annotated[str, typer.Option(help="auto, native or keras.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu or gpu.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads; all cores where not given.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Errors only.")]


def say(message: str) -> None:
    """A message for a person, to stderr."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def user_errors(going_on: str = "") -> Generator[None]:
    """Bad input ends with one message and exit code 2; an interruption says how to go on and ends with 130."""
    from sweep.engines import EngineError
    from sweep.experiment_file import ExperimentFileError
    from sweep.results import ResultsError
    from sweep.vocabulary import SettingError

    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        sys.stdout = open(os.devnull, "w")  # closed by the end of the process
        raise typer.Exit(0) from None
    except (EngineError, ExperimentFileError, ResultsError, SettingError) as error:
        say(str(error))
        raise typer.Exit(2) from None
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        say(f"interrupted{going_on}")
        raise typer.Exit(130) from None


@app.command()
def new(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)]) -> None:
    """Write a commented experiment to start from."""
    with user_errors():
        from sweep.experiment_file import template
        from sweep.results import ResultsError

        if file.exists():
            raise ResultsError(f"{file}: exists already; choose another name")
        file.write_text(template(), encoding="utf-8")
        say(f"wrote {file}; next: sweep check {file}")


@app.command()
def check(
    experiment: ExperimentPath, engine: EngineName = "auto", device: DeviceName = "auto", workers: Workers = None
) -> None:
    """Validate an experiment; print configurations, runs and expected time. Trains nothing."""
    with user_errors():
        from sweep.planning import plan
        from sweep.terminal import describe_plan, describe_power

        planned = plan(experiment, engine=engine, device=device, workers=workers)
        print(f"{experiment}: ok")
        print(describe_plan(planned))
        print(describe_power(planned.experiment))


@app.command()
def run(
    experiment: ExperimentPath,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The results folder.", show_default="results/<name>")
    ] = None,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    workers: Workers = None,
    limit: Annotated[float, typer.Option(metavar="HOURS", help="Refuse a sweep that would train longer.")] = 24.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing folder aside and begin anew.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment; goes on by itself where the folder holds the same one."""
    with user_errors("; the same command goes on where it stopped"):
        from sweep.loop import execute
        from sweep.planning import plan
        from sweep.terminal import describe_plan, describe_power, print_answer, shown_progress

        planned = plan(experiment, engine=engine, device=device, workers=workers, limit=limit)
        if quiet:
            execute(planned, out, fresh=fresh)
            return
        say(describe_plan(planned))
        say(describe_power(planned.experiment))
        with shown_progress() as observe:
            results = execute(planned, out, fresh=fresh, observe=observe)
        print_answer(results)


@app.command()
def show(
    results: ResultsPath,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many configurations.")] = 20,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Sort by this column, largest first.", show_default=False)
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR", help="Only rows where this holds: 'width >= 4 and depth == 1'.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows: .csv or .parquet.", show_default=False)
    ] = None,
) -> None:
    """Show the configurations of a results folder, the most reliable first."""
    with user_errors():
        from sweep.report.summaries import select_rows
        from sweep.results import load
        from sweep.results.tables import export_table, to_records
        from sweep.terminal import print_answer, print_configurations

        loaded = load(results)
        rows = select_rows(loaded.configurations, where, sort)
        if export is not None:
            export_table(rows, export)
            say(f"wrote {len(rows)} rows to {export}")
        elif as_json:
            print(json.dumps(to_records(rows.head(top)), indent=2, allow_nan=False, ensure_ascii=False))
        elif where is None and sort is None:
            print_answer(loaded, top)
        else:
            print_configurations(loaded, rows.head(top))


def main() -> Any:
    """The command `sweep`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name or a bar that the terminal's encoding lacks is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    return app()
