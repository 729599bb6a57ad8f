"""Seeds where they decide something: doubling blocks, trials of networks, and the same tables however it went."""

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
from sweep.experiment.seeds import SeedBlock
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Runs, no_runs
from sweep.search.allocation import Allocation
from sweep.statistics.intervals import confidence_sequence
from sweep.statistics.verdicts import Target, verdict

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


def test_counts_double() -> None:
    assert Allocation(SeedBlock(count=16, up_to=1024), Target(), 1).counts() == [16, 32, 64, 128, 256, 512, 1024]
    assert Allocation(SeedBlock(count=16, up_to=17), Target(), 1).counts() == [16, 17]
    assert Allocation(SeedBlock(count=16), Target(), 1).counts() == [16]


def test_a_block_grows_until_its_verdict_is_settled() -> None:
    allocation = Allocation(SeedBlock(count=16, up_to=1024), Target(0.5), 10)
    assert len(allocation.seeds(no_runs)) == 16
    assert len(allocation.seeds(some_runs([False] * 16))) == 16
    assert len(allocation.seeds(some_runs([True, False] * 8))) == 32
    assert len(allocation.seeds(some_runs([True, False] * 512))) == 1024
    # settled at the first look, so what came after does not count
    assert len(allocation.seeds(some_runs([True] * 16 + [False] * 16))) == 16


def test_runs_beyond_a_gap_are_not_looked_at() -> None:
    allocation = Allocation(SeedBlock(count=4, up_to=64), Target(0.5), 1)
    assert len(allocation.seeds(some_runs([True] * 32, first=1))) == 4


def test_more_verdicts_need_more_seeds() -> None:
    runs = some_runs([True] * 20 + [False] * 4)
    one, many = (Allocation(SeedBlock(count=24, up_to=48), Target(0.5), n) for n in (1, 1000))
    assert (len(one.seeds(runs)), len(many.seeds(runs))) == (24, 48)


def test_the_table_has_the_sequence(whole: Results) -> None:
    table = whole.configurations
    assert set(table["ci_method"]) == {"beta-binomial"}
    assert table["n_runs"].nunique() > 1
    rates = confidence_sequence(table["n_learned"], table["n_runs"], 1 - 0.05 / 8)
    assert table["ci_low"].to_numpy() == pytest.approx(rates.low, abs=1e-6)
    assert (table["verdict"] == verdict(rates, 0.5)).all()
    is_open = table["verdict"] == "inconclusive"
    assert (table.loc[is_open, "n_runs"] == 48).all()
    assert (table["n_missing"] == 0).all()
    assert whole.manifest.runs_planned == len(whole.runs) == table["n_runs"].sum()


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
        looks = list(trial.intermediate_values)
        assert looks == [n for n in (4, 8, 16, 32, 48) if n <= row["n_runs"]]
        assert trial.intermediate_values[looks[-1]] == trial.value == pytest.approx(row["success_rate"], abs=1e-6)
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
