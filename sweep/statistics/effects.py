"""What the hyperparameters do to the success rate: marginal rates, and on full grids the shares of its variance.

Notation: `learned` `[configuration, seed]` holds 1, 0, or -1 where the run is missing; `codes` `[configuration]` is a
factor's level of each configuration, from 0. All configurations share their seeds, so runs of one seed go up and down
together: whatever is pooled over configurations gets its error from what differs between seeds.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.bootstrap import drawn_seeds, moved_quantiles
from sweep.statistics.intervals import Rates

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Learned = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Marginals:
    """Of each level of a factor the rate over all its runs, and its standard error between seeds: `[level]`."""

    rates: Rates
    standard_errors: Floats
    n_seeds: Integers


def marginal_rates(codes: Integers, learned: Learned, confidence: float) -> Marginals:
    """The share of all runs at a level that learned: an average over the configurations and the seeds.

    The standard error is that of the means per seed (for unequal numbers of runs: of the ratio, linearised), as
    configurations share their seeds. The interval is Wilson's for the number of independent runs that would have that
    error, with Student's quantile for as many seeds; this number is kept between the number of seeds (runs of a seed
    all alike) and that of runs (none alike), so that it is never narrower than either allows. One seed tells nothing: 0
    to 1. Source: Korn, Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24, 1998, with Wilson's interval in place of the exact one.
    """
    n_levels = int(codes.max(initial=-1)) + 1
    runs, successes = np.zeros((2, n_levels, learned.shape[1]))
    np.add.at(runs, codes, learned >= 0)
    np.add.at(successes, codes, learned == 1)
    n, n_seeds = runs.sum(1), (runs > 0).sum(1)
    value = np.where(n > 0, successes.sum(1) / np.maximum(n, 1), np.nan)
    residuals = successes - value[:, None] * runs
    correction = n_seeds / np.maximum(n_seeds - 1, 1)
    errors = np.sqrt(correction * (residuals**2).sum(1)) / np.maximum(n, 1)
    errors = np.where(n_seeds > 1, errors, np.nan)
    return Marginals(_clustered_wilson(value, errors, n, n_seeds, confidence), errors, n_seeds)


def _clustered_wilson(value: Floats, errors: Floats, n: Floats, n_seeds: Integers, confidence: float) -> Rates:
    from scipy.special import stdtrit

    is_known = n_seeds > 1
    variance = np.where(is_known, errors, 1.0) ** 2
    p = np.where(is_known, value, 0.5)
    as_if = np.where(p * (1 - p) > 0, p * (1 - p) / np.maximum(variance, np.finfo(np.float64).tiny), 0.0)
    as_if = np.clip(as_if, np.maximum(n_seeds, 1), np.maximum(n, 1))
    t2 = stdtrit(np.maximum(n_seeds - 1, 1), (1 + confidence) / 2) ** 2
    centre = (p + t2 / (2 * as_if)) / (1 + t2 / as_if)
    half = np.sqrt(t2 * (p * (1 - p) + t2 / (4 * as_if)) / as_if) / (1 + t2 / as_if)
    low = np.where(is_known & (p > 0), centre - half, 0.0)
    high = np.where(is_known & (p < 1), centre + half, 1.0)
    return Rates(value, low, high, n.astype(np.int64), "wilson, clustered by seed")


def is_full_grid(codes: Integers) -> bool:
    """Whether every combination of levels occurs exactly once; `codes` `[factor, configuration]`."""
    sizes = codes.max(axis=1) + 1
    return math.prod(sizes.tolist()) == codes.shape[1] == len(np.unique(codes, axis=1).T)


def common_seeds(learned: Learned) -> Learned:
    """The columns of the seeds that no configuration misses."""
    return learned[:, (learned >= 0).all(axis=0)]


@dataclass(frozen=True)
class SeedShare:
    """The share that an effect has of the variance of P(learn) over a grid, with what the seeds make of it taken off.

    `factors`: one for a main effect, two for an interaction; none for all that is left. `raw`: the share of the rates
    as found; `noise`: how much of that the seeds alone make, on average. `value`, of P(learn) itself, has it taken off
    from the part and from the whole; `low` to `high` is its interval. `n` seeds. NaN, 0 to 1 where nothing is left.
    """

    factors: tuple[int, ...]
    raw: float
    noise: float
    value: float
    low: float
    high: float
    n: int
    method: str


def shares_over_seeds(codes: Integers, learned: Learned, confidence: float, n_resamples: int = 999) -> list[SeedShare]:
    """How the variance of P(learn) over a full grid divides: main effects, two-way interactions, the rest.

    `codes` `[factor, configuration]` is a full grid, `learned` misses no run. An effect is linear in the outcomes, so
    that of the rates is the mean over seeds of the effect computed for each seed, and what seeds make of its sum of
    squares is the sum over cells of the variance of that effect between seeds, over the number of seeds. Configurations
    of one shape share their initial weights, so seeds make main effects and interactions of the shape too: the residual
    of configurations by seeds would not know it. Nothing is assumed of how outcomes of a seed go together.

    The interval is a bootstrap over seeds: quantiles of the same estimate from seeds drawn again, moved so that their
    mean is the estimate, since drawing makes noise once more. Its coverage is close to nominal, and above it for small
    shares. Largest first, the rest last; none where all rates are equal or there is one seed. They have 12 decimals:
    below is rounding. Source: Fisher's analysis of variance, whose parts are orthogonal on a full grid, so that the
    shares add up to 1; the same shares as Hutter, Hoos, Leyton-Brown, "An efficient approach for assessing
    hyperparameter importance", ICML 2014, of the full grid instead of a fitted forest; `moved_quantiles`.
    """
    n = learned.shape[1]
    if n < 2 or np.ptp(learned.sum(axis=1)) == 0:
        return []
    grid = np.zeros((*(codes.max(axis=1) + 1).tolist(), n))
    grid[tuple(codes)] = learned
    drawn = drawn_seeds(n, n_resamples) / n
    of_seeds, of_rates, of_drawn = (_sums_of_squares(g) for g in (grid, grid.mean(-1, keepdims=True), grid @ drawn))
    noise = {part: (of_seeds[part].mean() - of_rates[part]) / (n - 1) for part in of_rates}
    noise_drawn = {part: (of_seeds[part] @ drawn - of_drawn[part]) / (n - 1) for part in of_rates}
    estimates = {p: np.append(of_rates[p] - noise[p], of_drawn[p] - noise_drawn[p]) for p in of_rates}
    raw_total, total = sum(float(x[0]) for x in of_rates.values()), sum(estimates.values())
    found = list[SeedShare]()
    for part, estimate in estimates.items():
        shares = np.where(total > 0, estimate / np.where(total > 0, total, 1), np.nan)
        low, high = np.clip(moved_quantiles(shares[0], shares[1:], confidence), 0, 1)
        if np.isnan(shares).any():
            low, high = 0.0, 1.0
        raw, of_seeds_alone = float(of_rates[part][0]) / raw_total, float(noise[part][0]) / raw_total
        numbers = (raw, of_seeds_alone, np.clip(shares[0], 0, 1), low, high)
        raw, of_seeds_alone, value, low, high = (round(float(x), 12) for x in numbers)
        found.append(SeedShare(part, raw, of_seeds_alone, value, low, high, n, "bootstrap over seeds"))
    found.sort(key=lambda s: (not s.factors, -s.raw))
    return found


def _sums_of_squares(grid: Floats) -> dict[tuple[int, ...], Floats]:
    """Of each part of `grid` `[factor..., k]` the sum of squares over all cells, `[k]`."""
    sizes = grid.shape[:-1]
    axes = tuple(range(len(sizes)))
    centred = grid - grid.mean(axis=axes, keepdims=True)
    found, effects = dict[tuple[int, ...], Floats](), dict[tuple[int, ...], Floats]()
    for part in (*itertools.combinations(axes, 1), *itertools.combinations(axes, 2)):
        others = tuple(i for i in axes if i not in part)
        effect = centred.mean(axis=others, keepdims=True) - sum(effects[(i,)] for i in part if len(part) > 1)
        effects[part] = effect
        found[part] = (effect**2).sum(axis=axes) * math.prod(sizes[i] for i in others)
    if math.prod(sizes) - 1 > sum(math.prod(sizes[i] - 1 for i in part) for part in effects):
        found[()] = np.maximum((centred**2).sum(axis=axes) - sum(found.values()), 0.0)
    return found


def followers(codes: Sequence[Integers], free: Sequence[int], leading: Sequence[int]) -> dict[int, int]:
    """Factors whose level another one decides, each with that other: they have no effect of their own to tell.

    `free` never follow; only `leading` are followed.

    >>> optimizer, rate = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1])
    >>> width = np.array([0, 1, 0, 1, 0, 1])
    >>> followers([optimizer, rate, width], free=[0, 2], leading=[0, 2])
    {1: 0}
    """
    found: dict[int, int] = {}
    for i, own in enumerate(codes):
        for j in leading:
            n_pairs = len(np.unique(np.stack([own, codes[j]]), axis=1).T)
            if i != j and i not in free and j not in found and n_pairs == len(np.unique(codes[j])):
                found[i] = j
                break
    return found
