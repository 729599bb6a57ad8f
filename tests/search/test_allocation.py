"""Seeds where they decide something: looks together, trials of networks, and the same tables however it went."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from support.folders import contents, swept

import sweep
from sweep.commands.run import Progress
from sweep.commands.verify import verify
from sweep.experiment.seeds import SeedBlock
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.results.selection import learned_by_seed
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs, no_runs
from sweep.search.allocation import Allocation
from sweep.statistics.adaptive import Rule, by_verdict, looks, play
from sweep.statistics.evidence import mixtures
from sweep.statistics.intervals import confidence_sequence
from sweep.statistics.verdicts import Target

ADAPTIVE = """
fixed: {epochs: 60, learning_rate: 0.05}
vary:
  width: [1, 2, 4, 8]
  depth: [1, 2]
  seed: {first: 5, count: 4, up_to: UP_TO}
study: {trials_per_round: 3, trial: TRIAL}
reliability: {target: 0.5}
"""


def text(up_to: int = 48, trial: str = "configuration") -> str:
    return ADAPTIVE.replace("UP_TO", str(up_to)).replace("TRIAL", trial)


def some_runs(learned: list[bool], first: int = 0) -> Runs:
    outcome = np.where(learned, outcomes.index("learned"), outcomes.index("stuck")).astype(np.int8)
    return Runs(np.arange(first, first + len(learned), dtype=np.uint32), outcome)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return sweep.load(swept(tmp_path_factory.mktemp("whole"), text()))


def wanted(allocation: Allocation, *runs: Runs) -> list[int]:
    return allocation.wanted(runs).tolist()


def test_looks_every_16_or_an_eighth() -> None:
    counts = Allocation(SeedBlock(count=16, up_to=1024), Target(), 1).counts()
    assert counts[:9] == (16, 32, 48, 64, 80, 96, 112, 128, 144) and counts[-1] == 1024
    assert Allocation(SeedBlock(count=16, up_to=17), Target(), 1).counts() == (16, 17)
    assert Allocation(SeedBlock(count=16), Target(), 1).counts() == (16,)


def test_a_block_grows_until_its_verdict_is_settled() -> None:
    allocation = Allocation(SeedBlock(count=16, up_to=1024), Target(0.5), 10)
    assert wanted(allocation, no_runs, some_runs([False] * 16), some_runs([True, False] * 8)) == [16, 16, 32]
    # settled at the first look, so what came after does not count; at the most it ends
    learned = [[True] * 16 + [False] * 16, [True, False] * 512]
    assert wanted(allocation, *map(some_runs, learned)) == [16, 1024]
    assert [len(runs) for runs in allocation.cut(list(map(some_runs, learned)))] == [16, 1024]


def test_runs_beyond_a_gap_are_not_looked_at() -> None:
    allocation = Allocation(SeedBlock(count=4, up_to=64), Target(0.5), 1)
    assert wanted(allocation, some_runs([True] * 32, first=1)) == [4]


def test_families_decide_how_much_evidence_is_enough() -> None:
    runs = [some_runs([True] * 14 + [False] * 2), *[some_runs([True] * 16)] * 9]
    block = SeedBlock(count=16, up_to=48)
    by_family = {f: Allocation(block, Target(0.5, family=f), 10) for f in (None, "none", "fwer", "fdr")}
    found = {f: a.wanted(runs)[0] for f, a in by_family.items()}
    assert found == {None: 16, "none": 16, "fwer": 32, "fdr": 16}  # the others lower the bar of fdr
    assert by_family["fdr"].wanted(runs[:1]) == 32  # where they are not there, they do not
    assert [a.is_together for a in by_family.values()] == [True, False, False, True]
    chosen = Allocation(block, Target(0.5), 10, is_chosen=True)  # each stops by itself, all are judged together
    assert chosen.wanted(runs)[0] == 32 and set(chosen.standing(runs).verdicts) == {"reliable"}


def test_fixed_counts_are_judged_by_exact_tests() -> None:
    runs = [some_runs([True] * s + [False] * (64 - s)) for s in (64, 63, 62, 50)]
    by_family = {f: Allocation(SeedBlock(), Target(0.9, family=f), 4) for f in (None, "fwer", "fdr")}
    found = {f: a.standing(runs) for f, a in by_family.items()}
    words = {"r": "reliable", "o": "inconclusive", "u": "unreliable"}
    expected = {None: "rrou", "fwer": "rrou", "fdr": "rrou"}
    assert {f: s.verdicts.tolist() for f, s in found.items()} == {f: [words[c] for c in x] for f, x in expected.items()}
    assert set(found[None].evidence) == {"p_reliable", "p_unreliable"}
    many = Allocation(SeedBlock(), Target(0.9, family="fwer"), 40)
    assert many.standing(runs * 10).verdicts.tolist() == [words[c] for c in "rooo"] * 10


def test_the_table_has_the_evidence(whole: Results) -> None:
    table = whole.configurations
    assert set(table["ci_method"]) == {"beta-binomial"}
    assert table["n_runs"].nunique() > 1
    rates = confidence_sequence(table["n_learned"], table["n_runs"], 0.95)
    assert table["ci_low"].to_numpy() == pytest.approx(rates.low, abs=1e-6)
    e = mixtures(table["n_learned"], table["n_runs"], 0.5)
    assert table["e_reliable"].to_numpy() == pytest.approx(np.exp(e.log_reliable), rel=1e-5)
    assert table["e_unreliable"].to_numpy() == pytest.approx(np.exp(e.log_unreliable), rel=1e-5)
    n_open = int((table["verdict"] == "inconclusive").sum())
    for name in ("reliable", "unreliable"):
        called = table[table["verdict"] == name]
        assert (called[f"e_{name}"] >= 8 / (0.05 * max(1, len(called)))).all()
    assert (table.loc[table["verdict"] == "inconclusive", "n_runs"] == 48).all() and n_open < 8
    assert "p_reliable" not in table and (table["n_missing"] == 0).all()
    assert whole.manifest.runs_planned == len(whole.runs) == table["n_runs"].sum()


def test_the_sweep_is_the_replay_of_its_runs(tmp_path: Path, whole: Results) -> None:
    everything = sweep.load(swept(tmp_path, text().replace("count: 4, up_to: 48", "count: 48")))
    learned = learned_by_seed(everything.runs, list(whole.configurations["configuration"]))
    course = play(learned, by_verdict(Rule(Target(0.5), "fdr", 8)), looks(4, 48))
    assert course.n_runs.tolist() == whole.configurations["n_runs"].tolist()
    assert course.words.tolist() == whole.configurations["verdict"].tolist()


def test_until_an_interval_is_narrow(tmp_path: Path) -> None:
    results = sweep.load(swept(tmp_path, text().replace("up_to: 48", "until: half_width 0.15")))
    table = results.configurations
    assert (table["ci_high"] - table["ci_low"] <= 0.3).all() and table["n_runs"].nunique() > 1
    assert table["n_runs"].max() <= len(results.experiment.seeds) == 109
    assert verify(results.folder.path, 20).findings == ()


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(tmp_path: Path, whole: Results, workers: int) -> None:
    assert contents(swept(tmp_path, text(), workers=workers)) == contents(whole.folder.path)


@pytest.mark.parametrize("n_calls", [1, 4, 7, 11])
def test_interrupted_and_run_again(tmp_path: Path, whole: Results, n_calls: int) -> None:
    calls = iter(range(n_calls))

    def stop(progress: Progress) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path, text(), observe=stop)
    assert contents(swept(tmp_path, text())) == contents(whole.folder.path)


def test_raising_up_to_goes_on(tmp_path: Path, whole: Results) -> None:
    swept(tmp_path, text(up_to=12))
    trained: list[int] = []
    grown = sweep.load(swept(tmp_path, text(), observe=lambda progress: trained.append(progress.n_done)))
    assert contents(grown.folder.path) == contents(whole.folder.path)
    assert trained[0] > 0  # what was known is not trained again


def test_a_smaller_up_to_is_refused(tmp_path: Path) -> None:
    swept(tmp_path, text())
    with pytest.raises(ResultsError, match=r"of 4 to 48 seeds, here .* of 4 to 24"):
        swept(tmp_path, text(up_to=24))


def test_fixed_seeds_do_not_become_adaptive(tmp_path: Path) -> None:
    swept(tmp_path, text().replace(", up_to: 48", ""))
    with pytest.raises(ResultsError, match="up_to: there not given, here given"):
        swept(tmp_path, text())


def trials_of(results: Results) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(results.folder.journal)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(storage=storage, study_name=name).trials


def test_every_look_is_an_intermediate_value(whole: Results) -> None:
    by_configuration = whole.configurations.set_index("configuration")
    for trial in trials_of(whole):
        row = by_configuration.loc[trial.user_attrs["configuration"]]
        seen = list(trial.intermediate_values)
        assert seen == [n for n in (4, 20, 36, 48) if n <= row["n_runs"]]
        assert trial.intermediate_values[seen[-1]] == trial.value == pytest.approx(row["success_rate"], abs=1e-6)
        assert trial.user_attrs["n_seeds"] == row["n_runs"]


def test_a_trial_for_each_network(tmp_path: Path, whole: Results) -> None:
    results = sweep.load(swept(tmp_path, text(trial="run")))
    assert contents(results.folder.path) == contents(whole.folder.path)
    trials = trials_of(results)
    learned = {(t.user_attrs["configuration"], t.params["seed"]): t.value for t in trials}
    assert len(learned) == len(trials) == len(whole.runs)
    for row in whole.runs.itertuples():
        assert learned[row.configuration, row.seed] == float(row.learned)
    assert set(trials[0].params) == {"width", "depth", "seed"}


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_a_trial_for_each_network_asks_for_the_same(tmp_path: Path, sampler: str) -> None:
    content = text().replace("study: {", f"study: {{sampler: {sampler}, trials: 7, ")
    whole = sweep.load(swept(tmp_path / "whole", content))
    content = content.replace("trial: configuration", "trial: run")

    def stop(progress: Progress) -> None:
        if progress.n_done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "network", content, observe=stop)
    again = sweep.load(swept(tmp_path / "network", content))
    assert contents(again.folder.path) == contents(whole.folder.path)
    assert len({(t.user_attrs["index"], t.params["seed"]) for t in trials_of(again)}) == len(trials_of(again))
