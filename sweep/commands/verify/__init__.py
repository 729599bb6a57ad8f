"""Is a results folder what its experiment gives? Files, tables and study must agree; rows are trained again.

Nothing is written. What is off is a finding: a line that begins with the name of the file.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sweep.commands.progress import Observer, ignore
from sweep.commands.verify.files import check_files, check_manifest
from sweep.commands.verify.retraining import (
    Retraining,
    Sample,
    check_confirmation,
    check_settled,
    make_again,
    retrain,
    sample_runs,
)
from sweep.commands.verify.study import check_study
from sweep.commands.verify.tables import check_configurations, check_examples, check_parts, check_rows, check_settings
from sweep.results.contents import Contents, read_contents
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.training import choice, programs, threads
from sweep.training.costs import run_seconds
from sweep.training.programs import Command
from sweep.training.trainer import TrainerName

# runs that are trained again where nobody says how many: native does these in seconds, keras in a minute
default_samples = {"native": 1000}


@dataclass(frozen=True)
class Verification:
    """What was found.

    findings: one line for each thing that is off; n_rows: runs in the folder; engine: what trained the sample again;
    comparison: how the sample came out, None where the folder could not be read so far; sample: which rows it was;
    seconds_of_all: about how long all rows would take.
    """

    findings: tuple[str, ...]
    n_rows: int
    engine: str
    comparison: Retraining | None
    sample: Sample | None = None
    seconds_of_all: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether nothing is off."""
        return not self.findings


def verify(
    path: str | os.PathLike[str],
    sample: int | None = None,
    *,
    engine: str | None = None,
    workers: int | None = None,
    storage: str | None = None,
    nonce: str | None = None,
    program: tuple[str, ...] | None = None,
    observe: Observer = ignore,
) -> Verification:
    """Check a results folder and train a sample of its runs again, with the engine that trained them or another.

    `sample`: how many runs, 1,000 where not given (10 of an engine other than native). They are drawn by the `nonce`, a
    fresh one where it is not given; with the engine native all runs of the configurations that the answer names come
    with them. `storage`: the database to ask for the study, where the folder names one and was not made here.
    `program`: what made the runs, where a program did, 10 of which are made again where not given; without it none is.
    `observe` is told how many are made. Raises `ResultsError` where there is no results folder, or one of another
    program, `EngineError` where the engine cannot do what is asked.
    """
    folder = Folder(Path(path))
    folder.check_has_experiment()
    findings = check_files(folder)
    contents, unreadable = read_contents(folder, storage)
    findings += unreadable
    if contents is None:
        return Verification(tuple(findings), 0, "", None)
    findings += check_manifest(contents)
    findings += check_rows(contents)
    findings += check_configurations(contents)
    findings += check_settings(contents)
    findings += check_examples(contents)
    findings += check_parts(contents)
    findings += check_study(contents)
    drawn_by = nonce or secrets.token_hex(4)
    if contents.experiment.subject != "network":  # what made its runs is not in the folder
        if engine is not None:
            folder.check_has_networks()
        by = contents.trainer.name
        if program is None:
            return Verification(tuple(findings), len(contents.rows), by, None)
        drawn = sample_runs(contents, 10 if sample is None else sample, drawn_by)
        again = _make_again(contents, program, drawn, workers, observe)
        seconds = float(contents.frame["seconds"].sum()) / (workers or threads.available_cores())
        return Verification((*findings, *again.findings), len(contents.rows), by, again, drawn, seconds)
    if program is not None:
        raise ResultsError(f"{path}: runs of networks; allowed: without a program")
    name, device = contents.trainer.name, contents.trainer.device if engine in (None, contents.trainer.name) else "cpu"
    chosen = choice.choose(engine or name, device, (e.configuration for e in contents.networks))
    n = default_samples.get(chosen.name, 10) if sample is None else sample
    n_workers = workers or threads.available_cores()
    named = contents.manifest.named if chosen.name == "native" and n else ()
    drawn = sample_runs(contents, n, drawn_by, named)
    comparison = retrain(contents, drawn.seeds, chosen, n_workers, observe)
    findings += comparison.findings
    if chosen.name == "native" == name:
        findings += check_confirmation(contents, chosen, n_workers)
        findings += check_settled(contents, chosen, n_workers)
    seconds = sum(run_seconds(e.configuration, chosen.name) * len(e.runs) for e in contents.networks) / n_workers
    by = str(TrainerName.of(chosen))
    return Verification(tuple(findings), len(contents.rows), by, comparison, drawn, seconds)


def _make_again(
    contents: Contents, program: tuple[str, ...], drawn: Sample, workers: int | None, observe: Observer
) -> Retraining:
    """Make a sample of the runs of a program again, by the command that the user gives: the recorded one."""
    command = Command(program)
    if command.name != contents.trainer.name:
        raise ResultsError(f"{contents.folder.path}: runs of {contents.trainer.name}; found {command.name}")
    command.check((), contents.experiment.names)
    n_workers = workers or threads.available_cores()
    trainer = programs.as_trainer(command, contents.experiment.limits, n_workers)
    return make_again(contents, drawn.seeds, trainer, n_workers, observe)
