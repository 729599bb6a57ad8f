"""Curves of runs of one's own: the points that a run gave, and how its loss ended."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from sweep.networks.diagnosis import course_of, judge_course
from sweep.networks.snapshots import nine_tenths
from sweep.runs.curves import Curve, Points
from sweep.runs.outcomes import outcomes

# what the loss of a run ended as, for each outcome that a network's would be of the same course
words = {"stuck": "at rest", "unconverged": "still falling", "unsettled": "wandering"}
loss = "loss"


def last_numbers(given: Mapping[object, object]) -> tuple[dict[object, object], Points]:
    """What a run gave with the last number of each list in its place, and the points of these, by step from 1.

    >>> last_numbers({"loss": [2.0, 1.0], "size": 3})
    ({'loss': 1.0, 'size': 3}, ((1, {'loss': 2.0}), (2, {'loss': 1.0})))
    """
    lists = {name: cast(Sequence[float], x) for name, x in given.items() if isinstance(x, list) and x}
    points = tuple((step, {str(n): y}) for n, x in lists.items() for step, y in enumerate(x, start=1))
    return {**given, **{name: x[-1] for name, x in lists.items()}}, points


def course_of_loss(curve: Curve | None) -> str:
    """How the loss of a run ended, by the tolerances for networks; empty where no curve says it.

    >>> falling = Curve.of([(step, {"loss": 2 - step / 100}) for step in range(101)])
    >>> course_of_loss(falling), course_of_loss(None)
    ('still falling', '')
    """
    if curve is None or loss not in curve.metrics:
        return ""
    is_known = ~np.isnan(curve.metrics[loss])
    steps, losses = curve.steps[is_known], curve.metrics[loss][is_known].astype(np.float64)
    end = int(steps[-1])
    looked_at = max(0, 2 * nine_tenths(end) - end), nine_tenths(end)
    if end < 1 or steps[0] > looked_at[0] or not np.isfinite(losses).all():
        return ""  # it begins too late to tell, or it diverged
    grid = np.union1d(steps, looked_at).astype(np.int64)
    course = course_of(np.interp(grid, steps, losses)[None], grid, end, abs(float(losses[0])) / 100)
    code = judge_course(course)[0]
    return words[outcomes[code]]
