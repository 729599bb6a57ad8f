"""Commands that train networks of a results folder again: why they failed, and how a training went."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.cli.common import EngineName, Quiet, ResultsPath, Workers, app, check_not_given, say, tell, user_errors


@app.command()
def rescue(
    results: ResultsPath,
    configuration: Annotated[
        str,
        typer.Argument(
            metavar="CONFIGURATION",
            help="Its id, the beginning of it, or width=8,optimizer=adam.",
            show_default=False,
        ),
    ],
    engine: EngineName = "auto",
    workers: Workers = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the table: .csv or .parquet.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of words.")] = False,
    quiet: Quiet = False,
) -> None:
    """Change one thing at a time for the seeds that failed. Finds the cheapest change that is enough."""
    with user_errors("; nothing is kept"):
        from sweep.commands.rescue.rescue import rescue
        from sweep.report.terminal.progress import shown_progress
        from sweep.report.terminal.rescue import describe_rescue
        from sweep.results.folder import check_is_no_own_file
        from sweep.results.results import load
        from sweep.results.tables import check_table_path, export_table

        if csv is not None:
            check_table_path(csv)
            check_is_no_own_file(csv)
        note = (lambda message: None) if quiet else say
        with shown_progress(quiet=quiet, is_passing=True) as observe:
            found = rescue(load(results), configuration, engine=engine, workers=workers, say=note, observe=observe)
        if csv is not None:
            export_table(found.table(), csv)
            note(f"wrote {len(found.attempts)} rows to {csv}")
        if as_json:
            tell(json.dumps(found.summary(), indent=2, allow_nan=False, ensure_ascii=False))
        else:
            tell("\n".join(describe_rescue(found, shutil.get_terminal_size((120, 24)).columns)))


@app.command()
def replay(
    context: typer.Context,
    results: ResultsPath,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="<configuration>-<seed>; the configuration may be cut short.", show_default=False
        ),
    ],
    engine: EngineName = "native",
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the training: .png or .svg.", show_default=False)
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the network as a .keras file.", show_default=False)
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Of a run of a program: run the recorded command, and compare.")
    ] = False,
) -> None:
    """Train one run again: is it the same, why did it end so. Of a run of a program it shows the recorded command."""
    with user_errors():
        from sweep.commands import replay as replays
        from sweep.report.page.training_figure import check_figure_path, draw_training, write_figure
        from sweep.report.terminal.replay import describe_replay, describe_saved, summarise_replay
        from sweep.results.results import load

        if figure is not None:
            check_figure_path(figure)
        if save is not None:
            replays.check_save_path(save)
        loaded = load(results)
        if loaded.manifest.subject != "network":
            check_not_given(context, "engine", "figure", "save")
            _repeat(loaded, run, again)
            return
        check_not_given(context, "again", of="of programs")
        replayed = replays.replay(loaded, run, engine=engine)
        tell("\n".join(describe_replay(replayed)))
        is_wrong = bool(replayed.differences) and replayed.engine == replayed.trainer
        if figure is not None:
            write_figure(draw_training(summarise_replay(replayed)), figure)
            say(f"drew {figure}")
        if save is not None:
            saved = replays.save(replayed, save)
            tell(describe_saved(saved))
            is_wrong |= not saved.is_equal
    if is_wrong:
        raise typer.Exit(1)


def _repeat(results: Any, run: str, again: bool) -> None:
    """Show the command that made a run of `Results`; run it where the user says so."""
    from sweep.commands.repeat import find_recorded, repeat
    from sweep.report.terminal.repeat import describe_recorded, describe_repeated

    recorded = find_recorded(results, run)
    tell("\n".join(describe_recorded(recorded, is_run=again)))
    if again:
        repeated = repeat(results, recorded)
        tell("\n".join(describe_repeated(repeated)))
        if not repeated.is_same:
            raise typer.Exit(1)
