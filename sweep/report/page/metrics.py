"""The data halves of the figures of numbers that runs of one's own gave: how they are spread, how they went by step.

A figure has the first configurations of the table, which are the most reliable, by the order of their lines.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.experiment import Experiment
from sweep.report.words import describe_settings
from sweep.results.columns import columns_of_runs
from sweep.runs.curves import Curve
from sweep.runs.success import Success
from sweep.statistics.shares import shares_up_to

max_lines = 5
max_rows = 20
max_metrics = 8
max_label = 60
quantiles = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Spread:
    """A number over the seeds of a configuration: of how many runs, their mean, and its quantiles 10, 50 and 90%."""

    configuration: str
    n: int
    n_runs: int
    mean: float
    low: float
    median: float
    high: float


def metrics_of(runs: Any, experiment: Experiment) -> list[str]:
    """The numbers that runs of one's own gave, by their columns: first the one that success compares.

    Of networks those of the rows held out, where there are some.
    """
    if "test_accuracy" in runs and experiment.subject == "network":
        compared = experiment.criterion.metric
        return [name for name in dict.fromkeys((compared, "test_accuracy", "test_loss")) if name in runs]
    if experiment.success is None:
        return []
    first = experiment.success.metric
    others = {*(c.name for c in columns_of_runs(experiment.subject)), *experiment.names, "attempts"}
    return sorted((str(c) for c in runs.columns if c not in others), key=lambda name: name != first)


def labels_of(table: Any, columns: Sequence[str], id_length: int) -> dict[str, str]:
    """What the first configurations of a table are called in a figure, by their ids."""
    rows: list[Mapping[str, Any]] = table.head(max_lines).to_dict("records")
    labels: dict[str, str] = {}
    for row in rows:
        label = f"{row['configuration'][:id_length]}: {describe_settings(row, columns)}"
        labels[row["configuration"]] = label if len(label) <= max_label else f"{label[: max_label - 3]}..."
    return labels


def summarise_spread(table: Any, runs: Any, metric: str) -> list[Spread]:
    """A number of the first 20 configurations; those that no run gave are left out."""
    by_id = {str(identity): own[metric].to_numpy(float) for identity, own in runs.groupby("configuration", sort=False)}
    found: list[Spread] = []
    for identity in table["configuration"].head(max_rows):
        values = by_id.get(identity, np.zeros(0))
        finite = values[np.isfinite(values)]
        if len(finite):
            spread = (float(np.quantile(finite, q)) for q in quantiles)
            found.append(Spread(identity, len(finite), len(values), float(finite.mean()), *spread))
    return found


def summarise_shares(runs: Any, labels: Mapping[str, str], success: Success, confidence: float) -> list[dict[str, Any]]:
    """The share of seeds that would succeed at each threshold, with its band: a record for each step.

    At or above the threshold, below it where success asks for little; a run without the number never would.
    """
    sign = -1.0 if success.comparison.startswith(">") else 1.0
    own = runs[runs["configuration"].isin(list(labels))][success.metric].to_numpy(float)
    ends = sign * np.append(own[np.isfinite(own)], success.threshold)
    first, last = float(ends.min()), float(ends.max())
    records: list[dict[str, Any]] = []
    for identity, label in labels.items():
        values = runs[success.metric][runs["configuration"] == identity].to_numpy(float)
        found = shares_up_to(sign * values, confidence)
        rates = found.rates
        steps = [*zip(np.maximum(found.at, first), rates.value, rates.low, rates.high, strict=True)]
        for at, *numbers in [*steps, (last, *steps[-1][1:])]:
            shares = dict(zip(("share", "low", "high"), map(float, numbers), strict=True))
            records.append({"configuration": label, "t": float(f"{sign * at:.6g}"), **shares})
    return records


def summarise_courses(curves: Mapping[str, Curve], labels: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Each number by step: its median and the middle 80% of the seeds that have it there, a record for each step.

    `curves` by run. A run that has ended, or whose number is not finite any more, is in no later step; `n` counts.
    """
    own: dict[str, list[Curve]] = {identity: [] for identity in labels}
    for run, curve in curves.items():
        if (identity := run.rpartition("-")[0]) in own:
            own[identity].append(curve)
    names = dict.fromkeys(itertools.chain.from_iterable(c.metrics for many in own.values() for c in many))
    courses: dict[str, list[dict[str, Any]]] = {}
    for name in list(names)[:max_metrics]:
        for identity, label in labels.items():
            having = [curve for curve in own[identity] if name in curve.metrics]
            courses.setdefault(name, []).extend({"configuration": label, **point} for point in _band(having, name))
    return {name: records for name, records in courses.items() if records}


def _band(curves: Sequence[Curve], name: str) -> list[dict[str, Any]]:
    steps = np.unique(np.concatenate([c.steps for c in curves])) if curves else np.zeros(0)
    values = np.array([_at(steps, c, name) for c in curves]).reshape(-1, len(steps))
    points: list[dict[str, Any]] = []
    for step, column in zip(steps.tolist(), values.T, strict=True):
        finite = column[np.isfinite(column)]
        if len(finite):
            low, median, high = (float(f"{np.quantile(finite, q):.5g}") for q in quantiles)
            points.append({"step": step, "low": low, "median": median, "high": high, "n": len(finite)})
    return points


def _at(steps: npt.NDArray[np.float64], curve: Curve, name: str) -> npt.NDArray[np.float64]:
    """The values of a curve at these steps, straight between its points, NaN before its first and after its last."""
    values = curve.metrics[name].astype(np.float64)
    is_known = ~np.isnan(values)
    return np.interp(steps, curve.steps[is_known], values[is_known], left=math.nan, right=math.nan)
