"""Tampering with a results folder is found and named; a folder as a sweep left it is right, and stays untouched."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import listing, swept, written
from support.shell import call

import sweep
from sweep.commands import run as run_command
from sweep.commands.verify import Verification, verify
from sweep.networks.settings import resolve
from sweep.results.configurations import settings_lines
from sweep.results.files import ResultsError
from sweep.results.folder import Folder

GRID = """
fixed: {epochs: 60, learning_rate: 0.05, optimizer: adam}
vary:
  width: [2, 3]
  depth: [0, 1, 2]
  batch_size: [2, full]
  seed: {first: 3, count: 6}
study: {trials_per_round: 5}
reliability: {target: 0.2}
"""
SAMPLED = """
fixed: {epochs: 30}
vary: {width: {low: 2, high: 6}, learning_rate: [0.03, 0.1], seed: 4}
study: {sampler: tpe, trials: 14, trials_per_round: 5, objective: [success_rate, n_parameters]}
"""
KERAS = "{fixed: {epochs: 15, learning_rate: 0.05}, vary: {width: [2, 3], seed: 3}}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("finished"), GRID)


def test_a_folder_as_the_sweep_left_it_is_right(finished: Path) -> None:
    before = listing(finished.parent)
    found = verify(finished)
    assert found.findings == ()
    assert found.comparison is not None
    assert (found.n_rows, found.comparison.n_runs, found.comparison.n_identical) == (60, 60, 60)
    assert listing(finished.parent) == before


@pytest.mark.parametrize("text", [SAMPLED, SAMPLED.replace("tpe", "random"), SAMPLED.replace("tpe", "qmc")])
def test_sampled_studies_are_right_and_stay_untouched(text: str, tmp_path: Path) -> None:
    out = swept(tmp_path, text)
    before = listing(out.parent)
    assert verify(out).findings == ()
    assert listing(out.parent) == before


@pytest.mark.parametrize(
    "text",
    [
        GRID.replace("fixed: {", "fixed: {task: {name: parity, bits: 3}, "),
        "{fixed: {epochs: 40, task: half_adder, learning_rate: 0.1, samples: 9}, vary: {width: [2, 3], seed: 8}}",
        "{fixed: {epochs: 40, optimizer: {name: sgd, learning_rate: 1.0e+6}, activation: linear, "
        "loss: mean_squared_error}, vary: {width: [2, 3], seed: [9, 2, 5]}}",
        "{fixed: {epochs: 9, task: {inputs: [[0.5], [2.0]], targets: [[0], [1]]}}, vary: {width: [2, 3], seed: 5}}",
    ],
)
def test_other_tables_are_right(text: str, tmp_path: Path) -> None:
    assert verify(swept(tmp_path, text)).findings == ()


def test_a_folder_that_grew_is_right(tmp_path: Path) -> None:
    swept(tmp_path, GRID)
    out = swept(tmp_path, GRID.replace("count: 6", "count: 9"))
    found = verify(out)
    assert found.findings == () and found.n_rows == 90


def vouch(folder: Path) -> None:
    """Let the manifest vouch for the files as they are now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = Folder(folder).digests()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def table(folder: Path, name: str = "runs.csv") -> list[list[str]]:
    return list(csv.reader(io.StringIO((folder / name).read_text())))


def write(folder: Path, rows: list[list[str]], name: str = "runs.csv") -> None:
    (folder / name).write_text("\n".join(",".join(row) for row in rows) + "\n")


def change_cell(folder: Path, column: str, change: Callable[[str], str], row: int = 30, name: str = "runs.csv") -> str:
    rows = table(folder, name)
    place = rows[0].index(column)
    before = rows[row][place]
    rows[row][place] = change(before)
    assert rows[row][place] != before
    write(folder, rows, name)
    return rows[row][0]


def other_number(text: str) -> str:
    return str(int(text or 4) + 1) if text.isdecimal() or not text else str(np.float32(text) * np.float32(1.25))


def assert_named(found: Verification, *words: str) -> None:
    assert not found.is_right
    assert any(all(word in finding for word in words) for finding in found.findings), found.findings


def test_a_changed_cell_changes_the_digest(copy: Path) -> None:
    change_cell(copy, "final_loss", other_number)
    assert_named(verify(copy, 0), "runs.csv", "changed")


RESULT_COLUMNS = (
    *("final_loss", "accuracy", "margin", "epochs_to_learn", "dead_units_initial", "dead_units", "p_10", "dead_layer"),
)


@pytest.mark.parametrize("column", RESULT_COLUMNS)
def test_a_changed_cell_that_the_manifest_vouches_for_is_found_by_training(copy: Path, column: str) -> None:
    run = change_cell(copy, column, other_number)
    vouch(copy)
    assert_named(verify(copy), "runs.csv", run, column)


@pytest.mark.parametrize("column", ["final_loss", "margin", "p_10", "accuracy"])
def test_a_changed_cell_that_contradicts_its_row_is_found_without_training(copy: Path, column: str) -> None:
    run = change_cell(copy, column, other_number)
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", run)


@pytest.mark.parametrize(
    ("column", "value"),
    [("width", "4"), ("trial", "40"), ("learning_rate", "0.06"), ("n_parameters", "3"), ("engine", "keras")],
)
def test_a_changed_hyperparameter_is_found(copy: Path, column: str, value: str) -> None:
    change_cell(copy, column, lambda _: value)
    vouch(copy)
    assert_named(verify(copy, 0), column, value)


def test_changed_outcomes_and_merged_rows_are_found(copy: Path) -> None:
    rows = table(copy)
    outcome = rows[0].index("outcome")
    failed = next(i for i, row in enumerate(rows) if row[outcome] in ("stuck", "unconverged", "unsettled"))
    run = change_cell(copy, "outcome", lambda old: "stuck" if old != "stuck" else "unsettled", failed)
    change_cell(copy, "merged_rows", lambda old: old + "01", failed)
    vouch(copy)
    assert_named(verify(copy), "runs.csv", run, "outcome", "merged_rows")
    assert_named(verify(copy, 0), "configurations.csv", run.split("-")[0])


def test_a_removed_row_is_named(copy: Path) -> None:
    rows = table(copy)
    run = rows.pop(20)[0]
    write(copy, rows)
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", run, "missing")
    assert_named(verify(copy, 0), "manifest.json", "runs_missing")
    assert_named(verify(copy, 0), "configurations.csv", run.split("-")[0], "n_runs")


def test_a_doubled_row_is_named(copy: Path) -> None:
    rows = table(copy)
    write(copy, [*rows[:20], rows[19], *rows[20:]])
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", rows[19][0], "2 times")


def test_an_added_row_is_named(copy: Path) -> None:
    rows = table(copy)
    seed = rows[0].index("seed")
    added = list(rows[19])
    added[0], added[seed] = added[0].rsplit("-")[0] + "-99", "99"
    write(copy, [*rows[:20], added, *rows[20:]])
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", added[0], "added")


def test_swapped_seeds_are_found(copy: Path) -> None:
    rows = table(copy)
    seed = rows[0].index("seed")
    a, b = rows[26], rows[29]
    assert a[2] == b[2]
    a[0], b[0], a[seed], b[seed] = b[0], a[0], b[seed], a[seed]
    rows[26], rows[29] = b, a
    write(copy, rows)
    vouch(copy)
    assert_named(verify(copy), "runs.csv", a[0])
    assert_named(verify(copy), "runs.csv", b[0])


def test_rows_in_another_order_are_found(copy: Path) -> None:
    rows = table(copy)
    rows[5], rows[6] = rows[6], rows[5]
    write(copy, rows)
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", "order")


def test_another_writing_of_the_same_numbers_is_found(copy: Path) -> None:
    path = copy / "runs.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    vouch(copy)
    assert_named(verify(copy, 0), "runs.csv", "another way")


@pytest.mark.parametrize("column", ["success_rate", "ci_low", "n_learned", "verdict", "median_final_loss", "n_dead"])
def test_changed_configurations_are_named(copy: Path, column: str) -> None:
    change = (lambda _: "unreliable") if column == "verdict" else (lambda x: str(float(x or 0) + 1))
    identity = change_cell(copy, column, change, 2, "configurations.csv")
    vouch(copy)
    assert_named(verify(copy, 0), "configurations.csv", identity, column)


def test_missing_and_doubled_configurations_are_named(copy: Path) -> None:
    rows = table(copy, "configurations.csv")
    write(copy, [*rows[:3], *rows[4:6], rows[5], *rows[6:]], "configurations.csv")
    vouch(copy)
    found = verify(copy, 0)
    assert_named(found, "configurations.csv", rows[3][0], "missing")
    assert_named(found, "configurations.csv", rows[5][0], "2 times")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: 60", "epochs: 61"),
        ("count: 6", "count: 5"),
        ("[2, 3]", "[2, 3, 4]"),
        ("target: 0.2", "target: 0.9"),
        ("adam", "sgd"),
    ],
)
def test_a_changed_experiment_is_found(copy: Path, old: str, new: str) -> None:
    path = copy / "experiment.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert_named(verify(copy, 0), "experiment.yaml", "changed")
    vouch(copy)
    assert not verify(copy, 0).is_right


def test_an_experiment_that_cannot_be_read_is_a_finding(copy: Path) -> None:
    (copy / "experiment.yaml").write_text("fixed: {width: many}")
    assert_named(verify(copy), "experiment.yaml", "width")


def change_examples(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with np.load(folder / "examples.npz") as content:
        arrays = dict(content)
    change(arrays)
    np.savez(folder / "examples.npz", **arrays)
    vouch(folder)


def test_swapped_weights_of_the_examples_are_found(copy: Path) -> None:
    def swap(arrays: dict[str, Any]) -> None:
        arrays["weights"][:2] = arrays["weights"][1::-1]

    change_examples(copy, swap)
    with np.load(copy / "examples.npz") as content:
        run = f"{content['configuration'][0]}-{content['seed'][0]}"
    assert_named(verify(copy, 0), "examples.npz", run, "weights")


def test_examples_that_are_not_their_rows_are_found(copy: Path) -> None:
    def spoil(arrays: dict[str, Any]) -> None:
        arrays["losses"][arrays["losses_end"][2] - 1] *= 1.5
        arrays["seed"][4] += 50
        arrays["outcome"][6] = "dead" if arrays["outcome"][6] != "dead" else "stuck"

    change_examples(copy, spoil)
    with np.load(copy / "examples.npz") as content:
        runs = [f"{c}-{s}" for c, s in zip(content["configuration"], content["seed"], strict=True)]
    found = verify(copy, 0)
    assert_named(found, "examples.npz", runs[2], "loss")
    assert_named(found, "examples.npz", runs[4], "added")
    assert_named(found, "examples.npz", runs[6], "outcome")


def test_damaged_examples_are_a_finding(copy: Path) -> None:
    (copy / "examples.npz").write_bytes(b"PK")
    vouch(copy)
    assert_named(verify(copy, 0), "examples.npz", "cannot be read")


@pytest.mark.parametrize(
    "name", ["runs.csv", "configurations.csv", "configurations.jsonl", "examples.npz", "study.journal", "manifest.json"]
)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert_named(verify(copy, 0), name, "missing")


def test_an_extra_file_is_named(copy: Path) -> None:
    (copy / "notes.txt").write_text("well done")
    (copy / "parts").mkdir()
    found = verify(copy, 0)
    assert_named(found, "notes.txt")
    assert_named(found, "parts", "unfinished")


@pytest.mark.parametrize("key", ["configurations", "runs_planned", "runs_missing", "repeated_suggestions", "engine"])
def test_changed_counts_of_the_manifest_are_named(copy: Path, key: str) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest[key] = "keras" if key == "engine" else manifest[key] + 1
    path.write_text(json.dumps(manifest))
    assert_named(verify(copy, 0, engine="native"), "manifest.json", key)


def test_a_changed_confirmation_is_found_by_training(copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["confirmation"]["n_learned"] += 1
    path.write_text(json.dumps(manifest))
    assert_named(verify(copy, 0), "manifest.json", "confirmation", "n_learned")


def test_a_changed_digest_of_the_manifest_is_named(copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["examples.npz"] = hashlib.sha256(b"").hexdigest()
    path.write_text(json.dumps(manifest))
    assert_named(verify(copy, 0), "examples.npz", "SHA-256")


def change_journal(folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = folder / "study.journal"
    entries = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    vouch(folder)


def test_a_changed_value_of_the_journal_is_found(copy: Path) -> None:
    def change(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        told = [entry for entry in entries if entry.get("values")]
        told[7]["values"] = [0.123]
        return entries

    change_journal(copy, change)
    assert_named(verify(copy, 0), "study.journal", "trial 7", "0.123")


def test_a_trial_without_a_result_and_a_torn_line_are_found(copy: Path) -> None:
    change_journal(copy, lambda entries: [e for e in entries if not (e.get("values") and e["trial_id"] == 4)])
    with (copy / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "wor')
    vouch(copy)
    before = listing(copy.parent)
    assert_named(verify(copy, 0), "study.journal", "trial 4", "nothing")
    assert listing(copy.parent) == before


def test_a_trial_that_is_missing_is_found(copy: Path) -> None:
    def change(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for entry in entries:
            if entry.get("user_attrs", {}).get("index") == 3:
                entry["user_attrs"]["index"] = 300
        return entries

    change_journal(copy, change)
    found = verify(copy, 0)
    assert_named(found, "study.journal", "trial 3 ", "missing")
    assert_named(found, "study.journal", "trial 300", "added")


def test_a_journal_that_is_none_is_a_finding(copy: Path) -> None:
    (copy / "study.journal").write_text("once upon a time\n")
    vouch(copy)
    assert_named(verify(copy, 0), "study.journal", "cannot be read")


def test_an_interrupted_sweep_is_named_and_its_blocks_are_read(tmp_path: Path) -> None:
    out = swept(tmp_path, GRID)
    path = written(tmp_path, GRID.replace("count: 6", "count: 8"))
    left = iter([True, True])

    def stop(progress: run_command.Progress) -> None:
        if progress.n_done > 80 and not next(left, False):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.run(path, out, observe=stop)
    found = verify(out, 0)
    assert_named(found, "parts", "unfinished")
    assert_named(found, "runs.csv", "missing")


def test_the_sample_is_drawn_by_a_nonce_and_holds_what_the_answer_names(finished: Path) -> None:
    from sweep.commands.verify.retraining import sample_runs
    from sweep.results.contents import read_contents

    contents, _ = read_contents(Folder(finished))
    assert contents is not None
    one, again, other = (sample_runs(contents, 12, nonce) for nonce in ("a", "a", "b"))
    assert one == again and one.seeds != other.seeds
    assert sum(map(len, one.seeds.values())) == 12 and len(one.seeds) > 3 and one.power == 12 / 60
    named = contents.manifest.named
    found = sample_runs(contents, 9, "a", named)
    assert sorted(found.seeds[named[0]]) == [3, 4, 5, 6, 7, 8]
    assert (found.n_named, found.n_drawn, found.n_others, found.power) == (6, 9, 54, 9 / 54)
    assert sample_runs(contents, 0, "a").seeds == {} and sample_runs(contents, 99, "a").power == 1
    drawn = [run for nonce in range(300) for run in sample_runs(contents, 6, str(nonce)).seeds]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 10 and counts.min() > 0.75 * counts.max()  # every row has the same chance


def test_a_verification_says_its_nonce_and_its_power(copy: Path) -> None:
    found = call("verify", copy, "--sample", "9", "--nonce", "0a1b")
    assert found.exit_code == 0
    assert "15 of 60 rows: all 6 of what the answer names, 9 drawn by --nonce 0a1b; a single forged row" in found.stdout
    assert "with a chance of 17%; --sample all takes about" in found.stdout and "15 of 60 runs trained" in found.stdout
    fresh = {call("verify", copy, "--sample", "1").stdout.partition("--nonce ")[2][:8] for _ in range(2)}
    assert len(fresh) == 2


def lines_of(folder: Path) -> list[str]:
    return (folder / "configurations.jsonl").read_text().splitlines(keepends=True)


def test_a_changed_line_of_the_settings_is_found(copy: Path) -> None:
    lines = lines_of(copy)
    identity = json.loads(lines[2])["configuration"]
    lines[2] = lines[2].replace('"learning_rate": 0.05', '"learning_rate": 0.06')
    lines[4] = lines[4][:-20] + "\n"
    (copy / "configurations.jsonl").write_text("".join(lines))
    assert_named(verify(copy, 0), "configurations.jsonl: changed")
    vouch(copy)
    found = verify(copy, 0)
    assert_named(found, "configurations.jsonl: line 3", identity, "its settings make c")
    assert_named(found, "configurations.jsonl: line 5", "cannot be read")
    assert len(found.findings) == 2


def test_lines_of_the_settings_that_are_missing_doubled_or_added_are_found(copy: Path) -> None:
    lines = lines_of(copy)
    ids = [json.loads(line)["configuration"] for line in lines]
    other = next(settings_lines([resolve({"epochs": 7})]))
    (copy / "configurations.jsonl").write_text("".join([*lines[:3], *lines[4:6], lines[5], *lines[6:]]))
    with (copy / "configurations.jsonl").open("ab") as file:
        file.write(other)
    vouch(copy)
    found = verify(copy, 0)
    assert_named(found, "configurations.jsonl", ids[3], "missing")
    assert_named(found, "configurations.jsonl", ids[5], "2 times")
    assert_named(found, "configurations.jsonl", json.loads(other)["configuration"], "added")
    for text, word in ((lines[::-1], "order"), ([line.replace(": ", ":") for line in lines], "another way")):
        (copy / "configurations.jsonl").write_text("".join(text))
        vouch(copy)
        assert_named(verify(copy, 0), "configurations.jsonl", word)


def test_no_results_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no results folder"):
        verify(tmp_path)


def test_the_command(copy: Path) -> None:
    right = call("verify", copy, "--sample", "all")
    assert right.exit_code == 0
    assert "60 of 60 runs trained again by native on cpu: 60 identical, 0 same outcome, 0 different" in right.stdout
    run = change_cell(copy, "p_10", other_number)
    wrong = call("verify", copy)
    assert wrong.exit_code == 1
    assert "runs.csv: changed" in wrong.stdout and run in wrong.stdout
    for arguments in (["verify", str(copy), "--sample", "some"], ["verify", str(copy / "none")]):
        bad = call(*arguments)
        assert bad.exit_code == 2 and bad.stdout == ""


@pytest.mark.slow
def test_another_engine_gives_the_same_outcomes(finished: Path, tmp_path: Path) -> None:
    across = verify(finished, 4, engine="keras")
    assert across.findings == () and across.comparison is not None
    assert across.comparison.n_runs == 4 and across.engine == "keras on cpu"
    out = swept(tmp_path, KERAS, engine="keras")
    own = verify(out, 6)
    assert own.findings == () and own.comparison is not None
    assert own.comparison.n_identical == 6
    other = verify(out, 6, engine="native")
    assert other.findings == () and other.comparison is not None
    assert not other.comparison.different


def test_the_table_that_an_experiment_reads_is_vouched_for(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n0.1,0\n0.9,1\n0.4,0\n")
    text = "fixed: {task: {file: data.csv, targets: [y]}, epochs: 5, width: 2}\nvary: {seed: 2}\n"
    folder = swept(tmp_path, text)
    assert verify(folder).findings == ()
    (folder / "data.csv").write_text("x,y\n0.1,0\n0.9,1\n0.5,0\n")
    assert any(f.startswith("data.csv: changed") for f in verify(folder).findings)
