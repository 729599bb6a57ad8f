"""What a verification looked at, in words."""

from sweep.commands.verify.retraining import Sample
from sweep.report.words import percent
from sweep.training.costs import describe_seconds


def describe_sample(sample: Sample, n_rows: int, seconds_of_all: float) -> str:
    """Which rows were trained again, and the chance that a forged one is among them."""
    n = sample.n_named + sample.n_drawn
    if sample.n_drawn == sample.n_others:
        return f"all {n_rows:,} rows were looked at"
    named = f"all {sample.n_named:,} of what the answer names, " if sample.n_named else ""
    return (
        f"{n:,} of {n_rows:,} rows: {named}{sample.n_drawn:,} drawn by --nonce {sample.nonce}; a single forged row "
        f"among the others would be drawn with a chance of {percent(sample.power)}; --sample all takes about "
        f"{describe_seconds(seconds_of_all)}"
    )
