"""Execute docs/examples/which_networks_learn.ipynb, and keep what its cells show: `python docs/notebook.py`.

A test executes it too and compares. No kernel of Jupyter is needed: a cell's output is what it prints and what its last
expression shows, as text and, where there is such a thing, as HTML.
"""

import ast
import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "examples" / "which_networks_learn.ipynb"


def executed(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook with the outputs that its code cells have when they are executed in `folder`."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells: list[dict[str, Any]] = []
    with contextlib.chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                n = sum(other["cell_type"] == "code" for other in cells) + 1
                cell = {**cell, "execution_count": n, "outputs": _outputs("".join(cell["source"]), names, n)}
            cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, Any], n: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    shown_last = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    if shown_last is not None:
        tree.body.pop()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {n}", "exec"), names)
        value = None if shown_last is None else eval(compile(shown_last, f"cell {n}", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines})
    if value is not None:
        shown = {"text/plain": repr(value).splitlines(keepends=True)}
        page = value._repr_html_() if hasattr(value, "_repr_html_") else None
        shown |= {} if page is None else {"text/html": page.splitlines(keepends=True)}
        outputs.append({"data": shown, "execution_count": n, "metadata": {}, "output_type": "execute_result"})
    return outputs


def text_of(notebook: dict[str, Any]) -> str:
    """A notebook as its file has it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(text_of(executed(json.loads(PAGE.read_text()), Path(empty))))
