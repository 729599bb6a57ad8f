"""One configuration at once: `sweep train`, what it counts, and that its lines can be typed."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from support.shell import call

import sweep
from sweep.commands import train as one_network
from sweep.commands.rescue import likely
from sweep.experiment import file as experiment_file
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.writing import experiment_text, flow
from sweep.experiment.yaml_text import Source
from sweep.networks.settings import resolve
from sweep.report import words
from sweep.report.terminal import progress
from sweep.report.terminal import train as network_words
from sweep.runs.success import above_margin
from sweep.statistics.intervals import confidence_sequence
from sweep.training import choice, cohorts

NETWORK = ("width=2", "depth=3", "learning_rate=0.01", "epochs=300")


def trained(n_seeds: int = 40, **given: Any) -> cohorts.Trained:
    configuration = resolve({"epochs": 30, **given})
    engine = choice.choose("native", "cpu", [configuration])
    return cohorts.train_block(configuration, SeedBlock(count=n_seeds), engine, workers=1, success=above_margin(0.0))


def test_json_agrees_with_the_python_twin() -> None:
    result = call("train", *NETWORK, "--seeds", "50", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    runs = sweep.train({"width": 2, "depth": 3, "learning_rate": 0.01, "epochs": 300}, seeds=50)
    assert record["n_runs"] == 50
    assert record["n_learned"] == runs["learned"].sum() > 0
    assert {k: n for k, n in record["outcomes"].items() if n} == runs["outcome"].value_counts().to_dict()
    assert record["configuration"] == runs["configuration"][0]
    assert record["learned_by_epoch"][-1] == {"epoch": 300, "share": record["success_rate"]}
    assert record["learned_by_epoch"][0]["epoch"] == 0
    dead = runs["dead_layer"].notna() & ~runs["learned"]
    assert 0 < record["n_born_dead"] <= dead.sum()


def test_the_answer_in_words_has_rate_interval_outcomes_chart_and_a_line_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("train", *NETWORK, "optimizer={name: sgd, momentum: 0.9}", "--seeds", "50")
    lines = result.stdout.splitlines()
    assert lines[0] == "xor: 2-2-2 relu, sgd(momentum=0.9) 0.01, batch 4, 300 epochs"
    assert lines[1].startswith("learned by ") and "of 50 seeds: " in lines[1] and lines[1].endswith("(Wilson)")
    assert lines[2].startswith("the others: dead ")
    assert sum("epochs  " in line for line in lines) == 12
    assert lines[-4:-3] == ["to find out, with cost, combinations and fresh seeds:"]
    command = shlex.split(lines[-3].removesuffix(" &&"))
    assert lines[-2].strip() == "sweep run mine.yaml &&"
    saved = call(*command[1:])
    assert (saved.exit_code, saved.stdout) == (0, "")
    experiment = experiment_file.load("mine.yaml")
    (point,) = experiment.grid()
    record = json.loads(call("train", *command[2:-4], "--seeds", "2", "--json").stdout)
    assert experiment.configuration(point).id == record["configuration"]
    assert lines[-1].strip() == f"sweep rescue results/mine {record['configuration'][:6]}"
    assert len(experiment.seeds) == 50
    assert call("check", "mine.yaml").exit_code == 0
    assert call(*command[1:]).stderr == "unchanged mine.yaml; next: sweep run mine.yaml\n"
    again = call(*command[1:], "use_bias=false")
    assert (again.exit_code, again.stderr) == (2, "mine.yaml: exists already; choose another name\n")


def test_the_commands_to_find_out_name_what_nobody_has_and_answer_for_this_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "mine.yaml").exit_code == 0
    (tmp_path / "results" / "mine-2").mkdir(parents=True)
    lines = call("train", "width=1", "epochs=10", "--seeds", "16").stdout.splitlines()[-3:]
    assert [line.endswith(" &&") for line in lines] == [True, True, False]
    done = [call(*shlex.split(line.removesuffix("&&"))[1:]) for line in (*lines, *lines)]  # as it stands, twice
    assert [x.exit_code for x in done] == [0] * 6
    assert done[-1].stdout == done[2].stdout
    assert done[-1].stdout.startswith("xor: 1 relu, adam 0.001, batch 4, 10 epochs: 16 of 16 seeds failed")
    assert {p.name for p in tmp_path.iterdir()} == {"mine.yaml", "sweep.schema.json", "mine-3.yaml", "results"}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("width=2x", "width=2x: found '2x'\n  allowed: a whole number from 1 to 1000000"),
        ("widht=2", "widht=2: no such hyperparameter\n  did you mean width?"),
        ("seed=3", "seed=3: no such hyperparameter\n  allowed: --seeds N"),
        ("width", "width: no NAME=VALUE\n  allowed: width=2"),
        ("=2", "=2: no NAME=VALUE"),
        ("width=", "width=: found null"),
        ("width=[2", "width=[2: not valid YAML"),
        ("width=*a", "width=*a: the alias *a"),
        ("width=2\n\x1b[31m", "width=2\\n\\x1b[31m: a character that YAML forbids"),
        ("activation=on", "activation=on: found on, which YAML reads as true (quote it if it is a name)"),
        ("optimizer={name: sgd, lr: 1}", "optimizer={name: sgd, lr: 1}: lr: sgd has no argument lr"),
        ("layers=[4, 0]", "layers=[4, 0]: [1]: found 0"),
        ("task={file: none.csv, targets: [y]}", "task={file: none.csv, targets: [y]}: file: 'none.csv' cannot be read"),
    ],
)
def test_mistakes_name_the_argument(argument: str, message: str) -> None:
    result = call("train", "epochs=3", argument)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_mistakes_of_two_arguments() -> None:
    assert call("train", "width=2", "width=3").stderr.startswith("width=3: width is given twice")
    assert call("train", "width=2", "layers=[4]").stderr.startswith("layers=[4]: layers together with width")
    assert call("train", "width=2", "--seeds", "0").exit_code == 2
    assert call("train", "width=2", "--engine", "fast").stderr.startswith("engine: found fast; allowed: auto")


def test_a_table_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a,y\n0.5,0\n-1,1\n")
    task = "task={file: data.csv, targets: [y]}"
    by_command = json.loads(call("train", task, "epochs=5", "--seeds", "3", "--json").stdout)
    by_function = sweep.train({"task": {"file": "data.csv", "targets": ["y"]}, "epochs": 5}, seeds=3)
    assert by_command["configuration"] == by_function["configuration"][0]
    assert by_command["settings"]["task"].startswith("table-")
    assert call("train", task, "--save", "mine.yaml").exit_code == 0
    (tmp_path / "sub").mkdir()
    elsewhere = call("train", task, "--save", "sub/mine.yaml")
    assert elsewhere.exit_code == 2
    assert "sub/mine.yaml:5: fixed.task.file: 'data.csv' cannot be read" in elsewhere.stderr
    assert not (tmp_path / "sub" / "mine.yaml").exists()


def test_shares_by_epoch_are_counted_from_the_predictions() -> None:
    run = trained(60, task="or", learning_rate=0.05)
    answer = one_network.count_runs(run)
    epochs = run.cohort.configuration.snapshots.tolist()
    targets = run.cohort.configuration.targets()
    for epoch, share in answer.shares:
        predicted = run.measurements.predictions[:, epochs.index(epoch)]
        is_right = np.where(targets > 0, predicted > 0.5, predicted < 0.5)  # a tie is wrong either way
        assert share == pytest.approx(is_right.all(axis=(1, 2)).mean())
    assert answer.shares[0][1] == 0 < answer.shares[4][1] < answer.shares[-1][1] < 1
    assert [epoch for epoch, _ in answer.shares] == sorted({epoch for epoch, _ in answer.shares})
    assert answer.n_learned == run.runs.learned.sum()


def test_a_single_epoch_has_a_chart() -> None:
    assert [epoch for epoch, _ in one_network.count_runs(trained(2, epochs=1)).shares] == [0, 1]


def test_born_dead_counts_whole_layers_only() -> None:
    run = trained(400, width=1, depth=1, epochs=1)
    off = run.measurements.units_off_initial[:, 0] == 1
    assert one_network.count_runs(run).n_born_dead == off.sum()
    assert 60 < off.sum() < 140  # a quarter
    assert one_network.count_runs(trained(40, width=1, activation="tanh")).n_born_dead == 0
    assert one_network.count_runs(trained(4, depth=0)).n_born_dead == 0


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({}, "and no training wakes it"),
        ({"kernel_regularizer": "l2"}, "and no gradient of the loss passes it"),
        ({"dropout": 0.2}, "and without dropout no gradient of the loss passes it"),
    ],
)
def test_what_a_layer_that_is_off_means_is_said_no_stronger_than_it_is(settings: dict[str, Any], end: str) -> None:
    (line,) = [
        line
        for line in network_words.answer_lines(one_network.count_runs(trained(40, width=2, depth=3, **settings)))
        if "before training begins" in line
    ]
    assert line.endswith(end)


def test_nothing_learned_is_said_without_a_chart() -> None:
    lines = network_words.answer_lines(one_network.count_runs(trained(8, depth=0)))
    assert lines[1] == "learned by 0 of 8 seeds: 0.0% (0-33%), 95% interval (Wilson)"
    assert not any("epochs  " in line for line in lines)


def test_every_hyperparameter_that_is_not_usual_is_said() -> None:
    given = {"layers": [4, 2], "dropout": 0.1, "use_bias": False, "loss": "mean_squared_error", "encoding": "bipolar"}
    said = words.describe_configuration(resolve({**given, "kernel_initializer": "he_normal", "batch_size": 2}))
    assert said == (
        "xor: 4-2 relu, encoding bipolar, dropout 0.1, use bias false, kernel initializer he_normal, "
        "loss mean_squared_error, adam 0.001, batch 2, 1,000 epochs"
    )


def test_two_configurations_that_differ_have_two_headings() -> None:
    usual: dict[str, Any] = {"width": 3, "depth": 2, "batch_size": 2, "optimizer": "sgd", "dropout": 0.1}
    others: list[dict[str, Any]] = [
        {"task": "and"},
        {"encoding": "bipolar"},
        {"targets": "bipolar", "output": "tanh", "loss": "hinge"},
        {"samples": 8, "dropout": 0.0},
        {"width": 4},
        {"depth": 9},
        {"output": "hard_sigmoid"},
        {"output": {"bias_initializer": "ones"}},
        {"activation": {"name": "leaky_relu", "negative_slope": 0.3}},
        {"activation": "leaky_relu"},
        {"dropout": 0.2},
        {"use_bias": False},
        {"kernel_initializer": {"name": "random_normal", "stddev": 0.01}},
        {"kernel_initializer": "random_normal"},
        {"bias_initializer": "as_kernel"},
        {"optimizer": {"name": "sgd", "nesterov": True, "momentum": 0.5}},
        {"learning_rate": 0.012345},
        {"batch_size": 3},
        {"epochs": 1001},
        {"shuffle": False},
        {"loss": {"name": "huber", "delta": 0.5}, "output": "linear"},
        {"loss": "huber", "output": "linear"},
        {"framework": "pytorch", "dropout": 0.1},
    ]
    said = {words.describe_configuration(resolve(usual | other)) for other in ({}, *others)}
    assert len(said) == 1 + len(others)


def test_the_likely_rescue_is_the_change_that_rescues_most(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"width": 2, "depth": 3, "learning_rate": 0.01, "epochs": 300}
    record = json.loads(call("train", *NETWORK, "--seeds", "50", "--json").stdout)
    found = record["likely_rescue"]
    runs = sweep.train(settings, seeds=50)
    failing = runs["seed"][~runs["learned"]].to_numpy()
    changes = {"relu -> leaky_relu": {"activation": "leaky_relu"}, "width 2 -> 4": {"width": 4}}
    counts = {name: int(sweep.train(settings | c, seeds=failing)["learned"].sum()) for name, c in changes.items()}
    best = max(counts, key=lambda name: counts[name])
    assert (found["change"], found["rescued"]["k"], found["rescued"]["n"]) == (best, counts[best], len(failing))
    assert found["n_tried"] == 16
    said = call("train", *NETWORK, "--seeds", "50").stdout
    share = found["rescued"]
    assert (
        f"likely rescue: {best}: {counts[best]} of {len(failing)} failing seeds learn "
        f"({words.percents(share['low'], share['high'])}), the best of 16 single changes"
    ) in said
    monkeypatch.setattr("sweep.commands.rescue.likely.max_seeds", 20)
    assert json.loads(call("train", *NETWORK, "--seeds", "50", "--json").stdout)["likely_rescue"]["rescued"]["n"] == 20


def test_what_was_not_tried_on_enough_failing_seeds_is_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    few = ["width=12", "learning_rate=0.01", "--seeds", "64"]
    said = call("train", *few).stdout
    n = 64 - json.loads(call("train", *few, "--json").stdout)["n_learned"]
    assert 0 < n < 16
    seeds = words.counted(n, "seed")
    assert f"likely rescue: none was looked for: {seeds} that failed are too few, under 16" in said
    monkeypatch.setattr(likely, "max_seconds", 1e-9)
    settings = ["width=2", "epochs=300", "learning_rate=0.01", "--seeds", "40"]
    assert "none was looked for: a change on 16 seeds takes over " in call("train", *settings).stdout
    assert json.loads(call("train", *settings, "--json").stdout)["likely_rescue"] is None


def test_where_not_all_changes_can_be_tried_those_that_suit_are() -> None:
    """A plateau of far too small a start: what helps is another start, or an optimizer that leaves it."""
    c = ("width=5", "activation=sigmoid", "kernel_initializer={name: random_normal, stddev: 0.01}")
    c = (*c, "optimizer=sgd", "learning_rate=0.03", "epochs=20000")
    found = json.loads(call("train", *c, "--seeds", "20", "--workers", "1", "--json").stdout)["likely_rescue"]
    assert found["rescued"]["n"] >= 16
    assert found["change"] == "random_normal(stddev=0.01) -> he_normal"
    assert found["rescued"]["k"] == found["rescued"]["n"]


def test_no_rescue_is_told_where_there_is_none() -> None:
    contradiction = "task={inputs: [[0], [0]], targets: [[0], [1]]}"
    said = call("train", contradiction, "epochs=3", "--seeds", "16").stdout
    assert "likely rescue: no single change: of 16, none lets one of 16 failing seeds learn" in said
    lines = call("train", "task=or", "depth=0", "learning_rate=0.1", "--seeds", "5").stdout.splitlines()
    assert lines[2] == "no seed failed"
    assert lines[-1] == "as an experiment: sweep train task=or depth=0 learning_rate=0.1 --seeds 5 --save mine.yaml"


@pytest.mark.parametrize(("shares", "lost"), [([0.0, 0.5, 0.4], " (some lose it again)"), ([0.0, 0.5, 0.5], "")])
def test_a_share_that_falls_says_why(shares: list[float], lost: str) -> None:
    answer = one_network.count_runs(trained(2))
    told = network_words.answer_lines(replace(answer, shares=tuple(enumerate(shares))))
    assert f"share learned after{lost}" in told


def test_counts_rise_with_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = resolve({"epochs": 30, "task": "or", "learning_rate": 0.05})
    engine = choice.choose("native", "cpu", [configuration])
    monkeypatch.setattr(type(engine), "piece_size", 16)
    seen: list[tuple[int, int]] = []
    run = cohorts.train_block(
        configuration,
        SeedBlock(count=50),
        engine,
        workers=2,
        success=above_margin(0.0),
        on_count=lambda *count: seen.append(count),
    )
    assert [n for n, _ in seen] == [16, 32, 48, 50]
    assert [m for _, m in seen] == [int(run.runs.learned[:n].sum()) for n in (16, 32, 48, 50)]


def test_progress_shows_the_interval_that_may_be_watched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    so_far = confidence_sequence(7, 64, 0.95)
    shown = progress.interval_so_far(7, 64, 0.95)
    assert shown == f"({words.percents(float(so_far.low), float(so_far.high))} so far)"
    monkeypatch.setattr(progress, "seconds_between_lines", 0.0)
    with progress.watched(1000) as watch:
        watch(64, 7)
        watch(1000, 99)
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == "" and line.startswith("train 64/1,000 ") and line.endswith(f" learned 10.9% {shown}")
    with progress.watched(1000, quiet=True) as watch:
        watch(64, 7)
    assert capsys.readouterr().err == ""


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e30, 1e30) | st.text("ao n~'\"\\#:{é\n1.e-"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z_]{3,8}", fullmatch=True), inner),
    max_leaves=5,
)


@limits(max_examples=200, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(["width", "task", "optimizer"]), plain, min_size=1))
def test_what_is_written_reads_back(fixed: dict[str, Any]) -> None:
    text = experiment_text(fixed, n_seeds=3, head="mine", remarks={"task": "a remark"})
    assert Source(text).value["fixed"] == fixed
    assert all("\n" not in flow(value) for value in fixed.values())


def test_measurements_of_a_diverged_run_are_not_learned() -> None:
    run = trained(4)
    predictions = run.measurements.predictions.copy()
    predictions[:, -1] = np.nan
    assert not one_network.is_learned(run.cohort, replace(run.measurements, predictions=predictions), -1).any()
