"""The tutorial: its commands, typed in an empty folder, print what it shows; its example runs."""

import runpy
from pathlib import Path

import pytest
import retype

import sweep

DOCS = Path(__file__).parent.parent / "docs"
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, in saving


# what the answers must contain, however they are laid out
NUMBERS = ("5/64", "0.034-0.170", "106", "46% dead", "46% stuck", "8% unconverged")
LINES = (
    *("  width: 2", "  depth: 3", "  loss: binary_crossentropy", "trained again by", "stuck: at rest", "  layer 1:"),
    *("xor: 2-2-2", "one change", "width 2 -> 4 ", "relu -> tanh", "epochs 1000", "other weights", "It was"),
    *("Cheapest change", "  998 of 1,024", "model.compile(", "xor: 4-4-4", "learned by", "likely rescue:"),
)


def test_the_tutorial_shows_what_its_commands_print(tmp_path: Path) -> None:
    page = retype.PAGE.read_text()
    typed = [line.split()[2] for line in page.splitlines() if line.startswith("$ sweep")]
    assert typed[:4] == ["import", "run", "replay", "rescue"]
    again = retype.retyped(page, tmp_path)
    for number in NUMBERS:
        assert number in page and number in again, number
    for start in LINES:  # where one differs: python docs/retype.py
        now = [line for line in again.splitlines() if line.startswith(start)]
        assert now == [line for line in page.splitlines() if line.startswith(start)] != [], start


def test_the_example_says_how_reliable_the_network_is(capsys: pytest.CaptureFixture[str]) -> None:
    path = DOCS / "examples" / "reliability_of_my_network.py"
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    runs = sweep.train({"width": 2, "depth": 3}, seeds=1000)
    assert printed.startswith(f"{runs['learned'].mean():.1%} of 1,000 seeds learn; they end so:\n")
    for outcome, n in runs["outcome"].value_counts().items():
        assert f"\n{outcome} " in printed and f" {n}\n" in printed
    failing = runs["seed"][~runs["learned"]]
    mended = sweep.train({"width": 4, "depth": 3, "activation": "leaky_relu"}, seeds=failing)["learned"].mean()
    assert f"{{'width': 4, 'activation': 'leaky_relu'}}: {mended:.1%} of the failing seeds learn" in printed
