"""The floors: a module imports only from floors below its own, and each heavy library has one home."""

import ast
import re
from pathlib import Path

import pytest

FLOORS = (
    {"vocabulary", "randomness", "reliability", "experiment_text", "partitions"},
    {"tasks"},
    {"model"},
    {"experiment", "runs", "changes", "forward", "costs"},
    {"search", "diagnosis", "initial", "allocation", "importance", "comparison"},
    {"engines", "results", "yaml_text", "table_files"},
    {"executors", "experiment_file"},
    {"planning", "resume", "training", "recall", "seed_plans", "keras_import", "schema", "own_results"},
    {"contents"},
    {"loop", "report", "one_network", "verify", "audit", "rescues", "replays"},
    {"terminal", "answer_text", "watching", "dashboard", "rescue_text", "quick_rescue", "own_table"},
    {"replay_text", "own_training"},
    {"cli", "__init__"},
    {"__main__"},
)
HOMES = {
    "optuna": {"search"},
    "yaml": {"yaml_text"},
    "pydantic": {"experiment_file"},
    "pandas": {"results", "report"},
    "orjson": {"results"},
    "tensorflow": {"engines"},
    "keras": {"engines", "keras_import"},
    "jax": {"engines"},
    "numba": {"engines"},
    "llvmlite": {"engines"},
    "statsmodels": {"reliability"},
    "typer": {"cli"},
    "rich": {"terminal", "answer_text", "watching"},
    "altair": {"report"},
    "vl_convert": {"report"},
    "jinja2": {"report"},
    "optuna_dashboard": {"dashboard"},
    "ray": {"executors"},
}
PACKAGE = Path(__file__).parent.parent / "sweep"
MODULES = sorted(PACKAGE.rglob("*.py"))


def home(path: Path) -> str:
    """The module or package of `sweep` that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """What a file imports, at its head, inside a function, or by name with `import_module`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "sweep" else {module}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    floor = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    own = home(path)
    for name in imported(path):
        first, *rest = name.split(".")
        if first == "sweep" and rest and rest[0] != own:
            assert floor[rest[0]] < floor[own], f"{path.name} imports {name}"
        assert own in HOMES.get(first, {own}), f"{path.name} imports {first}, whose home is {HOMES.get(first)}"


def test_every_module_has_a_floor_and_every_library_is_used() -> None:
    assert {home(path) for path in MODULES} == {name for floor in FLOORS for name in floor}
    used = {name.split(".")[0] for path in MODULES for name in imported(path)}
    assert set(HOMES) <= used


def test_native_kernels_know_nothing_of_keras() -> None:
    for path in (PACKAGE / "engines" / "native").glob("*.py"):
        assert not {"keras", "tensorflow"} & {name.split(".")[0] for name in imported(path)}


def test_nothing_hides_imports_from_running_code() -> None:
    for path in MODULES:
        assert "TYPE_CHECKING" not in path.read_text(), path


def test_the_document_of_the_structure_names_every_module_and_no_other_file() -> None:
    text = (PACKAGE.parent / "docs" / "structure.md").read_text()
    floors = text.partition("## Floors")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", floors))
    assert {home(path) for path in MODULES} - {"__main__"} <= named, "docs/structure.md, Floors: a module is missing"
    for place in re.findall(r"(?:sweep|tests|docs|experiments)/[\w/]*\w(?:\.\w+|/)", text):
        assert (PACKAGE.parent / place).exists(), f"docs/structure.md: {place}"
    for test in re.findall(r"`(test_\w+\.py)`", text):
        assert (Path(__file__).parent / test).exists(), f"docs/structure.md: {test}"
