"""The data halves of the figures: small tables that are drawn elsewhere, counts rather than points.

Rates are those of `configurations.csv`, each with the interval and method that stand there. A table that pools several
configurations says how many (`n_configurations`) and gives no interval of its own: pooled runs share their seeds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.measurements import Example
from sweep.runs.outcomes import outcomes
from sweep.runs.settings import setting_text, title_of

max_levels = 16
n_bins = 8
max_curves = 24
max_loss = 1.0
n_loss_bins = 80


@dataclass(frozen=True)
class Levels:
    """One hyperparameter of a table: the names of its levels in order, and the level of each row: `codes [row]`."""

    column: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]


def find_levels(table: Any, column: str) -> Levels:
    """The levels of a column: numbers rising, words in the order of the trials; many numbers in bins of equal counts.

    >>> import pandas as pd
    >>> find_levels(pd.DataFrame({"trial": [1, 0], "width": [4, 2]}), "width").names
    ('2', '4')
    """
    import pandas as pd

    values = table[column]
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if is_number and values.nunique() > max_levels:
        numbers = values.to_numpy(float, na_value=np.nan)
        edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, n_bins + 1)))
        codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
        codes = np.where(np.isnan(numbers), -1, codes).astype(np.int64)
        names = [f"{low:.3g}\u2013{high:.3g}" for low, high in zip(edges, edges[1:], strict=False)]
    else:
        in_order = values if is_number else values.loc[table["trial"].sort_values(kind="stable").index]
        distinct = list(dict.fromkeys(in_order.dropna().tolist()))
        distinct = sorted(distinct) if is_number else distinct
        codes = pd.Categorical(values, categories=distinct).codes.astype(np.int64)
        names = [setting_text(v) for v in distinct]
    if (codes < 0).any():  # a setting that some configurations do not have, as `samples`
        codes, names = np.where(codes < 0, len(names), codes), [*names, "none"]
    return Levels(column, tuple(names), codes)


def variance_share(rates: npt.NDArray[np.float64], codes: npt.NDArray[np.int64]) -> float:
    """The share of the variance of `rates [configuration]` that lies between the levels `codes [configuration]`.

    In a full factorial this is the main effect's part of a functional analysis of variance. 0 where nothing varies.

    >>> variance_share(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1]))
    1.0
    """
    total = float(((rates - rates.mean()) ** 2).sum()) if len(rates) else 0.0
    if total == 0:
        return 0.0
    n = np.bincount(codes)
    means = np.bincount(codes, weights=rates) / np.maximum(n, 1)
    return float((n * (means - rates.mean()) ** 2).sum() / total)


def rank_columns(table: Any, columns: Iterable[str]) -> list[tuple[str, float]]:
    """The columns with their share of the variance of the success rate, the largest first."""
    rates = table["success_rate"].fillna(0.0).to_numpy(float)
    shares = [(c, variance_share(rates, find_levels(table, c).codes)) for c in columns]
    return sorted(shares, key=lambda pair: -pair[1])


def map_layout(table: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """The order of the hyperparameters on the map: across, down, then the facets, the most important first."""
    ranked = [c for c, _ in rank_columns(table, columns)]
    axes = [c for c in ("width", "depth") if c in ranked]
    return (*axes, *(c for c in ranked if c not in axes))


def is_sparse(table: Any, columns: Sequence[str]) -> bool:
    """Whether at most half of the cells of a map of all these hyperparameters would hold a configuration."""
    return 2 * len(table) <= math.prod(len(find_levels(table, c).names) for c in columns)


def summarise_map(table: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    """A record for each cell of the map: `x`, `y`, `facet_column`, `facet_row`, the rate, its interval and the verdict.

    `columns` is the order of `map_layout`; hyperparameters after the third are joined in `facet_row`. A cell that holds
    several configurations has their mean rate and no interval.
    """
    import pandas as pd

    levels = [find_levels(table, c) for c in columns]

    texts = [pd.Series(np.array(level.names, object)[level.codes], index=table.index) for level in levels]
    blank = pd.Series("", index=table.index)
    rows = [f"{title_of(c)} " + t for c, t in zip(columns[3:], texts[3:], strict=True)]
    frame = pd.DataFrame({"x": texts[0], "y": texts[1] if len(texts) > 1 else blank})
    frame["facet_column"] = texts[2] if len(texts) > 2 else blank
    frame["facet_row"] = pd.concat(rows, axis=1).agg(", ".join, axis=1) if rows else blank
    for column in ("success_rate", "ci_low", "ci_high", "verdict"):
        frame[column] = table[column]
    order = np.lexsort([level.codes for level in reversed(levels)])
    cells: list[dict[str, Any]] = []
    keys = ["x", "y", "facet_column", "facet_row"]
    for key, group in frame.iloc[order].groupby(keys, sort=False):
        is_one = len(group) == 1
        found = set(group["verdict"])
        cells.append(
            {
                **dict(zip(keys, key, strict=True)),
                "success_rate": round(float(group["success_rate"].mean()), 6),
                "ci_low": float(group["ci_low"].iloc[0]) if is_one else None,
                "ci_high": float(group["ci_high"].iloc[0]) if is_one else None,
                "verdict": found.pop() if len(found) == 1 else "mixed",
                "n_configurations": len(group),
            }
        )
    return cells


# losses ---------------------------------------------------------------------------------------------------------------


def summarise_curves(kept: Sequence[Example]) -> list[dict[str, Any]]:
    """Loss by epoch of up to 24 example runs of each outcome, spread evenly over the configurations."""
    points: list[dict[str, Any]] = []
    for outcome in outcomes:
        own = [e for e in kept if e.outcome == outcome]
        chosen = np.unique(np.linspace(0, len(own) - 1, min(max_curves, len(own))).round().astype(int))
        for place in chosen:
            example = own[place]
            for epoch, loss in zip(example.epochs.tolist(), example.losses.tolist(), strict=True):
                if math.isfinite(loss):
                    points.append(
                        {"outcome": outcome, "run": example.run, "epoch": epoch, "loss": float(f"{loss:.4g}")}
                    )
    return points


def summarise_final_losses(outcome: npt.NDArray[Any], loss: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Counts of runs by outcome and final loss, in 80 bins from 0 to 1; what lies above is in the last bin.

    `outcome [run]` as text, `loss [run]`; a loss that is not finite is in no bin.
    """
    width = max_loss / n_loss_bins
    bins: list[dict[str, Any]] = []
    for name in outcomes:
        own = loss[(outcome == name) & np.isfinite(loss)]
        counts = np.bincount(np.clip(own / width, 0, n_loss_bins - 1).astype(int), minlength=n_loss_bins)
        for i in np.flatnonzero(counts):
            low = float(f"{float(i) * width:.6g}")
            high = float(f"{low + width:.6g}")
            bins.append({"outcome": name, "low": low, "high": high, "n_runs": int(counts[i])})
    return bins


def pareto_front(n_parameters: npt.NDArray[np.int64], rates: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which configurations no other one beats: none has at most as many parameters and a higher rate.

    Of equal rates the smallest stands; of equal size and rate the first.

    >>> pareto_front(np.array([5, 9, 9, 17]), np.array([0.2, 0.7, 0.6, 0.7])).tolist()
    [True, True, False, False]
    """
    order = np.lexsort((-rates, n_parameters))
    best = np.maximum.accumulate(rates[order])
    is_new = np.r_[True, best[1:] > best[:-1]] if len(order) else np.zeros(0, bool)
    front = np.zeros(len(order), bool)
    front[order[is_new]] = True
    return front


def summarise_pareto(table: Any) -> list[dict[str, Any]]:
    """Parameters and rate: one record for each pair that occurs, with the number of configurations behind it."""
    named = table[["configuration", "n_parameters", "success_rate", "ci_low", "ci_high", "verdict"]]
    counted = named.groupby(["n_parameters", "success_rate"], sort=True)
    first = counted.first().reset_index()
    first["n_configurations"] = counted.size().to_numpy()
    front = pareto_front(first["n_parameters"].to_numpy(), first["success_rate"].to_numpy(float))
    records: list[Mapping[str, Any]] = first.to_dict("records")
    return [{**record, "is_front": bool(on)} for record, on in zip(records, front, strict=True)]
