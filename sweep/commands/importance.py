"""What each varied hyperparameter does to the success rate, as data and as words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.dimensions import Range
from sweep.experiment.experiment import Experiment
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.selection import hyperparameters_of, learned_by_seed
from sweep.runs.settings import setting_text
from sweep.statistics.effects import (
    Learned,
    common_seeds,
    followers,
    is_full_grid,
    marginal_rates,
    shares_over_seeds,
)

max_levels = 12
n_groups = 4
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The rate over all runs of one level of a hyperparameter, with its interval and error clustered by seed."""

    level: str
    n_configurations: int
    n_runs: int
    n_seeds: int
    rate: float | None
    low: float
    high: float
    standard_error: float | None
    method: str


@dataclass(frozen=True)
class Effect:
    """A share of the variance of P(learn), what seeds make of it taken off, and its interval `low` to `high`.

    `names`: one for a main effect, two for an interaction, none for all that is left. `found`: the share of the rates
    as they were found, `noise` of it made by the seeds alone.
    """

    names: tuple[str, ...]
    share: float
    low: float
    high: float
    found: float
    noise: float
    method: str


@dataclass(frozen=True)
class Importances:
    """`levels` by hyperparameter; `follows`: a hyperparameter whose value another decides, with that other.

    `effects` and `optuna` are empty where they are not defined, and `why_no_effects`, `why_no_optuna` say why.
    """

    n_configurations: int
    n_seeds: int
    confidence: float
    are_seeds_common: bool
    levels: Mapping[str, tuple[Level, ...]]
    follows: Mapping[str, str]
    effects: tuple[Effect, ...]
    why_no_effects: str
    optuna: Mapping[str, float]
    why_no_optuna: str


def summarise_importances(results: Results) -> Importances:
    """The importances of the hyperparameters that vary; raises `ResultsError` where none does."""
    found = find_importances(results.configurations, results.runs, results.experiment)
    if found is None:
        raise ResultsError(f"{results.folder.path}: no hyperparameter varies; allowed: results of two values or more")
    return found


def find_importances(table: Any, runs: Any, experiment: Experiment) -> Importances | None:
    """The importances of the hyperparameters that vary in configurations.csv; None where none does.

    `runs` has the columns configuration, seed and learned. Where configurations have unlike seeds, the seeds that all
    have are used, if there are two of them.
    """
    names = [c for c in hyperparameters_of(table) if table[c].nunique(dropna=False) > 1]
    if not names:
        return None
    everything = learned_by_seed(runs, list(table["configuration"]))
    common = common_seeds(everything)
    is_usable = common.shape[1] >= min(2, everything.shape[1])
    learned = common if is_usable else everything
    confidence = experiment.reliability.confidence
    codes = [_codes(table[name]) for name in names]
    free = [i for i, name in enumerate(names) if name in experiment.vary]
    few = [i for i, name in enumerate(names) if not isinstance(experiment.vary.get(name), Range)]
    follows = followers(codes, free, few)
    leading = [i for i in range(len(names)) if i not in follows]
    grid = np.stack([codes[i] for i in leading])
    effects, why_no_effects = _effects([names[i] for i in leading], grid, learned, confidence)
    optuna, why_no_optuna = _optuna(table, [names[i] for i in leading], experiment)
    return Importances(
        n_configurations=len(table),
        n_seeds=learned.shape[1],
        confidence=confidence,
        are_seeds_common=is_usable,
        levels={name: _levels(table[name], learned, confidence) for name in names},
        follows={names[i]: names[j] for i, j in follows.items()},
        effects=effects,
        why_no_effects=why_no_effects,
        optuna=optuna,
        why_no_optuna=why_no_optuna,
    )


def _codes(values: Any) -> Codes:
    """The place of each value among the different ones, numbers in rising order, other values as they first appear."""
    import pandas as pd

    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    codes, levels = pd.factorize(values, sort=is_number)
    return np.where(codes < 0, len(levels), codes).astype(np.int64)


def _levels(values: Any, learned: Learned, confidence: float) -> tuple[Level, ...]:
    """The rates of a hyperparameter's levels; of a range with many values, those of four groups of equal size."""
    codes = _codes(values)
    n_levels = int(codes.max()) + 1
    if n_levels > max_levels and values.dtype.kind in "iuf":
        ranks = np.searchsorted(np.sort(codes), codes)  # equal values stay together
        codes = np.unique(ranks * n_groups // len(codes), return_inverse=True)[1]
    found = marginal_rates(codes, learned, confidence)
    rates = found.rates
    levels: list[Level] = []
    for i in range(int(codes.max()) + 1):
        own = values[codes == i]
        present = own.dropna().tolist()
        low, high = (min(present), max(present)) if present else (None, None)
        levels.append(
            Level(
                level=setting_text(low) if low == high else f"{setting_text(low)} to {setting_text(high)}",
                n_configurations=len(own),
                n_runs=int(rates.n[i]),
                n_seeds=int(found.n_seeds[i]),
                rate=_number(rates.value[i]),
                low=float(rates.low[i]),
                high=float(rates.high[i]),
                standard_error=_number(found.standard_errors[i]),
                method=rates.method,
            )
        )
    return tuple(levels)


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _effects(names: Sequence[str], codes: Codes, learned: Learned, confidence: float) -> tuple[tuple[Effect, ...], str]:
    if not is_full_grid(codes):
        return (), "not every combination of values was trained once: shares add up on a full grid only"
    if learned.shape[1] == 0 or (learned < 0).any():
        return (), "runs are missing, and no two seeds were trained with every configuration"
    if learned.shape[1] == 1:
        return (), "one seed cannot say what seeds alone would make of them"
    shares = shares_over_seeds(codes, learned, confidence)
    if not shares:
        return (), "all configurations have the same rate: there is nothing to divide"
    if any(np.isnan(s.value) for s in shares):
        return (), "the rates vary by no more than seeds alone make them: more seeds may tell"
    effects = (
        Effect(tuple(names[i] for i in s.factors), s.value, s.low, s.high, s.raw, s.noise, s.method) for s in shares
    )
    return tuple(effects), ""


def _optuna(table: Any, names: Sequence[str], experiment: Experiment) -> tuple[Mapping[str, float], str]:
    from sweep.search.importance import importances

    counted = table[table["n_runs"] > 0]
    ranges = {name: d for name, d in experiment.vary.items() if isinstance(d, Range) and name in names}
    ranges = {name: d for name, d in ranges.items() if _is_inside(counted[name], d)}
    texts = counted[list(names)].astype({name: str for name in names if name not in ranges})
    found = importances(texts.to_dict("records"), counted["success_rate"].tolist(), ranges)
    if found is None:
        return {}, "not defined: too many configurations tie for the best rate, or there are too few"
    return found, ""


def _is_inside(values: Any, dimension: Range) -> bool:
    """Whether a column holds values of the range alone: at depth 0, for one, a width is put to 0."""
    low, high = dimension.ends
    return values.dtype.kind in "iuf" and bool(((values >= low) & (values <= high)).all())


def summarise_marginals(found: Importances) -> list[dict[str, Any]]:
    """A record for each level of each hyperparameter: its rate and interval, and the hyperparameter's variance share.

    The hyperparameter with the largest share first; as in the table, and `share` None, where shares are not defined.
    """
    shares = {effect.names[0]: effect.share for effect in found.effects if len(effect.names) == 1}
    return [
        {
            "column": name,
            "share": shares.get(name),
            "level": level.level,
            "success_rate": level.rate,
            "ci_low": level.low,
            "ci_high": level.high,
        }
        for name in sorted(found.levels, key=lambda name: -shares.get(name, -1.0))
        for level in found.levels[name]
    ]


def importances_record(found: Importances) -> dict[str, Any]:
    """Importances as plain mappings and numbers, for JSON."""
    return asdict(found)
