"""How far a sweep is, as it is shown."""

from rich.progress import Task, TaskID

from sweep.report.terminal.progress import _Speed  # pyright: ignore[reportPrivateUsage]


def test_the_speed_is_what_was_done_here_over_the_time_that_it_took() -> None:
    task = Task(TaskID(0), "train", total=100, completed=60, _get_time=lambda: 12.0, fields={"before": 40})
    assert _Speed().render(task).plain.endswith("/s")  # no time has gone by
    task.start_time = 2.0
    assert _Speed().render(task).plain == "2/s"
