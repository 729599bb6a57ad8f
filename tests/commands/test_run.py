"""A sweep as a whole: the same tables whatever interrupted it, what may grow, what is refused."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.folders import TABLES, Stopped, contents, listing, stop_after, swept, written
from support.shell import call

import sweep
from sweep.commands import run as run_command
from sweep.commands.check import plan
from sweep.commands.run import Progress
from sweep.experiment.file import parse
from sweep.experiment.subjects import kinds
from sweep.networks.configuration import Configuration
from sweep.networks.settings import resolve
from sweep.report.terminal.progress import describe_plan
from sweep.results import resume, stored
from sweep.results.files import ResultsError, write_atomically
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.runs.errors import SettingError
from sweep.search.study import Search
from sweep.statistics.intervals import wilson
from sweep.statistics.seeds import bar_of
from sweep.statistics.verdicts import Target
from sweep.training import choice, engine
from sweep.training.trainer import TrainerName

GRID = """
fixed: {epochs: 40, learning_rate: 0.05}
vary:
  width: [2, 4]
  depth: [0, 1, 2]
  optimizer: [adam, {name: sgd, momentum: 0.9}]
  seed: 6
study: {trials_per_round: 4}
reliability: {target: 0.2}
"""
# 6 widths x 2 rates, so that samplers repeat themselves
SAMPLED = """
fixed: {epochs: 30, batch_size: 2}
vary:
  width: {low: 2, high: 7, step: 1}
  learning_rate: [0.03, 0.1]
  seed: {first: 3, count: 4}
study: {sampler: SAMPLER, trials: 24, trials_per_round: 8, seed: 5}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(swept(tmp_path_factory.mktemp("whole"), GRID))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("n_calls", [0, 1, 3, 6, 9, 12, 13])
def test_stopped_by_its_observer_and_run_again(
    tmp_path: Path, whole: dict[str, bytes], n_calls: int, workers: int
) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(path, out, workers=workers, observe=stop_after(n_calls))
    with pytest.raises(ResultsError, match="unfinished"):
        sweep.load(out)
    sweep.run(path, out, workers=3 - workers)
    assert contents(out) == whole
    assert not Folder(out).parts.exists()


PATCHES: dict[str, tuple[Any, str]] = {
    "part": (Folder, "write_part"),
    "examples": (Folder, "write_examples"),
    "manifest": (Folder, "write_manifest"),
    "removal": (Folder, "remove_parts"),
    "tell": (Search, "tell"),
    "ask": (Search, "ask"),
    "suggestion": (Search, "_suggest"),
}


@pytest.mark.parametrize(
    ("patched", "n_calls", "is_after"),
    [
        ("part", 0, False),
        ("part", 0, True),
        ("part", 1, False),
        ("part", 2, True),
        ("tell", 0, False),
        ("tell", 2, True),
        ("tell", 7, False),
        ("suggestion", 6, False),
        ("suggestion", 6, True),
        ("ask", 1, True),
        ("examples", 0, False),
        ("examples", 0, True),
        ("manifest", 0, False),
        ("manifest", 0, True),
        ("removal", 0, False),
    ],
)
def test_stopped_at_any_step(
    tmp_path: Path,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    patched: str,
    n_calls: int,
    is_after: bool,
) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    owner, name = PATCHES[patched]
    original: Callable[..., Any] = getattr(owner, name)
    left = [n_calls]

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            return original(*args, **kwargs)
        if is_after:
            original(*args, **kwargs)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(Stopped):
            sweep.run(path, out)
    with pytest.raises(ResultsError):
        sweep.load(out)
    results = sweep.run(path, out)
    assert contents(out) == whole
    assert results.manifest.files == Folder(out).digests()


def test_rows_are_durable_before_the_study_hears_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    original = Search.tell
    told: list[int] = []

    def tell(self: Search, suggestion: Any, result: Any) -> None:
        runs, _ = Folder(out).read_parts("native on cpu")
        assert parse(GRID).configuration(suggestion.point).id in runs
        told.append(suggestion.index)
        original(self, suggestion, result)

    monkeypatch.setattr(Search, "tell", tell)
    sweep.run(path, out)
    assert told == list(range(12))


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_samplers_go_on_as_if_never_stopped(tmp_path: Path, sampler: str) -> None:
    path = written(tmp_path, SAMPLED.replace("SAMPLER", sampler))
    sweep.run(path, tmp_path / "whole")
    draw = random.Random(sampler)
    for i in range(3):
        with pytest.raises(Stopped):
            sweep.run(path, tmp_path / f"{i}", observe=stop_after(draw.randrange(3, 9)))
        sweep.run(path, tmp_path / f"{i}", workers=1)
        assert contents(tmp_path / f"{i}") == contents(tmp_path / "whole")


KILLED = """
import sys
import sweep
print("begins", flush=True)
sweep.run(sys.argv[1], sys.argv[2], workers=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_and_run_again(tmp_path: Path) -> None:
    text = GRID.replace("epochs: 40", "epochs: 600").replace("seed: 6", "seed: 40").replace("round: 4", "round: 1")
    path = written(tmp_path, text)
    sweep.run(path, tmp_path / "whole")
    draw = random.Random(1)
    n_killed = 0
    for i in range(3):
        out = tmp_path / f"{i}"
        for _ in range(2):
            process = subprocess.Popen([sys.executable, "-c", KILLED, path, out], stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            wanted = draw.randrange(1, 8)
            while process.poll() is None and len(list(Folder(out).parts.glob("*.npz"))) < wanted:
                time.sleep(0.001)
            time.sleep(draw.random() * 0.05)
            process.kill()
            n_killed += process.wait() == -signal.SIGKILL
            process.stdout.close()
        sweep.run(path, out)
        assert contents(out) == contents(tmp_path / "whole")
    assert n_killed


def test_a_larger_count_trains_the_missing_seeds_only(tmp_path: Path) -> None:
    sizes: list[int] = []
    larger = GRID.replace("seed: 6", "seed: 9")
    swept(tmp_path, larger, "at once")
    swept(tmp_path, GRID, "grown")
    grown = written(tmp_path, larger)
    sweep.run(grown, tmp_path / "grown", observe=lambda p: sizes.append(p.n_done) if p.stage == "train" else None)
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")
    n_configurations = 2 + 2 * 2 * 2
    parts_of_three = [b - a for a, b in zip(sizes, sizes[1:], strict=False) if b - a == 3]
    assert len(parts_of_three) == n_configurations
    assert Folder(tmp_path / "grown").experiment.read_text() == larger


@pytest.mark.parametrize("n_calls", [0, 2, 5, 10, 12])
def test_growing_can_be_interrupted(tmp_path: Path, n_calls: int) -> None:
    larger = GRID.replace("seed: 6", "seed: 9")
    swept(tmp_path, larger, "at once")
    with pytest.raises(Stopped):
        swept(tmp_path, GRID, "grown", observe=stop_after(7))
    if n_calls:
        swept(tmp_path, GRID, "grown")
    with pytest.raises(Stopped):
        swept(tmp_path, larger, "grown", observe=stop_after(n_calls))
    with pytest.raises(ResultsError, match="unfinished"):
        sweep.load(tmp_path / "grown")
    swept(tmp_path, larger, "grown")
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


def test_more_of_a_grid(tmp_path: Path) -> None:
    part = GRID.replace("{trials_per_round: 4}", "{trials_per_round: 4, trials: 6}")
    swept(tmp_path, GRID, "at once")
    assert set(sweep.load(swept(tmp_path, part, "grown")).runs["trial"]) <= set(range(6))
    with pytest.raises(Stopped):
        swept(tmp_path, GRID, "grown", observe=stop_after(3))
    swept(tmp_path, GRID, "grown")
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
@pytest.mark.parametrize("first", [13, 16])
def test_more_trials_of_a_sampler(tmp_path: Path, sampler: str, first: int) -> None:
    text = SAMPLED.replace("SAMPLER", sampler)
    swept(tmp_path, text, "at once")
    swept(tmp_path, text.replace("trials: 24", f"trials: {first}"), "grown")
    with pytest.raises(Stopped):
        swept(tmp_path, text, "grown", observe=stop_after(2))
    swept(tmp_path, text, "grown")
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_larger_count_of_a_sampler(tmp_path: Path, sampler: str) -> None:
    text = SAMPLED.replace("SAMPLER", sampler)
    larger = text.replace("count: 4", "count: 6")
    swept(tmp_path, larger, "at once")
    swept(tmp_path, text, "grown")
    swept(tmp_path, larger, "grown")
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


def test_no_block_is_lost_when_a_half_round_grows(tmp_path: Path) -> None:
    text = SAMPLED.replace("SAMPLER", "random")
    swept(tmp_path, text, "at once")
    with pytest.raises(Stopped):  # while it confirms: every round is stored, nothing is finished
        swept(tmp_path, text.replace("24", "3"), "grown", observe=stop_confirming)
    stored, _ = Folder(tmp_path / "grown").read_parts("native on cpu")
    with pytest.raises(Stopped):
        swept(tmp_path, text, "grown", observe=stop_confirming)
    kept, _ = Folder(tmp_path / "grown").read_parts("native on cpu")
    assert set(stored) < set(kept)
    swept(tmp_path, text, "grown")
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


def stop_confirming(progress: Progress) -> None:
    if progress.stage == "confirm":
        raise Stopped


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 40", "epochs: 41", "fixed.epochs: there 40, here 41"),
        ("[2, 4]", "[2, 3]", "vary.width"),
        ("seed: 6", "seed: 5", "can grow, not shrink"),
        ("seed: 6", "seed: {first: 1, count: 6}", "seeds.first: there 0, here 1"),
        ("seed: 6", "seed: [0, 1, 2, 3, 4, 5]", "seeds.listed"),
        ("round: 4", "round: 5", "study.trials_per_round: there 4, here 5"),
        ("target: 0.2", "target: 0.3", "reliability.target: there 0.2, here 0.3"),
        ("  width: [2, 4]\n  depth: [0, 1, 2]\n", "  depth: [0, 1, 2]\n  width: [2, 4]\n", "the order of vary"),
    ],
)
def test_another_experiment_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GRID
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(written(tmp_path, GRID), out, observe=stop_after(1))
    before = listing(out)
    with pytest.raises(ResultsError, match="holds another experiment") as caught:
        sweep.run(written(tmp_path, GRID.replace(old, new)), out)
    assert message in str(caught.value)
    assert listing(out) == before


def test_what_the_folder_holds_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "fixed: {epochs: 5}\nvary: {width: [2, 4], seed: 40}\n"
    path, out = written(tmp_path, text), Path("results") / "e"
    with pytest.raises(Stopped):
        sweep.run(path, out, observe=stop_after(1))
    assert "= 80 networks; " in call("check", path).stdout
    sweep.run(path, out)
    said = call("run", path).stderr.splitlines()
    assert said[0] == "e: 2 configurations x 40 seeds = 80 networks, all there already; native engine"
    written(tmp_path, text.replace("40", "50"))
    assert "= 100 networks, 80 there already; native engine" in call("check", path).stdout

    def stop_at_fresh_seeds(progress: Progress) -> None:
        if progress.stage == "confirm" and progress.n_done:
            raise Stopped

    with pytest.raises(Stopped):  # 20 new ones are in blocks, and none of the fresh seeds counts
        sweep.run(path, out, observe=stop_at_fresh_seeds)
    assert Folder(out).n_stored() == 100
    written(tmp_path, text.replace("5}", "6}"))
    refusal = "results/e: holds another experiment\n  fixed.epochs: there 5, here 6\n"
    assert f"sweep run would refuse: {refusal}" in call("check", path).stdout
    refused = call("run", path)
    assert refused.exit_code == 2 and refused.stderr.startswith(refusal)
    assert "80 networks; " in call("run", path, "--fresh").stderr


def test_the_estimate_counts_fresh_seeds_and_what_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, "vary: {width: [2, 4], seed: 50}\n")
    whole, without = plan(path, workers=1, confirm=1000), plan(path, workers=1, confirm=0)
    assert without.core_seconds == whole.core_seconds
    fresh = whole.core_seconds * 1000 / 100
    assert whole.seconds - without.seconds == pytest.approx(fresh)
    assert whole.seconds_beyond(75) == pytest.approx(fresh + without.seconds / 4)
    assert whole.seconds_beyond(100) == pytest.approx(fresh)


class RenamedEngine:
    def __init__(self, engine: engine.Engine, name: str, device: str) -> None:
        self._engine, self.name, self.device = engine, name, device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@pytest.mark.parametrize("is_finished", [False, True])
@pytest.mark.parametrize(("name", "device"), [("keras", "cpu"), ("native", "gpu")])
def test_another_engine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_finished: bool, name: str, device: str
) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    if is_finished:
        sweep.run(path, out)
    else:
        with pytest.raises(Stopped):
            sweep.run(path, out, observe=stop_after(6))
    before = listing(out)
    renamed = RenamedEngine(choice.choose("native", "cpu", []), name, device)
    monkeypatch.setattr(choice, "choose", lambda *_: renamed)
    with pytest.raises(ResultsError, match=f"by the engine native on cpu, now asked for: {name} on {device}"):
        sweep.run(path, out)
    assert listing(out) == before


def test_fresh_moves_the_folder_aside(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    before = listing(out)
    changed = written(tmp_path, GRID.replace("epochs: 40", "epochs: 41"))
    for n in (1, 2):
        sweep.run(changed, out, fresh=True)
        assert (tmp_path / f"out.old-{n}").is_dir()
    assert listing(tmp_path / "out.old-1") == before
    assert set(sweep.load(out).runs["epochs"]) == {41}


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".experiment.yaml.123.tmp").touch()  # a sweep killed at its first write left this
    sweep.run(written(tmp_path, GRID), out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear")
    with pytest.raises(ResultsError, match="holds other files"):
        swept(tmp_path, GRID, "mine")


def test_a_finished_sweep_run_again_changes_nothing(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    before = listing(out)
    sweep.run(path, out)
    # the same values in another text
    sweep.run(
        written(tmp_path, "# a comment\n" + GRID.replace("name: sgd, momentum: 0.9", "momentum: 0.9, name: sgd")), out
    )
    assert listing(out) == before


def test_key_order_inside_a_choice_does_not_matter_to_an_unfinished_study(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        sweep.run(written(tmp_path, GRID), out, observe=stop_after(6))
    swapped = GRID.replace("name: sgd, momentum: 0.9", "momentum: 0.9, name: sgd")
    assert len(sweep.run(written(tmp_path, swapped), out).configurations) == 10


def test_the_experiment_is_kept_verbatim(tmp_path: Path) -> None:
    path, out = tmp_path / "e.yaml", tmp_path / "out"
    path.write_bytes(b"\xef\xbb\xbf" + GRID.replace("\n", "\r\n").encode() + "# é".encode())
    sweep.run(path, out)
    assert Folder(out).experiment.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "name", ["configurations.csv", "configurations.jsonl", "runs.csv", "manifest.json", "study.journal", "examples.npz"]
)
def test_a_lost_file_is_made_again(tmp_path: Path, whole: dict[str, bytes], name: str) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    (out / name).unlink()
    results = sweep.run(path, out)
    lost = {"examples.npz"} if name == "examples.npz" else set[str]()
    assert {k: v for k, v in contents(out, TABLES[:2]).items() if k not in lost} == {k: whole[k] for k in TABLES[:2]}
    assert name in ("examples.npz",) or results.manifest.files == Folder(out).digests()


def test_a_table_of_an_earlier_version_is_written_anew(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    before = sweep.run(path, out)
    table = pd.read_csv(out / "configurations.csv", dtype=str, keep_default_na=False)
    table.drop(columns=["p_reliable", "p_unreliable"]).to_csv(out / "configurations.csv", index=False)
    manifest = replace(before.manifest, files=Folder(out).digests())
    (out / "manifest.json").write_text(manifest.to_json())
    trained: list[Progress] = []
    results = sweep.run(path, out, observe=trained.append)
    assert not trained and results.manifest.files == Folder(out).digests()
    assert contents(out, TABLES[:2]) == {k: whole[k] for k in TABLES[:2]}


def test_changed_rows_are_not_built_upon(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    sweep.run(path, out)
    runs = Folder(out).runs
    runs.write_text(runs.read_text().replace("False", "True", 1))
    with pytest.raises(ResultsError, match="was changed since the sweep wrote it"):
        sweep.run(path, out)


def test_repeated_suggestions_are_told_and_counted(tmp_path: Path) -> None:
    results = sweep.load(swept(tmp_path, GRID))
    linear = results.configurations[results.configurations["depth"] == 0]
    assert len(linear) == 2  # one for each optimizer, not for each width
    assert set(linear["n_learned"]) == {0}
    assert set(linear["width"]) == {0}
    assert results.manifest.configurations == 10
    assert results.manifest.repeated_suggestions == 2
    assert results.manifest.runs_planned == len(results.runs) == 60
    assert results.manifest.runs_missing == 0
    study = opened(results, GRID)
    suggestions = [s for indices in study.rounds() for s in study.ask(indices)]
    assert [s.is_told for s in suggestions] == [True] * 12


def opened(results: Results, text: str) -> Search:
    experiment = parse(text)
    name = resume.study_name(experiment, TrainerName("native", "cpu"))
    return Search(experiment, results.folder.journal, name)


def test_a_sampler_that_repeats_itself(tmp_path: Path) -> None:
    results = sweep.load(swept(tmp_path, SAMPLED.replace("SAMPLER", "random")))
    n = len(results.configurations)
    assert n <= 12
    assert results.manifest.repeated_suggestions == 24 - n
    assert len(results.runs) == 4 * n
    assert sorted(set(results.runs["trial"])) == sorted(results.configurations["trial"])


def test_as_many_fresh_seeds_confirm_as_are_asked_for(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    first = sweep.run(path, out, confirm=8).manifest.confirmation
    stages: list[str] = []
    again = sweep.run(path, out, confirm=20, observe=lambda progress: stages.append(progress.stage))
    assert set(stages) == {"confirm"}
    second = again.manifest.confirmation
    assert first is not None and second is not None
    assert (first.n_runs, second.n_runs, first.configuration) == (8, 20, second.configuration)
    assert first.n_learned <= second.n_learned
    assert sweep.run(path, out, confirm=0).manifest.confirmation is None
    assert plan(path, engine="keras").n_confirmation == 6  # one network at a time: no more than seeds
    with pytest.raises(SettingError, match="confirm: found -1; allowed: a number of seeds"):
        sweep.run(path, out, confirm=-1)


def test_the_confirmation_uses_fresh_seeds(tmp_path: Path) -> None:
    text = GRID.replace("seed: 6", "seed: {first: 4294967200, count: 6}")
    results = sweep.load(swept(tmp_path, text))
    confirmation = results.manifest.confirmation
    assert confirmation is not None
    assert confirmation.first_seed == 4294967206
    assert confirmation.n_runs == 1024
    row = results.configurations.set_index("configuration").loc[confirmation.configuration]
    if (results.configurations["verdict"] == "reliable").any():
        reliable = results.configurations[results.configurations["verdict"] == "reliable"]
        assert row["n_parameters"] == reliable["n_parameters"].min()
    settings = {"width": int(row["width"]), "depth": int(row["depth"]), "epochs": 40, "learning_rate": 0.05}
    optimizer = "adam" if row["optimizer"] == "adam" else {"name": "sgd", "momentum": 0.9}
    fresh = [*range(4294967206, 2**32), *range(1024 - 90)]
    runs = sweep.train({**settings, "optimizer": optimizer}, fresh)
    assert set(runs["configuration"]) == {confirmation.configuration}
    assert runs["learned"].sum() == confirmation.n_learned
    rate = wilson(confirmation.n_learned, 1024, 0.95)
    assert confirmation.ci_low == pytest.approx(float(rate.low), abs=1e-6)
    assert confirmation.verdict == bar_of(Target(0.2)).verdicts(confirmation.n_learned, 1024)


def test_the_manifest_vouches_for_the_files(tmp_path: Path) -> None:
    results = sweep.load(swept(tmp_path, GRID))
    recorded = results.manifest.files
    assert set(recorded) == {*(file.name for file in results.folder.written), "study.journal"}
    for name, digest in recorded.items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*recorded, "manifest.json"}


def test_the_study_may_live_in_a_database(tmp_path: Path) -> None:
    plain = SAMPLED.replace("SAMPLER", "tpe").replace(
        "trials: 24, trials_per_round: 8", "trials: 12, trials_per_round: 4"
    )
    text = plain.replace("seed: 5", f"seed: 5, storage: 'sqlite:///{tmp_path}/study.db'")
    swept(tmp_path, plain, "journal")
    with pytest.raises(Stopped):
        swept(tmp_path, text, observe=stop_after(6))
    swept(tmp_path, text)
    assert contents(tmp_path / "out") == contents(tmp_path / "journal")
    assert not Folder(tmp_path / "out").journal.exists()
    assert (tmp_path / "study.db").stat().st_size


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/study.db", "nonsense://x", "redis://x", "://"])
def test_a_storage_that_cannot_be_opened(tmp_path: Path, url: str) -> None:
    text = GRID.replace("round: 4", f"round: 4, storage: '{url}'")
    with pytest.raises(SettingError, match="study.storage"):
        swept(tmp_path, text)


def test_train_has_the_columns_of_runs_csv(tmp_path: Path) -> None:
    results = sweep.load(swept(tmp_path, GRID))
    settings = {"width": 4, "depth": 2, "epochs": 40, "learning_rate": 0.05}
    runs = sweep.train(settings, seeds=6)
    assert list(runs.columns) == list(results.runs.columns)
    assert list(runs.dtypes) == list(results.runs.dtypes)
    own = results.runs[results.runs["configuration"] == runs["configuration"][0]].reset_index(drop=True)
    assert len(own) == 6
    assert runs.drop(columns="trial").equals(own.drop(columns="trial"))


@pytest.mark.parametrize(
    "seeds", [3, np.int64(3), [2, 0, 1], range(3), iter((0, 1, 2)), np.arange(3), np.arange(3, dtype=np.uint32)]
)
def test_seeds_are_a_count_or_the_seeds(seeds: Any) -> None:
    runs = sweep.train({"epochs": 2}, seeds)
    assert list(runs["seed"]) == [0, 1, 2]
    assert list(runs["run"]) == [f"{runs['configuration'][0]}-{i}" for i in range(3)]


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [-1], [2**32], 2**32 + 1])
def test_seeds_that_cannot_be(seeds: Any) -> None:
    with pytest.raises(SettingError):
        sweep.train({"epochs": 2}, seeds)


@pytest.mark.parametrize("seeds", [1.5, [1.5], "3", None])
def test_seeds_that_are_no_whole_numbers(seeds: Any) -> None:
    with pytest.raises(TypeError):
        sweep.train({"epochs": 2}, seeds)


def test_train_by_threads_and_pieces() -> None:
    settings = {"width": 3, "dropout": 0.2, "batch_size": 3, "epochs": 20}
    alone, together = sweep.train(settings, 150, workers=1), sweep.train(settings, range(149, -1, -1), workers=2)
    assert alone.equals(together)


def test_load_where_nothing_is(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", written(tmp_path, GRID, "other.yaml")):
        with pytest.raises(ResultsError, match="no results folder"):
            sweep.load(path)


def test_too_long_a_sweep_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GRID.replace("epochs: 40", "epochs: 200000000"))
    with pytest.raises(ResultsError, match="--limit"):
        sweep.run(path, tmp_path / "out", limit=0.01)
    assert not (tmp_path / "out").exists()


def test_what_was_planned_is_what_is_trained_and_kept(tmp_path: Path, whole: dict[str, bytes]) -> None:
    text = GRID.replace("fixed: {", "fixed: {task: {file: xor.csv, targets: [y]}, ")
    path = written(tmp_path, text, "experiment.yaml")
    written(tmp_path, "a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n", "xor.csv")
    read = {p.name: p.read_bytes() for p in (path, tmp_path / "xor.csv")}
    planned = plan(path)
    written(tmp_path, GRID.replace("epochs: 40", "epochs: 41"), path.name)
    (tmp_path / "xor.csv").unlink()
    results = run_command.execute(planned, tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in read} == read
    assert list(results.runs["outcome"]) == list(pd.read_csv(io.BytesIO(whole["runs.csv"]))["outcome"])
    assert results.folder.is_intact()


def test_an_experiment_that_can_be_read_only_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    writer = threading.Thread(target=(tmp_path / "pipe.yaml").write_text, args=(GRID,))
    writer.start()
    sweep.run(tmp_path / "pipe.yaml", tmp_path / "out")
    writer.join()
    assert contents(tmp_path / "out") == whole
    assert (tmp_path / "out" / "experiment.yaml").read_text() == GRID


def test_each_point_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From reading the file to the end of the sweep, with all that is said of the plan between."""
    n_resolved: Counter[str] = Counter()

    def counted(settings: Mapping[str, Any]) -> Configuration:
        n_resolved[repr(settings)] += 1
        return resolve(settings)

    monkeypatch.setitem(kinds, "network", replace(kinds["network"], resolve=counted))
    planned = plan(written(tmp_path, GRID))
    assert "10 configurations" in describe_plan(planned)
    run_command.execute(planned, tmp_path / "out")
    assert len(n_resolved) == 12 and set(n_resolved.values()) == {1}


def test_the_environment_does_not_show_in_the_tables(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path = written(tmp_path, GRID)
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    command = [sys.executable, "-c", KILLED, path, tmp_path / "out"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == whole


def test_the_timings_of_the_manifest_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1
        return now

    def write_slowly(path: Path, content: Any) -> None:
        nonlocal now
        now += 1000
        write_atomically(path, content)

    monkeypatch.setattr(run_command, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(run_command, "write_atomically", write_slowly)
    timings = sweep.load(swept(tmp_path, GRID)).manifest.timings_seconds
    assert timings is not None
    assert timings.training + timings.tables + timings.other == now - 1
    assert 3000 < timings.tables < 3010
    assert 0 < timings.training < 1000 and 0 < timings.other < 1000


def test_a_finished_sweep_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    whole = sweep.run(path, out)
    content = (out / "runs.csv").read_bytes()

    def read(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr(stored, "read_runs", read)
    assert sweep.run(path, out).manifest == whole.manifest
    assert (out / "runs.csv").read_bytes() == content
    for name in ("configurations.csv", "configurations.jsonl", "examples.npz", "study.journal"):
        kept = (out / name).read_bytes()
        (out / name).write_bytes(kept + b"\n")
        with pytest.raises(LookupError):  # what is not as the manifest has it, or missing, is looked at
            sweep.run(path, out)
        (out / name).write_bytes(kept)
    (out / "runs.csv").write_bytes(content + b"\n")
    with pytest.raises(ResultsError, match="was changed since the sweep wrote it"):
        sweep.run(path, out)
    (out / "runs.csv").write_bytes(content)
    (out / "manifest.json").write_text(replace(whole.manifest, runs_missing=1).to_json())
    with pytest.raises(LookupError):
        sweep.run(path, out)
