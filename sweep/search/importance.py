"""How much each hyperparameter matters for the success rate, by Optuna."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from sweep.experiment.dimensions import Range
from sweep.search.parameters import as_choice, as_parameter, distribution_of


def importances(
    points: Sequence[Mapping[str, Any]], rates: Sequence[float], ranges: Mapping[str, Range]
) -> dict[str, float] | None:
    """Optuna's importances of the parameters of these points: its default, PED-ANOVA; they sum to 1.

    How much the distribution of each parameter differs between the tenth of points with the highest rates (and those
    that tie with it) and all; `ranges` are treated as such, every other parameter as a choice. None where they are not
    defined: under two points, or so many ties that the tenth is everything. Source: Watanabe, Bansal, Hutter,
    "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces", IJCAI 2023.
    """
    n_top = math.ceil(len(rates) / 10)
    if len(rates) < 2 or min(rates) >= sorted(rates)[-n_top]:
        return None
    choices = {k: tuple(dict.fromkeys(as_choice(p[k]) for p in points)) for k in points[0] if k not in ranges}
    distributions: dict[str, BaseDistribution] = {
        k: distribution_of(ranges[k]) if k in ranges else CategoricalDistribution(choices[k]) for k in points[0]
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    for point, rate in zip(points, rates, strict=True):
        parameters = {
            k: as_parameter(ranges[k], distributions[k], v) if k in ranges else as_choice(v) for k, v in point.items()
        }
        study.add_trial(optuna.create_trial(params=parameters, distributions=distributions, value=rate))
    found = optuna.importance.get_param_importances(study)
    # Optuna orders equal ones by chance
    return {name: found[name] for name in sorted(points[0], key=lambda name: -found[name])}
