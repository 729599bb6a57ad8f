"""Commands that compare configurations and plan seeds."""

import json
from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, app, tell, user_errors

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
_configuration = "A configuration: its id, the beginning of it, or width=8,optimizer=adam."


@app.command()
def compare(
    results: ResultsPath,
    first: Annotated[str, typer.Argument(metavar="A", help=_configuration, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help=_configuration, show_default=False)],
    margin: Annotated[float, typer.Option(help="Rates that differ by less are equivalent.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Compare two configurations seed by seed. Says which ones may be the best, too."""
    with user_errors():
        from sweep.commands.compare import comparison_record, summarise_comparison
        from sweep.report.terminal.compare import describe_comparison
        from sweep.results.results import load

        found = summarise_comparison(load(results), first, second, margin)
        if as_json:
            tell(json.dumps(comparison_record(found), indent=2, allow_nan=False, ensure_ascii=False))
        else:
            tell("\n".join(describe_comparison(found)))


@app.command()
def importance(results: ResultsPath, as_json: AsJson = False) -> None:
    """Show what each varied hyperparameter does to the success rate."""
    with user_errors():
        from sweep.commands.importance import importances_record, summarise_importances
        from sweep.report.terminal.importance import describe_importances
        from sweep.results.results import load

        found = summarise_importances(load(results))
        if as_json:
            tell(json.dumps(importances_record(found), indent=2, allow_nan=False, ensure_ascii=False))
        else:
            tell("\n".join(describe_importances(found)))


@app.command()
def plan(
    rate: Annotated[float, typer.Option(help="The success rate to expect.", show_default=False)],
    half_width: Annotated[
        float | None, typer.Option(help="The precision wanted: half of the interval's width.", show_default=False)
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="The target that a verdict is wanted for.", show_default=False)
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the interval.")] = 0.95,
    power: Annotated[float, typer.Option(help="The chance wanted of the right verdict.")] = 0.8,
    configurations: Annotated[
        int, typer.Option(help="How many share the error of seeds added while inconclusive.")
    ] = 1,
    first: Annotated[int, typer.Option(help="The first block of seeds added while inconclusive.")] = 16,
    up_to: Annotated[int, typer.Option(help="The most seeds added while inconclusive.")] = 1024,
) -> None:
    """Say how many seeds a precision or a verdict needs. Give --half-width for a precision, --target for a verdict."""
    with user_errors():
        from sweep.commands.plan import Adding, describe_precision, describe_verdict_plan
        from sweep.runs.errors import SettingError
        from sweep.statistics.verdicts import Target

        if (half_width is None) == (target is None):
            found = "neither" if half_width is None else "both"
            raise SettingError(
                ("plan",),
                f"found {found} of --half-width and --target",
                "allowed: one, for a precision or for a verdict",
            )
        if half_width is not None:
            lines = describe_precision(rate, half_width, confidence)
        else:
            reliability, adding = Target(target or 0.0, confidence), Adding(first, up_to, configurations)
            lines = describe_verdict_plan(rate, reliability, power, adding)
        tell("\n".join(lines))
