"""The page's figures of numbers that runs of one's own gave: their data, by value."""

import numpy as np
import pandas as pd
import pytest

from sweep.report.page import metrics
from sweep.runs.curves import Curve
from sweep.runs.success import Success

TABLE = pd.DataFrame({"configuration": ["c1", "c2", "c3"], "lr": [0.1, 0.2, 0.3]})
RUNS = pd.DataFrame(
    {
        "configuration": ["c1"] * 4 + ["c2"] * 2,
        "score": [0.25, 0.75, 0.75, np.nan, 1.0, np.nan],
        "size": [np.nan] * 5 + [3.0],
    }
)


def test_a_number_is_spread_over_the_seeds_that_gave_it() -> None:
    one, two = metrics.summarise_spread(TABLE, RUNS, "score")
    assert (one.configuration, one.n, one.n_runs) == ("c1", 3, 4)
    assert one.mean == pytest.approx(7 / 12) and (one.low, one.median, one.high) == pytest.approx((0.35, 0.75, 0.75))
    assert (two.n, two.mean) == (1, 1.0)
    assert [s.configuration for s in metrics.summarise_spread(TABLE, RUNS, "size")] == ["c2"]


@pytest.mark.parametrize(
    ("success", "wanted"),
    [
        ("score >= 0.5", [(0.75, 0.0), (0.75, 0.5), (0.25, 0.75), (0.25, 0.75)]),
        ("score < 0.1", [(0.1, 0.0), (0.25, 0.25), (0.75, 0.75), (0.75, 0.75)]),
    ],
)
def test_a_run_without_the_number_never_succeeds(success: str, wanted: list[tuple[float, float]]) -> None:
    records = metrics.summarise_shares(RUNS, {"c1": "one"}, Success.parse(success), 0.95)
    assert [(r["t"], r["share"]) for r in records] == wanted  # from where none does to where the most do
    half = np.sqrt(np.log(40) / 8)
    for r in records:
        assert (r["low"], r["high"]) == pytest.approx((max(0, r["share"] - half), min(1, r["share"] + half)))


def test_a_course_has_the_runs_that_reach_a_step() -> None:
    def curve(*losses: float) -> Curve:
        found = Curve.of([(2 * i, {"loss": x}) for i, x in enumerate(losses)])
        assert found is not None
        return found

    skips = Curve.of([(0, {"loss": 4.0}), (4, {"loss": 2.0})])
    assert skips is not None
    curves = {"c1-0": curve(2.0, 1.0), "c1-1": curve(4.0, np.inf), "c1-2": skips, "c9-0": curve(9.0)}
    (records,) = metrics.summarise_courses(curves, {"c1": "one"}).values()
    assert [(r["step"], r["n"], r["median"]) for r in records] == [(0, 3, 4.0), (2, 2, 2.0), (4, 1, 2.0)]
    assert records[1]["low"] == pytest.approx(1.2) and records[1]["high"] == pytest.approx(2.8)
    assert metrics.summarise_courses({}, {"c1": "one"}) == {}


def test_configurations_are_called_by_what_varies() -> None:
    assert metrics.labels_of(TABLE, ["lr"], 2) == {"c1": "c1: lr 0.1", "c2": "c2: lr 0.2", "c3": "c3: lr 0.3"}
