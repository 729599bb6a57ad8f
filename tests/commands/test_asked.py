"""Networks that people asked about in public, and the way out that a rescue finds: what it names learns fresh seeds."""

from typing import Any

import numpy as np
import pytest

from sweep.commands.rescue.answer import Rescue
from sweep.commands.rescue.rescue import rescue_configuration
from sweep.commands.rescue.trainer import native_budget
from sweep.networks.configuration import Configuration
from sweep.networks.settings import resolve
from sweep.report.terminal.rescue import describe_end, describe_longer
from sweep.runs.cohort import Cohort
from sweep.training.cohorts import train_cohorts
from sweep.training.costs import run_seconds
from sweep.training.native import NativeEngine

PLATEAU: dict[str, Any] = {"width": 2, "activation": "sigmoid", "optimizer": "sgd", "batch_size": 4, "epochs": 500}
NO_BIAS_TABLE = {"inputs": [[0, 1], [1, 0], [0, 0], [1, 1]], "targets": [[0], [1], [0], [1]]}


def rate(c: Configuration) -> float:
    """On seeds that no rescue of the first 64 has seen."""
    cohort = Cohort(c, np.arange(50_000, 50_200, dtype=np.uint32))
    (trained,) = train_cohorts(NativeEngine(), [cohort], 1)
    return float(trained.runs.learned.mean())


def rescued(n_seeds: int = 64, **settings: Any) -> tuple[Rescue, Configuration]:
    """What was found for a network of which hardly a seed learns; the configuration that it names."""
    found = rescue_configuration(resolve(settings), range(n_seeds))
    assert found.as_it_is.high < 0.3
    assert found.cheapest is not None, describe_end(found)
    named = found.cheapest.configuration
    assert found.cheapest.fresh.low >= 0.9
    assert rate(named) > 0.85
    return found, named


def test_a_plateau_is_left_by_a_higher_rate_and_longer_training_is_no_lost_cause() -> None:
    found, named = rescued(**PLATEAU)
    assert isinstance(named.learning_rate, float) and named.learning_rate >= 0.1
    assert named.n_parameters <= 4 * found.configuration.n_parameters
    (said,) = describe_longer(found)
    assert said.startswith("Longer training: epochs 500 -> 50000: ") and "does not help" not in said
    longest = next(a for a in found.attempts if a.kind == "a hundred times longer")
    assert longest.rescued.low > 0.2


def test_a_row_of_zeros_needs_a_bias() -> None:
    found, named = rescued(task=NO_BIAS_TABLE, depth=0, use_bias=False, loss="mean_squared_error", epochs=1000)
    assert all(layer.use_bias for layer in named.layers)
    labels = [a.label for a in found.attempts]
    assert "use bias false -> true" in labels


def test_a_loss_that_falls_for_ever_is_not_told_to_go_on() -> None:
    """XOR without a bias: the weights grow, the loss with them falls, and no seed more learns."""
    found, _ = rescued(40, width=2, use_bias=False, activation="sigmoid", epochs=1000)
    assert found.by_outcome["unconverged"] > 20
    (said,) = describe_longer(found)
    assert said.startswith("Longer training does not help; the longest tried, epochs 1000 -> 100000: 0 of ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {
            **{"depth": 2, "activation": "sigmoid", "loss": "mean_squared_error", "width": 2, "batch_size": 4},
            **{"optimizer": "sgd", "learning_rate": 2.0, "epochs": 10_000},
            "kernel_initializer": {"name": "truncated_normal", "stddev": 0.02},
        },
        {
            **{"width": 5, "activation": "sigmoid", "optimizer": "sgd", "learning_rate": 0.03, "epochs": 100_000},
            "kernel_initializer": {"name": "random_normal", "stddev": 0.01},
        },
        {"width": 2, "samples": 1000, "batch_size": 4, "epochs": 100, "optimizer": "rmsprop"},
    ],
    ids=["two layers that start too small", "a start too small", "drawn samples"],
)
def test_a_way_out_is_found_within_the_budget(settings: dict[str, Any]) -> None:
    found, named = rescued(**settings)
    assert found.budget == native_budget
    for a in found.attempts:
        assert a.rescued.n * run_seconds(a.configuration, "native") <= native_budget
        assert a.steps_ratio >= 1 or a.kind not in ("full batch", "whole table")
    assert named.n_parameters <= 4 * found.configuration.n_parameters


def test_what_is_too_costly_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.commands.rescue.trainer.native_budget", 0.1)
    found = rescue_configuration(resolve({**PLATEAU, "epochs": 200}), range(20))
    assert found.cheapest is None and found.n_left_out > 0
    longest = max(a.steps_ratio for a in found.attempts)
    assert 1 <= longest < 100
    (said,) = describe_longer(found)
    assert said.endswith("; more is not known.")
    assert (
        f"{found.n_left_out:,} more costly ones left out, as the budget is about 0.1 s of one core"
        in describe_end(found)[0]
    )
