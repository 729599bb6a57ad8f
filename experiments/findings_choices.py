"""The sections of choices that a network has to make: whose start, which output and loss, which code of the inputs.

Each choice is tried in the same cells (activation, width, learning rate, batch) under the same seeds. What is averaged
over cells has its interval from what differs between seeds, as the cells share them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import findings_figures as figures
import numpy as np
from findings_sections import figure
from findings_words import confidence, effect, points, table
from scipy.special import stdtrit

from sweep.results.results import Results
from sweep.statistics.effects import marginal_rates
from sweep.statistics.pairs import Difference, pair, paired_difference

cells = ["activation", "width", "learning_rate", "batch_size"]


def flags(runs: Any) -> Any:
    """Whether each run learned: a row for each seed, a column for each cell."""
    return runs.pivot(index="seed", columns=cells, values="learned").astype(bool)


def pooled(learned: Any) -> str:
    """The rate over all cells, with its interval (Wilson's, clustered by seed)."""
    matrix = learned.to_numpy(np.int8).T
    r = marginal_rates(np.zeros(len(matrix), np.int64), matrix, confidence).rates
    return f"{100 * r.value[0]:.1f}% ({100 * r.low[0]:.1f}-{100 * r.high[0]:.1f})"


def averaged(first: Any, second: Any) -> Difference:
    """The difference of two rates averaged over cells; its interval is Student's, of the seeds' own differences.

    >>> import pandas as pd
    >>> d = averaged(pd.DataFrame({"a": [1, 1, 0], "b": [1, 0, 0]}), pd.DataFrame({"a": [0, 1, 0], "b": [0, 0, 0]}))
    >>> f"{d.value:.3f} {d.low:.3f} {d.high:.3f}"
    '0.333 -1.101 1.768'
    """
    of_seeds = (first.to_numpy(float) - second.to_numpy(float)).mean(axis=1)
    n = len(of_seeds)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(of_seeds.std(ddof=1)) / np.sqrt(n)
    value = float(of_seeds.mean())
    return Difference(value, value - half, value + half, n, "student over seeds")


def told_apart(first: Any, second: Any) -> Counter[str]:
    """In how many cells the first one helps or harms against the second, or is not shown to matter (Tango's)."""
    pairs = [pair(first[c].to_numpy(), second[c].to_numpy()) for c in first]
    return Counter(effect(paired_difference(p, confidence)) for p in pairs)


def _by(keys: Sequence[str], first: Any, second: Any) -> Mapping[tuple[Any, ...], tuple[Any, Any]]:
    """The two parted by some of the cell's settings."""
    levels = [list(dict.fromkeys(first.columns.get_level_values(key))) for key in keys]
    parts: dict[tuple[Any, ...], tuple[Any, Any]] = {}
    for a in levels[0]:
        for b in levels[1]:
            own = (first.columns.get_level_values(keys[0]) == a) & (first.columns.get_level_values(keys[1]) == b)
            parts[a, b] = (first.loc[:, own], second.loc[:, own])
    return parts


def verdict(names: tuple[str, str], first: Any, second: Any) -> str:
    """The second against the first over all cells, in a sentence."""
    d, counts = averaged(second, first), told_apart(second, first)
    return (
        f"Over {len(first.columns)} cells {names[1]} learns for {pooled(second)}, {names[0]} for {pooled(first)}: "
        f"**{points(d)}**, averaged; it is better in {counts['helps']} cells, worse in {counts['harms']}, and in "
        f"{counts['not shown to matter']} the {len(first):,} seeds tell no difference."
    )


def _two(names: tuple[str, str], first: Any, second: Any) -> str:
    """The second against the first: over all cells, by activation and width, by rate and batch."""
    parts = [f"{verdict(names, first, second)} Of cells without any, 5% would be told apart too."]
    for keys in (["activation", "width"], ["learning_rate", "batch_size"]):
        rows: list[list[Any]] = []
        for (a, b), (x, y) in _by(keys, first, second).items():
            d = averaged(y, x)
            so = {"helps": f"{names[1]} better", "harms": f"{names[0]} better"}.get(effect(d), effect(d))
            rows.append([a, b, pooled(x), pooled(y), points(d), so])
        titles = [key.replace("_", " ").removesuffix(" size") for key in keys]
        parts.append(table([*titles, *names, "difference, averaged", "so"], rows))
    return "\n\n".join(parts)


starts = ("Keras's start", "PyTorch's start")
codes = ("0 and 1", "-1 and 1")


def two_starts(results: Results) -> tuple[Any, Any]:
    """The runs with Keras's start, and those with PyTorch's."""
    runs = results.runs
    is_keras = runs["kernel_initializer"] == "glorot_uniform"
    return flags(runs[is_keras]), flags(runs[~is_keras])


def two_codes(results: Results) -> tuple[Any, Any]:
    """The runs with inputs 0 and 1, and those with -1 and 1."""
    runs = results.runs
    return flags(runs[runs["encoding"] == "binary"]), flags(runs[runs["encoding"] == "bipolar"])


def start(results: Results) -> str:
    """Keras's start and PyTorch's."""
    keras, pytorch = two_starts(results)
    drawn: list[figures.Record] = []
    for (a, width), (x, y) in _by(["activation", "width"], keras, pytorch).items():
        d = averaged(y, x)
        words = f"{width} {a} units, PyTorch's start for Keras's"
        drawn.append({"advice": words, "value": 100 * d.value, "low": 100 * d.low, "high": 100 * d.high})
    shown = figure("start", "What PyTorch's start changes", figures.draw_differences(drawn))
    return f"{_two(starts, keras, pytorch)}\n\n{shown}"


def encoding(results: Results) -> str:
    """Inputs 0 and 1, and -1 and 1."""
    return _two(codes, *two_codes(results))


heads = {
    ("sigmoid", "binary_crossentropy"): "sigmoid, cross-entropy",
    ("sigmoid", "mean_squared_error"): "sigmoid, squared error",
    ("linear", "mean_squared_error"): "linear, squared error",
    ("tanh", "mean_squared_error"): "tanh, -1 and 1, squared error",
    ("softmax", "categorical_crossentropy"): "softmax of two, cross-entropy",
}


def by_head(results: Results) -> Mapping[str, Any]:
    """The runs of each output and loss, the usual one first."""
    return {heads[key]: flags(block) for key, block in results.runs.groupby(["output", "loss"], sort=False)}


def best_head(results: Results) -> str:
    """The output and loss that learn most often over all cells, against the usual one."""
    found = by_head(results)
    usual, *others = found
    best = max(others, key=lambda name: found[name].to_numpy(float).mean())
    return verdict((usual, best), found[usual], found[best])


def head(results: Results) -> str:
    """Five outputs with their losses."""
    found = by_head(results)
    usual, *others = found
    rows: list[list[Any]] = [[usual, pooled(found[usual]), "", "", "", ""]]
    for name in others:
        d, counts = averaged(found[name], found[usual]), told_apart(found[name], found[usual])
        n = [counts[so] for so in ("helps", "harms", "not shown to matter")]
        rows.append([name, pooled(found[name]), points(d), *n])
    titles = ["output, loss", "learns", f"against {usual}", "cells better", "cells worse", "no difference told"]
    tables = [table(titles, rows)]
    for keys in (["learning_rate", "batch_size"], ["activation", "width"]):
        parts = {name: _by(keys, x, x) for name, x in found.items()}
        cut = list(parts[usual])
        titles = [f"rate {a:g}, batch {b}" if keys[0] == "learning_rate" else f"{b} {a}" for a, b in cut]
        rows = [[title, *(pooled(p[key][0]) for p in parts.values())] for title, key in zip(titles, cut, strict=True)]
        tables.append(table(["", *found], rows))
    seeds = f"Over all {len(found[usual].columns)} cells, each output on the same {len(found[usual]):,} seeds:"
    return "\n\n".join([seeds, tables[0], "By rate and batch, and by hidden units:", *tables[1:]])
