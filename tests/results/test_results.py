"""The results folder: tables that read back to the same bytes, examples, blocks, damage."""

import io
import json
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweep.experiment.file import parse
from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.networks.settings import resolve
from sweep.results.cells import shortest
from sweep.results.columns import hyperparameter_columns, settings_columns
from sweep.results.files import ResultsError, write_atomically
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest
from sweep.results.tables import (
    configurations_table,
    export_table,
    read_configurations,
    read_runs,
    runs_from_table,
    runs_table,
    to_records,
)
from sweep.runs.cohort import Subject
from sweep.runs.outcomes import failures, lowest_seeds, outcomes
from sweep.runs.runs import Entry, Runs, merge, no_runs
from sweep.search.allocation import Allocation
from sweep.statistics.intervals import wilson
from sweep.statistics.verdicts import Target

xor = resolve({"width": 3})
adder = resolve({"task": "half_adder", "layers": [4, 2], "optimizer": {"name": "sgd", "momentum": 0.9}})
parity = resolve({"task": {"name": "parity", "bits": 3}, "depth": 0})
wide = resolve({"task": {"name": "parity", "bits": 5}})
given_table = resolve({"task": {"inputs": [[0.5], [2.0]], "targets": [[0], [1]]}})
permuted = resolve({"task": {"inputs": [[1, 1], [0, 1]], "targets": [[1], [0]]}, "encoding": "bipolar"})

numbers = st.floats(width=32, allow_nan=True, allow_infinity=True)
counts = st.integers(0, 2**31 - 1)


def allocation(count: int, reliability: Target = Target()) -> Allocation:  # noqa: B008  (a frozen value)
    return Allocation(SeedBlock(count=count), reliability, 1)


def some_runs(configuration: Configuration, n: int = 3, **columns: Any) -> Runs:
    """`n` rows that did not learn, `columns` over them."""
    whole = np.zeros(n, np.int64)
    base: dict[str, Any] = {
        "seed": np.arange(n, dtype=np.uint32),
        "final_loss": np.full(n, 0.5, np.float32),
        "accuracy": np.full(n, 0.75),
        "margin": np.full(n, -0.25, np.float32),
        "epochs_to_learn": whole - 1,
        "outcome": np.full(n, outcomes.index("unsettled"), np.int8),
        "rest": np.full(n, "", "U1"),
        "merged_rows": np.full(n, "", "U1"),
        "dead_units_initial": whole,
        "dead_units": whole,
        "dead_layer": whole,
        **{name: np.full(n, 0.25, np.float32) for name in configuration.task.prediction_names},
    }
    measured = base | columns
    return Runs(measured.pop("seed"), measured.pop("outcome"), measured)


@st.composite
def drawn_runs(draw: st.DrawFn, configuration: Configuration) -> Runs:
    seeds = sorted(draw(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=5)))
    n = len(seeds)

    def column(dtype: Any, values: Any) -> Any:
        return draw(hnp.arrays(dtype, n, elements=values))

    outcome = column(np.int8, st.integers(0, len(outcomes) - 1))
    learned = outcome == outcomes.index("learned")
    return some_runs(
        configuration,
        n,
        seed=np.array(seeds, np.uint32),
        final_loss=column(np.float32, numbers),
        accuracy=column(np.float64, st.floats(0, 1)),
        margin=column(np.float32, numbers),
        epochs_to_learn=np.where(learned, column(np.int64, counts), -1),
        outcome=outcome,
        rest=np.array(draw(st.lists(st.sampled_from(["", "certified", "flat"]), min_size=n, max_size=n))),
        merged_rows=np.array(draw(st.lists(st.sampled_from(["", "00+11", "00+01 10+11"]), min_size=n, max_size=n))),
        dead_units_initial=column(np.int64, counts),
        dead_units=column(np.int64, counts),
        dead_layer=column(np.int64, st.integers(0, 9)),
        **{name: column(np.float32, numbers) for name in configuration.task.prediction_names},
    )


def csv(entries: Sequence[Entry[Subject]], named: tuple[str, ...] = ()) -> bytes:
    return runs_table(entries, hyperparameter_columns(named), "native", "cpu")


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_runs_survive_the_table(data: st.DataObject) -> None:
    chosen = data.draw(
        st.lists(st.sampled_from([xor, adder, parity, wide, given_table, permuted]), min_size=1, unique=True)
    )
    entries = [Entry(i, c, data.draw(drawn_runs(c))) for i, c in enumerate(chosen)]
    content = csv(entries)
    table = read_runs(io.BytesIO(content))
    again = [Entry(e.trial, e.configuration, rows_of(table, e.configuration)) for e in entries]
    assert csv(again) == content
    for before, after in zip(entries, again, strict=True):
        for name in ("seed", "outcome"):
            np.testing.assert_array_equal(getattr(after.runs, name), getattr(before.runs, name))
        assert set(after.runs.measured) == set(before.runs.measured)
        for name in ("epochs_to_learn", "rest", "merged_rows", "dead_units_initial", "dead_units", "dead_layer"):
            np.testing.assert_array_equal(after.runs[name], before.runs[name])
        for name in ("final_loss", "margin", *before.configuration.task.prediction_names):
            wanted, found = before.runs[name], after.runs[name]
            is_finite = np.isfinite(wanted)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found.view(np.uint32)[is_finite], wanted.view(np.uint32)[is_finite])
            assert np.isnan(found[~is_finite]).all()


def rows_of(table: Any, configuration: Configuration) -> Runs:
    return runs_from_table(table[table["configuration"] == configuration.id], configuration)


def test_every_float32_reads_back_by_any_reader() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    hard = np.array([0x15AE43FD, 1, 0x80000000, 0x7F7FFFFF, 0x00800000], np.uint32).view(np.float32)
    losses = np.concatenate([hard, values[np.isfinite(values)]])
    n = len(losses)
    content = csv([Entry(0, given_table, some_runs(given_table, n, final_loss=losses))])
    found = read_runs(io.BytesIO(content))["final_loss"].to_numpy()
    np.testing.assert_array_equal(found.view(np.uint32), losses.view(np.uint32))
    plain = pd.read_csv(io.BytesIO(content))["final_loss"].to_numpy().astype(np.float32)
    np.testing.assert_array_equal(plain.view(np.uint32), losses.view(np.uint32))


def test_numbers_stand_as_numpy_writes_them() -> None:
    rng = np.random.default_rng(2)
    exponents = (np.arange(512, dtype=np.int64) << 23)[:, None] + np.arange(-40, 41)  # all powers of two, both signs
    tens = np.array([float(f"1e{k}") for k in range(-45, 39)], np.float32).view(np.uint32).astype(np.int64)
    low, high = np.array([5e-5, 2e6], np.float32).view(np.uint32)  # where both ways of writing meet
    bits = [exponents % 2**32, tens[:, None] + np.arange(-40, 41), rng.integers(low, high, 300_000)]
    bits += [rng.integers(0, 2**32, 30_000), np.arange(70_000, dtype=np.float32).view(np.uint32)]
    values = np.concatenate([b.ravel().astype(np.uint32) for b in bits]).view(np.float32)
    values = values[np.isfinite(values)]
    expected = values.astype("U32").tolist()
    rounds_twice = np.flatnonzero(np.array(expected, np.float64).astype(np.float32) != values)
    found = shortest(values)
    assert {found[i] for i in rounds_twice} == {repr(float(values[i])) for i in rounds_twice}
    for i in rounds_twice:
        expected[i] = found[i]
    assert found == expected
    assert shortest(np.array([], np.float32)) == []


def test_numbers_that_are_not_finite_are_empty() -> None:
    bad = np.array([np.nan, np.inf, -np.inf], np.float32)
    predictions: dict[str, Any] = {name: bad for name in xor.task.prediction_names}
    diverged = np.full(3, outcomes.index("diverged"), np.int8)
    runs = some_runs(xor, final_loss=bad, margin=bad, outcome=diverged, **predictions)
    for line in csv([Entry(0, xor, runs)]).decode().splitlines()[1:]:
        assert line.endswith(",,0.750000,False,,,diverged,,,0,0,,,,,")


def test_columns_stand_in_their_order() -> None:
    named = ("use_bias", "loss", "width", "encoding", "layers")
    header = csv([Entry(0, xor, some_runs(xor)), Entry(1, adder, some_runs(adder))], named).decode().splitlines()[0]
    assert header == (
        "run,trial,configuration,task,width,depth,activation,dropout,optimizer,learning_rate,batch_size,epochs,"
        "encoding,use_bias,loss,"
        "seed,engine,device,n_parameters,final_loss,accuracy,learned,margin,epochs_to_learn,outcome,rest,merged_rows,"
        "dead_units_initial,dead_units,dead_layer,p_00,p_01,p_10,p_11,"
        "p_00_0,p_00_1,p_01_0,p_01_1,p_10_0,p_10_1,p_11_0,p_11_1"
    )
    table = configurations_table([Entry(0, xor, some_runs(xor))], hyperparameter_columns(named), allocation(3))
    assert table.decode().splitlines()[0] == (
        "configuration,trial,task,width,depth,activation,dropout,optimizer,learning_rate,batch_size,epochs,"
        "encoding,use_bias,loss,"
        "n_parameters,n_runs,n_learned,success_rate,ci_low,ci_high,ci_method,verdict,p_reliable,p_unreliable,"
        "median_epochs_to_learn,median_final_loss,n_diverged,n_dead,n_stuck,n_unconverged,n_unsettled,n_missing"
    )


def test_a_table_of_an_earlier_version_has_no_rest_and_is_read_as_it_is() -> None:
    runs = some_runs(xor)
    earlier = replace(runs, measured={k: v for k, v in runs.measured.items() if k != "rest"})
    content = csv([Entry(0, xor, earlier)])
    assert b"rest" not in content
    read = rows_of(read_runs(io.BytesIO(content)), xor)
    assert csv([Entry(0, xor, read)]) == content
    both = merge([read, some_runs(xor, seed=np.arange(3, 6, dtype=np.uint32), rest=np.full(3, "flat"))])
    assert both["rest"].tolist() == [""] * 3 + ["flat"] * 3
    with pytest.raises(ResultsError, match="in column rest something else than certified, flat, nothing"):
        read_runs(io.BytesIO(csv([Entry(0, xor, some_runs(xor, rest=np.full(3, "sound")))])))


def test_rows_are_written_to_the_digit() -> None:
    runs = some_runs(
        adder,
        1,
        seed=np.array([2**32 - 1], np.uint32),
        final_loss=np.array([1 / 3], np.float32),
        accuracy=np.array([2 / 3]),
        margin=np.array([1e-7], np.float32),
        epochs_to_learn=np.zeros(1, np.int64),
        outcome=np.zeros(1, np.int8),
        dead_layer=np.array([2]),
        **{name: np.array([i / np.float32(7)], np.float32) for i, name in enumerate(adder.task.prediction_names)},
    )
    content = csv([Entry(7, adder, runs)])
    assert content.endswith(b"\n") and b"\r" not in content
    assert content.decode().splitlines()[1] == (
        f"{adder.id}-4294967295,7,{adder.id},half_adder,4-2,2,relu,0.0,sgd(momentum=0.9),0.01,4,1000,"
        "4294967295,native,cpu,28,0.33333334,0.666667,True,1e-07,0,learned,,,0,0,2,"
        "0.0,0.14285715,0.2857143,0.42857143,0.5714286,0.71428573,0.85714287,1.0"
    )


def test_tasks_of_unlike_shape_give_the_union() -> None:
    entries = [Entry(i, c, some_runs(c, 2)) for i, c in enumerate((xor, parity, wide, adder, given_table, permuted))]
    table = read_runs(io.BytesIO(csv(entries)))
    predictions = [c for c in table.columns if c.startswith("p_")]
    assert predictions == [
        *("p_00", "p_01", "p_10", "p_11"),
        *(f"p_{i:03b}" for i in range(8)),
        *(f"p_{i:02b}_{o}" for i in range(4) for o in range(2)),
    ]
    own = [4, 8, 0, 8, 0, 2]
    assert [int(n) for n in table[predictions].notna().sum(axis=1)] == [n for n in own for _ in range(2)]
    assert table.loc[10, ["p_01", "p_11"]].notna().all()  # the bits of the table, whatever the encoding and order
    assert set(table["task"]) == {
        "xor",
        "parity(bits=3)",
        "parity(bits=5)",
        "half_adder",
        *labels(given_table, permuted),
    }
    assert list(table["width"].unique()) == ["3", "0", "8", "4-2"]


def test_what_unlike_layers_join_is_text_and_of_its_own_type_elsewhere() -> None:
    unlike = resolve({"layers": [{"units": 4, "dropout": 0.5, "use_bias": False}, 2]})
    named = ("use_bias",)
    tables = [
        read_runs(io.BytesIO(csv([Entry(i, c, some_runs(c)) for i, c in enumerate(these)], named)))
        for these in ([xor, unlike], [xor])
    ]
    assert tables[0][["width", "dropout", "use_bias"]].drop_duplicates().values.tolist() == [
        ["3", "0.0", "True"],
        ["4-2", "0.5-0.0", "false-true-true"],
    ]
    assert [str(tables[1][c].dtype) for c in ("width", "dropout", "use_bias")] == ["int64", "float64", "bool"]


def test_an_experiment_shows_what_its_layers_differ_in() -> None:
    experiment = parse("fixed: {layers: [{units: 4, kernel_initializer: ones}, 2]}")
    assert settings_columns(experiment)[-1] == "kernel_initializer"
    assert "kernel_initializer" not in settings_columns(parse("fixed: {layers: [4, {units: 2, activation: tanh}]}"))


def labels(*configurations: Configuration) -> list[str]:
    return [c.task.label for c in configurations]


@pytest.mark.parametrize("name", ["and", "or", "nor", "nand", "xnor", "half_adder", "majority"])
def test_no_label_reads_as_missing(name: str) -> None:
    for initializer in ("zeros", "ones", "he_normal"):
        c = resolve({"task": name, "bias_initializer": initializer, "activation": "linear", "optimizer": "nadam"})
        content = csv([Entry(0, c, some_runs(c, 1, dead_layer=np.ones(1, np.int64)))], ("bias_initializer", "loss"))
        plain = pd.read_csv(io.BytesIO(content))
        assert list(plain.columns[plain.isna().any()]) == ["epochs_to_learn", "rest", "merged_rows"]


def test_a_read_table_has_its_types() -> None:
    runs = some_runs(xor, outcome=np.array([0, 3, 0], np.int8), epochs_to_learn=np.array([3, -1, 0]))
    table = read_runs(io.BytesIO(csv([Entry(0, xor, runs)], ("samples", "use_bias"))))
    types = {name: str(dtype) for name, dtype in table.dtypes.items()}
    whole = ("trial", "width", "depth", "batch_size", "epochs", "seed", "n_parameters", "dead_units")
    assert {types[c] for c in whole} == {"int64"}
    assert {types[c] for c in ("epochs_to_learn", "dead_layer", "samples")} == {"Int64"}
    assert {types[c] for c in ("final_loss", "margin", "p_00")} == {"float32"}
    assert {types[c] for c in ("accuracy", "dropout", "learning_rate")} == {"float64"}
    assert {types[c] for c in ("learned", "use_bias")} == {"bool"}
    assert {types[c] for c in ("run", "task", "merged_rows", "outcome", "device")} == {"str"}
    assert list(table["merged_rows"]) == [""] * 3
    assert table["epochs_to_learn"].isna().tolist() == [False, True, False]


def of_outcomes(configuration: Configuration, *names: str, **columns: Any) -> Runs:
    codes = np.array([outcomes.index(name) for name in names], np.int8)
    learned = codes == 0
    reached = np.where(learned, np.arange(len(names)) + 10, -1)
    base = {"outcome": codes, "epochs_to_learn": reached}
    return some_runs(configuration, len(names), **{**base, **columns})


def test_planned_runs_are_all_accounted_for() -> None:
    entries = [
        Entry(0, xor, of_outcomes(xor, "learned", "dead", "dead", "diverged", "stuck", "unconverged", "unsettled")),
        Entry(1, adder, of_outcomes(adder, *["learned"] * 9)),
        Entry(2, parity, no_runs),
    ]
    table = read_configurations(io.BytesIO(configurations_table(entries, hyperparameter_columns(()), allocation(9))))
    total = table["n_learned"] + table["n_missing"] + table[[f"n_{name}" for name in failures]].sum(axis=1)
    assert list(total) == [9, 9, 9]
    rows = table.set_index("trial")
    assert list(rows.loc[0, [f"n_{name}" for name in failures]]) == [1, 2, 1, 1, 1]
    assert rows["n_missing"].to_dict() == {0: 2, 1: 0, 2: 9}
    assert np.isnan(rows["success_rate"][2]) and rows["ci_low"][2] == 0 and rows["ci_high"][2] == 1
    assert rows["verdict"][2] == "inconclusive"


def test_configurations_are_sorted_and_counted() -> None:
    small, large = resolve({"width": 2}), resolve({"width": 9})
    entries = [
        Entry(0, large, of_outcomes(large, "learned", "learned", "dead")),
        Entry(1, xor, of_outcomes(xor, "dead", "dead", "dead")),
        Entry(2, small, of_outcomes(small, "learned", "dead", "learned")),
        Entry(4, resolve({"width": 2, "epochs": 7}), of_outcomes(small, "learned", "dead", "learned")),
        Entry(3, resolve({"width": 2, "epochs": 8}), of_outcomes(small, "learned", "dead", "learned")),
        Entry(5, adder, of_outcomes(adder, "learned", "learned", "learned")),
    ]
    table = read_configurations(
        io.BytesIO(configurations_table(entries, hyperparameter_columns(()), allocation(3, Target(0.5))))
    )
    assert list(table["trial"]) == [5, 2, 3, 4, 0, 1]
    assert list(table["success_rate"]) == [1, 0.666667, 0.666667, 0.666667, 0.666667, 0]
    rate = wilson(2, 3, 0.95)
    assert table["ci_low"][1] == round(float(rate.low), 6) and table["ci_high"][1] == round(float(rate.high), 6)
    assert set(table["ci_method"]) == {"wilson"}
    assert list(table["verdict"]) == ["inconclusive"] * 6
    assert list(table["n_parameters"]) == [28, 9, 9, 9, 37, 13]


@pytest.mark.parametrize(
    ("names", "median"),
    [
        (["learned"] * 3, 11.0),
        (["learned"] * 4, 11.5),
        (["dead", "learned", "learned"], 12.0),
        (["learned", "dead", "learned", "dead"], None),  # the middle lies between 12 and never
        (["learned", "dead", "dead"], None),
        (["dead"], None),
    ],
)
def test_median_epochs_are_over_all_runs(names: list[str], median: float | None) -> None:
    content = configurations_table(
        [Entry(0, xor, of_outcomes(xor, *names))],
        hyperparameter_columns(()),
        allocation(9),
    )
    (found,) = read_configurations(io.BytesIO(content))["median_epochs_to_learn"].tolist()
    assert str(found) == str(np.nan if median is None else median)


@pytest.mark.parametrize(
    ("losses", "median"),
    [([0.1, 0.3, 0.2], "0.2"), ([0.1, np.nan, 0.2], "0.2"), ([0.1, np.inf, np.nan], ""), ([0.5, 0.25], "0.375")],
)
def test_median_loss_takes_diverged_runs_as_the_largest(losses: list[float], median: str) -> None:
    runs = some_runs(xor, len(losses), final_loss=np.array(losses, np.float32))
    content = configurations_table([Entry(0, xor, runs)], hyperparameter_columns(()), allocation(9))
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    assert table["median_final_loss"].tolist() == [median]


def test_large_medians_keep_their_digits() -> None:
    runs = of_outcomes(xor, "learned", "learned", epochs_to_learn=np.array([12_345_678, 12_345_679]))
    content = configurations_table([Entry(0, xor, runs)], hyperparameter_columns(()), allocation(2))
    assert read_configurations(io.BytesIO(content))["median_epochs_to_learn"][0] == 12_345_678.5


# examples and blocks


def example(configuration: Configuration, seed: int, outcome: str, n_snapshots: int) -> Example:
    rng = np.random.default_rng(seed)
    task = configuration.task
    return Example(
        configuration=configuration.id,
        seed=seed,
        outcome=outcome,
        epochs=np.arange(n_snapshots, dtype=np.int64),
        losses=rng.random(n_snapshots, np.float32),
        predictions=rng.random((n_snapshots, task.n_rows, task.n_outputs), np.float32),
        weights=rng.random(configuration.n_parameters, np.float32),
    )


def assert_same_examples(found: list[Example], expected: list[Example]) -> None:
    assert [(e.run, e.outcome) for e in found] == [(e.run, e.outcome) for e in expected]
    for a, b in zip(found, expected, strict=True):
        for name in ("epochs", "losses", "predictions", "weights"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
            assert getattr(a, name).dtype == getattr(b, name).dtype


several = [
    example(xor, 2**32 - 1, "learned", 5),
    example(adder, 3, "unconverged", 64),
    example(given_table, 0, "diverged", 3),
]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_examples_survive_their_file(tmp_path: Path, n: int) -> None:
    folder = Folder(tmp_path)
    assert folder.read_examples() == []
    folder.write_examples(several[:n])
    assert_same_examples(folder.read_examples(), several[:n])
    content = folder.examples.read_bytes()
    folder.write_examples(folder.read_examples())
    assert folder.examples.read_bytes() == content


def test_the_lowest_seed_of_each_outcome_is_kept() -> None:
    kept = [example(xor, seed, outcome, 3) for seed, outcome in ((5, "dead"), (7, "learned"), (2, "dead"), (9, "dead"))]
    other = example(adder, 1, "dead", 3)
    assert_same_examples(lowest_seeds([*kept, other]), [kept[2], kept[1], other])


def test_blocks_add_up(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.read_parts("native on cpu") == ({}, [])
    first, second = some_runs(xor), some_runs(xor, seed=np.array([2, 9, 4], np.uint32))
    folder.write_part("a", {xor.id: first, adder.id: some_runs(adder)}, several[:1], "native on cpu")
    folder.write_part("a", {xor.id: second}, several[1:], "native on cpu")  # the same name: nothing is overwritten
    blocks, kept = folder.read_parts("native on cpu")
    assert list(blocks) == [xor.id, adder.id]
    assert blocks[xor.id].seed.tolist() == [0, 1, 2, 4, 9]
    assert_same_examples(kept, several)
    whole = merge([first, second])
    assert list(blocks[xor.id].measured) == list(whole.measured)
    np.testing.assert_array_equal(blocks[xor.id].outcome, whole.outcome)
    for name, wanted in whole.measured.items():
        found = blocks[xor.id][name]
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype.kind == wanted.dtype.kind
    with pytest.raises(ResultsError, match="by the engine native on cpu, now asked for: keras on cpu"):
        folder.read_parts("keras on cpu")
    folder.remove_parts()
    folder.remove_parts()
    assert list(tmp_path.iterdir()) == []


def test_damaged_blocks_are_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_part("a", {xor.id: some_runs(xor)}, several, "native on cpu")
    (path,) = folder.parts.iterdir()
    whole = path.read_bytes()
    draw = random.Random(3)
    torn = [whole[:n] for n in (0, 1, 10, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1)]
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        torn.append(bytes(content))
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    empty = io.BytesIO()
    np.savez(empty, trainer=np.array("native on cpu"))
    torn += [b"text", array.getvalue(), empty.getvalue()]
    n_refused = 0
    for content in torn:
        path.write_bytes(content)
        n_refused += is_refused(folder, path)
    assert n_refused > 250


def is_refused(folder: Folder, path: Path) -> bool:
    """Whether a block is refused with its name; any other error fails the test."""
    try:
        folder.read_parts("native on cpu")
    except ResultsError as error:
        return str(path) in str(error) or "was trained by" in str(error)
    return False


def test_damaged_examples_are_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_examples(several)
    folder.examples.write_bytes(folder.examples.read_bytes()[:-40])
    with pytest.raises(ResultsError, match="examples.npz"):
        folder.read_examples()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"null", b'"x"', b"[" * 100_000])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    folder = Folder(tmp_path)
    assert folder.read_manifest() == Manifest()
    folder.manifest.write_bytes(content)
    with pytest.raises(ResultsError, match="manifest.json"):
        folder.read_manifest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "\x00\x01",
        lambda text: text[:-90],
        lambda text: text.replace("unsettled", "unknown"),
        lambda text: text.replace("False", "perhaps"),
        lambda text: text.replace(",seed,", ",seeds,"),
        lambda text: text.replace(",native,", ",native,native,", 1),
        lambda text: text.replace("0.75", "x"),
        lambda text: text.replace("-0.25", "99999999999999999999999999x"),
        lambda text: text + '"',
        lambda text: "run\n1\n",
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(damage(csv([Entry(0, xor, some_runs(xor))]).decode()))
    with pytest.raises(ResultsError, match="runs.csv: cannot be read"):
        read_runs(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "runs.csv", tmp_path):
        with pytest.raises(ResultsError, match="cannot be read"):
            read_runs(path)


# writing


def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a file é.txt"
    write_atomically(path, b"old")
    for owner, name in ((os, "fsync"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing)
            with pytest.raises(OSError, match="no space"):
                write_atomically(path, b"new")
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == b"old"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def failing(*args: Any) -> None:
    raise OSError("no space left")


def test_a_write_onto_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "taken", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_tables_are_exported_without_loss(tmp_path: Path) -> None:
    content = csv([Entry(0, xor, some_runs(xor, final_loss=np.array([0.1, np.nan, 1e-30], np.float32)))])
    table = read_runs(io.BytesIO(content))
    export_table(table, tmp_path / "x.csv")
    assert read_runs(tmp_path / "x.csv").equals(table)
    for name in ("x.txt", "x", "x.CSV.zip"):
        with pytest.raises(ResultsError, match="allowed: .csv, .parquet"):
            export_table(table, tmp_path / name)


def test_records_are_plain_values() -> None:
    c = resolve({"learning_rate": 1e-9})
    runs = some_runs(c, 2, final_loss=np.array([0.1, np.nan], np.float32))
    records = to_records(read_runs(io.BytesIO(csv([Entry(0, c, runs)]))))
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [r["final_loss"] for r in records] == [0.1, None]
    assert [r["epochs_to_learn"] for r in records] == [None, None]
    assert records[0]["learning_rate"] == 1e-9
    assert records[0]["learned"] is False and records[0]["seed"] == 0
    assert to_records(read_runs(io.BytesIO(csv([Entry(0, c, runs)]))).head(0)) == []


def test_every_file_has_one_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert [p.name for p in folder.written] == [
        *("experiment.yaml", "runs.csv", "configurations.csv", "configurations.jsonl", "examples.npz")
    ]
    assert [p.name for p in (folder.journal, folder.manifest, folder.parts)] == [
        "study.journal",
        "manifest.json",
        "parts",
    ]
