"""Commands that make pages of a results folder."""

from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, Storage, app, say, tell, user_errors


@app.command()
def report(
    results: ResultsPath,
    figures: Annotated[bool, typer.Option("--figures", help="PNG and SVG of each chart too, in figures/.")] = False,
) -> None:
    """Build report.html, the page to look at. One file, from the files of the results folder alone."""
    with user_errors():
        from sweep.report.page import page
        from sweep.report.page.charts import write_figures
        from sweep.results.so_far import load_so_far

        loaded = load_so_far(results)
        if loaded.so_far:
            say(loaded.so_far)
        if figures:
            for path in write_figures(loaded.folder.figures, page.draw_figures(loaded)):
                say(f"wrote {path}")
        tell(f"look: {page.write_page(loaded)}")


@app.command()
def dashboard(
    results: ResultsPath,
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="The port on 127.0.0.1.")] = 8080,
    storage: Storage = None,
) -> None:
    """Open the study in optuna-dashboard. It works on a copy of the journal."""
    with user_errors():
        from sweep.commands.dashboard import serve
        from sweep.results.so_far import load_so_far

        loaded = load_so_far(results, storage)
        if loaded.so_far:
            say(loaded.so_far)
        serve(loaded, port, lambda address: say(f"the study of {results}: {address} (Ctrl-C ends it)"), storage)
