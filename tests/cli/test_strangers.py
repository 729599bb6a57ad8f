"""Results folders from strangers: no address contacted, nothing written outside, no size taken on trust."""

import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.hostile import listing
from typer.testing import CliRunner, Result

import sweep
from sweep.cli.common import app
from sweep.experiment.experiment import without_passwords
from sweep.experiment.file import parse
from sweep.results.files import ResultsError
from sweep.results.folder import Folder

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


# links, pipes, devices

READING = [("show",), ("show", "--json"), ("verify", "--sample", "0"), ("compare", "width=2", "width=3")]
PAGE = {"experiment.yaml": ("report",), "report.html": ("report",), "figures": ("report", "--figures")}
OWN = sorted(p.name for p in Folder(Path()).own_files)


def answered(command: tuple[str, ...], folder: Path) -> Result:
    """A command on a folder, which must end within seconds and with a message where it cannot do its work."""
    signal.alarm(60)
    try:
        result = call(command[0], folder, *command[1:])
    finally:
        signal.alarm(0)
    assert result.exit_code in (0, 1, 2), result.output
    assert result.exit_code == 0 or result.output
    return result


def run(folder: Path) -> Result:
    """The sweep again, whose folder a stranger has prepared."""
    (folder.parent / "e.yaml").write_text(TEXT)
    return call("run", folder.parent / "e.yaml", "--out", folder, "--quiet")


@pytest.mark.parametrize("name", OWN)
def test_a_link_is_not_followed(folder: Path, name: str) -> None:
    """Whatever file of ours is a link, what it points to stays, and is not made where it is not there."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("first\nsecond\n")
    (elsewhere / "00-000.npz").write_text("mine")
    before = listing(elsewhere)
    path = folder / name
    for target in (elsewhere / "mine", elsewhere / "absent", elsewhere):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        for command in [*READING, PAGE[name]] if name in PAGE else READING:
            answered(command, folder)
        assert run(folder).exit_code in (0, 2)
        (folder / "manifest.json").unlink(missing_ok=True)  # now there is something to do
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        assert run(folder).exit_code in (0, 2)
        assert listing(elsewhere) == before, target


@pytest.mark.parametrize("name", sorted({*OWN} - {"figures"}))
def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path, name: str) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in READING:
        answered(command, folder)
    signal.alarm(60)
    assert run(folder).exit_code in (0, 2)
    signal.alarm(0)


def test_a_second_name_of_a_file_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("first\nsecond\n")
    for name in (".lock", "study.journal"):
        (folder / "runs.csv").unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).hardlink_to(mine)
        refused = run(folder)
        assert refused.exit_code == 2 and "hard link" in refused.stderr
        assert mine.read_text() == "first\nsecond\n"
        (folder / name).unlink()


@pytest.mark.parametrize(
    "content",
    ["one line", "first\nsecond\n", '{"a": 1}\nsecond\n', "[]\n[]\n"],
    ids=["no line", "text", "JSON", "list"],
)
def test_a_journal_that_is_none_is_not_cut(folder: Path, content: str) -> None:
    (folder / "runs.csv").unlink()
    (folder / "study.journal").write_text(content)
    assert run(folder).exit_code == 2
    assert (folder / "study.journal").read_text() == content


@pytest.mark.parametrize("name", ["/dev/zero", "../x", "a/../../x", "x\x1b[31m", ""])
def test_a_manifest_names_files_of_the_folder(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for command in READING:
        answered(command, folder)
    found = answered(("verify", "--sample", "0"), folder)
    assert found.exit_code in (1, 2) and "manifest.json" in found.output
    assert run(folder).exit_code == 0


def test_a_folder_of_tables_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("a,b,y\n0,1,1\n1,0,1\n0,0,0\n1,1,0\n")
    (tmp_path / "e.yaml").write_text("fixed: {task: {file: data/x.csv, targets: [y]}, epochs: 2}\nvary: {seed: 2}\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data").symlink_to(tmp_path / "elsewhere")
    assert call("run", tmp_path / "e.yaml", "--out", tmp_path / "out", "--quiet").exit_code == 2
    assert not any((tmp_path / "elsewhere").iterdir())


# sizes and damage


def bomb(path: Path) -> None:
    """An archive of kilobytes that unpacks to 128 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("seed.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (1 << 24,)})
        for _ in range(1 << 7):
            member.write(bytes(1 << 20))


def boast(path: Path) -> None:
    """An array whose header promises a terabyte."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("seed.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)})


@pytest.mark.parametrize("make", [bomb, boast], ids=lambda make: make.__name__)
def test_an_archive_takes_no_more_memory_than_it_is_long(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "examples.npz")
    tracemalloc.start()
    with pytest.raises(ResultsError, match=r"examples\.npz: damaged"):
        Folder(folder).read_examples()
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_a_damaged_archive_is_one_message(folder: Path) -> None:
    """A bit in each byte of the headers of its archive and of its arrays, turned alone."""
    path = folder / "examples.npz"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        starts = [m.header_offset for m in archive.infolist()]
    places = {i for start in starts for i in range(start, start + 180)} | set(range(archive.start_dir, len(content)))
    n_named = 0
    for place in sorted(places):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            Folder(folder).read_examples()
        except ResultsError:
            n_named += 1
    assert n_named > len(places) / 2


def test_a_lock_that_is_none_is_kept(folder: Path) -> None:
    (folder / ".lock").write_text("mine\n")
    assert run(folder).exit_code == 2
    assert (folder / ".lock").read_text() == "mine\n"


# names of tables


def of_table(place: Path, name: str) -> Path:
    """An experiment on a table of this name."""
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_text("a,b,y\n0,1,1\n1,0,1\n0,0,0\n1,1,0\n")
    (place / "e.yaml").write_text(f"fixed: {{task: {{file: {name}, targets: [y]}}, epochs: 2}}\nvary: {{seed: 2}}\n")
    return place / "e.yaml"


@pytest.mark.parametrize("name", [*OWN, "PARTS/x.csv", "figures/x.csv", ".runs.csv.1.tmp", "./.lock"])
def test_no_table_has_a_name_of_ours(tmp_path: Path, name: str) -> None:
    path = of_table(tmp_path, name)
    before = listing(tmp_path)
    refused = call("run", path, "--out", tmp_path / "out", "--quiet")
    assert refused.exit_code == 2 and "rename the table's file" in refused.stderr
    assert call("run", path, "--out", tmp_path, "--quiet").exit_code == 2
    assert {k: v for k, v in listing(tmp_path).items() if k in before} == before


def test_a_folder_with_a_table_in_a_subfolder_is_right(tmp_path: Path) -> None:
    path = of_table(tmp_path, "data/deep/x.csv")
    assert call("run", path, "--out", tmp_path / "out", "--quiet").exit_code == 0
    found = call("verify", tmp_path / "out", "--sample", "0")
    assert found.exit_code == 0, found.output
    (tmp_path / "out" / "data" / "deep" / "x.csv").write_text("a,b,y\n0,1,1\n1,0,1\n0,0,1\n1,1,0\n")
    assert "data/deep/x.csv: changed" in call("verify", tmp_path / "out", "--sample", "0").stdout


# passwords


@pytest.mark.parametrize(
    "written",
    [
        "'{url}'",
        '"{url}"',
        '"sqlite://\\x2fann:se\\x63ret@/{path}"',
        "'sqlite:///{path}?password=secret'",
        '"sqlite:///{path}?pass\\\n    word=secret"',
    ],
)
def test_no_password_reaches_the_page(written: str) -> None:
    storage = written.replace("{url}", "postgresql://ann@server:secret@db/x").replace("{path}", "/x.db")
    text = f"# once postgresql://ann:secret@db/x\n{TEXT}study: {{storage: {storage}}}\n"
    storage = parse(text).study.storage
    assert "secret" in storage
    shown = without_passwords(text, storage)
    assert "secret" not in shown and "cret@" not in shown


def test_the_page_of_a_study_with_a_password_is_without_it(folder: Path) -> None:
    text = TEXT + "study: {storage: 'postgresql://ann:secret@db/x'}\n"
    rewrite(folder, "experiment.yaml", text.encode())
    assert call("report", folder).exit_code == 0
    page = (folder / "report.html").read_text()
    assert "secret" not in page and "ann:***@db" in page


@pytest.mark.parametrize("password", ["se@cret", "s@e/cret", "s@e?cret", "@secret"])
def test_no_message_shows_a_part_of_a_password(tmp_path: Path, password: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(TEXT + f"study: {{storage: 'postgresql://ann:{password}@127.0.0.1:1/x'}}\n")
    for refused in (call("check", path), call("run", path, "--out", tmp_path / "out", "--quiet")):
        assert refused.exit_code == 2 and "%40" in refused.output
        assert "cret" not in refused.output


# what is printed, and where results are written


def test_names_from_a_folder_do_nothing_to_the_terminal(folder: Path) -> None:
    rewrite(
        folder, "configurations.csv", (folder / "configurations.csv").read_bytes().replace(b"adam", b"a\x1b]0;x\x07m")
    )
    escaped = folder.rename(folder.with_name("out\x1b[31m"))
    for command in [*READING, ("show", "--sort", "width"), ("show", "--where", "width > 1"), ("replay", "x-1")]:
        printed = answered(command, escaped).output
        assert "\x1b" not in printed and "\x07" not in printed, command
    assert json.loads(call("show", escaped, "--json").stdout)


@pytest.mark.parametrize("name", ["audit.json", "manifest.json"])
def test_deep_JSON_is_no_traceback(folder: Path, name: str) -> None:
    (folder / name).write_text("[" * 200_000)
    for command in [*READING, ("report",)]:
        assert answered(command, folder).exit_code in (0, 1, 2)


def test_a_deep_journal_is_no_traceback(folder: Path) -> None:
    with (folder / "study.journal").open("a") as file:
        file.write('{"op_code":' + "[" * 200_000 + "\n")
    assert "study.journal" in answered(("verify", "--sample", "0"), folder).output
    (folder / "runs.csv").unlink()
    assert run(folder).exit_code == 0


@pytest.mark.parametrize("where", [" or ".join(["width==1"] * 90), "-" * 990 + "1", "+".join("1" * 490) + "==width"])
def test_a_long_expression_is_no_traceback(folder: Path, where: str) -> None:
    assert answered(("show", "--where", where), folder).exit_code in (0, 2)


@pytest.mark.parametrize("name", ["configurations.csv", "runs.csv", "parts/x.csv"])
def test_no_export_replaces_a_table_of_a_results_folder(folder: Path, name: str) -> None:
    before = listing(folder)
    assert call("show", folder, "--export", folder / name).exit_code == 2
    assert call("rescue", folder, "width=2", "--csv", folder / name).exit_code == 2
    assert listing(folder) == before
    assert call("show", folder, "--export", folder / "mine.csv").exit_code == 0


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plan", "--rate", "0.9", "--target", "0.8"]])
@pytest.mark.parametrize(("output", "code"), [("> /dev/full", 2), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)])
def test_an_output_that_cannot_be_written_is_no_traceback(arguments: list[str], output: str, code: int) -> None:
    command = f"{shlex.join([sys.executable, '-m', 'sweep', *arguments])} {output}"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr and ended.stderr.count("\n") == (code == 2)
