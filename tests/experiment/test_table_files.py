"""Tasks from CSV files: what a table may hold, where its file may lie, and that a results folder keeps it."""

import os
from pathlib import Path
from typing import Any

import pytest
from support.folders import written

import sweep
from sweep.experiment import file as experiment_file
from sweep.experiment.file import ExperimentFileError
from sweep.experiment.table_files import TableFiles, parse_table
from sweep.networks.settings import resolve, settings_of
from sweep.networks.task_settings import named_task
from sweep.networks.tasks import table_task
from sweep.results.configurations import read_settings, settings_lines
from sweep.results.files import ResultsError
from sweep.runs.errors import SettingError

XOR = "a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n"
EXPERIMENT = "fixed: {task: {file: data.csv, targets: [y]}, epochs: 20}\nvary: {seed: 4}\n"


def refusal(content: str | bytes, targets: tuple[str, ...] = ("y",)) -> SettingError:
    with pytest.raises(SettingError) as caught:
        parse_table(content.encode() if isinstance(content, str) else content, targets, "data.csv")
    return caught.value


def with_table(folder: Path, table: str = XOR, text: str = EXPERIMENT) -> Path:
    (folder / "data.csv").write_text(table)
    return written(folder, text, "mine.yaml")


def test_columns_are_inputs_in_file_order_and_targets_as_named() -> None:
    task = parse_table(b"\xef\xbb\xbfz, b ,x,a\r\n1,0.5,0, 2e-3\r\n\r\n0,-.5,1,+3.\r\n", ["x", "z"], "data.csv")
    assert task == table_task([[0.5, 0.002], [-0.5, 3]], [[0, 1], [1, 0]])


def test_equal_tables_are_equal_configurations() -> None:
    given = parse_table(XOR.encode(), ["y"], "data.csv")
    xor = named_task("xor", {})
    assert given.plain() == xor.plain()
    assert resolve({"task": given}).id == resolve({"task": "xor"}).id


@pytest.mark.parametrize(
    ("content", "place", "found"),
    [
        ("", ("file",), "data.csv:1: nothing"),
        ("a,y\n", ("file",), "data.csv: no rows under the names"),
        ("a,b\n1,0\n", ("targets", 0), "data.csv:1: no column 'y'"),
        ("y\n1\n", ("targets",), "data.csv:1: every column is a target"),
        ("a,a,y\n1,1,0\n", ("file",), "data.csv:1: column 2 has the name 'a' of an earlier one"),
        ("a,,y\n1,1,0\n", ("file",), "data.csv:1: column 2 has no name"),
        ("\na,y\n\n1,0\n\n2\n", ("file",), "data.csv:6: 1 value"),
        ("a,y\n1,0\n2,1,\n", ("file",), "data.csv:3: 3 values"),
        ("a,y\n1,0\n2,0.5\n", ("file",), "data.csv:3: column 'y': found '0.5'"),
        ("a,y\n1,0\nx,1\n", ("file",), "data.csv:3: column 'a': found 'x'"),
        ("a,y\n1,0\n,1\n", ("file",), "data.csv:3: column 'a': found nothing"),
        ("a,y\nnan,0\n", ("file",), "data.csv:2: column 'a': found 'nan'"),
        ("a,y\ninf,0\n", ("file",), "data.csv:2: column 'a': found 'inf'"),
        ("a,y\n1e39,0\n", ("file",), "data.csv:2: column 'a': found '1e39'"),
        ("a,y\n1_0,0\n", ("file",), "data.csv:2: column 'a': found '1_0'"),
        ("a,y\n\u0661,0\n", ("file",), "data.csv:2: column 'a': found '\u0661'"),
        ('a,y\n1,0\n"1,0\n', ("file",), "data.csv:3: not CSV: unexpected end of data"),
        ("a,y\n1,0\n2,1\n1.0,1\n", ("file",), "data.csv:4: the inputs of line 2 with another target"),
        ("a,y\n0.1,0\n0.10000000001,1\n", ("file",), "data.csv:3: the inputs of line 2 with another target"),
        (b"a,y\n1,0\n\xff,1\n", ("file",), "data.csv:3: not a text in UTF-8: byte 0xff"),
        ("a,y\n" + "".join(f"{i},0\n" for i in range(65_537)), ("file",), "data.csv:65538: row 65537"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(content: str | bytes, place: tuple[Any, ...], found: str) -> None:
    error = refusal(content)
    assert error.place == place
    assert error.found.startswith(found)


FLOWERS = "length,species,width\n1,rose,2\n2,lily,1\n3,rose,3\n4,aster,2\n"


def test_a_column_of_classes() -> None:
    task = parse_table(FLOWERS.encode(), ["species"], "flowers.csv", has_classes=True)
    assert task.class_names == ("aster", "lily", "rose")
    assert task.inputs.tolist() == [[1, 2], [2, 1], [3, 3], [4, 2]]
    assert task.targets.argmax(axis=1).tolist() == [2, 1, 2, 0]
    numbers = parse_table(b"a,k\n1,10\n2,9\n3,10\n", ["k"], "data.csv", has_classes=True)
    assert (numbers.class_names, numbers.targets.tolist()) == (("9", "10"), [[1], [0], [1]])


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = [f"{i},{i % 7},{i % 2}" for i in range(10_000)]
    lines[17], lines[9000] = "1,x,0", "1,2,maybe"
    path = with_table(tmp_path, "a,b,y\n" + "\n".join(lines) + "\n")
    with pytest.raises(ExperimentFileError) as caught:
        experiment_file.load(path)
    assert str(caught.value).split("\n") == [
        f"{path}:1: fixed.task.file: data.csv:19: column 'b': found 'x'",
        "  allowed: a number, at most 3e+38",
        f"{path}:1: fixed.task.file: data.csv:9002: column 'y': found 'maybe'",
        "  allowed: 0 or 1 in a target",
    ]
    error = refusal("a,y\n" + "x,1\n" * 100)
    assert len(error.more) == 4


def test_a_table_with_rows_held_out_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text(FLOWERS)
    given = {"file": "flowers.csv", "classes": "species", "scale": "standard", "test": 0.25}
    c = resolve({"task": TableFiles(tmp_path).task(given)})
    assert (c.task.n_rows, c.task.n_test_rows, c.n_outputs, c.coding) == (3, 1, 3, "one_hot")
    assert settings_of(c)["task"] == given
    path = tmp_path / "configurations.jsonl"
    path.write_bytes(b"".join(settings_lines([c])))
    assert read_settings(path)[c.id].subject == c
    (tmp_path / "flowers.csv").write_text(FLOWERS.replace("3,rose,3", "3,rose,4"))
    with pytest.raises(ResultsError, match="its settings make"):
        _ = read_settings(path)[c.id].subject


def test_targets_are_columns_each_once() -> None:
    assert refusal(XOR, ("y", "y")).found == "found 'y' twice"
    assert refusal("size,sum\n1,0", ("smu",)).allowed == "did you mean sum? allowed: size, sum"


def test_equal_rows_may_repeat_and_256_fit() -> None:
    content = "a,y\n" + "1,1\n" * 256
    assert parse_table(content.encode(), ["y"], "data.csv").n_rows == 256


def test_a_file_lies_in_the_folder_or_below(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "below").mkdir(parents=True)
    for folder in (tmp_path, inside, inside / "below"):
        (folder / "data.csv").write_text(XOR)
    (inside / "link.csv").symlink_to(tmp_path / "data.csv")
    (inside / "near.csv").symlink_to(inside / "data.csv")
    (inside / "loop.csv").symlink_to(inside / "loop.csv")
    os.mkfifo(inside / "pipe.csv")
    with (inside / "long.csv").open("wb") as long:
        long.truncate((1 << 27) + 1)
    tables = TableFiles(inside)
    for name in ("data.csv", "below/data.csv", "./below//data.csv", "near.csv"):
        assert tables.task({"file": name, "targets": ["y"]}).n_rows == 4
    assert set(tables.contents) == {"data.csv", "below/data.csv", "near.csv"}
    for name, found in {
        "../data.csv": "outside",
        "below/../data.csv": "outside",
        str(inside / "data.csv"): "outside",
        "link.csv": "outside",
        "loop.csv": "cannot be read",
        "pipe.csv": "no regular file",
        "below": "no regular file",
        "none.csv": "cannot be read: No such file",
        "a\0b": "cannot be read",
        "x" * 5000: "cannot be read",
        "long.csv": "longer than 134,217,728 bytes",
    }.items():
        with pytest.raises(SettingError, match=found) as caught:
            tables.task({"file": name, "targets": ["y"]})
        assert caught.value.place == ("file",)


@pytest.mark.parametrize("value", [{"file": 3, "targets": ["y"]}, {"file": "a", "targets": "y"}, {"file": "a"}])
def test_a_task_from_a_file_has_one_form(value: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="allowed: "):
        TableFiles(tmp_path).task(value)


def test_an_experiment_may_vary_tables(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "or.csv").write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,1\n")
    text = "vary: {task: [xor, {file: data.csv, targets: [y]}, {file: sub/or.csv, targets: [y]}]}\n"
    experiment = experiment_file.load(with_table(tmp_path, text=text))
    same, other, third = (experiment.configuration(p) for p in experiment.grid())
    assert same.id == other.id != third.id
    assert third.id == resolve({"task": "or"}).id


def test_varied_tables_are_trained_and_the_study_goes_on(tmp_path: Path) -> None:
    text = "fixed: {epochs: 20}\nvary: {task: [or, {file: data.csv, targets: [y]}], seed: %d}\n"
    out = tmp_path / "out"
    assert len(sweep.run(with_table(tmp_path, text=text % 2), out).runs) == 4
    runs = sweep.run(with_table(tmp_path, text=text % 3), out).runs
    assert sorted(zip(runs["task"], runs["seed"], strict=True)) == [
        *(("or", seed) for seed in range(3)),
        *((parse_table(XOR.encode(), ["y"], "data.csv").label, seed) for seed in range(3)),
    ]


def test_a_message_names_both_files(tmp_path: Path) -> None:
    path = with_table(tmp_path, XOR + "1,2,3\n")
    with pytest.raises(ExperimentFileError) as caught:
        experiment_file.load(path)
    assert str(caught.value) == (
        f"{path}:1: fixed.task.file: data.csv:6: column 'y': found '3'\n  allowed: 0 or 1 in a target"
    )


def test_a_results_folder_keeps_its_table(tmp_path: Path) -> None:
    path = with_table(tmp_path)
    out = tmp_path / "out"
    before = sweep.run(path, out).folder.runs.read_bytes()
    (tmp_path / "data.csv").rename(tmp_path / "gone.csv")
    copied = out / "experiment.yaml"
    assert copied.read_bytes() == path.read_bytes()
    assert (out / "data.csv").read_text() == XOR
    assert experiment_file.load(copied).fixed["task"] == parse_table(XOR.encode(), ["y"], "data.csv")
    results = sweep.load(out)
    assert results.manifest.files == results.folder.digests(["data.csv"])
    assert "data.csv" in results.manifest.files
    again = sweep.run(copied, tmp_path / "again")
    assert again.folder.runs.read_bytes() == before


def test_another_table_is_another_experiment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep.run(with_table(tmp_path), out)
    more = EXPERIMENT.replace("seed: 4", "seed: 6")
    for text, place in ((EXPERIMENT, "fixed.task"), (more, "fixed.task")):
        path = with_table(tmp_path, XOR.replace("1,1,0", "1,1,1"), text)
        with pytest.raises(ResultsError, match="holds another experiment") as caught:
            sweep.run(path, out)
        assert f"{place}: another table: row 4 is there [[1.0, 1.0], [0]], here [[1.0, 1.0], [1]]" in str(caught.value)
        with pytest.raises(ResultsError, match="there 4 rows, here 3"):
            sweep.run(with_table(tmp_path, XOR.replace("1,1,0\n", ""), text), out)
    assert (out / "data.csv").read_text() == XOR
    assert len(sweep.run(with_table(tmp_path, XOR.replace(",", " ,"), more), out).runs) == 6


def test_a_folder_stopped_between_table_and_experiment_goes_on(tmp_path: Path) -> None:
    path, out = with_table(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "data.csv").write_text(XOR)
    assert len(sweep.run(path, out).runs) == 4
    other = tmp_path / "other"
    other.mkdir()
    (other / "data.csv").write_text("mine")
    with pytest.raises(ResultsError, match="holds other files"):
        sweep.run(path, other)


def test_a_table_named_like_a_result_is_refused(tmp_path: Path) -> None:
    path = with_table(tmp_path, text=EXPERIMENT.replace("data.csv", "runs.csv"))
    (tmp_path / "data.csv").rename(tmp_path / "runs.csv")
    with pytest.raises(ResultsError, match=r"runs\.csv: a results folder has a file of that name"):
        sweep.run(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
