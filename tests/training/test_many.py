"""Functions of many seeds: the same rows as one by one, and refused where a seed touches another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from support.own_functions import remainders

import sweep
from sweep.runs.errors import SettingError
from sweep.training.own import TrainerError

Seeds = npt.NDArray[np.uint32]
QUESTION: dict[str, Any] = {"vary": {"step": [1, 2]}, "seeds": 300, "success": "score >= 2", "confirm": 0}


def side_by_side(settings: Mapping[str, Any], seeds: Seeds) -> Mapping[str, Any]:
    if 5 in seeds:
        raise RuntimeError("no luck")
    n = seeds.astype(np.int64)
    return {"score": n * settings["step"] % 7, "cost": n + settings["step"]}


def test_the_rows_are_those_of_one_by_one(tmp_path: Path) -> None:
    many = sweep.study(train_many=side_by_side, out=tmp_path / "many", **QUESTION)
    alone = sweep.study(remainders, out=tmp_path / "alone", workers=2, **QUESTION)
    assert set(many.runs["engine"]) == {"function side_by_side of many seeds"}
    columns = [c for c in many.runs.columns if c not in ("engine", "seconds")]
    pd.testing.assert_frame_equal(many.runs[columns], alone.runs[columns])
    assert many.runs.loc[many.runs["seed"] == 5, "outcome"].tolist() == ["crashed", "crashed"]
    assert {e.seed for e in many.folder.read_endings()} == {5}


def mean_of_all(settings: Mapping[str, Any], seeds: Seeds) -> npt.NDArray[Any]:
    return seeds - seeds.mean()


def by_place(settings: Mapping[str, Any], seeds: Seeds) -> npt.NDArray[Any]:
    return np.arange(len(seeds)) * 1.0


def by_chance(settings: Mapping[str, Any], seeds: Seeds) -> npt.NDArray[Any]:
    return np.random.default_rng().random(len(seeds))  # the point: a draw that no seed decides


@pytest.mark.parametrize(
    ("function", "how"),
    [(mean_of_all, "in two halves"), (by_place, "in another order"), (by_chance, "in another order")],
)
def test_a_seed_that_touches_another_is_found_out(tmp_path: Path, function: Any, how: str) -> None:
    with pytest.raises(TrainerError, match=f"with the same ones {how}; a run may depend on nothing but"):
        sweep.study(train_many=function, out=tmp_path / "out", seeds=20)
    assert not list((tmp_path / "out").glob("parts/*"))


def too_few(settings: Mapping[str, Any], seeds: Seeds) -> npt.NDArray[Any]:
    return np.zeros(3)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    results = sweep.study(train_many=too_few, out=tmp_path / "out", seeds=4)
    assert set(results.runs["outcome"]) == {"crashed"}
    told = results.folder.read_endings()[0].told
    assert told.splitlines()[-1] == "ValueError: success: found the shape (3,); allowed: (1,), a number a seed"
    with pytest.raises(SettingError, match="limits: found limits of a run"):
        sweep.study(train_many=by_place, out=tmp_path / "out", timeout=3)
    given: Sequence[dict[str, Any]] = ({}, {"train": remainders, "train_many": by_place})
    for both in given:
        with pytest.raises(SettingError, match="allowed: one of the two functions"):
            sweep.study(**both, out=tmp_path / "out")
