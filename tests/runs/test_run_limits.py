"""What a run may take, as a file says it."""

import math
from typing import Any

import pytest

from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits, Stop


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ({}, Limits()),
        ({"timeout": 3}, Limits(timeout=3.0)),
        ({"timeout": 1e-5}, Limits(timeout=1e-5)),
        ({"timeout": "90 s"}, Limits(timeout=90.0)),
        ({"timeout": "1.5 hours"}, Limits(timeout=5400.0)),
        ({"timeout": "10min"}, Limits(timeout=600.0)),
        ({"memory": 1e6}, Limits(memory=10**6)),
        ({"memory": "2 GiB"}, Limits(memory=2**31)),
        ({"memory": "500 mb"}, Limits(memory=500 * 10**6)),
    ],
)
def test_amounts(section: dict[str, Any], wanted: Limits) -> None:
    assert Limits.of(section) == wanted


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"timeout": 0}, "timeout: found 0; allowed: seconds above 0, or 30 s"),
        ({"timeout": "10 parsecs"}, "timeout: found '10 parsecs'"),
        ({"timeout": math.inf}, "timeout: found inf"),
        ({"timeout": "-3 s"}, "timeout: found '-3 s'"),
        ({"memory": "2 min"}, "memory: found '2 min'; allowed: bytes above 0, or 512 MiB"),
        ({"retries": -1}, "retries: found -1"),
        ({"stop": "accuracy < 0.2"}, "stop: found 'accuracy < 0.2'; allowed: one comparison of a number of the curve"),
        ({"stop": "accuracy = 0.2 at step 3"}, "stop: found"),
    ],
)
def test_limits_that_cannot_be(section: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Limits.of(section)
    assert str(caught.value).startswith(message)


def test_retries_are_no_part_of_what_is_equal() -> None:
    assert Limits.of({"retries": 5}) == Limits() and Limits.of({"retries": 5}).retries == 5


def test_a_rule_looks_at_one_point() -> None:
    rule = Stop.parse("accuracy < 0.2 at step 50")
    assert [rule.judges(step, {"accuracy": 0.1}) for step in (49, 50, 51)] == [False, True, True]
    assert not rule.judges(50, {"loss": 0.1})
    assert rule.holds({"accuracy": 0.1}) and not rule.holds({"accuracy": 0.2})
    assert not rule.holds({"accuracy": math.nan})
