"""The manifest: the text that it has always been, read back as a value, and what a damaged one is answered with."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Confirmation, Manifest, Timings, broken_runs
from sweep.runs.cohort import Broken

CONFIRMATION = Confirmation("c0123456789ab", 64, 1024, 1000, 0.976562, 0.965439, 0.984171, "wilson", "reliable")
SWEEP = Manifest(
    versions={"python": "3.12.1", "numpy": "2.0.0"},
    machine={"system": "Linux", "architecture": "x86_64", "executor": "threads", "workers": 2},
    engine="native",
    device="cpu",
    programs=0,
    files={"experiment.yaml": "ab" * 32},
    configurations=1,
    repeated_suggestions=0,
    runs_planned=64,
    runs_missing=2,
    broken=broken_runs([Broken("cb", (9,), "T\n"), Broken("ca", (3,), "T\n"), Broken("cb", (2,), "T\n")]),
    confirmation=CONFIRMATION,
    timings_seconds=Timings(1.5, 0.25, 0.0),
)
SWEEP_TEXT = """{
  "versions": {
    "python": "3.12.1",
    "numpy": "2.0.0"
  },
  "machine": {
    "system": "Linux",
    "architecture": "x86_64",
    "executor": "threads",
    "workers": 2
  },
  "engine": "native",
  "device": "cpu",
  "programs": 0,
  "files": {
    "experiment.yaml": "FILE"
  },
  "configurations": 1,
  "repeated_suggestions": 0,
  "runs_planned": 64,
  "runs_missing": 2,
  "broken": [
    {
      "configuration": "cb",
      "runs": [
        "cb-2",
        "cb-9"
      ],
      "traceback": "T\\n"
    },
    {
      "configuration": "ca",
      "runs": [
        "ca-3"
      ],
      "traceback": "T\\n"
    }
  ],
  "confirmation": {
    "configuration": "c0123456789ab",
    "first_seed": 64,
    "n_runs": 1024,
    "n_learned": 1000,
    "success_rate": 0.976562,
    "ci_low": 0.965439,
    "ci_high": 0.984171,
    "ci_method": "wilson",
    "verdict": "reliable"
  },
  "timings_seconds": {
    "training": 1.5,
    "tables": 0.25,
    "other": 0.0
  }
}
""".replace("FILE", "ab" * 32)
BEGUN = Manifest(versions={"python": "3.12.1"}, subject="settings", files={"runs.csv": "cd"})
BEGUN_TEXT = """{
  "versions": {
    "python": "3.12.1"
  },
  "subject": "settings",
  "files": {
    "runs.csv": "cd"
  }
}
"""


@pytest.mark.parametrize(("manifest", "text"), [(SWEEP, SWEEP_TEXT), (BEGUN, BEGUN_TEXT)])
def test_the_text_and_the_value_are_one(manifest: Manifest, text: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.read_manifest() == Manifest()
    folder.write_manifest(manifest)
    assert folder.manifest.read_text() == text
    assert folder.read_manifest() == manifest


def test_a_sweep_says_that_nothing_broke_or_was_confirmed() -> None:
    text = json.loads(replace(SWEEP, broken=(), confirmation=None).to_json())
    assert list(text) == list(json.loads(SWEEP_TEXT))
    assert (text["broken"], text["confirmation"]) == ([], None)


def test_what_is_missing_or_unknown_says_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.manifest.write_text('{"engine": "native", "weather": {"rain": [1]}}')
    assert folder.read_manifest() == Manifest(engine="native")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("versions", 3, "versions: found 3, expected a mapping"),
        ("files", {"runs.csv": 3}, "files.runs.csv: found 3, expected a text"),
        ("runs_missing", 0.5, "runs_missing: found 0.5, expected a whole number"),
        ("runs_missing", True, "runs_missing: found true, expected a whole number"),
        ("runs_missing", 10**400, "runs_missing: found a whole number of 1329 bits, expected a whole number"),
        ("broken", {}, "broken: found {}, expected a list"),
        ("broken", [{"configuration": "c", "runs": []}], "broken.0.traceback: missing"),
        ("broken", [3], "broken.0: found 3, expected a mapping"),
        ("confirmation", {**vars(CONFIRMATION), "ci_low": float("nan")}, "confirmation.ci_low: found nan"),
        ("confirmation", {**vars(CONFIRMATION), "n_runs": "9"}, "confirmation.n_runs: found '9', expected a whole"),
        ("confirmation", {"n_runs": 9}, "confirmation.configuration: missing"),
        ("timings_seconds", [1, 2, 3], "timings_seconds: found [1, 2, 3], expected a mapping"),
    ],
)
def test_a_wrong_value_is_one_message_with_its_place(tmp_path: Path, key: str, value: Any, message: str) -> None:
    folder = Folder(tmp_path)
    folder.manifest.write_text(json.dumps({**json.loads(SWEEP_TEXT), key: value}))
    with pytest.raises(ResultsError) as caught:
        folder.read_manifest()
    assert str(caught.value).startswith(f"{folder.manifest}: {message}")
    (aside,) = folder.set_aside_damaged()
    assert "kept as manifest.json.old-1, made anew" in aside and folder.read_manifest() == Manifest()
