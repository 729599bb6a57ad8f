"""What stands in several files of the project is the same in each: versions, targets, locks."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(
        r"^## (\S+) - (unreleased|\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert versions[0][0] == PROJECT["version"]
    assert all(date != "unreleased" for _, date in versions[1:])
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v[0].split(".")], reverse=True)


def test_the_workflow_tests_every_python_that_the_package_names() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    (tests,) = [yaml.safe_load(w.read_text())["jobs"]["tests"] for w in WORKFLOWS if w.stem == "tests"]
    assert tests["strategy"]["matrix"]["python"] == named == ["3.11", "3.12", "3.13"]


def test_workflows_and_hooks_call_what_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    commands = [step["run"] for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    called = {word for c in commands if c.startswith("make ") for word in c.split()[1:] if "=" not in word}
    assert {"test", "site", "wheel", "lint", "types"} <= called <= targets
    for tests in re.findall(r"TESTS=(\S+)", "\n".join(commands)):
        assert (ROOT / tests).exists(), tests
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_container_holds_what_its_recipe_copies() -> None:
    """What the recipe copies is let through by .dockerignore, which keeps all else out."""
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    for name in (name for line in lines for name in line.split()):
        assert (ROOT / name).exists() and any(Path(name).match(pattern) for pattern in kept), name
