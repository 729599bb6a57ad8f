"""The package as others get it: wheel and sdist built from a clean folder, installed into a fresh environment, run."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
LEFT_OUT = (".venv", "build", "dist", "*.egg-info", "__pycache__", ".git", ".*_cache", ".hypothesis")


def run(*command: str | Path, folder: Path, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(c) for c in command], cwd=folder, env={**known, **environment}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _is_left_out(folder: str, names: list[str]) -> set[str]:
    """What git does not have: caches, environments, and the results of experiments."""
    left_out = shutil.ignore_patterns(*LEFT_OUT)(folder, names)
    return left_out | ({*names} - {"README.md"} if Path(folder) == ROOT / "results" else set())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy without anything that a build or a run leaves."""
    clean = tmp_path_factory.mktemp("clean") / "project"
    shutil.copytree(ROOT, clean, ignore=_is_left_out)
    run(sys.executable, "-m", "hatchling", "build", folder=clean)
    return clean / "dist"


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel alone; the packages that it needs are those of this environment."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    (wheel,) = built.glob("*.whl")
    run(folder / "bin" / "pip", "install", "--no-index", "--no-deps", wheel, folder=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    needed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "needed.pth").write_text("".join(f"{path}\n" for path in sorted(needed)))
    return folder


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_and_its_data(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = names_in(wheel)
    own = {p.relative_to(ROOT).as_posix() for p in (ROOT / "sweep").rglob("*") if p.is_file()}
    own = {name for name in own if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == own
    assert {"sweep/experiment/template.yaml", "sweep/report/page/template/page.html", "sweep/py.typed"} <= own


def test_the_metadata_is_complete(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_string(archive.read(f"{folder}/METADATA").decode())
        entry = archive.read(f"{folder}/entry_points.txt").decode()
        assert f"{folder}/licenses/LICENSE" in archive.namelist()
    assert metadata["Name"] == "xor-sweep" and metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"] == "The xor-sweep authors"
    assert metadata["Summary"] and metadata["Keywords"] and metadata["Requires-Python"] == "<3.14,>=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown" and "# xor-sweep" in metadata.get_payload()
    assert "sweep = sweep.cli:main" in entry
    assert {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])} >= {"Homepage", "Changelog", "Issues"}
    assert "make sweep" in str(metadata.get_payload())


def test_the_sdist_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    needed = {"Makefile", "README.md", "LICENSE", "install.py", "requirements.lock", "requirements-setup.lock"}
    for name in needed | {"experiments/xor.yaml", "tests/cli/test_cli.py"}:
        assert (folder / name).is_file(), name
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", folder=folder)
    (again,) = (folder / "dist").glob("*.whl")
    (wheel,) = built.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_type_checkers_read_the_types_of_the_installed_package(environment: Path, tmp_path: Path) -> None:
    """The error is seen in a folder outside the repository, so the types are those of the wheel."""
    code = "import sweep.statistics.intervals as i\nwidth: str = i.wilson(1, 2, 0.95)\n"
    (tmp_path / "used.py").write_text(code)
    python = environment / "bin" / "python"
    command = (sys.executable, "-m", "pyright", "--pythonpath", str(python), "used.py")
    known = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, timeout=600)
    assert '"Rates" is not assignable to "str"' in done.stdout and "1 error," in done.stdout, done.stdout


def test_the_installed_command_works(environment: Path, tmp_path: Path) -> None:
    """From a file to the page, in an empty folder; the first training says that it compiles, the second does not."""
    sweep = environment / "bin" / "sweep"
    where = run(environment / "bin" / "python", "-c", "import sweep; print(sweep.__file__)", folder=tmp_path).stdout
    assert Path(where.strip()).is_relative_to(environment)
    run(sweep, "new", "mine.yaml", folder=tmp_path)
    assert "12 configurations" in run(sweep, "check", "mine.yaml", folder=tmp_path).stdout
    first = run(sweep, "train", "width=4", "epochs=50", "--seeds", "40", folder=tmp_path)
    assert "compiling the kernel for this processor" in first.stderr and "of 40 seeds" in first.stdout
    second = run(sweep, "train", "width=4", "epochs=50", "--seeds", "40", folder=tmp_path)
    assert "compiling" not in second.stderr and second.stdout == first.stdout
    (tmp_path / "small.yaml").write_text("{fixed: {epochs: 50}, vary: {width: [2, 8], seed: 8}}")
    assert "Which configurations reliably learn xor?" in run(sweep, "run", "small.yaml", folder=tmp_path).stdout
    run(sweep, "report", "results/small", folder=tmp_path)
    assert (tmp_path / "results" / "small" / "report.html").stat().st_size > 10_000
