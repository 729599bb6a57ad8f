"""Experiments: the grid's order, ranges, seeds, and the rules that span several settings."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.experiment import experiment
from sweep.experiment.dimensions import Choices, Dimension, Range
from sweep.experiment.experiment import Experiment, Study
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.subjects import kinds
from sweep.runs.errors import SettingError


def test_the_grid_is_the_product_in_file_order_the_last_changing_fastest():
    e = Experiment(
        fixed={"epochs": 5},
        vary={"width": Choices((4, 2)), "depth": Range(1, 3, 1)},
        cases=({"batch_size": 1}, {"batch_size": 2, "epochs": 9}),
    )
    assert list(e.dimensions()) == ["case", "width", "depth"]
    points = list(e.grid())
    assert [tuple(point.values()) for point in points] == list(itertools.product((0, 1), (4, 2), (1, 2, 3)))
    assert e.n_points == e.n_trials == 12
    assert e.settings(points[0]) == {"epochs": 5, "batch_size": 1, "width": 4, "depth": 1}
    assert e.settings(points[-1]) == {"epochs": 9, "batch_size": 2, "width": 2, "depth": 3}
    assert e.networks[-1].widths == (2, 2, 2)


def test_an_experiment_that_varies_nothing_has_one_point():
    assert list(Experiment().grid()) == [{}]
    assert Experiment().n_trials == 1
    assert Experiment(cases=({"width": 2},)).n_trials == 1


def test_how_many_trials_are_asked_for():
    vary: dict[str, Dimension] = {"width": Choices((1, 2, 3))}
    assert Experiment(vary=vary, study=Study(trials=2)).n_trials == 2
    assert Experiment(vary=vary, study=Study(trials=9)).n_trials == 3
    assert Experiment(vary=vary, study=Study("tpe", trials=9)).n_trials == 9
    free = Experiment(vary={"learning_rate": Range(0.1, 0.2)}, study=Study("random", trials=9))
    assert free.n_points is None
    assert free.n_trials == 9


@pytest.mark.parametrize(
    ("given_range", "values"),
    [
        (Range(2, 8, 3), (2, 5, 8)),
        (Range(2, 9, 3), (2, 5, 8)),
        (Range(0.0, 0.3, 0.1), (0.0, 0.1, 0.2, 0.3)),
        (Range(0.1, 0.7, 0.2), (0.1, 0.3, 0.5, 0.7)),
        (Range(5, 5, 1), (5,)),
        (Range(1e-4, 3e-4, 1e-4), (1e-4, 2e-4, 3e-4)),
    ],
)
def test_values_of_a_range(given_range: Range, values: tuple[float, ...]):
    assert given_range.values() == values
    assert given_range.n_steps == len(values)
    assert [type(x) for x in given_range.values()] == [type(x) for x in values]


def test_a_range_without_a_step_has_no_values():
    assert Range(1, 2).n_steps == 0
    with pytest.raises(ValueError, match="without a step"):
        Range(1, 2).values()


def test_an_experiment_gives_its_ranges_the_type_of_their_hyperparameter():
    e = Experiment(
        vary={"width": Range(2.0, 8.0, log=True), "dropout": Range(0, 0.5), "learning_rate": Range(1, 2)},
        study=Study("random", trials=3),
    )
    kinds = {name: [type(x) for x in (r.low, r.high)] for name, r in e.vary.items() if isinstance(r, Range)}
    assert kinds == {"width": [int, int], "dropout": [float, float], "learning_rate": [float, float]}
    assert e.vary["width"] == Range(2, 8, log=True)
    assert Range(2, 8).is_integer
    assert not Range(2.0, 8.0).is_integer


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ((2, 1), ()),
        ((0, float("inf")), ()),
        ((float("nan"), 1), ()),
        ((0, 1, 0), ("step",)),
        ((0, 1, float("nan")), ("step",)),
        ((0, 1_000_000, 1), ("step",)),
        ((-1e308, 1e308, 1e-308), ("step",)),
        ((1, 2, 1, True), ("log",)),
        ((0, 1, None, True), ("low",)),
    ],
)
def test_ranges_that_cannot_be(arguments: tuple[Any, ...], place: tuple[str, ...]):
    with pytest.raises(SettingError) as caught:
        Range(*arguments)
    assert caught.value.place == place


def test_the_longest_range():
    assert Range(1, 1_000_000, 1).n_steps == 1_000_000


def test_seeds_of_a_block_and_of_a_list():
    assert SeedBlock().seeds().tolist() == list(range(64))
    assert SeedBlock(5, 3).seeds().tolist() == [5, 6, 7]
    assert SeedBlock(2**32 - 2, 2).seeds().tolist() == [2**32 - 2, 2**32 - 1]
    listed = SeedBlock(listed=(9, 2, 4))
    assert listed.seeds().tolist() == [2, 4, 9]
    assert listed == SeedBlock(listed=(4, 2, 9))
    for block in (SeedBlock(5, 3), listed):
        assert block.seeds().dtype == np.uint32
        assert len(block) == len(block.seeds()) == 3
    assert (SeedBlock(5, 3).label(), listed.label()) == ("5..7", "2 4 9")


def test_fresh_seeds_are_none_of_the_block():
    assert SeedBlock(5, 3).fresh(2).tolist() == [8, 9]
    assert SeedBlock(listed=(0, 7)).fresh(3).tolist() == [8, 9, 10]
    assert SeedBlock(listed=(1, 2**32 - 1)).fresh(3).tolist() == [0, 2, 3]  # round at the end, past the used one
    assert SeedBlock().fresh(4).dtype == np.uint32


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"count": 0}, ()),
        ({"first": -1}, ()),
        ({"first": 2**32, "count": 1}, ()),
        ({"listed": ()}, ()),
        ({"listed": (1, 2, 1)}, (2,)),
        ({"listed": (1, -2)}, (1,)),
        ({"listed": (2**32,)}, (0,)),
    ],
)
def test_seeds_that_cannot_be(arguments: dict[str, Any], place: tuple[int, ...]):
    with pytest.raises(SettingError) as caught:
        SeedBlock(**arguments)
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"sampler": "bayes"}, ("sampler",)),
        ({"sampler": "tpe"}, ("trials",)),
        ({"storage": "study.db"}, ("storage",)),
    ],
)
def test_studies_that_cannot_be(arguments: dict[str, Any], place: tuple[str, ...]):
    with pytest.raises(SettingError) as caught:
        Study(**arguments)
    assert caught.value.place == place


@pytest.mark.parametrize("objective", [("n_parameters",), (), ("success_rate", "seconds")])
def test_objectives_of_networks_that_cannot_be(objective: tuple[str, ...]):
    with pytest.raises(SettingError) as caught:
        Experiment(study=Study(objective=objective))
    assert caught.value.place == ("study", "objective")


real = {"inputs": [[0.5], [1]], "targets": [[0], [1]]}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"fixed": {"widht": 2}}, ("fixed", "widht")),
        ({"vary": {"widht": Choices((2,))}}, ("vary", "widht")),
        ({"cases": ({}, {"widht": 2})}, ("cases", 1, "widht")),
        ({"cases": ({"seed": 2},)}, ("cases", 0, "seed")),
        ({"fixed": {"width": 2}, "vary": {"width": Choices((2,))}}, ("vary", "width")),
        ({"cases": ({"width": 2},), "vary": {"width": Choices((2,))}}, ("cases", 0, "width")),
        ({"vary": {"width": Choices(())}}, ("vary", "width")),
        ({"vary": {"width": Range(1, 2)}}, ("vary", "width")),
        ({"vary": {"loss": Range(1, 2, 1)}}, ("vary", "loss")),
        ({"vary": {"width": Range(1, 2, 0.5)}}, ("vary", "width", "step")),
        ({"vary": {"dropout": Range(0, 1, 0.5)}}, ("vary", "dropout", "high")),
        ({"vary": {"dropout": Choices((0.0, 1.0))}}, ("vary", "dropout", 1)),
        ({"vary": {"use_bias": Choices((True, 1))}}, ("vary", "use_bias", 1)),
        ({"fixed": {"depth": 0.5}}, ("fixed", "depth")),
        ({"fixed": {"width": 0}, "cases": ({"depth": 1}, {"width": 2})}, ("fixed", "width")),
        ({"fixed": {"width": 1}, "cases": ({"depth": 1}, {"width": 0})}, ("cases", 1, "width")),
        ({"fixed": {"task": real}, "cases": ({}, {"encoding": "bipolar"})}, ("cases", 1, "encoding")),
        ({"fixed": {"layers": [3]}, "vary": {"depth": Choices((1,))}}, ("fixed", "layers")),
    ],
)
def test_experiments_that_cannot_be(arguments: dict[str, Any], place: tuple[str | int, ...]):
    with pytest.raises(SettingError) as caught:
        Experiment(**arguments)
    assert caught.value.place == place


def test_a_case_is_laid_over_what_is_fixed():
    e = Experiment(fixed={"width": 0}, cases=({"width": 2}, {"width": 3}))
    assert [c.widths for c in e.networks] == [(2,), (3,)]


values_of: dict[str, list[Any]] = {
    "task": ["xor", "and", real],
    "encoding": ["binary", "bipolar"],
    "optimizer": ["sgd", "adam", {"name": "sgd", "learning_rate": 0.5}],
    "learning_rate": [None, 0.1, -1],
    "layers": [None, [2]],
    "width": [1, 2, 0],
    "dropout": [0.0, 0.5],
}
some = {name: st.lists(st.sampled_from(values), min_size=1, max_size=3) for name, values in values_of.items()}


def is_accepted(arguments: dict[str, Any]) -> bool:
    try:
        Experiment(**arguments)
    except SettingError:
        return False
    return True


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=some),
    st.lists(st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in values_of.items()}), max_size=2),
)
def test_a_large_grid_is_checked_as_well_as_a_small_one(vary: dict[str, list[Any]], cases: list[dict[str, Any]]):
    """A large grid checks each value and the pairs that may contradict each other; a small one every point."""
    arguments = {
        "vary": {name: Choices(tuple(values)) for name, values in vary.items()},
        "cases": tuple({k: v for k, v in case.items() if k not in vary} for case in cases),
    }
    accepted = is_accepted(arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "max_checked", 0)
        assert is_accepted(arguments) == accepted


def test_an_experiment_is_a_value():
    one = Experiment(vary={"width": Choices((1, 2))}, seeds=SeedBlock(0, 3))
    assert one == Experiment(vary={"width": Choices((1, 2))}, seeds=SeedBlock(0, 3))
    assert one != dataclasses.replace(one, seeds=SeedBlock(0, 4))
    assert one != dataclasses.replace(one, vary={"width": Choices((2, 1))})


def test_a_checked_point_is_resolved_once(monkeypatch: pytest.MonkeyPatch):
    e = Experiment(vary={"width": Range(1, 40, 1), "optimizer": Choices(("sgd", {"name": "sgd"}))})
    large = Experiment(vary={"learning_rate": Range(0.001, 1, 0.001), "batch_size": Range(1, 4, 1)})
    monkeypatch.setitem(
        kinds, "network", dataclasses.replace(kinds["network"], resolve=None)
    )  # nothing resolves any more
    assert e.is_small and e.configurations == tuple(map(e.configuration, e.grid()))
    assert len(e.configurations) == 80 and len(set(e.configurations)) == 40
    assert not large.is_small
    assert large.configurations == tuple(map(large.configuration, large.sample_points()))
    with pytest.raises(TypeError):
        large.configuration({"learning_rate": 0.5, "batch_size": 2})


def test_points_are_told_apart_by_the_type_of_a_value_too():
    e = Experiment(vary={"use_bias": Choices((True, False))})
    assert e.networks[0].output.use_bias
    with pytest.raises(SettingError):
        e.configuration({"use_bias": 1})
