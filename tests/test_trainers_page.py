"""docs/trainers.md: its examples run as they stand, in an empty folder, by the commands of the page."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sweep

PAGE = (Path(__file__).parents[1] / "docs" / "trainers.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
NAME = re.compile(r'(?:# |/\* |""")(\w+\.\w+)')


def run(section: str, folder: Path, program: str | None = None, library: str | None = None) -> Any:
    """Write the files of an example, type its commands; the one results folder that is there then."""
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    if library is not None and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    commands: list[str] = []
    for language, text in BLOCK.findall(SECTIONS[section]):
        named = NAME.match(text)
        if language == "bash":
            commands += text.splitlines()
        elif named:
            (folder / named[1]).write_text(text)
    for command in commands:
        typed = re.sub("^sweep ", f"{sys.executable} -m sweep ", re.sub(r"\bpython ", f"{sys.executable} ", command))
        done = subprocess.run(typed, shell=True, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    (results,) = (folder / "results").iterdir()
    return sweep.load(results)


def verdicts(results: Any, name: str) -> dict[Any, str]:
    return results.configurations.set_index(name)["verdict"].to_dict()


def test_every_example_is_run() -> None:
    assert len([name for name in SECTIONS if name.startswith("Example: ")]) == 5


def test_a_function(tmp_path: Path) -> None:
    (_, code), *_ = BLOCK.findall(SECTIONS["A function"])
    (tmp_path / "forest.py").write_text(code)
    done = subprocess.run([sys.executable, "forest.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = sweep.load(tmp_path / "results" / "train")
    assert results.configurations["trees"].tolist() == [8, 4, 2, 1] and "reliable" in done.stdout
    assert verdicts(results, "trees")[8] == "reliable" and verdicts(results, "trees")[1] == "unreliable"


def test_a_function_that_yields_is_given_up(tmp_path: Path) -> None:
    _, (_, code) = BLOCK.findall(SECTIONS["A function"])
    (tmp_path / "climb.py").write_text(code)
    done = subprocess.run([sys.executable, "climb.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = sweep.load(tmp_path / "results" / "train")
    lengths = {run: curve.steps[-1] for run, curve in results.folder.read_curves().items()}
    given_up = results.runs["run"].map(lengths) == 50
    assert 0 < given_up.sum() < len(results.runs)
    assert set(results.runs["outcome"][given_up]) == {"missed"} and (results.runs["score"][given_up] < 0).all()


SBATCH = """#!/bin/sh
# a Slurm of one machine: runs each task of an array in turn; the first task that it is ever given is lost
last=${2#--array=0-}
for task in $(seq 0 "$last"); do
    test -e lost || { touch lost; continue; }
    SLURM_ARRAY_TASK_ID=$task sh -c "$4"
done
"""


def test_a_job_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for language, text in BLOCK.findall(SECTIONS["Many machines"]):
        (tmp_path / f"by_array.{'py' if language == 'python' else 'yaml'}").write_text(text)
    # a task is a process that imports the package: a few are enough
    small = (tmp_path / "by_array.yaml").read_text().replace("count: 16, up_to: 64", "count: 3")
    (tmp_path / "by_array.yaml").write_text(small)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run([sys.executable, "by_array.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runs = sweep.load(tmp_path / "results" / "by_array").runs
    assert len(runs) == 9 and (runs["score"] == runs["factor"] * runs["seed"] % 7).all()


def test_one_setting_without_a_file() -> None:
    (line,) = [text for _, text in BLOCK.findall(SECTIONS["A program"])]
    typed = line.replace("sweep ", f"{sys.executable} -m sweep ", 1)
    done = subprocess.run(typed, shell=True, capture_output=True, text=True, check=False)
    assert "learned by 50 of 100 seeds: 50.0%" in done.stdout, done.stderr


def test_a_shell_script(tmp_path: Path) -> None:
    found = verdicts(run("Example: a shell script", tmp_path, program="awk"), "steps")
    assert found[10] == "unreliable" and found[1000] == "reliable"


def test_a_simulation_in_c(tmp_path: Path) -> None:
    found = verdicts(run("Example: a simulation in C", tmp_path, program="cc"), "share")
    assert found[0.4] == "unreliable" and found[0.8] == "reliable"


def test_an_objective_of_optuna(tmp_path: Path) -> None:
    results = run("Example: an objective of Optuna", tmp_path)
    assert len(results.configurations) == 12
    assert {"reliable", "unreliable"} <= set(results.configurations["verdict"])


def test_scikit_learn(tmp_path: Path) -> None:
    results = run("Example: scikit-learn", tmp_path, library="sklearn")
    assert results.configurations.iloc[0]["n_learned"] >= 12


def test_pytorch(tmp_path: Path) -> None:
    results = run("Example: PyTorch", tmp_path, library="torch")
    by_width = results.configurations.set_index("width")["n_learned"]
    assert by_width[8] > by_width[2]
