"""Commands that look at a results folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, app, say, tell, user_errors

n_shown = 20


@app.command()
def show(
    results: ResultsPath,
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many configurations.", show_default="20; of --export all"),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="[-]COLUMN", help="Sort by this column, largest first; -COLUMN: smallest first.", show_default=False
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR", help="Only rows where this holds: 'width >= 4 and depth == 1'.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    is_gate: Annotated[
        bool, typer.Option("--gate", help="Exit code 0: all these are reliable; 3: one is not; 4: seeds cannot tell.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows: .csv or .parquet.", show_default=False)
    ] = None,
) -> None:
    """Show the configurations, the most reliable first."""
    with user_errors():
        from sweep.report.summaries import gate, select_rows
        from sweep.report.terminal.answer import print_answer, print_configurations
        from sweep.report.words import counted
        from sweep.results.folder import check_is_no_own_file
        from sweep.results.results import load
        from sweep.results.so_far import load_so_far
        from sweep.results.tables import check_table_path, export_table, to_records

        if export is not None:
            check_table_path(export)
            check_is_no_own_file(export)
        loaded = load(results) if is_gate else load_so_far(results)
        rows = select_rows(loaded.configurations, where, sort)
        code, words = gate(rows) if is_gate else (0, "")
        first = rows.head(top or (len(rows) if export is not None else n_shown))
        if export is not None:
            export_table(first, export)
            say(f"wrote {counted(len(first), 'row')} to {export}")
        elif as_json:
            tell(json.dumps(to_records(first), indent=2, allow_nan=False, ensure_ascii=False))
        elif where is None and sort is None:
            print_answer(loaded, top or n_shown)
        elif not rows.empty:
            print_configurations(loaded, first)
        if rows.empty:
            say(f"--where: {where} holds for none of {counted(len(loaded.configurations), 'configuration')}")
        if loaded.so_far and (where, sort, export, as_json) != (None, None, None, False):
            say(loaded.so_far)  # the answer says it itself
        if is_gate:
            say(words)
            raise typer.Exit(code)


@app.command()
def judge(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="A row for each run.", show_default=False)],
    configuration: Annotated[
        str, typer.Option(metavar="NAMES", help="The columns of the settings: lr,layers.", show_default=False)
    ],
    success: Annotated[
        str, typer.Option(metavar="CRITERION", help="When a run counts: 'accuracy >= 0.95'.", show_default=False)
    ],
    seed: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column of the seed.", show_default="rows of each are numbered"),
    ] = None,
    target: Annotated[float, typer.Option(help="The success rate of a reliable configuration.")] = 0.9,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The results folder.", show_default="results/<name>")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing folder aside and begin anew.")] = False,
) -> None:
    """Judge runs that something else made, from a table. Leaves a results folder, trains nothing."""
    with user_errors():
        from sweep.commands.judge import plan_judgement
        from sweep.commands.run import execute
        from sweep.report.page.page import write_page
        from sweep.report.terminal.answer import print_answer

        names = [name.strip() for name in configuration.split(",") if name.strip()]
        judged = plan_judgement(table, names, seed, success, target, confidence)
        for remark in judged.remarks:
            say(remark)
        results = execute(judged.plan, out, fresh=fresh, say=say)
        write_page(results)
        print_answer(results)
