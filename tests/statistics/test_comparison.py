"""`sweep compare`, `importance` and `plan` as a user meets them: names of configurations, pairs, odd folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.folders import swept
from support.shell import call

from sweep.commands.compare import Comparison
from sweep.report.terminal.compare import describe_comparison
from sweep.results.files import ResultsError
from sweep.results.results import load
from sweep.results.selection import learned_by_seed, select_configuration
from sweep.statistics.best import not_shown_worse, paired
from sweep.statistics.pairs import Pairs, equivalence, mcnemar, mcnemar_mid_p, paired_difference

Tables = Callable[[Any, Any], tuple[Any, Any]]


def edited(finished: Path, folder: Path, change: Tables) -> Path:
    """A copy of a folder with its two tables changed."""
    shutil.copytree(finished, folder / "edited")
    paths = [folder / "edited" / name for name in ("runs.csv", "configurations.csv")]
    tables = [pd.read_csv(p, dtype=str, keep_default_na=False) for p in paths]
    for path, table in zip(paths, change(*tables), strict=True):
        table.to_csv(path, index=False)
    return folder / "edited"


def with_outcome(learned: str) -> Tables:
    def change(runs: Any, configurations: Any) -> tuple[Any, Any]:
        n = configurations["n_runs"] if learned == "True" else "0"
        rate = "1.0" if learned == "True" else "0.0"
        return runs.assign(learned=learned), configurations.assign(n_learned=n, success_rate=rate)

    return change


def without_runs(runs: Any, configurations: Any) -> tuple[Any, Any]:
    empty = configurations.assign(n_runs="0", n_learned="0", success_rate="", ci_low="0", ci_high="1")
    return runs.head(0), empty


def with_one_seed(runs: Any, configurations: Any) -> tuple[Any, Any]:
    return runs[runs["seed"] == "3"], configurations.assign(n_runs="1", n_missing="11")


def with_unlike_seeds(runs: Any, configurations: Any) -> tuple[Any, Any]:
    return runs[(runs["width"] == "2") == (runs["seed"].astype(int) < 6)], configurations


def with_one_configuration(runs: Any, configurations: Any) -> tuple[Any, Any]:
    only = configurations.head(1)
    return runs[runs["configuration"] == only["configuration"].iloc[0]], only


EDITS = [with_outcome("True"), with_outcome("False"), without_runs, with_one_seed, with_unlike_seeds]
EDIT_NAMES = ["all learned", "none learned", "no runs", "one seed", "unlike seeds"]


# names of configurations -------------------------------------------------------------------------------------------


def test_a_configuration_by_id_beginning_and_settings(finished: Path) -> None:
    table = load(finished).configurations
    for row in table.to_dict("records"):
        identity = row["configuration"]
        assert select_configuration(table, identity) == select_configuration(table, identity[:9]) == identity
        settings = f"optimizer={row['optimizer']}, width={row['width']}"
        assert select_configuration(table, settings) == identity
    assert select_configuration(table, "width=8.0,optimizer=Adam,dropout=0") == select_configuration(
        table, "optimizer=adam,width=8"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width=8", "2 configurations fit"),
        ("c", "6 configurations fit"),
        ("", "no configuration is it"),
        ("zzz", "no configuration is it"),
        ("wdith=8", "did you mean width?"),
        ("width=9", "no width 9; allowed: "),
        ("width=eight", "no width eight"),
        ("=8", "no hyperparameter named"),
        ("n_runs=12", "no hyperparameter n_runs"),
        ("width=8,", "no hyperparameter named"),
    ],
)
def test_a_name_that_fits_none_or_several(finished: Path, text: str, said: str) -> None:
    table = load(finished).configurations
    with pytest.raises(ResultsError) as error:
        select_configuration(table, text)
    assert said in str(error.value)
    if "fit" in said:
        assert str(error.value).count("\n  c") == int(said.split()[0])
        assert "optimizer=sgd(momentum=0.9,nesterov=true)" in str(error.value)


def test_runs_as_an_array(finished: Path) -> None:
    results = load(finished)
    ids = list(results.configurations["configuration"])
    learned = learned_by_seed(results.runs, ids)
    assert learned.shape == (6, 12)
    assert learned.sum(axis=1).tolist() == results.configurations["n_learned"].tolist()
    row = results.runs.iloc[17]
    assert learned[ids.index(row["configuration"]), row["seed"]] == row["learned"]
    partial = learned_by_seed(results.runs.drop(index=results.runs.index[17]), ids)
    assert (partial == -1).sum() == 1 and partial[ids.index(row["configuration"]), row["seed"]] == -1


# pairs and the best ------------------------------------------------------------------------------------------------


def test_pairs_are_over_common_seeds() -> None:
    first, second = np.array([1, 1, 0, -1, 1], np.int8), np.array([1, 0, 0, 1, -1], np.int8)
    assert paired(first, second) == Pairs(1, 1, 0, 1)


def test_the_best_with_missing_runs_and_none() -> None:
    learned = np.array([[-1, -1, -1], [1, 1, -1], [0, 0, 1]], np.int8)
    words = np.full(3, "inconclusive")
    found = not_shown_worse(learned, np.array([1, 2, 3]), words, 0.95)
    assert found.best == 1 and found.is_open.all() and found.p_values[0] == 1 and found.n_seeds == 0
    nothing = not_shown_worse(-np.ones((1, 0), np.int8), np.array([1]), words[:1], 0.95)
    assert nothing.is_open.tolist() == [True]
    ties = not_shown_worse(np.ones((3, 5), np.int8), np.array([9, 5, 5]), words, 0.95)
    assert ties.best == 1 and ties.is_open.all() and ties.n_seeds == 5


# the commands ------------------------------------------------------------------------------------------------------


def test_compare_shows_both_rates_the_pairs_and_the_best(finished: Path) -> None:
    result = call("compare", finished, "width=8,optimizer=adam", "width=2,optimizer=adam")
    assert result.exit_code == 0 and not result.stderr
    found = json.loads(call("compare", finished, "width=8,optimizer=adam", "width=2,optimizer=adam", "--json").stdout)
    pairs, runs = found["pairs"], load(finished).runs
    own = runs[runs["optimizer"] == "adam"].pivot(index="seed", columns="width", values="learned")
    assert pairs["both"] == (own[8] & own[2]).sum() and pairs["only_first"] == (own[8] & ~own[2]).sum()
    assert pairs["n"] == 12 and found["difference"]["value"] == pytest.approx(own[8].mean() - own[2].mean())
    assert found["first"]["width"] == 8 and found["best"]["configuration"] == found["not_told_from_best"][0]
    for word in (
        "A  c",
        "B  c",
        "on the 12 seeds of both",
        "Tango",
        "McNemar",
        "best of 6",
        f"{pairs['both']} learned",
    ):
        assert word in result.stdout


ROW = {"n_learned": 1, "n_runs": 2, "ci_low": 0.0, "ci_high": 1.0, "ci_method": "wilson", "verdict": "inconclusive"}


def comparison(pairs: Pairs, margin: float = 0.05) -> Comparison:
    first, second = {"configuration": "c0", **ROW}, {"configuration": "c1", **ROW}
    found = paired_difference(pairs, 0.95), equivalence(pairs, margin, 0.95)
    p_values = mcnemar_mid_p(pairs), mcnemar(pairs)
    return Comparison(first, second, (), 0.95, pairs, *p_values, *found, 2, first, ("c0",), first, pairs.n, False)


@pytest.mark.parametrize(
    ("pairs", "margin", "answer", "said"),
    [
        (Pairs(55, 1, 7, 1), 0.05, "B", "B learns more often"),  # exact p 0.070 decides nothing
        (Pairs(55, 7, 1, 1), 0.05, "A", "A learns more often"),
        (Pairs(400, 1, 2, 9), 0.05, "equivalent", "equivalent: their rates differ by less than 0.05"),
        (Pairs(55, 4, 4, 1), 0.05, "open", "cannot tell which learns more often, nor that"),
        (Pairs(900, 20, 4, 100), 0.05, "A", "and yet their rates differ by less than 0.05"),
        (Pairs(4, 18, 8, 0), 0.05, "open", "the interval and the test disagree"),
    ],
)
def test_one_rule_decides_and_the_text_says_so(pairs: Pairs, margin: float, answer: str, said: str) -> None:
    found = comparison(pairs, margin)
    text = "\n".join(describe_comparison(found))
    assert found.answer == answer and said in text and "mid-p, which decides; exact" in text
    is_apart = found.difference is not None and (found.difference.low > 0 or found.difference.high < 0)
    assert ("disagree" in text) == (is_apart != (answer in "AB"))


def test_compare_takes_a_margin(finished: Path) -> None:
    names = ("width=8,optimizer=adam", "width=2,optimizer=adam")
    found = json.loads(call("compare", finished, *names, "--margin", "0.9", "--json").stdout)
    assert found["equivalence"]["margin"] == 0.9 and found["answer"] in ("A", "equivalent")
    refused = call("compare", finished, *names, "--margin", "1")
    assert refused.exit_code == 2 and "--margin: found 1; allowed" in refused.stderr


def test_compare_the_other_way_round_is_the_mirror(finished: Path) -> None:
    names = ("width=8,optimizer=adam", "width=2,optimizer=adam")
    one, other = (json.loads(call("compare", finished, *x, "--json").stdout) for x in (names, names[::-1]))
    assert one["mcnemar_p"] == other["mcnemar_p"]
    assert one["difference"]["low"] == pytest.approx(-other["difference"]["high"])


@pytest.mark.parametrize("names", [("width=8", "c"), ("zzz", "c"), ("width=8,optimizer=adam",) * 2])
def test_compare_refuses_with_one_message(finished: Path, names: tuple[str, str]) -> None:
    result = call("compare", finished, *names)
    assert result.exit_code == 2 and not result.stdout and "allowed:" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("change", EDITS, ids=EDIT_NAMES)
def test_odd_folders_give_a_sensible_answer(finished: Path, tmp_path: Path, change: Tables) -> None:
    folder = edited(finished, tmp_path, change)
    for command in (("compare", "width=8,optimizer=adam", "width=2,optimizer=adam"), ("importance",)):
        name, *names = command
        plain, record = call(name, folder, *names), call(name, folder, *names, "--json")
        assert plain.exit_code == record.exit_code == 0
        assert not plain.stderr and "nan" not in plain.stdout
        json.loads(record.stdout)


def test_what_odd_folders_say(finished: Path, tmp_path: Path) -> None:
    unlike = edited(finished, tmp_path, with_unlike_seeds)
    assert "nothing to pair" in call("compare", unlike, "width=8,optimizer=adam", "width=2,optimizer=adam").stdout
    said = call("importance", unlike).stdout
    assert "not the same for all" in said and "no two seeds were trained with every configuration" in said
    (tmp_path / "same").mkdir()
    same = edited(finished, tmp_path / "same", with_outcome("True"))
    said = call("importance", same).stdout
    assert "all configurations have the same rate" in said and "tie for the best rate" in said
    (tmp_path / "one").mkdir()
    one = edited(finished, tmp_path / "one", with_one_configuration)
    refused = call("importance", one)
    assert refused.exit_code == 2 and "no hyperparameter varies" in refused.stderr
    assert call("compare", one, "c", "width=2").exit_code == 2


def test_importance_shows_rates_shares_and_optunas(finished: Path) -> None:
    result = call("importance", finished)
    assert result.exit_code == 0 and not result.stderr
    found: dict[str, Any] = json.loads(call("importance", finished, "--json").stdout)
    runs = load(finished).runs
    for level in found["levels"]["width"]:
        own = runs[runs["width"] == int(level["level"])]["learned"]
        assert level["rate"] == pytest.approx(own.mean()) and level["n_runs"] == len(own) == 24
        assert level["low"] <= level["rate"] <= level["high"] and level["n_seeds"] == 12
    assert [level["level"] for level in found["levels"]["width"]] == ["2", "4", "8"]
    assert sum(effect["found"] for effect in found["effects"]) == pytest.approx(1)
    assert all(0 <= effect["low"] <= effect["share"] <= effect["high"] <= 1 for effect in found["effects"])
    assert set(found["optuna"]) == {"width", "optimizer"} and sum(found["optuna"].values()) == pytest.approx(1)
    assert "PED-ANOVA" in result.stdout and "width x optimizer" in result.stdout


def test_importance_groups_a_range_and_drops_what_follows(tmp_path: Path) -> None:
    out = swept(
        tmp_path,
        "fixed: {epochs: 20}\nvary: {optimizer: [adam, sgd], seed: 4, dropout: {low: 0.0, high: 0.5}}\n"
        "study: {sampler: random, trials: 20}\n",
    )
    found = json.loads(call("importance", out, "--json").stdout)
    assert found["follows"] == {"learning_rate": "optimizer"}
    levels = found["levels"]["dropout"]
    assert [x["n_configurations"] for x in levels] == [5] * 4 and " to " in levels[0]["level"]
    assert not found["effects"] and "full grid" in found["why_no_effects"]


def test_plan_for_a_precision_and_a_verdict() -> None:
    precise = call("plan", "--rate", "0.9", "--half-width", "0.03")
    assert precise.exit_code == 0 and "385 seeds" in precise.stdout and "1,064 seeds" in precise.stdout
    settled = call("plan", "--rate", "0.95", "--target", "0.9", "--configurations", "567")
    assert "255 seeds show reliable" in settled.stdout and "567 configurations" in settled.stdout
    assert "unreliable with a chance" in call("plan", "--rate", "0.5", "--target", "0.9").stdout
    assert "no number of seeds" in call("plan", "--rate", "0.9", "--target", "0.9").stdout
    assert "too close" in call("plan", "--rate", "0.9001", "--target", "0.9").stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--rate", "0.5"),
        ("--rate", "0.5", "--half-width", "0.1", "--target", "0.5"),
        ("--rate", "1.5", "--half-width", "0.1"),
        ("--rate", "nan", "--target", "0.9"),
        ("--rate", "0.5", "--half-width", "0"),
        ("--rate", "0.5", "--half-width", "0.1", "--confidence", "1"),
        ("--rate", "0.5", "--target", "0"),
        ("--rate", "0.5", "--target", "0.9", "--power", "1"),
        ("--rate", "0.5", "--target", "0.9", "--configurations", "0"),
        ("--rate", "0.5", "--target", "0.9", "--first", "0"),
        ("--rate", "0.5", "--target", "0.9", "--up-to", "8"),
    ],
)
def test_plan_refuses_with_one_message(options: tuple[str, ...]) -> None:
    result = call("plan", *options)
    assert result.exit_code == 2 and not result.stdout and "allowed:" in result.stderr
