"""The closing words of a sweep in the terminal: what is said, in which room, with which colours."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.folders import swept
from support.shell import call

import sweep
from sweep.report.summaries import summarise


def shown(folder: Path, *arguments: str, **environment: str) -> str:
    result = call("show", folder, *arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_confirmation_has_its_own_columns(finished: Path) -> None:
    lines = shown(finished, "--top", "12").splitlines()
    (head,) = [line for line in lines if line.startswith("id ")]
    assert head.split()[-3:] == ["fresh", "seeds", "interval"]
    confirmed = sweep.load(finished).manifest.confirmation
    assert confirmed is not None
    own = [line for line in lines if re.match("c[0-9a-f]{5}", line) and f"/{confirmed.n_runs:,} " in line]
    assert len(own) == 1 and own[0].startswith(confirmed.configuration[:6])
    ends = f"{confirmed.n_learned}/{confirmed.n_runs:,} {confirmed.ci_low:.3f}-{confirmed.ci_high:.3f}"
    assert own[0].rstrip().endswith(ends)


def test_the_one_that_the_sentence_names_is_shown_even_below_the_top(finished: Path) -> None:
    named = summarise(sweep.load(finished)).named
    assert named is not None
    ids = re.findall("^(c[0-9a-f]{5}) ", shown(finished, "--top", "1"), re.MULTILINE)
    best = sweep.load(finished).configurations["configuration"].iloc[0]
    assert ids == list(dict.fromkeys([best[:6], named["configuration"][:6]]))


@pytest.mark.parametrize("width", [40, 60, 90, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(finished: Path, width: int) -> None:
    text = shown(finished, "--top", "12", COLUMNS=str(width))
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\u2026" not in text
    flat = " ".join(text.split())
    for row in sweep.load(finished).configurations.to_dict("records"):
        assert row["configuration"][:6] in flat
        assert f"{row['ci_low']:.3f}-{row['ci_high']:.3f}" in flat
    assert "sgd(momentum=0.9,nesterov=true)" in flat
    assert ("█" in text) == (width >= 120)


def test_colours_are_shown_where_they_are_wanted(finished: Path) -> None:
    assert "\x1b[" not in shown(finished)
    assert "\x1b[3" in shown(finished, FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[3" not in shown(finished, FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1")


def test_failures_are_counted_the_commonest_first(finished: Path) -> None:
    table = sweep.load(finished).configurations
    counts = {name: int(table[f"n_{name}"].sum()) for name in ("diverged", "dead", "stuck", "unconverged", "unsettled")}
    total = sum(counts.values())
    (line,) = [x for x in shown(finished).splitlines() if x.startswith(f"the {total} failures: ")]
    names = re.findall(r"(\w+)(?= \(most|,|$)", line.partition(": ")[2])
    assert names == [n for n, c in sorted(counts.items(), key=lambda item: -item[1]) if c]
    merged = sweep.load(finished).runs["merged_rows"]
    assert f"stuck (most often with {merged[merged != ''].mode()[0]} given one output)" in line


def test_where_to_look_next(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "my results"))

    def last() -> str:
        return shown(folder).splitlines()[-1]

    assert last().startswith(f"look: sweep report '{folder}'   rows: {folder / 'runs.csv'}   why: sweep rescue '")
    assert call("report", folder).exit_code == 0
    assert last().startswith(f"look: {folder / 'report.html'}   rows: ")
    newer = (folder / "report.html").stat().st_mtime + 5
    os.utime(folder / "configurations.csv", (newer, newer))  # extended since: the page is of earlier tables
    assert last().startswith("look: sweep report ")


def test_the_failures_to_explain_are_those_of_the_best_that_is_unreliable(finished: Path, tmp_path: Path) -> None:
    def puzzling(**columns: Any) -> str | None:
        shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
        results = sweep.load(tmp_path)
        table = results.configurations.head(3).assign(n_runs=12, **columns)
        table["configuration"] = ["c1", "c2", "c3"]
        results.__dict__["configurations"] = pd.DataFrame(table)
        return summarise(results).puzzling

    verdicts = ["reliable", "unreliable", "unreliable"]
    assert puzzling(n_learned=[11, 4, 2], verdict=verdicts) == "c2"
    assert puzzling(n_learned=[12, 11, 10], verdict=["reliable"] * 3) == "c2"
    assert puzzling(n_learned=[12, 12, 12], verdict=["reliable"] * 3) is None


def test_what_a_configuration_does_not_have_is_none(tmp_path: Path) -> None:
    out = swept(tmp_path, "fixed: {epochs: 5, width: 2}\nvary: {samples: [null, 4], seed: 2}\n")
    ids = list(sweep.load(out).configurations["configuration"])
    texts = [shown(out)]
    for arguments in (["importance"], ["compare"]):
        result = call(*arguments, str(out), *(ids if arguments == ["compare"] else []))
        assert result.exit_code == 0, result.output
        texts.append(result.stdout)
    for text in texts:
        assert "none" in text and "None" not in text and "NA" not in text.replace("ANOVA", "")


@pytest.mark.parametrize(
    ("target", "answer", "named"),
    [
        (0.01, "By these 12 seeds it does.", "smallest shown reliable: c"),
        (0.999, "By these 12 seeds it does not.", "trained again: c"),
        (0.6, "That is inconclusive", ""),
    ],
)
def test_one_configuration_gets_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: float, answer: str, named: str
) -> None:
    text = f"fixed: {{epochs: 60, learning_rate: 0.05}}\nvary: {{seed: 12}}\nreliability: {{target: {target}}}"
    out = swept(tmp_path, text)
    lines = shown(out).splitlines()
    assert lines[1].startswith("Does this configuration reliably learn xor? (")
    assert lines[2].startswith(answer)
    assert any(line.startswith(named) for line in lines)


@pytest.mark.parametrize(
    ("seeds", "family", "said"),
    [
        ("12", "none", r"By these 12 seeds \d of 2 do(es)? \(false discovery rate [\d.]+%\), "),
        ("12", "fwer", r"By these 12 seeds \d of 2 do(es)? \(any false verdict: a chance of at most 5%\), "),
        ("{count: 8, up_to: 32}", "fdr", r"By up to 32 seeds \d of 2 do(es)? \(false discovery rate at most 5%\), "),
    ],
)
def test_the_answer_says_its_seeds_and_its_error(tmp_path: Path, seeds: str, family: str, said: str) -> None:
    text = (
        f"fixed: {{epochs: 100, learning_rate: 0.05}}\nvary: {{width: [2, 16], seed: {seeds}}}\n"
        f"reliability: {{target: 0.3, family: {family}}}\n"
    )
    lines = shown(swept(tmp_path, text, confirm=8)).splitlines()
    assert re.match(said, lines[2])
    other = "Another 12 seeds would call " if seeds == "12" else "Rates of those that stopped early are drawn"
    assert lines[3].startswith(other)
    page = call("report", tmp_path / "out")
    assert page.exit_code == 0 and other in (tmp_path / "out" / "report.html").read_text()


def test_show_and_plan_say_the_same_number_of_seeds(finished: Path) -> None:
    lines = shown(finished, "--top", "6", COLUMNS="60").splitlines()
    n_checked = 0
    for row in sweep.load(finished).configurations.itertuples():
        (line,) = [x for x in lines if x.startswith(f"{row.configuration[:6]} ")]
        if row.verdict != "inconclusive":
            assert line.split()[-1] == row.verdict
            continue
        planned = call("plan", "--rate", row.n_learned / row.n_runs, "--target", "0.2").stdout
        said = re.search(r"a fixed number: ([\d,]+) seeds", planned)
        assert line.endswith(f"inconclusive, ~{said[1]} seeds" if said else "inconclusive, too close")
        n_checked += 1
    assert n_checked


def test_an_inconclusive_best_is_none_for_so_many_seeds(tmp_path: Path) -> None:
    out = swept(tmp_path, "fixed: {epochs: 5}\nvary: {width: [2, 3], seed: 12}\n")
    assert "none is shown reliable by these 12 seeds; the best: c" in shown(out)


def test_rows_too_many_for_a_sentence_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "task: {name: parity, bits: 5}, width: 1, activation: sigmoid, epochs: 300, learning_rate: 0.01"
    out = swept(tmp_path, f"fixed: {{{settings}}}\nvary: {{seed: 4}}\n")
    assert (sweep.load(out).runs["outcome"] == "stuck").any()
    assert "(most often with 32 rows given one output)" in shown(out)
