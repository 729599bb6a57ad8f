"""A run of a program in the terminal: the command that made it, and how it came out when it was made again."""

from sweep.commands.repeat import RecordedRun, Repeated
from sweep.runs.settings import setting_text


def describe_recorded(recorded: RecordedRun, *, is_run: bool) -> list[str]:
    """How a run ended, and the command that the folder says made it."""
    numbers = "".join(f", {name} {setting_text(x)}" for name, x in recorded.numbers.items() if abs(x) < float("inf"))
    lines = [
        f"{recorded.run}: {recorded.outcome}{numbers}",
        "the folder says that it was made by",
        f"  {recorded.typed}",
    ]
    return lines if is_run else [*lines, "--again runs that here; look at it first"]


def describe_repeated(repeated: Repeated) -> list[str]:
    """Whether a run came out the same."""
    if repeated.is_same:
        return ["made again: the same outcome and numbers"]
    before, now = repeated.recorded, repeated.given
    lines = [f"made again: {repeated.outcome}, there {before.outcome}"]
    for name in repeated.different:
        there, here = (setting_text(own.get(name)) for own in (before.numbers, now.numbers))
        lines.append(f"  {name} {here}, there {there}")
    return [*lines, *(f"  {line}" for line in now.told.splitlines())]
