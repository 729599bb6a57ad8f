"""Commands that look at a results folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, app, say, tell, user_errors


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
    """Show the configurations, the most reliable first."""
    with user_errors():
        from sweep.report.summaries import select_rows
        from sweep.report.terminal.answer import print_answer, print_configurations
        from sweep.results.folder import check_is_no_own_file
        from sweep.results.results import load
        from sweep.results.tables import check_table_path, export_table, to_records

        if export is not None:
            check_table_path(export)
            check_is_no_own_file(export)
        loaded = load(results)
        rows = select_rows(loaded.configurations, where, sort)
        if export is not None:
            export_table(rows, export)
            say(f"wrote {len(rows)} rows to {export}")
        elif as_json:
            tell(json.dumps(to_records(rows.head(top)), indent=2, allow_nan=False, ensure_ascii=False))
        elif where is None and sort is None:
            print_answer(loaded, top)
        else:
            print_configurations(loaded, rows.head(top))
