"""The findings: the page belongs to the committed digests, and the digests to the experiments."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import findings
import findings_choices as choices
import findings_figures as figures
import findings_sections as sections
import numpy as np
import pandas as pd
import pytest

import sweep

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "findings.md"

# those that take seconds; the others take minutes, and `make experiments` compares all of them
QUICK = (
    *("answer", "adders", "batch_and_dropout", "depth", "gates", "initializer", "optimizer", "width", "parity"),
    *("start", "head", "encoding"),
)


def known() -> Mapping[str, str]:
    """The committed digests by file."""
    lines = findings.DIGESTS.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_every_experiment_has_its_section_and_its_digests() -> None:
    names = {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
    assert set(findings.SECTIONS) == names
    wanted = {f"experiments/{n}.yaml" for n in names}
    wanted |= {f"results/{n}/{table}.csv" for n in names for table in ("runs", "configurations")}
    assert set(known()) == wanted


def test_the_page_is_that_of_the_digests() -> None:
    text = PAGE.read_text()
    shown = re.findall(r"^    ([0-9a-f]{64}  \S+)$", text, flags=re.MULTILINE)
    assert shown == findings.DIGESTS.read_text().splitlines()
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE)[1:-1] == [t for t, _ in findings.SECTIONS.values()]


def test_the_experiments_are_those_of_the_page() -> None:
    for name in findings.SECTIONS:
        content = (ROOT / "experiments" / f"{name}.yaml").read_bytes()
        assert hashlib.sha256(content).hexdigest() == known()[f"experiments/{name}.yaml"], f"{name}: make experiments"
        assert findings.purpose(name) in PAGE.read_text()


def test_the_figures_are_there_and_small() -> None:
    images = sections.IMAGES
    shown = set(re.findall(r"\(images/([\w-]+\.svg)\)", PAGE.read_text()))
    assert shown == {path.name for path in images.glob("findings-*.svg")} and len(shown) >= 6
    assert sum(path.stat().st_size for path in images.glob("findings-*.svg")) < 250_000


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_an_experiment_gives_its_digests_again(name: str, tmp_path: Path) -> None:
    results = sweep.run(ROOT / "experiments" / f"{name}.yaml", tmp_path / name)
    lines = findings.digests({name: results}).splitlines()
    assert lines == [f"{known()[place]}  {place}" for place in (line.split("  ")[1] for line in lines)]
    if name in ("adders", "batch_and_dropout", "gates", "initializer", "head", "encoding"):  # sections without a figure
        _, describe = findings.SECTIONS[name]
        assert describe(results) in PAGE.read_text()


def test_the_printed_results_have_the_losses_that_they_had() -> None:
    assert sections.cross_entropy(sections.ANSWERED) == pytest.approx(0.1294, abs=1e-4)
    floor = (2 / 3 * np.log(3 / 2) + 1 / 3 * np.log(3)) * 3 / 4
    assert sections.cross_entropy((2 / 3, 2 / 3, 2 / 3, 1e-12)) == pytest.approx(floor)
    assert floor < sections.cross_entropy(sections.PRINTED) < floor + 0.002


@pytest.mark.parametrize(("width", "ceiling"), [(2, 0.5625), (3, 0.84375), (4, 0.94921875)])
def test_ceilings(width: int, ceiling: float) -> None:
    assert sections.ceiling(width) == ceiling


def test_born_dead_is_a_quarter_to_the_width() -> None:
    dead = sections.born_dead(2, 1, 2000)
    assert dead.shape == (2000,) and dead.mean() == pytest.approx(1 / 16, abs=0.02)
    assert (sections.born_dead(2, 1, 1500) == dead[:1500]).all()


def test_studies_are_cut_from_the_seeds_in_order() -> None:
    learned = np.array([True, True, False, False, False, False, True])
    records = figures.summarise_studies(learned, [3])
    assert [(r["rate"], r["share"]) for r in records] == [(0, 0.5), (1 / 3, 0), (2 / 3, 0.5), (1, 0)]


def test_rates_by_two_hyperparameters() -> None:
    runs = pd.DataFrame({"width": [2, 2, 4, 4], "task": "xor", "learned": [True, False, True, True]})
    found = figures.summarise_rates(runs, x="width", line="task")
    assert [(r["x"], r["line"], r["rate"]) for r in found] == [(2, "xor", 0.5), (4, "xor", 1.0)]
    assert all(r["low"] <= r["rate"] <= r["high"] for r in found)


def choice(learned: list[list[bool]]) -> pd.DataFrame:
    """Whether each seed, down, learned in each cell, across."""
    return pd.DataFrame(learned, columns=list(range(len(learned[0]))))


def test_what_is_averaged_over_cells_has_its_error_from_the_seeds() -> None:
    """Cells that go up and down together tell no more than one of them: the interval is as wide."""
    first, second = [[i % 3 > 0] for i in range(60)], [[i % 2 > 0] for i in range(60)]
    one = choices.averaged(choice(first), choice(second))
    nine = choices.averaged(choice([9 * row for row in first]), choice([9 * row for row in second]))
    assert one.value == pytest.approx(2 / 3 - 1 / 2) and one.low < 0 < one.high
    assert (nine.low, nine.high) == pytest.approx((one.low, one.high))


def test_cells_are_told_apart_each_for_itself() -> None:
    first = choice([[True, False, i % 2 > 0] for i in range(40)])
    second = choice([[False, True, i % 2 > 0] for i in range(40)])
    assert choices.told_apart(first, second) == {"helps": 1, "harms": 1, "not shown to matter": 1}


def test_a_histogram_of_losses_counts_all_that_fit() -> None:
    bins = figures.summarise_losses(np.array([0.0, 0.1294, 0.4774, 0.6931]))
    assert sum(b["share"] for b in bins) == pytest.approx(1)
    assert [b["share"] for b in bins if b["low"] <= 0.4774 < b["high"]] == [0.25]


def test_missing_results_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(findings, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        findings.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "results/question: no results folder" in said and "make experiments" in said
