"""The notebook of the examples: executed, its cells show what the file keeps."""

import json
from pathlib import Path

import notebook


def test_the_notebook_shows_what_its_cells_give(tmp_path: Path) -> None:
    kept = notebook.PAGE.read_text()
    again = notebook.executed(json.loads(kept), tmp_path)
    shown = [cell["outputs"] for cell in again["cells"] if cell["cell_type"] == "code"]
    assert len(shown) == 5 and all(shown)
    assert notebook.text_of(again) == kept, "python docs/notebook.py executes it anew"
