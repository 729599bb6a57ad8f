"""How far a sweep is, as it is shown."""

import itertools
from pathlib import Path

from rich.progress import Task, TaskID

from sweep.commands.progress import Progress
from sweep.commands.rescue.rescue import rescue_configuration
from sweep.commands.verify import verify
from sweep.networks.settings import resolve
from sweep.report.terminal.progress import _Speed  # pyright: ignore[reportPrivateUsage]


def test_the_speed_is_what_was_done_here_over_the_time_that_it_took() -> None:
    task = Task(TaskID(0), "train", total=100, completed=60, _get_time=lambda: 12.0, fields={"before": 40})
    assert _Speed().render(task).plain.endswith("/s")  # no time has gone by
    task.start_time = 2.0
    assert _Speed().render(task).plain == "2/s"


def test_a_rescue_and_a_verification_say_how_far_they_are(finished: Path) -> None:
    seen: list[Progress] = []
    rescue_configuration(resolve({"depth": 0, "epochs": 2, "width": 2}), range(16), observe=seen.append)
    assert {p.stage for p in seen} == {"rescue"}
    assert seen[0].n_done == 0 and seen[-1].n_done == seen[-1].n_runs > 1000
    assert all(a.n_done <= b.n_done and a.n_runs <= b.n_runs for a, b in itertools.pairwise(seen))
    seen.clear()
    found = verify(finished, 20, observe=seen.append)
    assert found.comparison is not None
    assert (seen[0].stage, seen[0].n_done) == ("verify", 0)
    assert seen[-1].n_done == seen[-1].n_runs >= found.comparison.n_runs
