"""A configuration by what a person types, and the runs of a folder as an array."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.results.files import ResultsError
from sweep.runs.errors import did_you_mean

max_listed = 8


def hyperparameters_of(table: Any) -> list[str]:
    """The columns of configurations.csv that are settings: those between the trial and the numbers."""
    columns = [str(c) for c in table.columns]
    end = columns.index("n_parameters" if "n_parameters" in columns else "n_runs")
    return columns[columns.index("trial") + 1 : end]


def select_configuration(table: Any, text: str) -> str:
    """The id of the one configuration that `text` names: an id, the beginning of one, or `width=8,optimizer=adam`.

    Raises `ResultsError` with the candidates where none fits, or more than one.
    """
    ids = table["configuration"]
    matches = table[_fitting(table, text)] if "=" in text else table[ids.str.startswith(text.strip() or "?")]
    if len(matches) == 1:
        return str(matches["configuration"].iloc[0])
    if matches.empty:
        found, listed = "no configuration is it", table
    else:
        found, listed = f"{len(matches)} configurations fit", matches
    candidates = "".join(f"\n  {line}" for line in _candidates(table, listed))
    allowed = "an id, the beginning of one, or width=8,optimizer=adam"
    raise ResultsError(f"{text}: {found}; allowed: {allowed}, for one of{candidates}")


def _fitting(table: Any, text: str) -> npt.NDArray[np.bool_]:
    """Where every `name=value` of a text holds; commas inside parentheses part nothing."""
    fits = np.ones(len(table), bool)
    for part in re.split(r",(?![^()]*\))", text):
        name, _, value = (x.strip() for x in part.partition("="))
        columns = hyperparameters_of(table)
        if name not in columns:
            raise ResultsError(f"{text}: no hyperparameter {name or 'named'}; {did_you_mean(name, columns)}")
        values = table[name]
        equal = np.array([_is_value(x, value) for x in values.tolist()], bool)
        if not equal.any():
            present = list(dict.fromkeys(map(str, values.tolist())))
            more = ", ..." if len(present) > 2 * max_listed else ""
            raise ResultsError(f"{text}: no {name} {value}; allowed: {', '.join(present[: 2 * max_listed])}{more}")
        fits &= equal
    return fits


def _is_value(found: Any, text: str) -> bool:
    if isinstance(found, str | bool):
        return str(found).lower() == text.lower()
    try:
        return float(text) == found
    except (ValueError, TypeError):
        return False


def _candidates(table: Any, listed: Any) -> list[str]:
    varied = [c for c in hyperparameters_of(table) if table[c].nunique() > 1]
    lines = [
        ", ".join((row["configuration"], *(f"{c}={row[c]}" for c in varied)))
        for row in listed.head(max_listed).to_dict("records")
    ]
    return [*lines, f"... and {len(listed) - max_listed:,} more"] if len(listed) > max_listed else lines


def learned_by_seed(runs: Any, configurations: Sequence[str]) -> npt.NDArray[np.int8]:
    """Which runs of runs.csv learned: `[configuration, seed]`, seeds rising; 1, 0, or -1 where there is no such run."""
    places = {identity: i for i, identity in enumerate(configurations)}
    own = runs[runs["configuration"].isin(places)]
    seeds, columns = np.unique(own["seed"].to_numpy(), return_inverse=True)
    learned = np.full((len(configurations), len(seeds)), -1, np.int8)
    learned[own["configuration"].map(places).to_numpy(np.int64), columns] = own["learned"].to_numpy(np.int8)
    return learned
