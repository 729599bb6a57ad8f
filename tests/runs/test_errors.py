"""What a user did wrong: one root, and the place that is put together on the way up."""

import ast
from pathlib import Path

import pytest

import sweep
from sweep.runs.errors import SettingError, UserError, at

PACKAGE = Path(sweep.__file__).parent


def test_the_place_is_put_together_from_the_inside_out() -> None:
    with pytest.raises(SettingError) as caught, at("vary", "width"), at(1), at():
        raise SettingError(("low",), "found 3", "allowed: 4")
    error = caught.value
    assert (error.place, error.found, error.allowed) == (("vary", "width", 1, "low"), "found 3", "allowed: 4")
    assert str(error) == "vary.width.1.low: found 3; allowed: 4"
    assert error.__suppress_context__  # a traceback shows one error, not one for each place


def test_an_error_without_a_place_passes_as_it_is() -> None:
    other = UserError("no such thing")
    with pytest.raises(UserError) as caught, at("vary"):
        raise other
    assert caught.value is other


def test_every_error_of_a_user_has_one_root() -> None:
    """The command line catches that one: a class beside it would end in a traceback."""
    bases = {
        node.name: [ast.unparse(base) for base in node.bases]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }
    assert [name for name, of in bases.items() if of == ["ValueError"]] == ["UserError"]
    assert {"SettingError", "ResultsError", "EngineError", "ExecutorError", "ExperimentFileError"} <= {
        name for name, of in bases.items() if of == ["UserError"]
    }
