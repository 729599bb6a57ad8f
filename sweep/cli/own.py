"""Commands for a network of one's own: train one configuration at once, import one from Keras."""

import itertools
import shlex
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import (
    AsJson,
    DeviceName,
    EngineName,
    Quiet,
    WithProgram,
    Workers,
    app,
    program_of,
    say,
    tell,
    tell_json,
    user_errors,
)

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE ...]",
        help="Hyperparameters, as in an experiment file: width=2 'optimizer={name: sgd, momentum: 0.9}'.",
        show_default=False,
    ),
]
max_seeds = 1_000_000
seconds_worth_a_word = 5.0


@app.command(cls=WithProgram)
def train(
    context: typer.Context,
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, max=max_seeds, metavar="N", help="How many seeds.")] = 64,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    workers: Workers = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as an experiment file instead of training.", show_default=False),
    ] = None,
    success: Annotated[
        str | None,
        typer.Option(
            metavar="COMPARISON",
            help="What counts as learned, 'loss < 0.01'. Of a program: which of its numbers, 'accuracy >= 0.95'.",
            show_default="every row right; of a program: 'success >= 1'",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train one configuration under many seeds, at once. Says how often it learns and how the others end.

    A PROGRAM is run in place of a network, {seed} and {NAME} in its arguments filled; see docs/trainers.md.
    """
    given = settings or []
    with user_errors("; nothing is kept"):
        program = program_of(context, engine_options=("engine", "device", "save"))
        if program is not None:
            _train_program(program, given, seeds, success, workers, as_json=as_json, quiet=quiet)
            return
        from sweep.commands.rescue.likely import find_likely
        from sweep.commands.train import ask, count_runs, to_record
        from sweep.experiment import file as experiment_file
        from sweep.experiment.seeds import SeedBlock
        from sweep.experiment.writing import experiment_text
        from sweep.networks.criterion import check_rows, check_success
        from sweep.report.limits import describe_limits
        from sweep.report.terminal.progress import watched
        from sweep.report.terminal.train import advice_lines, answer_lines
        from sweep.runs.errors import at
        from sweep.statistics.verdicts import Target
        from sweep.training.costs import describe_seconds

        configuration = experiment_file.configuration(given)
        criterion = None
        if success is not None:
            with at("--success"):
                criterion = experiment_file.read_success(success)
                check_success(criterion)
                check_rows(criterion, configuration)
        typed = [*given, "--seeds", str(seeds), *(() if success is None else ("--success", success))]
        if save is not None:
            head = f"sweep train {shlex.join(typed)}"
            _save(save, experiment_text(experiment_file.settings(given), n_seeds=seeds, success=success, head=head))
            return
        block = SeedBlock(count=seeds)
        asked = ask(configuration, block, engine=engine, device=device, workers=workers, success=criterion)
        if not as_json and not quiet:
            for line in describe_limits([configuration], Target().target):
                say(line)
        if asked.seconds > seconds_worth_a_word and not quiet:
            say(f"about {describe_seconds(asked.seconds)}")
        with watched(seeds, quiet=quiet) as watch:
            trained = asked.train(watch)
        answer, likely = count_runs(trained), find_likely(trained, asked.engine, asked.workers)
        if as_json:
            tell_json(to_record(answer, likely, asked.engine))
        else:
            advice = advice_lines(configuration, answer.outcomes, likely, typed, _free_stem())
            tell("\n".join([*answer_lines(answer), "", *advice]))


def _free_stem() -> str:
    """The first of mine, mine-2, ... of which there is neither an experiment nor a results folder."""
    stems = ("mine" if i == 1 else f"mine-{i}" for i in itertools.count(1))
    return next(x for x in stems if not Path(f"{x}.yaml").exists() and not Path("results", x).exists())


def _train_program(
    program: tuple[str, ...],
    given: list[str],
    n_seeds: int,
    success: str | None,
    workers: int | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a program under many seeds, and say how often it succeeds."""
    from sweep.commands.train_program import train_program
    from sweep.experiment import file as experiment_file
    from sweep.report.terminal.progress import watched
    from sweep.report.terminal.train import program_lines
    from sweep.runs.errors import at

    with at("--success"):
        criterion = experiment_file.read_success("success >= 1" if success is None else success)
    settings = experiment_file.settings(given, are_of_networks=False)
    with watched(n_seeds, quiet=quiet) as watch:
        found = train_program(program, settings, n_seeds, criterion, workers=workers, watch=watch)
    if as_json:
        tell_json(found.record())
    else:
        tell("\n".join(program_lines(found)))


def _save(path: Path, text: str) -> None:
    """Write an experiment file that is valid where it lies; one that says the same already stays."""
    from sweep.experiment import file as experiment_file
    from sweep.experiment.table_files import TableFiles
    from sweep.results.files import check_new, write_atomically

    is_there = path.is_file() and path.read_bytes() == text.encode()
    if not is_there:
        check_new(path)
        experiment_file.parse(text, str(path), TableFiles(path.parent))
        write_atomically(path, text.encode())
    say(f"{'unchanged' if is_there else 'wrote'} {path}; next: sweep run {shlex.quote(str(path))}")


@app.command("import")
def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="What model.save wrote.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE ...]",
            help="What no model knows: task, encoding, targets, samples, batch_size, epochs, shuffle.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="The experiment file to write.", show_default="standard output"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=max_seeds, metavar="N", help="How many seeds.")] = 64,
) -> None:
    """Write a Dense/Dropout network of one's own as an experiment."""
    with user_errors():
        from sweep.experiment import file as experiment_file
        from sweep.experiment.writing import experiment_text
        from sweep.training.keras.files import experiment_settings, read_model

        given = experiment_file.settings(settings or [])
        found = read_model(model)
        fixed, remarks = experiment_settings(found, given, model, out.parent if out else Path())
        head = f"The network of {model.name}. {found.remark}".rstrip()
        text = experiment_text(fixed, n_seeds=seeds, head=head, remarks=remarks)
        if out is None:
            tell(text.removesuffix("\n"))
        else:
            _save(out, text)
