"""docs/keras-models.md: its three models give the shown rates again, and those of plain `fit`, by tests fixed before.

Counts of learned seeds are held against each other by Fisher's exact test at 0.1%: other versions and processors round
otherwise, and `fit` draws other numbers. All are slow.
"""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import fisher_exact

import sweep

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = ("batch_normalization_on_xor", "lstm_on_parity", "cnn_on_digits")
LEVEL = 0.001


def shown(name: str) -> str:
    """What the page shows of an example."""
    page = (DOCS / "keras-models.md").read_text()
    return page.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]


def counts(text: str, columns: list[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Learned and all seeds by setting, of the table that an example prints first."""
    table = re.search(
        r"^ *" + r" +".join(columns) + r" .*\n((?:.*(?:reliable|inconclusive)\n)+)", text, flags=re.MULTILINE
    )
    assert table is not None, text
    rows = [line.split() for line in table[1].splitlines()]
    n = len(columns)
    return {tuple(row[:n]): (int(row[n]), int(row[n + 1])) for row in rows}


def is_alike(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two counts of learned seeds may be of one rate."""
    sides = [[learned, n - learned] for learned, n in (first, second)]
    tested: Any = fisher_exact(sides)
    return tested.pvalue > LEVEL


SETTINGS: dict[str, list[str]] = dict(zip(EXAMPLES, (["normalize", "batch_size"], ["units"], ["rate"]), strict=True))


def test_the_page_shows_rates_of_each_example() -> None:
    for name, columns in SETTINGS.items():
        assert len(counts(shown(name), columns)) == {"batch_normalization_on_xor": 4, "lstm_on_parity": 3}.get(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_give_what_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DOCS / "examples" / f"{name}.py"), run_name="__main__")
    page, now = counts(shown(name), SETTINGS[name]), counts(capsys.readouterr().out, SETTINGS[name])
    assert page.keys() == now.keys()
    assert all(is_alike(page[setting], now[setting]) for setting in page), (page, now)


# what is trained both ways, with what rate is neither 0 nor 1; 64 seeds at once, 24 by `fit`
BOTH: dict[str, dict[str, Any]] = {
    "batch_normalization_on_xor": {"vary": {"normalize": [True]}, "epochs": 100, "batch_size": 4},
    "lstm_on_parity": {"vary": {"units": [4]}, "epochs": 150, "batch_size": 4},
    "cnn_on_digits": {"vary": {"rate": [0.003]}, "epochs": 8, "success": "test_accuracy >= 0.9", "test": 0.25},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_rates_agree_with_those_of_fit(name: str, tmp_path: Path) -> None:
    example = runpy.run_path(str(DOCS / "examples" / f"{name}.py"), run_name="example")
    data = example["pictures"](400) if name == "cnn_on_digits" else (example["x"], example["y"])
    found: list[tuple[int, int]] = []
    for engine, seeds in (("stacked", 64), ("fit", 24)):
        options: dict[str, Any] = BOTH[name] | {
            "engine": engine,
            "seeds": seeds,
            "out": tmp_path / engine,
            "quiet": True,
        }
        results: Any = sweep.train(build=example["build"], data=data, **options)
        runs = results.runs
        found.append((int(runs["learned"].sum()), len(runs)))
    assert is_alike(*found), found
