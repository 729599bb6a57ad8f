"""The study of a results folder in optuna-dashboard, on this machine only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.results.storages import study_to_read
from sweep.search.reading import number_of, read_study, storage_of, stored_trials
from sweep.training.trainer import TrainerName

host = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Answers requests without a line for each."""

    def log_message(self, format: str, *args: Any) -> None:  # the base's name
        """Say nothing."""


def serve(results: Results, port: int, announce: Callable[[str], None], told: str | None = None) -> None:
    """Serve the study until interrupted; `announce` gets its address when it can be asked.

    A journal is served from a copy in memory: what is clicked or noted in the dashboard never reaches the results
    folder. A study in a database is served as it is; `told`: the one to ask, as for `verify`. Raises `ResultsError`
    without the extra `dashboard`, or without a study, and `SettingError` for a study that cannot be read.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise ResultsError("the dashboard needs optuna-dashboard: pip install 'xor-sweep[dashboard]'") from None
    experiment = results.experiment
    storage = study_to_read(results.folder, experiment, told)
    if isinstance(storage, Path) and not storage.exists():
        raise ResultsError(f"{storage}: no such file; the study of this folder is gone")
    name = study_name(experiment, TrainerName.recorded(vars(results.manifest)))
    stored_trials(experiment, storage, name)  # the dashboard would answer a damaged study with a traceback
    study = read_study(storage, name, is_copied=True)
    with make_server(host, port, wsgi(storage_of(study)), handler_class=_Quiet) as server:
        announce(f"http://{host}:{server.server_port}/dashboard/studies/{number_of(study)}")
        server.serve_forever()
