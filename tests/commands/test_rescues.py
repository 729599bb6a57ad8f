"""What would have rescued the seeds that failed: every number against a training of its own, and the words for it."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import swept
from support.shell import call

import sweep
from sweep.commands.rescue import trainer
from sweep.commands.rescue.answer import Attempt, Cause, Proportion, Rescue
from sweep.commands.rescue.changes import changed, cost, describe_change, kinds
from sweep.commands.rescue.rescue import rescue_configuration
from sweep.commands.rescue.trainer import n_fresh
from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose
from sweep.networks.randomness import Stream
from sweep.networks.settings import resolve
from sweep.report.scripts import keras_script
from sweep.report.terminal.rescue import describe_cause, describe_end, describe_rescue
from sweep.results.files import ResultsError
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.statistics.intervals import wilson
from sweep.statistics.pairs import mcnemar, pair
from sweep.statistics.seeds import bar_of
from sweep.statistics.verdicts import Target
from sweep.training.engine import EngineError
from sweep.training.native import NativeEngine
from sweep.training.rest import with_descents

# the network of the question, at a rate at which 1,000 epochs are enough
NETWORK = resolve({"width": 2, "depth": 3, "learning_rate": 0.01})
SEEDS = np.arange(64, dtype=np.uint32)
FRESH = np.arange(64, 64 + n_fresh, dtype=np.uint32)
# what a beginner is told: more units, fewer layers, another activation, longer training
ADVICE = {
    "width doubled": "width 2 -> 4",
    "a layer less": "depth 3 -> 2",
    "leaky_relu": "relu -> leaky_relu",
    "tanh": "relu -> tanh",
    "longer": "epochs 1000 -> 4000",
    "a hundred times longer": "epochs 1000 -> 100000",
}


def learned(c: Configuration, seeds: Any, **streams: Any) -> Any:
    given: dict[int, Any] = {Stream[name.upper()]: np.asarray(block, np.uint32) for name, block in streams.items()}
    cohort = Cohort(c, np.asarray(seeds, np.uint32), streams=given)
    return trained(cohort).learned


def trained(cohort: Cohort[Configuration]) -> Runs:
    return diagnose(cohort, with_descents(cohort, NativeEngine().train(cohort)))


def rescued(seeds: Iterable[int] = range(64), **settings: Any) -> Rescue:
    return rescue_configuration(resolve({"epochs": 200, "learning_rate": 0.01, **settings}), seeds)


def attempt(found: Rescue, kind: str) -> Attempt:
    (one,) = (a for a in found.attempts if a.kind == kind)
    return one


@pytest.fixture(scope="module")
def found() -> Rescue:
    return rescue_configuration(NETWORK, range(64))


def test_the_failing_seeds_are_counted_by_outcome(found: Rescue) -> None:
    runs = trained(Cohort(NETWORK, SEEDS))
    names = [outcomes[i] for i in runs.outcome if outcomes[i] != "learned"]
    assert dict(found.by_outcome) == {name: names.count(name) for name in outcomes if name in names}
    assert set(found.by_outcome) == {"dead", "stuck", "unconverged"}
    assert (found.n_seeds, found.n_failed) == (64, len(names))


@pytest.mark.parametrize("kind", ADVICE)
def test_a_change_is_counted_on_the_same_seeds(found: Rescue, kind: str) -> None:
    before = trained(Cohort(NETWORK, SEEDS))
    a = attempt(found, kind)
    after = learned(a.configuration, SEEDS)
    assert a.label == ADVICE[kind]
    assert (a.rescued.k, a.rescued.n) == (after[~before.learned].sum(), found.n_failed)
    assert (a.lost.k, a.lost.n) == ((~after[before.learned]).sum(), 64 - found.n_failed)
    interval = wilson(a.rescued.k, a.rescued.n, 0.95)
    assert (a.rescued.low, a.rescued.high) == (interval.low, interval.high)
    for name in found.by_outcome:
        of_name = before.outcome == outcomes.index(name)
        assert a.by_outcome[name] == (after[of_name].sum(), of_name.sum())
    assert sum(k for k, _ in a.by_outcome.values()) == a.rescued.k


def test_every_kind_of_change_is_tried_once(found: Rescue) -> None:
    tried = [a.kind for a in found.attempts]
    without_effect = {"relu", "no dropout", "full batch", "whole table", "adam"}  # the network is so already
    without_effect |= {"with bias", "Glorot initialization", "cross-entropy", "momentum", "no regularizers"}
    assert tried == [kind for kind in kinds if kind not in without_effect] + ["redraw weights"]
    dropped = rescue_configuration(resolve({"dropout": 0.5, "batch_size": 1, "epochs": 20}), range(4))
    assert {"no dropout", "full batch"} <= {a.kind for a in dropped.attempts}
    drawn = rescue_configuration(resolve({"samples": 5, "batch_size": 5, "epochs": 20}), range(4))
    assert attempt(drawn, "whole table").configuration == resolve({"epochs": 20})
    assert attempt(drawn, "whole table").label == "samples 5 -> none, batch size 5 -> 4"


def test_every_optimizer_and_no_setting_besides(found: Rescue) -> None:
    for name in vocabulary.optimizers:
        if name != "adam":
            c = attempt(found, name).configuration
            assert c == resolve({"width": 2, "depth": 3, "optimizer": name, "learning_rate": 0.01})
    (sgd,) = (c for kind, c in changed(resolve({})) if kind == "sgd")
    assert sgd == resolve({"optimizer": "sgd"})  # Keras's rate for adam becomes Keras's rate for sgd


def test_cost_is_in_parameters_and_steps(found: Rescue) -> None:
    wide, long = attempt(found, "width doubled"), attempt(found, "longer")
    assert (wide.parameters_ratio, wide.steps_ratio) == ((2 * 4 + 4 + 2 * (4 * 4 + 4) + 5) / 21, 1)
    assert (long.parameters_ratio, long.steps_ratio) == (1, 4)


def test_a_change_that_makes_an_epoch_shorter_keeps_the_steps() -> None:
    c = resolve({"width": 2, "samples": 1000, "batch_size": 4, "epochs": 3})
    made = dict(changed(c))
    assert made["full batch"] == resolve({"width": 2, "samples": 1000, "batch_size": "full", "epochs": 750})
    assert made["whole table"] == resolve({"width": 2, "batch_size": 4, "epochs": 750})
    made = dict(changed(resolve({"batch_size": 3, "epochs": 5, "shuffle": False})))
    assert made["full batch"] == resolve({"epochs": 10})


def test_a_first_hidden_layer_has_a_bias_whatever_the_output_has() -> None:
    c = resolve({"depth": 0, "use_bias": False})
    made = dict(changed(c))
    assert made["a layer more"] == resolve({"use_bias": True, "output": {"activation": "sigmoid", "use_bias": False}})
    assert made["with bias"] == resolve({"depth": 0})


def test_other_weights_are_those_of_seeds_that_were_not_used(found: Rescue) -> None:
    before = learned(NETWORK, SEEDS)
    other = learned(NETWORK, FRESH[:64])  # a full batch without dropout: nothing but weights depends on the seed
    a = attempt(found, "redraw weights")
    assert a.label == "other weights"
    assert (a.rescued.k, a.lost.k) == (other[~before].sum(), (~other[before]).sum())
    assert a.rescued.k > 0
    assert found.cause == Cause("only weights", None, is_base_rate=True)
    base, n = found.as_it_is.k, found.as_it_is.n
    assert found.as_it_is.high < 0.9 and a.rescued.low <= base / n <= a.rescued.high
    text = describe_cause(found)
    assert text.startswith("Any other weights fail as often: it is the configuration (other weights: ")
    assert text.endswith(f"; fresh seeds: {base} of {n:,} learn).")


def test_weights_and_order_are_drawn_anew_one_without_the_other() -> None:
    c = resolve({"width": 2, "learning_rate": 0.01, "batch_size": 1, "epochs": 300})
    found = rescue_configuration(c, range(64))
    before = learned(c, SEEDS)
    weights = learned(c, SEEDS, weights=FRESH[:64])[~before]
    order = learned(c, SEEDS, order=FRESH[:64])[~before]
    assert attempt(found, "redraw weights").rescued.k == weights.sum()
    assert attempt(found, "redraw rest").rescued.k == order.sum()
    assert attempt(found, "redraw rest").label == "other row order"
    assert found.cause == Cause("weights", mcnemar(pair(weights, order)), is_base_rate=True)
    text = describe_cause(found)
    assert text.startswith("Any other weights fail as often: it is the configuration, and which seeds fail depends ")
    assert (
        f"more on the weights than on the row order (other weights: {weights.sum()} of {len(weights)} rescued (" in text
    )
    assert f"McNemar's exact p = {mcnemar(pair(weights, order)):.2g}; fresh seeds: {found.as_it_is.k} of 1,024" in text


def test_bad_luck_is_told_from_a_bad_configuration() -> None:
    """The same redraws: a network that is reliable had unlucky weights, of one that is not any others fail as often."""
    found = rescued(range(64), width=2)
    assert found.cause is not None and found.cause.is_base_rate
    unlucky = replace(found, cause=replace(found.cause, is_base_rate=False))
    assert describe_cause(unlucky).startswith(
        "It was the weights: nothing else depends on the seed here (other weights: "
    )
    reliable = rescued(range(300), width=12, epochs=600)
    assert reliable.is_reliable and reliable.n_failed
    assert reliable.cause is not None and not reliable.cause.is_base_rate


@pytest.mark.parametrize(
    ("settings", "n_seeds", "name", "words"),
    [
        (
            {"width": 16, "samples": 6, "epochs": 100},
            48,
            "rest",
            "Any other samples fail as often: it is the configuration, and which seeds",
        ),
        ({"depth": 0, "batch_size": 1}, 32, "neither", "It was hardly the weights or the row order: the configuration"),
        ({"depth": 0}, 32, "neither", "It was hardly the weights: the configuration itself (other weights: 0 of 32"),
        ({"depth": 0}, 4, "open", "Was it the weights? 4 seeds that failed cannot tell ("),
        ({"depth": 0, "batch_size": 1}, 4, "open", "Was it the weights or the row order? 4 seeds that failed cannot"),
        (
            {"kernel_initializer": "zeros"},
            4,
            "nothing",
            "Nothing depends on the seed here: every seed ends in the same",
        ),
        (
            {"kernel_initializer": "ones", "dropout": 0.3, "batch_size": 2},
            32,
            "neither",
            "It was hardly the row order and masks: the configuration itself",
        ),
        (
            {"width": 2, "kernel_initializer": "zeros", "depth": 0, "task": "or", "samples": 8, "epochs": 1000},
            32,
            "only rest",
            "Any other samples fail as often: it is the configuration (other samples: ",
        ),
        (
            {"width": 3, "activation": "tanh", "optimizer": "sgd", "learning_rate": 2.0, "batch_size": 1},
            32,
            "both",
            "Any other weights or row order fail as often: it is the configuration (",
        ),
    ],
)
def test_whether_it_was_the_weights_or_the_rest(settings: dict[str, Any], n_seeds: int, name: str, words: str) -> None:
    found = rescued(range(n_seeds), **settings)
    assert found.cause is not None
    assert found.cause.name == name
    assert describe_cause(found).startswith(words)


def test_the_cheapest_change_holds_on_fresh_seeds(found: Rescue) -> None:
    best = found.cheapest
    assert best is not None
    confirmed = learned(best.configuration, FRESH)
    assert (best.fresh.k, best.fresh.n) == (confirmed.sum(), 1024)
    assert best.fresh.low == wilson(best.fresh.k, 1024, 0.95).low >= 0.9
    assert found.as_it_is.k == learned(NETWORK, FRESH).sum() < 300
    # no single change is enough at four times the cost, by a thousand seeds
    for a in found.attempts:
        if a.rescued.k > 30 and cost(a.configuration) <= 4 * cost(NETWORK):
            assert wilson(int(learned(a.configuration, FRESH).sum()), 1024, 0.95).low < 0.9
    assert best.label == "width 2 -> 4, relu -> leaky_relu"
    assert best.parameters_ratio == best.configuration.n_parameters / NETWORK.n_parameters
    first, second, *pasted = describe_end(found)
    assert first == "Cheapest change that makes it reliable (at least 0.9): width 2 -> 4, relu -> leaky_relu."
    assert f"{best.fresh.k:,} of 1,024 fresh seeds learn" in second
    assert pasted == ["", "To paste, for Keras:", "", *keras_script(best.configuration)]


def test_what_fresh_seeds_do_not_confirm_is_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "n_fresh", 16)  # 16 of 16 show 0.806, not 0.9
    assert rescued(range(64), width=2, epochs=100, learning_rate=0.05).cheapest is None
    monkeypatch.setattr(trainer, "n_fresh", 128)
    assert rescued(range(64), width=2, epochs=100, learning_rate=0.05).cheapest is not None


def test_of_enough_single_changes_the_cheapest_is_named() -> None:
    c = resolve({"width": 8, "learning_rate": 0.001, "epochs": 1000})
    found = rescue_configuration(c, range(64))
    assert found.cheapest is not None
    best = found.cheapest.configuration
    cheaper = [a for a in found.attempts if a.kind in kinds and cost(a.configuration) < cost(best)]
    assert cheaper and describe_change(c, best) == found.cheapest.label
    for a in cheaper:
        assert wilson(int(learned(a.configuration, FRESH).sum()), 1024, 0.95).low < 0.9


def test_the_words_have_a_row_for_each_change(found: Rescue) -> None:
    lines = describe_rescue(found, 140)
    counts = ", ".join(f"{n} {name}" for name, n in found.by_outcome.items())
    assert (
        lines[0] == f"xor: 2-2-2 relu, adam 0.01, batch 4, 1,000 epochs: {found.n_failed} of 64 seeds failed: {counts}."
    )
    for a in found.attempts:
        (line,) = (x for x in lines if x.startswith(a.label + " "))
        cells = line.removeprefix(a.label).split()
        assert int(cells[0]) == a.rescued.k
        assert [int(x) for x in cells[-6:-2]] == [*(a.by_outcome[name][0] for name in found.by_outcome), a.lost.k]
    assert any("█" in line for line in lines)
    longest = "epochs 1000 -> 100000: 0 of 56 rescued (0.0-6.5%)"
    assert f"Longer training does not help; the longest tried, {longest}." in lines


@pytest.mark.parametrize(
    ("width", "has_bars", "last"),
    [
        (108, True, "steps"),
        (107, False, "steps"),
        (95, False, "params"),
        (88, False, "unconverged   of 8"),
        (80, False, "stuck   of 8"),
    ],
)
def test_the_words_leave_out_what_does_not_fit(found: Rescue, width: int, has_bars: bool, last: str) -> None:
    lines = describe_rescue(found, width)
    (head,) = (i for i, line in enumerate(lines) if line.startswith("one change"))
    assert lines[head].endswith(last)
    table = lines[head - 1 : lines.index("", head)]
    assert max(map(len, table)) <= width
    assert any("█" in line for line in table) == has_bars
    assert len(table) == len(found.attempts) + 2 + 1  # two of the head, one before the redraws


def test_nothing_failed() -> None:
    seeds = np.flatnonzero(learned(resolve({"width": 16, "learning_rate": 0.01}), np.arange(20)))[:6]
    found = rescued(seeds.tolist(), width=16, epochs=1000)
    assert (found.n_failed, found.attempts, found.cause, found.cheapest) == (0, (), None, None)
    lines = describe_rescue(found)
    assert lines[0].endswith("none of 6 seeds failed, so there is nothing to rescue.")
    assert lines[-1].startswith("It is reliable as it is: ")
    assert found.table().empty


def test_everything_failed() -> None:
    found = rescued(depth=0, epochs=1000)
    assert found.n_failed == 64
    assert all((a.lost.k, a.lost.n, a.lost.low, a.lost.high) == (0, 0, 0.0, 1.0) for a in found.attempts)
    assert attempt(found, "a layer more").label == "1 hidden x 8 relu"
    assert attempt(found, "a layer more").rescued.k > 48
    assert found.cheapest is not None
    assert found.cheapest.configuration.depth >= 1


def test_what_cannot_be_learned_has_no_rescue() -> None:
    contradiction = {"inputs": [[0.0], [0.0]], "targets": [[0], [1]]}
    found = rescued(range(2), task=contradiction, epochs=3)
    assert found.cheapest is None
    assert found.n_tried == len({a.configuration for a in found.attempts} - {found.configuration})  # no search
    assert (
        "  no seed can answer every row right: rows that are alike have unlike targets: at best an accuracy of 0.5"
        in (describe_rescue(found))
    )
    assert describe_end(found)[0].startswith(
        f"Nothing that was tried makes it reliable: {found.n_tried} configurations"
    )


@pytest.mark.parametrize(
    ("k", "n", "is_shown"), [(35, 35, False), (36, 36, True), (1024, 1024, True), (930, 1024, False)]
)
def test_what_shows_the_target_is_the_rule_of_verdicts(k: int, n: int, is_shown: bool) -> None:
    """Wilson's interval of 35 of 35 lies above the target, and the exact test does not show it."""
    share = Proportion.of(np.arange(n) < k, 0.95)
    assert share.shows(Target(0.9, 0.95)) is share.shows(Target(0.9, 0.95, family="fwer")) is is_shown
    assert share.shows(Target(0.9, 0.95)) == (str(bar_of(Target(0.9, 0.95)).verdicts(k, n)) == "reliable")
    assert (wilson(35, 35, 0.95).low > 0.9) and (k < n or share.low > 0.9)


def test_unlucky_seeds_of_a_reliable_network() -> None:
    c = resolve({"width": 12, "learning_rate": 0.01})
    unlucky = np.flatnonzero(~learned(c, SEEDS))
    assert 0 < len(unlucky) < 5
    found = rescue_configuration(c, [int(unlucky[0])])
    assert found.is_reliable and found.cheapest is None
    assert describe_end(found)[-1].endswith("A seed that failed was unlucky: start again with another.")


def test_the_target_decides_what_is_enough() -> None:
    modest = rescue_configuration(NETWORK, range(64), Target(0.4, 0.95))
    assert modest.cheapest is not None
    assert modest.cheapest.label == "relu -> leaky_relu"  # of the single changes that are enough, the cheapest


# a folder, the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = (
        "fixed: {epochs: 200, learning_rate: 0.02, width: 2}\n"
        "vary: {depth: [1, 3], batch_size: [1, 4], seed: {first: 5, count: 24}}\n"
    )
    return swept(tmp_path_factory.mktemp("rescue"), text)


def test_command_function_json_and_csv_say_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    result = call("rescue", folder, "depth=3,batch_size=4", "--json", "--csv", tmp_path / "t.csv")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    results = sweep.load(folder)
    found = sweep.rescue(results, record["configuration"][:8])
    assert record == json.loads(json.dumps(found.summary()))
    assert (record["n_seeds"], record["settings"]["depth"], record["engine"]) == (24, 3, "native")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert [r["change"] for r in rows] == [a.label for a in found.attempts] == list(found.table()["change"])
    for row, a in zip(rows, found.attempts, strict=True):
        assert (int(row["n_rescued"]), int(row["n_lost"])) == (a.rescued.k, a.lost.k)
        assert float(row["rescued_low"]) == pytest.approx(a.rescued.low, abs=1e-6)
        assert (float(row["parameters_ratio"]), row["ci_method"]) == (round(a.parameters_ratio, 6), "wilson")
    own = results.runs[(results.runs["depth"] == 3) & (results.runs["batch_size"] == 4)]
    assert record["n_failed"] == (~own["learned"]).sum()
    assert record["failed_by_outcome"] == own["outcome"][~own["learned"]].value_counts().to_dict()
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}  # it writes nothing there
    monkeypatch.setenv("COLUMNS", "90")
    words = call("rescue", folder, "depth=3,batch_size=4", "--quiet")
    assert words.stderr == ""
    assert words.stdout.splitlines() == describe_rescue(found, 90)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "nosuch: no configuration is it; allowed: an id"),
        (["c"], "c: 4 configurations fit; allowed: an id"),
        (["depth=7"], "depth=7: no depth 7; allowed: "),
        (["dept=3"], "dept=3: no hyperparameter dept; did you mean depth?"),
        (["depth=3"], "depth=3: 2 configurations fit; allowed: an id"),
        (["depth=3,batch_size=4", "--csv", "t.txt"], "t.txt: found the ending .txt; allowed: .csv, .parquet"),
        (["depth=3,batch_size=4", "--engine", "quick"], "engine: found quick; allowed: auto, native"),
    ],
)
def test_mistakes_are_one_message(folder: Path, arguments: list[str], message: str) -> None:
    result = call("rescue", folder, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_mistakes_in_python_are_errors_of_their_own(folder: Path) -> None:
    with pytest.raises(ResultsError, match="no configuration is it"):
        sweep.rescue(sweep.load(folder), "nosuch")
    with pytest.raises(EngineError, match="engine: found quick"):
        rescue_configuration(NETWORK, [0], engine="quick")
