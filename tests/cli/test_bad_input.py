"""Too little to go by: few seeds, one configuration, missing runs, none at all. Every command answers or refuses.

Warnings are errors in these tests, so no library's warning reaches a user either.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.faulty_engine import run_faulty
from support.folders import swept, written
from support.shell import call
from typer.testing import Result

import sweep
from sweep.networks.measurements import NetworkCohort

SIX = "fixed: {epochs: 20, learning_rate: 0.05}\nvary: {width: [2, 3, 4], seed: 6}\n"


def fail_one(cohort: NetworkCohort) -> None:
    if cohort.configuration.widths == (3,):
        raise MemoryError


def fail_all(cohort: NetworkCohort) -> None:
    raise MemoryError


def fail_some(cohort: NetworkCohort) -> None:
    if 2 in cohort.seeds and cohort.configuration.widths == (2,):
        raise MemoryError


def answer(*arguments: str | Path) -> Result:
    result = call(*arguments)
    assert "nan" not in result.stdout.lower(), result.stdout
    return result


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SIX, fail_one),
        (SIX, fail_some),
        (SIX, fail_all),
        (SIX.replace("seed: 6", "seed: 1"), None),
        (SIX.replace("[2, 3, 4]", "[4]"), None),
        (SIX.replace("epochs: 20", "epochs: 20, depth: 0"), None),  # one configuration after all, that never learns
        (SIX.replace("epochs: 20", "epochs: 300, task: and, activation: tanh"), None),  # all learned
    ],
    ids=["none of one", "one missing", "no run", "one seed", "one configuration", "none learned", "all learned"],
)
def test_every_command_answers_or_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: Callable[[NetworkCohort], None] | None
) -> None:
    if fault is None:
        folder = swept(tmp_path, text)
    else:
        folder = run_faulty(written(tmp_path, text), tmp_path / "out", fault, monkeypatch).folder.path
    table = sweep.load(folder).configurations
    ids = list(table["configuration"])
    shown = answer("show", folder)
    assert shown.exit_code == 0 and all(i[:6] in shown.stdout for i in ids)
    assert answer("show", folder, "--json").exit_code == 0
    assert answer("report", folder).exit_code == 0
    page = (folder / "report.html").read_text()
    assert "NaN" not in page.partition('id="data">')[2].partition("</script>")[0]
    importance = answer("importance", folder)
    assert importance.exit_code == (0 if len(ids) > 1 else 2)
    compared = answer("compare", folder, ids[0], ids[-1])
    assert compared.exit_code == (0 if len(ids) > 1 else 2)
    for result in (importance, compared):
        assert result.exit_code == 0 or "allowed: " in result.stderr
    n_missing = int(table["n_missing"].sum())
    assert f"{n_missing} " in answer("verify", folder, "--sample", "1").stdout + f"{n_missing} "
    if fault is fail_all:
        assert "no run was trained" in shown.stdout and importance.stdout.count("0.000-1.000") == 3
