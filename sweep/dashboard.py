"""The study of a results folder in optuna-dashboard, on this machine only."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep import experiment_file
from sweep.results import Results, ResultsError

host = "127.0.0.1"


def serve(results: Results, port: int, announce: Callable[[str], None]) -> None:
    """Serve the study until interrupted; `announce` gets the address when all is ready to start.

    A journal is served from a copy: what is clicked or noted in the dashboard never reaches the results folder. A study
    in a database is served as it is. Raises `ResultsError` without the extra `dashboard`, or without a study.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise ResultsError("the dashboard needs optuna-dashboard: pip install 'xor-sweep[dashboard]'") from None
    storage = experiment_file.load(results.folder.experiment).study.storage
    journal = results.folder.journal
    with tempfile.TemporaryDirectory() as temporary:
        if storage == "journal":
            if not journal.exists():
                raise ResultsError(f"{journal}: no such file; the study of this folder is gone")
            storage = str(Path(shutil.copy2(journal, temporary)))
        announce(f"http://{host}:{port}/")
        run_server(storage, host=host, port=port)
