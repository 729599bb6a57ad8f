"""Configurations below the smallest that is shown reliable: the inconclusive ones, and fresh seeds that settle them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support.folders import contents, swept
from support.shell import call

import sweep
from sweep.commands.settle import settle
from sweep.commands.verify import verify
from sweep.experiment.seeds import SeedBlock
from sweep.results.results import Results
from sweep.runs.cohort import Seeds
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs
from sweep.search.allocation import Allocation
from sweep.statistics.verdicts import Target

TEXT = """
fixed: {epochs: 60, learning_rate: 0.05}
vary: {width: [2, 3, 4, 6, 8, 16], seed: 24}
reliability: {target: 0.5}
"""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return sweep.load(swept(tmp_path_factory.mktemp("settled"), TEXT, settle="smaller", confirm=64))


def test_smaller_ones_that_are_inconclusive_get_fresh_seeds_and_the_tables_stay(
    tmp_path: Path, settled: Results
) -> None:
    plain = sweep.load(swept(tmp_path, TEXT, confirm=64))
    assert contents(plain.folder.path) == contents(settled.folder.path)
    assert plain.manifest.settled == () and "settled" not in json.loads(plain.folder.manifest.read_text())
    table = settled.configurations.set_index("configuration")
    confirmation = settled.manifest.confirmation
    assert confirmation is not None
    named = table.loc[confirmation.configuration]
    assert [table.loc[c.configuration, "width"] for c in settled.manifest.settled] == [3, 4, 6]
    assert {table.loc[c.configuration, "verdict"] for c in settled.manifest.settled} == {"inconclusive"}
    assert (named["width"], named["verdict"]) == (8, "reliable")
    for own in settled.manifest.settled:
        settings = {"width": int(table.loc[own.configuration, "width"]), "epochs": 60, "learning_rate": 0.05}
        runs = sweep.train(settings, range(24, 24 + own.n_runs))
        assert runs["learned"].sum() == own.n_learned and (own.first_seed, own.ci_method) == (24, "beta-binomial")
    assert {c.verdict for c in settled.manifest.settled} == {"reliable", "unreliable", "inconclusive"}


def test_the_answer_says_what_is_inconclusive_and_the_command_does_it(tmp_path: Path, settled: Results) -> None:
    out = swept(tmp_path, TEXT, confirm=64)
    before = call("show", out).stdout
    command = f"sweep run {out}/experiment.yaml --out {out} --settle smaller"
    assert "By these 24 seeds 2 of 6 do (false discovery rate 0.3%), 1 does not, 3 are inconclusive." in before
    assert f"3 smaller ones are inconclusive: {command}\n" in before
    assert call(*command.split()[1:], "--quiet").exit_code == 0
    again = sweep.load(out)
    assert again.manifest.settled == settled.manifest.settled
    said = call("show", out).stdout
    assert (
        "3 smaller ones are inconclusive; by fresh seeds, up to 1,024: 1 reliable, 1 unreliable, 1 inconclusive" in said
    )
    assert f"the smallest of them: {settled.manifest.settled[2].configuration[:6]}; " in said
    written = again.folder.manifest.read_bytes()
    sweep.run(tmp_path / "e.yaml", out, confirm=1024)  # nothing to do: what was settled stays
    assert again.folder.manifest.read_bytes() == written


def test_what_was_settled_is_verified(tmp_path: Path, settled: Results) -> None:
    out = Path(shutil.copytree(settled.folder.path, tmp_path / "out"))
    assert verify(out, 3).findings == ()
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["settled"][0]["n_learned"] += 1
    manifest["settled"][1]["verdict"] = "reliable"
    (out / "manifest.json").write_text(json.dumps(manifest))
    found = verify(out, 3).findings
    assert len(found) == 2 and "n_learned: found" in found[0] and "verdict: found reliable" in found[1]


def test_a_block_that_breaks_ends_and_the_others_go_on() -> None:
    seeds = SeedBlock(first=7).fresh(64)
    asked: list[dict[str, int]] = []

    def train(wanted: Mapping[str, Seeds], n_expected: int) -> dict[str, Runs]:
        asked.append({identity: len(own) for identity, own in wanted.items()})
        code = outcomes.index("learned")
        return {i: Runs(own, np.full(len(own), code, np.int8)) for i, own in wanted.items() if i != "broken"}

    found = settle(["good", "broken"], seeds, Allocation(SeedBlock(), Target(0.5), 9), train)
    assert asked[0] == {"good": 16, "broken": 16}
    assert [(f.verdict, f.n_runs) for f in found] == [("reliable", 16), ("inconclusive", 0)]
    assert settle([], seeds, Allocation(SeedBlock(), Target(0.5), 9), train) == ()


def test_what_cannot_be_settled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(TEXT)
    refused = call("run", tmp_path / "e.yaml", "--out", tmp_path / "out", "--settle", "all")
    assert refused.exit_code == 2 and "allowed: smaller" in refused.stderr
