"""Commands that make pages of a results folder."""

from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, app, say, user_errors


@app.command()
def report(
    results: ResultsPath,
    figures: Annotated[bool, typer.Option("--figures", help="PNG and SVG of each chart too, in figures/.")] = False,
) -> None:
    """Build report.html, the page to look at. One file, from the files of the results folder alone."""
    with user_errors():
        from sweep.report.page import write_figures, write_page
        from sweep.results import load

        loaded = load(results)
        if figures:
            for path in write_figures(loaded):
                say(f"wrote {path}")
        print(f"look: {write_page(loaded)}")


@app.command()
def dashboard(
    results: ResultsPath,
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="The port on 127.0.0.1.")] = 8080,
) -> None:
    """Open the study in optuna-dashboard. It works on a copy of the journal."""
    with user_errors():
        from sweep.dashboard import serve
        from sweep.results import load

        serve(load(results), port, lambda address: say(f"the study of {results}: {address} (Ctrl-C ends it)"))
