"""Is a results folder what its experiment gives? Files, tables and study must agree; rows are trained again.

Nothing is written. What is off is a finding: a line that begins with the name of the file.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sweep.commands.verify.files import check_files, check_manifest
from sweep.commands.verify.retraining import Retraining, Sample, check_confirmation, check_settled, retrain, sample_runs
from sweep.commands.verify.study import check_study
from sweep.commands.verify.tables import check_configurations, check_examples, check_parts, check_rows, check_settings
from sweep.results.contents import read_contents
from sweep.results.folder import Folder
from sweep.training import choice, threads
from sweep.training.costs import run_seconds
from sweep.training.trainer import TrainerName

# runs that are trained again where nobody says how many: native does these in seconds, keras in a minute
default_samples = {"native": 1000, "keras": 10}


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
) -> Verification:
    """Check a results folder and train a sample of its runs again, with the engine that trained them or another.

    `sample`: how many runs, 1,000 where not given (10 of an engine other than native). They are drawn by the `nonce`, a
    fresh one where it is not given; with the engine native all runs of the configurations that the answer names come
    with them. `storage`: the
    database to ask for the study, where the folder names one and was not made here. Raises `ResultsError` where there
    is no results folder, `EngineError` where the engine cannot do what is asked.
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
    if contents.experiment.subject != "network":  # what made its runs is not in the folder
        return Verification(tuple(findings), len(contents.rows), contents.trainer.name, None)
    name, device = contents.trainer.name, contents.trainer.device if engine in (None, contents.trainer.name) else "cpu"
    chosen = choice.choose(engine or name, device, (e.configuration for e in contents.networks))
    n = default_samples[chosen.name] if sample is None else sample
    n_workers = workers or threads.available_cores()
    named = contents.manifest.named if chosen.name == "native" and n else ()
    drawn = sample_runs(contents, n, nonce or secrets.token_hex(4), named)
    comparison = retrain(contents, drawn.seeds, chosen, n_workers)
    findings += comparison.findings
    if chosen.name == "native" == name:
        findings += check_confirmation(contents, chosen, n_workers)
        findings += check_settled(contents, chosen, n_workers)
    seconds = sum(run_seconds(e.configuration, chosen.name) * len(e.runs) for e in contents.networks) / n_workers
    by = str(TrainerName.of(chosen))
    return Verification(tuple(findings), len(contents.rows), by, comparison, drawn, seconds)
