"""The study of a results folder in optuna-dashboard, on this machine only."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep.experiment import file as experiment_file
from sweep.results.contents import RecordedTrainer
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.search.reading import stored_trials

host = "127.0.0.1"


def serve(results: Results, port: int, announce: Callable[[str], None]) -> None:
    """Serve the study until interrupted; `announce` gets the address when all is ready to start.

    A journal is served from a copy: what is clicked or noted in the dashboard never reaches the results folder. A study
    in a database is served as it is. Raises `ResultsError` without the extra `dashboard`, or without a study, and
    `SettingError` for a study that cannot be read.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise ResultsError("the dashboard needs optuna-dashboard: pip install 'xor-sweep[dashboard]'") from None
    experiment, journal = experiment_file.load(results.folder.experiment), results.folder.journal
    storage = experiment.study.storage
    if storage == "journal" and not journal.exists():
        raise ResultsError(f"{journal}: no such file; the study of this folder is gone")
    trainer = RecordedTrainer(results.manifest.engine, results.manifest.device)
    # the dashboard would answer a damaged study with a traceback
    stored_trials(experiment, journal if storage == "journal" else storage, study_name(experiment, trainer))
    with tempfile.TemporaryDirectory() as temporary:
        if storage == "journal":
            storage = str(Path(shutil.copy2(journal, temporary)))
        announce(f"http://{host}:{port}/")
        run_server(storage, host=host, port=port)
