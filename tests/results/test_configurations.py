"""configurations.jsonl: every configuration comes back from its line, and a damaged line is one message."""

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.folders import swept

import sweep
from sweep.networks.settings import resolve
from sweep.report.page import page
from sweep.results import configurations
from sweep.results.configurations import read_settings, settings_lines
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.training.native import NativeEngine

TEXT = """
fixed: {epochs: 30, learning_rate: 0.05}
cases:
- {layers: [3, 2], optimizer: {name: sgd, momentum: 0.9}}
- {task: {file: data.csv, targets: [y]}}
- {task: {name: parity, bits: 3}, depth: 0}
- {task: half_adder, activation: {name: elu, alpha: 0.5}, bias_initializer: ones}
vary: {batch_size: [2, full], seed: 4}
"""
some = [resolve(s) for s in ({}, {"layers": [4, 2]}, {"task": {"inputs": [[0.5], [2]], "targets": [[0], [1]]}})]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "data.csv").write_text("x,y\n0.1,0\n0.9,1\n0.4,0\n")
    return swept(folder, TEXT, confirm=16)


def test_every_configuration_comes_back_from_its_line(finished: Path) -> None:
    results = sweep.load(finished)
    ids = results.configurations["configuration"].tolist()
    assert list(results.settings) == ids and len(ids) == 8
    rows = results.configurations.to_dict("records")
    planned = [results.experiment.configuration(point) for point in results.experiment.grid()]
    assert {results.configuration(identity) for identity in ids} == set(planned)
    for row in rows:
        labels = results.configuration(row["configuration"]).labels()
        shown = {name: labels[name] for name in labels if name in row and labels[name] is not None}
        assert {name: row[name] for name in shown} | {"width": str(row["width"])} == shown | {
            "width": str(labels["width"])
        }


def test_no_reader_looks_at_the_cells(copy: Path) -> None:
    before = page.page_data(page.read_material(sweep.load(copy)))
    table = copy / "configurations.csv"
    table.write_text(table.read_text().replace("sgd(momentum=0.9)", "sgd(momentum=0.8)"))
    after = page.page_data(page.read_material(sweep.load(copy)))
    assert after["details"] == before["details"]
    assert sum("z" in example for row in before["details"]["rows"] for example in row["e"]) > 2


def written(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def changed(line: bytes, **settings: Any) -> bytes:
    content = json.loads(line)
    content["settings"] |= settings
    return json.dumps(content).encode() + b"\n"


LINES = list(settings_lines(some))
cannot = 'cannot be read; allowed: {"configuration": an id, "settings": {..}}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", f"no configuration {some[1].id}"),
        (b"\n", f"line 2: {cannot}"),
        (b"{}\n", f"line 2: {cannot}"),
        (b"\xff\xfe\n", f"line 2: {cannot}"),
        (b"[" * 100_000 + b"\n", f"line 2: {cannot}"),
        (LINES[1][:-1], f"line 2: {cannot}"),
        (LINES[1][:-9] + b"\n", f"line 2: {cannot}"),
        (LINES[1].replace(b"settings", b"setting"), f"line 2: {cannot}"),
        (LINES[1].replace(some[1].id.encode(), b"c\x1b[31m"), f"line 2: {cannot}"),
        (LINES[1].replace(b"}}", b'}, "more": 1}'), f"line 2: {cannot}"),
        (LINES[0], f"line 2: {some[0].id} a second time"),
        (changed(LINES[1], epochs=7), "its settings make c"),
        (changed(LINES[1], epochs=-1), "epochs: found -1; allowed: a whole number"),
        (changed(LINES[1], **{"\x1b[31m": 1}), r"\x1b[31m: no such hyperparameter"),
        (changed(LINES[1], task={"file": "/etc/passwd", "targets": ["y"]}), "outside of the experiment's folder"),
        (b'{"configuration": "' + b"x" * 2000, "line 2: longer than "),
    ],
)
def test_a_damaged_line_is_one_message(
    tmp_path: Path, line: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(Folder(tmp_path).settings, LINES[0], line)
    if "longer" in message:
        monkeypatch.setattr(configurations, "max_line", len(LINES[0]))
    with pytest.raises(ResultsError) as caught:
        Results(Folder(tmp_path)).configuration(some[1].id)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)
    assert str(caught.value).isprintable()


def test_many_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    draw = random.Random(5)
    path, whole = Folder(tmp_path).settings, b"".join(LINES)
    n_refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(bytes(content)[: draw.randint(len(content) // 2, len(content))])
        try:
            for identity, line in read_settings(path).items():
                assert line.subject.id == identity
        except ResultsError as error:
            assert str(error).startswith(str(path)) and str(error).isprintable()
            n_refused += 1
    assert n_refused > 300


def test_a_folder_of_an_earlier_version_is_completed_without_training(
    finished: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {p.name: p.read_bytes() for p in copy.iterdir() if p.name != "manifest.json"}
    manifest = json.loads((copy / "manifest.json").read_text())
    recorded = dict(manifest["files"])
    del manifest["files"]["configurations.jsonl"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "configurations.jsonl").unlink()
    with pytest.raises(ResultsError, match=r"configurations\.jsonl: no such file.*sweep run .* writes it"):
        sweep.load(copy)

    def train(*_: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(NativeEngine, "train", train)
    results = sweep.run(finished.parent / "e.yaml", copy, confirm=16)
    assert {p.name: p.read_bytes() for p in copy.iterdir() if p.name != "manifest.json"} == whole
    assert results.manifest.files == recorded
    assert results.manifest.confirmation is not None
    assert asdict(results.manifest.confirmation) == manifest["confirmation"]


def test_a_manifest_that_does_not_vouch_for_the_settings_is_written_again(finished: Path, copy: Path) -> None:
    """A folder whose completion was killed between the two files."""
    manifest = json.loads((copy / "manifest.json").read_text())
    digest = manifest["files"].pop("configurations.jsonl")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert not Folder(copy).is_intact()
    again = sweep.run(finished.parent / "e.yaml", copy, confirm=16)
    assert again.manifest.files["configurations.jsonl"] == digest
