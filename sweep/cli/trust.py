"""Commands that ask whether a results folder can be trusted."""

from typing import Annotated

import typer

from sweep.cli.common import ResultsPath, Storage, WithProgram, Workers, app, program_of, say, tell, user_errors


def _sample_size(text: str | None) -> int | None:
    from sweep.results.files import ResultsError

    if text is None:
        return None
    if text == "all":
        return 2**62
    if text.isascii() and text.isdecimal() and len(text) < 18:
        return int(text)
    raise ResultsError(f"--sample: found {text}; allowed: a number of runs from 0 up, or all")


@app.command(cls=WithProgram)
def verify(
    context: typer.Context,
    results: ResultsPath,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="K|all",
            help="How many runs to train again.",
            show_default="1000; 10 of a program, or with another engine than native",
        ),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="native, fused or keras.", show_default="the one that trained them")
    ] = None,
    nonce: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What draws the sample, to repeat it.", show_default="a fresh one"),
    ] = None,
    workers: Workers = None,
    storage: Storage = None,
) -> None:
    """Check files, tables and study against each other. Trains a sample of the runs again; writes nothing.

    Runs of a program are made again by the PROGRAM that is given, the one that made them.
    """
    with user_errors():
        from sweep.commands.verify import verify
        from sweep.report.terminal.progress import shown_progress
        from sweep.report.terminal.verify import describe_sample

        program = program_of(context, engine_options=("engine",))
        with shown_progress(is_passing=True) as observe:
            found = verify(
                results,
                _sample_size(sample),
                engine=engine,
                workers=workers,
                storage=storage,
                nonce=nonce,
                program=program,
                observe=observe,
            )
        for finding in found.findings:
            tell(finding)
        if found.comparison is not None and found.sample is not None:
            c = found.comparison
            tell(describe_sample(found.sample, found.n_rows, found.seconds_of_all))
            tell(
                f"{c.n_runs:,} of {found.n_rows:,} runs trained again by {found.engine}: {c.n_identical:,} identical, "
                f"{c.n_same_outcome:,} same outcome, {len(c.different):,} different"
            )
        elif found.engine:
            tell(f"no run was made again: that needs {found.engine}, which is not in the folder")
        if not found.is_right:
            say(f"{results}: something is off")
            raise typer.Exit(1)
        tell(f"{results}: files, tables and study agree")


@app.command()
def audit(
    results: ResultsPath,
    runs: Annotated[int, typer.Option(min=1, max=1000, metavar="K", help="How many runs.")] = 6,
    storage: Storage = None,
) -> None:
    """Train some runs again with Keras, the referee. Compares weights after the first steps; writes audit.json."""
    with user_errors():
        from sweep.commands.audit import audit

        found = audit(results, runs, storage)
        if not found.runs:
            say(f"{results}: there is no run to audit, so nothing was shown")
            raise typer.Exit(1)
        named = {kind: [r.run for r in found.runs if r.weights == kind] for kind in ("agree", "undecided", "differ")}
        ended = [r for r in found.runs if r.outcome_keras is not None]
        n_same = sum(r.outcome_keras == r.outcome for r in ended)
        weights = ", ".join(f"{len(named[kind])} {kind}" for kind in named if named[kind])
        tell(
            f"audit: {len(found.runs)} runs again with Keras: weights after the first steps: {weights}; "
            f"at the end {n_same} of {len(ended)} same outcome{'' if found.is_new else ' (said before of these files)'}"
        )
        for run in named["differ"]:
            tell(f"{run}: the weights differ")
        if not found.is_right:
            raise typer.Exit(1)
