"""The documents: links lead somewhere, commands can be typed, examples run, what is generated is current."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import generate
import numpy as np
import pytest
import typer
from support.shell import call
from support.untyped import sweep

from sweep.cli.common import app
from sweep.experiment.yaml_text import Source
from sweep.statistics.intervals import wilson

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
GROUP: Any = typer.main.get_command(app)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """A page without its code blocks, fenced or indented, and without code in a line."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", h).lower()).strip().replace(" ", "-") for h in found}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists() and there.is_relative_to(ROOT), f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(there), f"{name(page)}: {target}"


def typed_lines(text: str) -> Iterator[str]:
    """The lines of code blocks that begin with a command of this project, as one types them."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    for line in [*"\n".join(blocks).splitlines(), *re.findall(r"^ {4}(.*)$", text, flags=re.MULTILINE)]:
        line = re.sub(r"^\$ ", "", line.strip()).removeprefix(".venv/bin/").removesuffix(" &&")
        if re.match(r"(sweep|make) [a-z]", line) and not re.search(r"\.\.\.|\[--", line):
            yield line


def words_of(line: str) -> list[str]:
    return shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_can_be_typed(page: Path) -> None:
    text = page.read_text()
    for line in typed_lines(text):
        program, command, *arguments = words_of(line)
        if program == "sweep":
            assert command in GROUP.commands, f"{name(page)}: {line}"
            try:
                GROUP.commands[command].make_context(command, [a for a in arguments if a != "--help"])
            except Exception as error:
                raise AssertionError(f"{name(page)}: {line}: {error}") from error
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for command, rest in re.findall(r"`sweep ([a-z]+)([^`]*)`", text):
        assert command in GROUP.commands, f"{name(page)}: sweep {command}"
        known = {option for p in GROUP.commands[command].params for option in p.opts}
        rest = rest.partition(" -- ")[0]  # behind it stands a program
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, f"{name(page)}: sweep {command}{rest}"
    named = re.findall(r"(?:`|^ {4}|^)make ([a-z-]+)", text, flags=re.MULTILINE)
    assert set(named) <= targets, f"{name(page)}: {set(named) - targets}"
    for file in re.findall(r"EXPERIMENT=(experiments/\w+\.yaml)", text):
        assert file == "experiments/other.yaml" or (ROOT / file).exists(), f"{name(page)}: {file}"


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = Source((ROOT / "CITATION.cff").read_text()).value
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert [author["name"] for author in cited["authors"]] == [author["name"] for author in project["authors"]]


def test_every_command_has_its_examples() -> None:
    assert set(generate.examples) == set(GROUP.commands)


def test_the_examples_of_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "mine.yaml").exit_code == 0
    text = (tmp_path / "mine.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("seed: 64 ", "seed: 16 ").replace("epochs: 1000", "epochs: 100"))
    for command, lines in generate.examples.items():
        for line in lines if command not in (*generate.slow, "new") else ():
            arguments = [a.replace("1000", "100") for a in words_of(line)[1:]]
            result = call(*arguments)
            assert result.exit_code == 0, f"{line}: {result.output}"
    assert (tmp_path / "run.svg").exists() and (tmp_path / "xnor.yaml").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, in saving
def test_the_examples_with_keras_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.chdir(tmp_path)
    layers = [keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile("adam", "binary_crossentropy")
    model.save("my_network.keras")
    (tmp_path / "mine.yaml").write_text("{fixed: {epochs: 20}, vary: {seed: 4}}")
    for line in ("sweep run mine.yaml", *generate.examples["import"], *generate.examples["audit"]):
        assert call(*words_of(line)[1:]).exit_code == 0, line


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = (ROOT / "experiments" / "xor.yaml").read_text()
    (tmp_path / "experiments").mkdir()
    small = experiment.replace("count: 64", "count: 8").replace("epochs: 1000", "epochs: 50")
    (tmp_path / "experiments" / "xor.yaml").write_text(small.replace("target: 0.9", "target: 0.1"))
    monkeypatch.chdir(tmp_path)
    (block,) = python_blocks(ROOT / "README.md")
    exec(compile(block, "README.md", "exec"), {})
    assert "learned" in capsys.readouterr().out
    assert sweep.load("results/xor").configurations["n_runs"].sum() == 567 * 8


def test_the_readme_shows_the_answer_of_train() -> None:
    """Numbers in the README's run of `sweep train` are those that the native engine gives everywhere."""
    shown = (ROOT / "README.md").read_text()
    line = next(line for line in typed_lines(shown) if line.startswith("sweep train"))
    result = call(*words_of(line)[1:], COLUMNS="120")
    assert result.exit_code == 0
    answer = [s.strip() for s in result.stdout.splitlines() if s.startswith(("xor:", "learned by", "the others:"))]
    assert len(answer) == 3
    for words in answer:
        assert words in shown, words


def test_the_readme_explains_a_row_as_it_is() -> None:
    """The row of each table that the README shows is what the native engine gives everywhere."""
    shown = (ROOT / "README.md").read_text()
    runs = sweep.train({"width": 4, "depth": 1, "learning_rate": 0.01, "epochs": 1000}, seeds=64)
    row = runs[runs["seed"] == 4].iloc[0]
    assert f"| `{row['run']}` |" in shown and f"| `{row['configuration']}` |" in shown
    assert f"| {np.float32(row['final_loss'])!s} |" in shown
    assert f"| {row['accuracy']:.6f}, {row['learned']}, {np.float32(row['margin'])!s} |" in shown
    assert f"| {row['outcome']}, {row['rest']}, {row['merged_rows']} |" in shown
    assert f"| {row['dead_units_initial']}, {row['dead_units']} |" in shown
    assert "| " + ", ".join(f"{row[p]:.2f}" for p in ("p_00", "p_01", "p_10", "p_11")) + " |" in shown
    found = wilson(int(runs["learned"].sum()), 64, 0.95)
    assert f"| {runs['learned'].sum()}, 64, {float(found.value):.6f} |" in shown
    assert f"| {float(found.low):.6f}, {float(found.high):.6f} |" in shown
    assert f"| {runs['epochs_to_learn'].fillna(1001).median():g} |" in shown
    counts = runs["outcome"].value_counts()
    assert f"| {counts['dead']}, {counts['stuck']}, ... |" in shown
