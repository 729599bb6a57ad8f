"""Commands that take an experiment file."""

import math
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import (
    DeviceName,
    EngineName,
    ExperimentPath,
    Quiet,
    WithProgram,
    Workers,
    app,
    gentle_stop,
    program_of,
    say,
    tell,
    user_errors,
)


@app.command()
def new(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)]) -> None:
    """Write a commented experiment to start from. Beside it comes the schema by which editors check and complete it."""
    with user_errors():
        from sweep.experiment.file import template
        from sweep.experiment.schema import file_name, first_line, schema_text
        from sweep.results.files import check_new, write_atomically

        check_new(file)
        file.write_text(first_line + template(), encoding="utf-8")
        schema = file.with_name(file_name)
        write_atomically(schema, schema_text().encode())
        say(f"wrote {file} (and {schema}, for editors); next: sweep check {file}")


@app.command(cls=WithProgram)
def check(
    context: typer.Context,
    experiment: ExperimentPath,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    workers: Workers = None,
) -> None:
    """Validate an experiment: how large, how long. Trains nothing, but makes three runs of a program.

    A PROGRAM is tried under one seed twice and under another once: does it work, is it repeatable, is its seed used?
    """
    with user_errors():
        from sweep.commands.check import plan
        from sweep.commands.probe import probe
        from sweep.commands.run import n_present
        from sweep.commands.study import of_program, plan_file
        from sweep.report.limits import describe_limits
        from sweep.report.terminal.progress import describe_plan, describe_power, describe_probe
        from sweep.results.files import ResultsError

        program = program_of(context, engine_options=("engine", "device"))
        if program is None:
            planned = plan(experiment, engine=engine, device=device, workers=workers)
        else:
            planned = plan_file(experiment, lambda asked: of_program(program, asked), workers=workers)
        found = None if program is None else probe(planned)
        tell(f"{experiment}: ok")
        try:
            present, refusal = n_present(planned), None
        except ResultsError as error:
            present, refusal = 0, str(error)
        tell(describe_plan(planned, present))
        tell(describe_power(planned.experiment))
        for line in describe_limits(planned.experiment.networks, planned.experiment.reliability.target):
            tell(line)
        for line in () if found is None else describe_probe(planned, found):
            tell(line)
        if refusal is not None:
            tell(f"sweep run would refuse: {refusal}")


@app.command(cls=WithProgram)
def run(
    context: typer.Context,
    experiment: ExperimentPath,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The results folder.", show_default="results/<name>")
    ] = None,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    workers: Workers = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train on a Ray cluster: local (started here), auto, or HOST:PORT; --workers bounds its cores.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[float, typer.Option(metavar="HOURS", help="Refuse a sweep that would train longer.")] = 24.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing folder aside and begin anew.")] = False,
    settle: Annotated[
        str | None,
        typer.Option(
            metavar="smaller",
            help="smaller: fresh seeds, up to 1,024, for the inconclusive configurations below the smallest reliable "
            "one, until each is settled.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run an experiment. Goes on by itself where the folder holds the same one.

    A PROGRAM is run in place of an engine, {name} in its arguments filled by each setting; see docs/trainers.md.
    """
    with user_errors("; the same command goes on where it stopped"):
        from sweep.commands.check import plan, spread
        from sweep.commands.run import execute, n_present
        from sweep.commands.settle import check_settle
        from sweep.commands.study import of_program, plan_file
        from sweep.report.terminal.answer import print_answer
        from sweep.report.terminal.progress import describe_broken, describe_plan, describe_power, shown_progress

        check_settle(settle)
        program = program_of(context, engine_options=("engine", "device", "limit"))
        if program is None:
            limit_here = limit if ray is None else math.inf
            planned = plan(experiment, engine=engine, device=device, workers=workers, limit=limit_here)
        else:
            planned = plan_file(experiment, lambda asked: of_program(program, asked), workers=workers)
        present = 0 if fresh else n_present(planned, out)
        with spread(planned, ray, workers, limit) as planned:
            if not quiet:
                say(describe_plan(planned, present))
                say(describe_power(planned.experiment))
            with gentle_stop() as is_stopped, shown_progress(quiet=quiet) as observe:
                is_settling = settle is not None
                results = execute(
                    planned, out, fresh=fresh, is_settling=is_settling, observe=observe, say=say, is_stopped=is_stopped
                )
        if not quiet:
            print_answer(results)
        broken = describe_broken(results)
        if broken:
            say(broken)
            raise typer.Exit(1)
