"""The study of a results folder in optuna-dashboard, on this machine only."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep.experiment.regular_files import read_regular
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.results.storages import study_to_read
from sweep.search.reading import stored_trials
from sweep.training.trainer import TrainerName

host = "127.0.0.1"


def serve(results: Results, port: int, announce: Callable[[str], None], told: str | None = None) -> None:
    """Serve the study until interrupted; `announce` gets the address when all is ready to start.

    A journal is served from a copy: what is clicked or noted in the dashboard never reaches the results folder. A study
    in a database is served as it is; `told`: the one to ask, as for `verify`. Raises `ResultsError` without the extra
    `dashboard`, or without a study, and `SettingError` for a study that cannot be read.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise ResultsError("the dashboard needs optuna-dashboard: pip install 'xor-sweep[dashboard]'") from None
    experiment = results.experiment
    storage = study_to_read(results.folder, experiment, told)
    if isinstance(storage, Path) and not storage.exists():
        raise ResultsError(f"{storage}: no such file; the study of this folder is gone")
    # the dashboard would answer a damaged study with a traceback
    stored_trials(experiment, storage, study_name(experiment, TrainerName.recorded(vars(results.manifest))))
    with tempfile.TemporaryDirectory() as temporary:
        if isinstance(storage, Path):
            copied = Path(temporary) / storage.name
            copied.write_bytes(read_regular(storage))
            storage = str(copied)
        announce(f"http://{host}:{port}/")
        run_server(storage, host=host, port=port)
