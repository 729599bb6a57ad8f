"""The page of a network that a function builds: made from its folder alone, equal for equal tables, no script."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sweep.experiment.regular_files import read_text
from sweep.report.page import charts, figures
from sweep.report.page.methods import dash, interval_names
from sweep.report.page.template_files import template
from sweep.report.words import interval, percent
from sweep.results.files import write_atomically
from sweep.results.trainings import OwnResults, count_outcomes, reliability
from sweep.statistics.curves import learned_by_epoch

max_rows = 200
shown_digests = ("runs.csv", "configurations.csv")
does: dict[str, str] = {
    "reliable": "It reliably learns",
    "unreliable": "It does not reliably learn",
    "inconclusive": "Whether it reliably learns is open",
}


def answer_sentences(results: OwnResults) -> tuple[str, str]:
    """Whether it reliably learns, and how often; how the others ended."""
    row = results.configurations.iloc[0]
    rate = f"{percent(row['success_rate'])}, {interval(row['ci_low'], row['ci_high'], dash)} at 95% confidence"
    first = (
        f"{does[row['verdict']]} (success rate \u2265 {reliability.target:g}): "
        f"{row['n_learned']:,} of {row['n_runs']:,} seeds learned ({rate})."
    )
    counts = {name: n for name, n in count_outcomes(results.runs).items() if n and name != "learned"}
    failed = ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
    median = row["median_epochs_to_learn"]
    half = f"Half of all seeds had learned after {median:,.0f} epochs. " if math.isfinite(median) else ""
    return first, half + (f"The others: {failed}." if failed else "No seed failed.")


def describe_methods(results: OwnResults) -> str:
    """A paragraph ready to paste: what was trained, how often, what counted, which interval, with which versions."""
    row, training, versions = results.configurations.iloc[0], results.training, results.manifest.versions
    made = ", ".join(f"{k} {v}" for k, v in versions.items() if k in ("xor-sweep", "numpy", "keras", "tensorflow"))
    return (
        f"We trained the Keras model {results.name} ({row['n_parameters']:,} trained parameters) under "
        f"{row['n_runs']:,} random seeds, set by keras.utils.set_random_seed before the model is built, for "
        f"{results.n_epochs:,} epochs of Model.fit with batches of {training['batch_size']:,}. A run counts as having "
        f"learned by {training['learned']}, asked after the last epoch without dropout; runs that diverged count as "
        f"failures. The success rate carries a 95% {interval_names['wilson'].replace('intervals', 'interval')}; the "
        f"model is called reliable where its rate is shown to be at least {reliability.target:g}, unreliable where it "
        f"is shown to be lower, by an exact binomial test at 2.5% on each side. The share learned by epoch has a 95% "
        f"band for the whole curve (Massart 1990). Software: {made}."
    )


def scale_of(losses: Sequence[float]) -> float:
    """Where the axes of the loss end: the 1, 2 or 5 times a power of ten from most of these up.

    >>> scale_of([0.7, 0.3]), scale_of([30.0, 12.0, math.inf]), scale_of([])
    (1.0, 50.0, 1.0)
    """
    finite = [x for x in losses if math.isfinite(x) and x > 0]
    if not finite:
        return 1.0
    wanted = float(np.quantile(finite, 0.95))
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(float(f"{step * power:.6g}") for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9))


def draw_figures(results: OwnResults) -> dict[str, Any]:
    """Every chart by name; those that have nothing to show are left out."""
    runs, examples = results.runs, results.examples()
    starts = [float(e.losses[0]) for e in examples]
    top = scale_of([*starts, *runs["final_loss"].dropna().tolist()])
    floors = [(value, name) for value, name in results.manifest.floors or () if value <= top]
    epochs = runs["epochs_to_learn"].fillna(-1).to_numpy(np.int64)
    drawn = {"learned": charts.draw_learned(learned_by_epoch(epochs, reliability.confidence), results.n_epochs)}
    curves = figures.summarise_curves(examples)
    losses = figures.summarise_final_losses(runs["outcome"].to_numpy(object), runs["final_loss"].to_numpy(float), top)
    if curves:
        drawn["curves"] = charts.draw_curves(curves, floors, top)
    if losses:
        drawn["final_losses"] = charts.draw_final_losses(losses, floors, top)
    return drawn


labels = {
    "learned": "Share of the seeds that have learned, by epoch, with a band",
    "curves": "Loss by epoch of some runs, a panel for each outcome",
    "final_losses": "Histogram of the final losses of all runs, for each outcome",
}


def build(results: OwnResults) -> str:
    """The page, as HTML."""
    from markupsafe import Markup

    runs = results.runs
    shown = runs.head(max_rows)
    return template("own.html").render(
        name=results.name,
        training=results.training,
        sentences=answer_sentences(results),
        counts=count_outcomes(runs),
        figures={k: Markup(charts.to_svg(c, k, label=labels[k])) for k, c in draw_figures(results).items()},
        floors=results.manifest.floors or (),
        n_runs=len(runs),
        rows=shown.astype(object).where(shown.notna(), None).to_dict("records"),
        csv=read_text(results.folder.runs),
        methods=describe_methods(results),
        versions=results.manifest.versions,
        digests={k: v for k, v in results.manifest.files.items() if k in shown_digests},
    )


def write_page(results: OwnResults) -> Path:
    """Build the page and write it into the folder as report.html."""
    write_atomically(results.folder.report, build(results).encode())
    return results.folder.report
