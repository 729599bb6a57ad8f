"""The rooms: a module imports only from rooms below its own, and each third-party library has one home.

`python tests/test_architecture.py` prints the imports between the rooms.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("statistics", "runs", "networks", "experiment", "search", "training", "results", "commands", "report")
DOORS = ("cli", "api", "__init__", "__main__")
HOMES = {
    "optuna": "search",
    "yaml": "experiment/yaml_text",
    "pandas": "results report commands api",
    "orjson": "results/cells",
    "tensorflow": "training",
    "keras": "training",
    "jax": "training/fused training/stacked",
    "numba": "training/native",
    "llvmlite": "training/native",
    "statsmodels": "statistics",
    "scipy": "statistics search/study networks/activations networks/limits",
    "typer": "cli",
    "rich": "report/terminal",
    "altair": "report/page",
    "vl_convert": "report/page",
    "jinja2": "report/page/template_files",
    "markupsafe": "report/page",
    "optuna_dashboard": "commands/dashboard",
    "ray": "training/cluster",
}
PACKAGE = Path(__file__).parent.parent / "sweep"
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """Where a module is, `training/native/kernel`; the name of a room for its `__init__`."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def room(path: Path) -> str:
    """The room, or door, that a module belongs to."""
    return place(path).partition("/")[0]


def imported(path: Path) -> set[str]:
    """What a file imports, at its head, inside a function, or by name with `import_module`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    return names


def rooms_used(path: Path) -> Iterator[str]:
    """The rooms, other than its own, from which a module imports."""
    for name in imported(path):
        first, *rest = name.split(".")
        if first == "sweep" and rest and rest[0] != room(path):
            yield rest[0]


def is_allowed(above: str, below: str) -> bool:
    """Whether a room or door may import from another."""
    if below not in ROOMS:
        return above in DOORS and DOORS.index(above) >= DOORS.index(below) or (above, below) == ("cli", "api")
    return above in DOORS or ROOMS.index(below) < ROOMS.index(above)


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_go_down(path: Path) -> None:
    for below in rooms_used(path):
        assert is_allowed(room(path), below), f"{place(path)} imports from {below}"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_each_library_has_one_home(path: Path) -> None:
    for library in {name.split(".")[0] for name in imported(path)} & set(HOMES):
        homes = HOMES[library].split()
        assert any(f"{place(path)}/".startswith(f"{home}/") for home in homes), f"{place(path)} imports {library}"


def test_the_package_is_its_rooms_and_every_library_is_used() -> None:
    entries = {p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"}
    assert entries <= {*ROOMS, "cli", "api.py", "__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
    assert {room(path) for path in MODULES} == {*ROOMS, *DOORS}
    assert set(HOMES) <= {name.split(".")[0] for path in MODULES for name in imported(path)}


@pytest.mark.parametrize("name", [*ROOMS, "cli"])
def test_each_room_says_what_it_is_for(name: str) -> None:
    tree = ast.parse((PACKAGE / name / "__init__.py").read_text())
    assert (ast.get_docstring(tree) or "").count(".") >= 2
    assert name == "cli" or len(tree.body) == 1, "a room is its modules: nothing stands in its __init__"


def test_native_kernels_know_nothing_of_keras() -> None:
    for path in (PACKAGE / "training" / "native").glob("*.py"):
        assert not {"keras", "tensorflow"} & {name.split(".")[0] for name in imported(path)}


def test_nothing_hides_imports_from_running_code() -> None:
    for path in MODULES:
        assert "TYPE_CHECKING" not in path.read_text(), path


def test_the_document_of_the_structure_names_every_room_and_no_other_file() -> None:
    text = (PACKAGE.parent / "docs" / "structure.md").read_text()
    rooms = text.partition("## Rooms")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)/?`", rooms, re.MULTILINE) == ["cli", "api", *reversed(ROOMS)]
    for named in re.findall(r"(?:sweep|tests|docs|experiments)/[\w/]*\w(?:\.\w+|/)", text):
        assert (PACKAGE.parent / named).exists(), f"docs/structure.md: {named}"


def main() -> int:
    """Print how many imports each room makes of each other, the highest first; 1 where one goes up."""
    n_up = 0
    for above in (*reversed(DOORS), *reversed(ROOMS)):
        used = [below for path in MODULES if room(path) == above for below in rooms_used(path)]
        counted = {below: used.count(below) for below in (*reversed(ROOMS), *DOORS) if below in used}
        n_up += sum(not is_allowed(above, below) for below in counted)
        print(f"{above:10} -> " + ", ".join(f"{below} {n}" for below, n in counted.items()))
    print(f"{n_up} go up")
    return int(n_up > 0)


if __name__ == "__main__":
    sys.exit(main())
