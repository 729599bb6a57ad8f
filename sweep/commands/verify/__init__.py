"""Is a results folder what its experiment gives? Files, tables and study must agree; rows are trained again.

Nothing is written. What is off is a finding: a line that begins with the name of the file.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sweep.commands.verify.files import check_files, check_manifest
from sweep.commands.verify.retraining import Retraining, check_confirmation, retrain, sample_runs
from sweep.commands.verify.study import check_study
from sweep.commands.verify.tables import check_configurations, check_examples, check_parts, check_rows, check_settings
from sweep.results.contents import read_contents
from sweep.results.folder import Folder
from sweep.training import choice, threads
from sweep.training.engine import TrainerName

# runs that are trained again where nobody says how many: native does these in seconds, keras in a minute
default_samples = {"native": 1000, "keras": 10}


@dataclass(frozen=True)
class Verification:
    """What was found.

    findings: one line for each thing that is off; n_rows: runs in the folder; engine: what trained the sample again;
    comparison: how the sample came out, None where the folder could not be read so far.
    """

    findings: tuple[str, ...]
    n_rows: int
    engine: str
    comparison: Retraining | None

    @property
    def is_right(self) -> bool:
        """Whether nothing is off."""
        return not self.findings


def verify(
    path: str | os.PathLike[str], sample: int | None = None, *, engine: str | None = None, workers: int | None = None
) -> Verification:
    """Check a results folder and train a sample of its runs again, with the engine that trained them or another.

    `sample`: how many runs, 1,000 where not given (10 of an engine other than native). Raises `ResultsError` where
    there is no results folder, `EngineError` where the engine cannot do what is asked.
    """
    folder = Folder(Path(path))
    folder.check_has_experiment()
    findings = check_files(folder)
    contents, unreadable = read_contents(folder)
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
    name, device = contents.trainer.name, contents.trainer.device if engine in (None, contents.trainer.name) else "cpu"
    chosen = choice.choose(engine or name, device, (p.configuration for p in contents.planned))
    n = default_samples[chosen.name] if sample is None else sample
    n_workers = workers or threads.available_cores()
    comparison = retrain(contents, sample_runs(contents, n), chosen, n_workers)
    findings += comparison.findings
    if chosen.name == "native" == name:
        findings += check_confirmation(contents, chosen, n_workers)
    return Verification(tuple(findings), len(contents.rows), str(TrainerName.of(chosen)), comparison)
