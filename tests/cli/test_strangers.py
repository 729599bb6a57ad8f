"""Results folders from strangers: no address contacted, nothing written outside, no size taken on trust."""

import hashlib
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import sweep
from sweep.cli.common import app

TEXT = "fixed: {epochs: 30, learning_rate: 0.05}\nvary: {width: [2, 3], seed: 4}\nreliability: {target: 0.2}\n"


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert not result.exception or isinstance(result.exception, SystemExit), (arguments, result.exception)
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder, not to be changed."""
    place = tmp_path_factory.mktemp("made")
    (place / "e.yaml").write_text(TEXT)
    sweep.run(place / "e.yaml", place / "out")
    return place / "out"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "out")


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Put other content into a file, and let the manifest vouch for it."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


# addresses


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that answers nobody; whether somebody came is seen at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def has_caller(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(
    "arguments", [("verify", "--sample", "0"), ("audit", "--runs", "1"), ("dashboard",)], ids=lambda a: a[0]
)
def test_a_storage_that_only_a_folder_names_is_not_asked(
    folder: Path, listener: socket.socket, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip("psycopg2")
    url = f"postgresql+psycopg2://127.0.0.1:{listener.getsockname()[1]}/x?connect_timeout=2"
    text = TEXT + f"study: {{storage: '{url}', sampler: random, trials: 2}}\n"
    rewrite(folder, "experiment.yaml", text.encode())
    answer = call(arguments[0], folder, *arguments[1:])
    assert answer.exit_code in (1, 2)
    assert not has_caller(listener)
    assert "--storage" in answer.output


@pytest.fixture
def of_database(tmp_path: Path) -> tuple[Path, str]:
    """A folder that was made here, and the storage of its study."""
    storage = f"sqlite:///{tmp_path}/study.db"
    (tmp_path / "e.yaml").write_text(TEXT + f"study: {{storage: '{storage}', sampler: random, trials: 2}}\n")
    sweep.run(tmp_path / "e.yaml", tmp_path / "here")
    return tmp_path / "here", storage


def test_the_storage_of_a_folder_made_here_is_asked(of_database: tuple[Path, str]) -> None:
    here, _ = of_database
    answer = call("verify", here, "--sample", "0")
    assert answer.exit_code == 0, answer.output


def test_the_storage_of_a_moved_folder_is_asked_when_it_is_named(of_database: tuple[Path, str]) -> None:
    here, storage = of_database
    moved = here.rename(here.with_name("moved"))
    refused = call("verify", moved, "--sample", "0")
    assert refused.exit_code == 1 and "study.storage" in refused.stdout and "--storage URL" in refused.stdout
    assert call("verify", moved, "--sample", "0", "--storage", storage).exit_code == 0


def test_another_storage_in_a_folder_made_here_is_not_asked(of_database: tuple[Path, str], tmp_path: Path) -> None:
    here, storage = of_database
    file, other = here / "experiment.yaml", tmp_path / "other.db"
    file.write_text(file.read_text().replace(storage, f"sqlite:///{other}"))
    other.touch()
    assert call("verify", here, "--sample", "0").exit_code == 1
    assert other.stat().st_size == 0
