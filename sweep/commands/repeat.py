"""A run of a program again: the command that made it, and, only where that is asked for, the run itself.

The command stands in the folder, and whoever made the folder chose it: it is shown, and run by nobody but the user.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.commands.replay import find_row
from sweep.results.results import Results
from sweep.results.tables import runs_from_table
from sweep.runs.outcomes import outcomes
from sweep.runs.settings import Settings
from sweep.training import programs
from sweep.training.own import Given, checked, outcome_of
from sweep.training.programs import Command

not_compared = ("seconds", "attempts")  # of a run, what another time may give otherwise


@dataclass(frozen=True)
class RecordedRun:
    """A run of a program as a folder has it: how it ended and its numbers, NaN where it gave none."""

    run: str
    command: Command
    settings: Mapping[str, object]
    seed: int
    outcome: str
    numbers: Mapping[str, float]

    @property
    def typed(self) -> str:
        """What one would type in a shell to make the run, without its limits."""
        known = {"SWEEP_SEED": str(self.seed), "SWEEP_SETTINGS": json.dumps(self.settings)}
        words = [f"{name}={shlex.quote(value)}" for name, value in known.items()]
        return " ".join([*words, shlex.join(self.command.filled(self.settings, self.seed))])


def find_recorded(results: Results, run: str) -> RecordedRun:
    """A run of a program by its name. Raises `ResultsError`, for runs of something else too."""
    command = Command.recorded(results.manifest.engine)
    if command is None:
        results.folder.check_has_networks()
        raise TypeError("runs of networks are trained again by their engine")
    identity, row = find_row(results, run)
    subject = results.settings[identity].subject
    assert isinstance(subject, Settings)
    rows = results.runs[results.runs["run"] == row["run"]]
    runs = runs_from_table(rows, subject)
    numbers = {name: float(values[0]) for name, values in runs.measured.items() if name not in not_compared}
    return RecordedRun(row["run"], command, subject.values, int(row["seed"]), outcomes[runs.outcome[0]], numbers)


@dataclass(frozen=True)
class Repeated:
    """A run of a program made again: how it ended now, what it gave, the numbers that are others than the row's."""

    recorded: RecordedRun
    outcome: str
    given: Given
    different: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether it ended as its row says, with the same numbers."""
        return self.outcome == self.recorded.outcome and not self.different


def repeat(results: Results, recorded: RecordedRun) -> Repeated:
    """Run the recorded command again, under the experiment's limits. Raises `SettingError` where it cannot be run."""
    success = results.experiment.success
    assert success is not None
    recorded.command.check((), recorded.settings)
    trainer = programs.as_trainer(recorded.command, results.experiment.limits, 1)
    given = trainer.make(recorded.settings, recorded.seed, success.metric)
    given = checked(given, success.metric, recorded.settings)
    names = dict.fromkeys([*recorded.numbers, *given.numbers])
    before, now = recorded.numbers, given.numbers
    different = tuple(n for n in names if not are_same(before.get(n, float("nan")), now.get(n, float("nan"))))
    return Repeated(recorded, outcome_of(given, success), given, different)


def are_same(one: float, other: float) -> bool:
    """Whether two numbers are equal, or neither stands in a table, where what is not finite is left out."""
    is_one, is_other = (abs(x) < float("inf") for x in (one, other))
    return one == other if is_one and is_other else is_one == is_other
