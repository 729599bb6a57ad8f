"""The installer of `make setup`: uv first, pip where it cannot, silence where all is well, errors where not.

Both installers are scripts here, which write what the real ones do.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import install

noise = "WARNING: Location 'file:///nowhere/a/' is ignored: it is neither a file nor a directory."
Programs = Callable[[str | None, str], None]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Put scripts of Python in the places of uv and of pip; None: there is no uv."""

    def place(uv: str | None, pip: str) -> None:
        for name, source in (("uv", uv), ("pip", pip)):
            if source is not None:
                (tmp_path / name).write_text(f"#!{sys.executable}\nimport sys\n{source}\n")
                (tmp_path / name).chmod(0o755)
        monkeypatch.setattr(install, "UV", tmp_path / "uv")
        monkeypatch.setattr(install, "PIP", (sys.executable, str(tmp_path / "pip"), "install"))

    return place


def wrote(text: str, code: int = 0) -> str:
    return f"print({text!r}, file=sys.stderr); sys.exit({code})"


def test_uv_installs_and_nobody_hears_it(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    programs(wrote("Resolved 73 packages\n + absl-py==2.5.1"), wrote("pip was called", 1))
    install.install(["--requirement", "a.lock"], "packages: a.lock", 73)
    said = capsys.readouterr()
    assert re.fullmatch(r"  packages: a.lock ... \d+ s\n", said.err) and not said.out


def test_pip_does_what_uv_cannot(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    programs(wrote("Using Python 3.11\nerror: Request failed after 3 retries", 2), wrote(f"{noise}\nCollecting a==1"))
    install.install(["--requirement", "a.lock"], "packages: a.lock", 1)
    said = capsys.readouterr().err
    assert "uv could not:\nerror: Request failed after 3 retries\n" in said and "by pip" in said
    assert "Location" not in said and "Using" not in said and "Collecting" not in said


def test_without_uv_pip_is_asked_at_once(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    programs(None, wrote(noise))
    install.install(["--requirement", "a.lock"], "packages: a.lock", 1)
    assert re.fullmatch(r"  packages: a.lock ... \d+ s\n", capsys.readouterr().err)


def test_where_both_fail_the_errors_are_shown(programs: Programs) -> None:
    programs(None, wrote(f"{noise}\nCollecting a==1\nERROR: No matching distribution found for a==1\n{noise}", 1))
    with pytest.raises(SystemExit) as ended:
        install.install(["--requirement", "a.lock"], "packages: a.lock", 1)
    assert "ERROR: No matching distribution found for a==1" in str(ended.value) and "set-up stopped" in str(ended.value)
    assert "Location" not in str(ended.value)


def test_an_installer_gets_every_argument_and_the_environment_it_is_for(programs: Programs, tmp_path: Path) -> None:
    programs(f"open({str(tmp_path / 'asked')!r}, 'w').write(' '.join(sys.argv[1:]))", wrote("pip was called", 1))
    install.install(["--require-hashes", "--requirement", "a.lock"], "packages: a.lock", 1)
    asked = (tmp_path / "asked").read_text()
    assert asked == f"pip install --python {sys.executable} --require-hashes --requirement a.lock"


def test_uv_asks_the_indexes_of_pip_and_the_environment_is_the_strongest() -> None:
    text = (
        ":env:.index-url='https://c.example/simple'\nglobal.index-url='https://a.example/simple'\n"
        "global.extra-index-url='\\nhttps://x.example/simple\\nhttps://y.example/simple'\nglobal.timeout='60'\n"
        "install.index-url='https://b.example/simple'\n"
    )
    assert install.uv_variables(text) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://c.example/simple",
        "UV_INDEX": "https://x.example/simple https://y.example/simple",
    }


def test_a_uv_that_is_there_is_not_fetched_again_and_another_one_is(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs("", wrote("ERROR: nothing is reached", 1))
    pinned = (install.HERE / "requirements-setup.lock").read_text().split()[0].removeprefix("uv==")
    monkeypatch.setattr(install, "version", {"uv": pinned}.__getitem__)
    install.fetch_uv()
    assert install.UV.exists() and not capsys.readouterr().err
    monkeypatch.setattr(install, "version", {"uv": "0.0.1"}.__getitem__)
    install.fetch_uv()
    assert not install.UV.exists() and "pip does its work" in capsys.readouterr().err


def test_the_lock_of_uv_pins_it_with_hashes() -> None:
    (line,) = [s for s in (install.HERE / "requirements-setup.lock").read_text().splitlines() if "==" in s]
    assert line.startswith("uv==") and "--hash=sha256:" in (install.HERE / "requirements-setup.lock").read_text()
