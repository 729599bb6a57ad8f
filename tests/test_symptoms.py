"""The page of symptoms: each command prints what the page shows, and what is said is of its runs."""

import shlex
from typing import get_args

import pytest
import symptoms
from asked_questions import Symptom
from support.shell import call

TEXT = symptoms.PAGE.read_text()
NAMES: tuple[Symptom, ...] = get_args(Symptom)


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_a_symptom_print_what_the_page_shows(name: Symptom) -> None:
    s = symptoms.shown[name]
    for arguments in (s.typed, s.beside, s.mended):
        if not arguments:
            continue
        block = symptoms.block(arguments)
        assert block in TEXT, name
        line, *shown = block.splitlines()[1:-1]
        typed = call(*shlex.split(line.removeprefix("$ sweep ")), COLUMNS="120")
        assert typed.exit_code == (2 if shown[0].startswith("targets=") else 0), typed.output
        assert "\n".join(shown) in typed.output, typed.output


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_a_symptom_is_of_its_runs(name: Symptom) -> None:
    assert symptoms.section(name, symptoms.shown[name]) in TEXT, "python experiments/findings.py --stored"


def test_a_change_helps_where_the_page_says_so() -> None:
    for s in symptoms.shown.values():
        if "targets=binary" not in s.typed:
            before, after = symptoms.runs_of(s.typed), symptoms.runs_of(s.mended)
            assert s.seen(before).sum() > s.seen(after).sum()
            assert after["learned"].sum() > before["learned"].sum() + len(before) / 4


def test_every_symptom_has_its_picture() -> None:
    assert set(symptoms.shown) == set(NAMES)
    names = {f"symptoms-{symptoms.anchor(name)}.svg" for name in NAMES}
    assert names == {path.name for path in symptoms.IMAGES.glob("symptoms-*.svg")}
    assert all(f"(images/{name})" in TEXT for name in names)
    assert sum((symptoms.IMAGES / name).stat().st_size for name in names) < 300_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn_again(name: Symptom) -> None:
    path = symptoms.IMAGES / f"symptoms-{symptoms.anchor(name)}.svg"
    assert symptoms.draw(name) == path.read_text()
