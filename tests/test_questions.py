"""The questions that people asked: their page is that of the stored results, these are of the experiments."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import asked
import asked_page
import findings
import pytest
from asked_questions import Answer, Claim, Symptom, questions

from sweep.experiment import file as experiment_file

ROOT = Path(__file__).parent.parent
TEXT = asked_page.PAGE.read_text()
FACTS: Mapping[str, Any] = json.loads(asked.FACTS.read_text())

# those that take seconds, rescue included
QUICK = ("so_no_bias", "ml5_no_hidden_layer", "neuro_rust", "so_even_odd_bits")


def made_up(n_learned: int, n_runs: int, verdict: str = "inconclusive", cause: str = "weights") -> dict[str, Any]:
    """What is known of a question with a single network."""
    outcomes = {"learned": n_learned, "stuck": n_runs - n_learned}
    found = {"outcomes": outcomes, "n_runs": n_runs, "verdict": verdict}
    return {"configurations": [found, found], "pairs": {}, "rescue": {"cause": cause}}


def test_every_experiment_is_a_question_and_cites_its_source() -> None:
    paths = {path.stem for path in (ROOT / "experiments" / "asked").glob("*.yaml")}
    assert paths == set(questions) == set(FACTS) and len(paths) >= 38
    for name in questions:
        head = asked_page.head_of(name)
        assert set(head) - {"Not told", "Here"} == {"Asked", "Where", "Answered"}, name
        assert all(len(words) > 4 for words in head.values()), name


def test_titles_and_symptoms_are_complete() -> None:
    assert len({q.title for q in questions.values()}) == len(questions)
    assert {s for q in questions.values() for s in q.symptoms} == set(get_args(Symptom))


@pytest.mark.parametrize("name", questions)
def test_what_is_stored_is_of_the_experiment(name: str) -> None:
    experiment = experiment_file.load(ROOT / "experiments" / "asked" / f"{name}.yaml")
    known = FACTS[name]
    assert [asked_page.configuration(c).id for c in known["configurations"]] == [c.id for c in experiment.networks]
    n = len(experiment.seeds)
    learned = [c["outcomes"].get("learned", 0) for c in known["configurations"]]
    assert all(sum(c["outcomes"].values()) == c["n_runs"] == n for c in known["configurations"])
    for first, second in asked.compared(questions[name]):
        pairs = asked.pairs_of(known, first, second)
        assert pairs.n == n
        assert (pairs.both + pairs.only_first, pairs.both + pairs.only_second) == (learned[first], learned[second])
    assert all(claim.trial < len(learned) for claim in questions[name].claims)


def test_the_page_is_that_of_the_stored_results() -> None:
    assert asked_page.page(FACTS) == TEXT, "python experiments/findings.py --stored"


def test_the_digests_are_of_the_experiments() -> None:
    lines = findings.ASKED_DIGESTS.read_text().splitlines()
    known = {place: digest for digest, place in (line.split("  ") for line in lines)}
    wanted = {f"experiments/asked/{n}.yaml" for n in questions}
    tables = {f"results/asked/{n}/{table}.csv" for n in questions for table in ("runs", "configurations")}
    assert set(known) == wanted | tables
    for place in wanted:
        assert hashlib.sha256((ROOT / place).read_bytes()).hexdigest() == known[place], f"{place}: make experiments"


@pytest.mark.parametrize(
    ("claim", "n_learned", "verdict"),
    [
        (Claim("fails"), 0, "agrees"),
        (Claim("fails"), 100, "open"),
        (Claim("fails"), 200, "does not"),
        (Claim("sometimes"), 100, "agrees"),
        (Claim("sometimes"), 0, "does not"),
        (Claim("sometimes"), 200, "does not"),
        (Claim("sometimes"), 10, "open"),
        (Claim("sometimes", share=(0.4, 0.6)), 100, "agrees"),
        (Claim("sometimes", share=(0.4, 0.6)), 50, "does not"),
        (Claim("sometimes", share=(0.4, 0.6)), 150, "does not"),
    ],
)
def test_a_report_is_judged_by_the_interval(claim: Claim, n_learned: int, verdict: str) -> None:
    assert asked_page.judge_claim(claim, made_up(n_learned, 200)) == verdict


@pytest.mark.parametrize(("verdict", "so"), [("reliable", "held"), ("unreliable", "luck"), ("inconclusive", "open")])
def test_what_worked_is_judged_by_the_verdict(verdict: str, so: str) -> None:
    assert asked_page.judge_claim(Claim("works", 1), made_up(150, 200, verdict)) == so


@pytest.mark.parametrize(
    ("pairs", "verdict", "so"),
    [
        ([50, 100, 0, 50], "unreliable", "helps"),
        ([50, 150, 0, 0], "reliable", "helps, and is enough"),
        ([50, 0, 100, 50], "reliable", "harms"),
        ([50, 50, 50, 50], "reliable", "not shown to matter"),
    ],
)
def test_an_answer_is_judged_by_its_difference(pairs: list[int], verdict: str, so: str) -> None:
    known = made_up(150, 200, verdict) | {"pairs": {"1-0": pairs}}
    assert asked_page.judge_answer(Answer("more", 1), known) == so


@pytest.mark.parametrize(
    ("cause", "n_learned", "so"),
    [
        ("weights", 0, "confirmed"),
        ("both", 0, "confirmed"),
        ("only weights", 100, "confirmed"),
        ("only weights", 0, "not shown"),
        ("rest", 100, "not shown"),
        ("neither", 100, "not shown"),
        ("open", 100, "not shown"),
    ],
)
def test_the_start_is_the_cause_where_other_weights_learn(cause: str, n_learned: int, so: str) -> None:
    assert asked_page.judge_answer(Answer("the start"), made_up(n_learned, 200, cause=cause)) == so


def code() -> list[str]:
    """What the page gives to paste."""
    return re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_there_is_code_for_every_change_that_was_found() -> None:
    found = [known["rescue"]["cheapest"] for known in FACTS.values() if not known["rescue"]["is_reliable"]]
    assert len(code()) == sum(c is not None for c in found) > len(questions) / 2
    for block in code():
        compile(block, "docs/asked.md", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_what_is_pasted_runs(framework: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With two epochs: that a script trains what it should is tested where scripts are made."""
    pytest.importorskip(framework)
    blocks = [block for block in code() if f"import {framework}\n" in block]
    assert blocks
    for block in blocks:
        short = re.sub(r"epochs=\d+", "epochs=2", block)
        short = re.sub(r"in range\(\d+\):$", "in range(2):", short, flags=re.MULTILINE)
        exec(compile(short, "docs/asked.md", "exec"), {})
        assert capsys.readouterr().out.strip().startswith(("[", "tensor("))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_question_gives_its_results_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "RESULTS", tmp_path)
    results = asked.trained(name)
    lines = findings.digests({f"asked/{name}": results}).splitlines()
    assert set(lines) <= set(findings.ASKED_DIGESTS.read_text().splitlines())
    assert json.loads(json.dumps(asked.facts(name, results))) == FACTS[name]
    assert asked.facts(name, asked.trained(name)) == asked.facts(name, results)
