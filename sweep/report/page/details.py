"""What the page holds of each configuration beyond its row: counts and shortened curves, small enough for thousands.

A number in [0, 1] that is only drawn is one character: 64 steps in the alphabet of base64 (`pack`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.report.page.surfaces import plane_range, room, surface
from sweep.runs.outcomes import outcome_table, outcomes

alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
n_steps = 32
n_prediction_bins = 20
max_seeds = 256
max_predictions = 32
max_plane_rows = 256  # of a table of two inputs, whose rows stand on its surfaces
max_merged = 3
loss_decades = (-4.0, 1.0)

Counts = npt.NDArray[np.int64]


def pack(values: npt.ArrayLike) -> str:
    """Numbers in [0, 1] as one character each, rounded to 63rds; what is not finite as 1.

    >>> pack([0.0, 0.5, 1.0])
    'Ag_'
    """
    clipped = np.clip(np.nan_to_num(np.asarray(values, float), nan=1.0), 0, 1)
    return "".join(alphabet[i] for i in np.round(clipped.ravel() * 63).astype(int))


def pack_losses(losses: npt.ArrayLike) -> str:
    """Losses on a logarithmic scale from 0.0001 to 10, packed."""
    low, high = loss_decades
    with np.errstate(divide="ignore", invalid="ignore"):
        return pack((np.log10(np.asarray(losses, float)) - low) / (high - low))


def places_of_runs(table: Any, runs: Any) -> Counts:
    """The row of configurations.csv that each run belongs to: `[run]`."""
    import pandas as pd

    places = pd.Series(np.arange(len(table)), index=table["configuration"])
    return places.reindex(runs["configuration"]).to_numpy(np.int64)


def count_learned_by_epoch(table: Any, place: Counts, epochs_to_learn: Any) -> Counts:
    """How many runs were learned for good by each of 33 epochs, evenly spaced from 0: `[configuration, step]`."""
    n = len(table)
    ends = table["epochs"].to_numpy(float)
    has_learned = epochs_to_learn.notna().to_numpy()
    own, epoch = place[has_learned], epochs_to_learn[has_learned].to_numpy(float)
    step = np.ceil(epoch / ends[own] * n_steps - 1e-9).astype(np.int64).clip(0, n_steps)
    counts = np.bincount(own * (n_steps + 1) + step, minlength=n * (n_steps + 1))
    return counts.reshape(n, n_steps + 1).cumsum(axis=1)


def count_predictions(place: Counts, predictions: Any, n_configurations: int) -> Counts:
    """Runs by final prediction of one table row, in 20 bins from 0 to 1: `[configuration, bin]`."""
    values = predictions.to_numpy(float)
    is_present = np.isfinite(values)
    cell = np.clip((values[is_present] * n_prediction_bins).astype(np.int64), 0, n_prediction_bins - 1)
    size = n_configurations * n_prediction_bins
    counted = np.bincount(place[is_present] * n_prediction_bins + cell, minlength=size)
    return counted.reshape(n_configurations, n_prediction_bins)


def count_accuracies(place: Counts, runs: Any, n_configurations: int) -> Counts | None:
    """Runs by accuracy in the same bins, where the accuracy was read; a run that diverged has the lowest."""
    if "accuracy" not in runs:
        return None
    return count_predictions(place, runs["accuracy"].fillna(0.0), n_configurations)


def _seed_strips(table: Any, place: Counts, runs: Any) -> list[dict[str, Any]]:
    """The outcomes of the first 256 seeds of each configuration as letters, and the seeds: their first, or all."""
    order = np.lexsort((runs["seed"].to_numpy(), place))
    letters = runs["outcome"].map({o.name: o.letter for o in outcome_table}).to_numpy(object)[order]
    seeds = runs["seed"].to_numpy(np.int64)[order]
    ends = np.cumsum(np.bincount(place, minlength=len(table)))
    strips: list[dict[str, Any]] = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        cut = slice(start, min(end, start + max_seeds))
        own = seeds[cut]
        is_row = len(own) > 0 and int(own[-1] - own[0]) == len(own) - 1
        strips.append({"o": "".join(letters[cut]), "s": int(own[0]) if is_row else own.tolist()})
    return strips


def _merged(table: Any, place: Counts, runs: Any) -> list[list[list[Any]]]:
    """The commonest merged rows of each configuration with their counts, at most three."""
    found: list[list[list[Any]]] = [[] for _ in range(len(table))]
    if "merged_rows" not in runs:
        return found
    merged_rows = runs["merged_rows"]
    has = (merged_rows != "").to_numpy()
    if has.any():
        counted = merged_rows[has].groupby([place[has], merged_rows[has]]).size()
        for (i, name), n in counted.sort_values(ascending=False, kind="stable").items():
            if len(found[i]) < max_merged:
                found[i].append([name, int(n)])
    return found


def _examples(
    kept: Sequence[Example], known: Mapping[str, Configuration]
) -> tuple[list[list[int]], dict[str, list[dict[str, Any]]]]:
    """The distinct lists of snapshot epochs, and the examples of each configuration, packed."""
    lists: dict[tuple[int, ...], int] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    for example in kept:
        epochs = tuple(example.epochs.tolist())
        record: dict[str, Any] = {
            "o": outcomes.index(example.outcome),
            "s": example.seed,
            "f": _number(example.losses[-1]),
            "t": lists.setdefault(epochs, len(lists)),
            "l": pack_losses(example.losses),
            "p": [_number(p) for p in example.predictions[-1].ravel()[:max_predictions]],
        }
        if example.configuration in known:
            grid = surface(known[example.configuration], example.weights)
            record |= {} if grid is None else {"z": pack(grid)}
        found.setdefault(example.configuration, []).append(record)
    return [list(epochs) for epochs in lists], found


def _number(x: Any) -> float | None:
    return float(f"{float(x):.3g}") if np.isfinite(x) else None


def _tables(known: Mapping[str, Configuration]) -> dict[str, Any]:
    """The tables of tasks by label: inputs, targets, and the part of the plane that their surfaces show."""
    tasks = {c.task.label: c.task for c in known.values()}
    return {
        label: {
            "x": task.inputs.tolist(),
            "y": task.targets.tolist(),
            "range": plane_range(task.inputs, room) if task.n_inputs == 2 else None,
        }
        for label, task in tasks.items()
        if task.n_rows <= (max_plane_rows if task.n_inputs == 2 else max_predictions)
    }


def summarise_details(
    table: Any, runs: Any, kept: Sequence[Example], known: Mapping[str, Configuration]
) -> dict[str, Any]:
    """Seeds, learning by epoch, predictions and examples of every configuration, in the order of the table.

    `known`: the configurations of the table by their ids.
    """
    place = places_of_runs(table, runs)
    has_epochs = "epochs_to_learn" in runs and "epochs" in table and table["epochs"].dtype.kind in "iu"
    curves = count_learned_by_epoch(table, place, runs["epochs_to_learn"]) if has_epochs else None
    columns = [c for c in runs.columns if known and c.startswith("p_")][:max_predictions]
    counted = [count_predictions(place, runs[c], len(table)) for c in columns]
    accuracies = count_accuracies(place, runs, len(table)) if known else None
    strips, merged = _seed_strips(table, place, runs), _merged(table, place, runs)
    snapshots, examples = _examples(kept, known)
    rows: list[dict[str, Any]] = []
    for i, identity in enumerate(table["configuration"]):
        bins = [[j, c[i].tolist()] for j, c in enumerate(counted) if c[i].any()]
        curve = None if curves is None else curves[i].tolist()
        rows.append({**strips[i], "q": curve, "p": bins, "m": merged[i], "e": examples.get(identity, [])})
        if accuracies is not None:
            rows[-1]["a"] = accuracies[i].tolist()
    return {
        "rows": rows,
        "prediction_columns": [c[2:] for c in columns],
        "snapshots": snapshots,
        "tasks": _tables(known),
    }
