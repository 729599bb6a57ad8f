"""The study: what is suggested, in which order, and the same after any interruption."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from sweep.experiment.dimensions import Choices, Range
from sweep.experiment.experiment import Experiment, Study
from sweep.experiment.seeds import SeedBlock
from sweep.runs.errors import SettingError
from sweep.search.study import Result, Search, Suggestion

mixed: Mapping[str, Any] = {
    "width": Range(2, 9, 1),
    "learning_rate": Range(1e-4, 0.3, log=True),
    "dropout": Range(0.0, 0.5),
    "batch_size": Range(1, 64, log=True),
    "optimizer": Choices(("adam", {"name": "sgd", "momentum": 0.9, "nesterov": True}, {"name": "sgd"})),
    "use_bias": Choices((True, False)),
}


def experiment(sampler: str = "grid", vary: Mapping[str, Any] = mixed, **study: Any) -> Experiment:
    settings: dict[str, Any] = {"trials": None if sampler == "grid" else 40, "trials_per_round": 8, "seed": 3, **study}
    return Experiment(vary=vary, seeds=SeedBlock(count=10), study=Study(sampler=sampler, **settings))


def rate_of(point: Mapping[str, Any]) -> float:
    """A rate that depends on the point, with ties."""
    return round(0.05 * float(point.get("width", 1)), 1) if point.get("use_bias", True) else 0.0


def tell(search: Search, suggestions: Sequence[Suggestion]) -> None:
    for s in suggestions:
        if not s.is_told:
            seeds, rate = np.arange(10, dtype=np.uint32), rate_of(s.point)
            learned = np.arange(len(seeds)) < round(rate * len(seeds))
            search.tell(s, Result(seeds, learned, [(10, rate)], int(s.point.get("width", 1)) * 4))


def play(search: Search) -> list[Suggestion]:
    asked: list[Suggestion] = []
    for indices in search.rounds():
        suggestions = search.ask(indices)
        tell(search, suggestions)
        asked += suggestions
    return asked


def points(suggestions: Sequence[Suggestion]) -> list[dict[str, Any]]:
    return [dict(s.point) for s in suggestions]


def opened(chosen: Experiment, folder: Path, name: str = "study.journal") -> Search:
    return Search(chosen, folder / name, "sweep")


def study_of(folder: Path, name: str = "study.journal") -> optuna.Study:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return optuna.load_study(storage=JournalStorage(JournalFileBackend(str(folder / name))), study_name=None)


def test_the_grid_is_asked_in_file_order(tmp_path: Path) -> None:
    vary = {"depth": Choices((1, 0, 1)), "dropout": Range(0.1, 0.7, 0.3), "loss": Choices(("mean_squared_error",))}
    chosen = experiment(vary=vary, trials_per_round=4)
    search = opened(chosen, tmp_path)
    assert list(search.rounds()) == [range(0, 4), range(4, 8), range(8, 9)]
    asked = [s for indices in search.rounds() for s in search.ask(indices)]
    assert [s.index for s in asked] == list(range(9))
    assert points(asked) == list(chosen.grid())
    assert [p["dropout"] for p in points(asked)] == [0.1, 0.4, 0.7] * 3
    assert not any(s.is_told for s in asked)


def test_a_grid_may_be_cut(tmp_path: Path) -> None:
    chosen = experiment(vary={"width": Range(2, 9, 1)}, trials=5)
    assert [p["width"] for p in points(play(opened(chosen, tmp_path)))] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("step", [1 / 3, 0.1, 0.0123456789, 1e-7])
@pytest.mark.parametrize("low", [0.0, 0.12345678])
def test_steps_that_are_no_round_numbers(tmp_path: Path, step: float, low: float) -> None:
    chosen = experiment(vary={"dropout": Range(low, low + 5.5 * step if low + 5.5 * step < 1 else 0.9, step)})
    assert points(play(opened(chosen, tmp_path))) == list(chosen.grid())


@pytest.mark.parametrize("sampler", ["qmc", "random", "tpe"])
def test_ends_of_more_than_six_digits(tmp_path: Path, sampler: str) -> None:
    vary = {"dropout": Range(0.123456789, 0.12345679), "learning_rate": Range(1 / 3, 1 / 3)}
    asked = points(play(opened(experiment(sampler, vary, trials=16), tmp_path)))
    assert asked == [{"dropout": 0.123457, "learning_rate": 0.333333}] * 16


def test_every_trial_carries_its_index_and_seeds(tmp_path: Path) -> None:
    chosen = experiment(vary={"width": Choices((2, 4))})
    play(opened(chosen, tmp_path))
    trials = study_of(tmp_path).trials
    assert [t.user_attrs["index"] for t in trials] == [0, 1]
    assert [t.user_attrs["configuration"] for t in trials] == [chosen.configuration({"width": w}).id for w in (2, 4)]
    assert [(t.user_attrs["first_seed"], t.user_attrs["n_seeds"]) for t in trials] == [(0, 10)] * 2
    assert [t.params for t in trials] == [{"width": w, "seed": "0..9"} for w in (2, 4)]
    assert [t.intermediate_values for t in trials] == [{10: 0.1}, {10: 0.2}]
    assert [t.values for t in trials] == [[0.1], [0.2]]


def test_repeated_points_are_trials_of_their_own(tmp_path: Path) -> None:
    asked = play(opened(experiment("random", {"width": Choices((2, 3))}), tmp_path))
    assert {p["width"] for p in points(asked)} == {2, 3}
    assert len(study_of(tmp_path).trials) == len(asked) == 40


awkward: Mapping[str, tuple[Any, ...]] = {
    "task": ("xor", {"name": "parity", "bits": 2}, {"inputs": [[0.5], [1]], "targets": [[0], [1]]}),
    "layers": ([4, 2], [4], [], None),
    "use_bias": (True, False),
    "learning_rate": (None, 1, 0.1, 1e-30),
    "batch_size": ("full", 1),
    "optimizer": ({"name": "adam", "amsgrad": True}, {"amsgrad": True, "name": "adam"}, "adam"),
}


@pytest.mark.parametrize("sampler", ["grid", "random", "qmc", "tpe"])
def test_choices_may_be_anything_that_a_file_may_hold(tmp_path: Path, sampler: str) -> None:
    vary = {name: Choices(values) for name, values in awkward.items()}
    chosen = experiment(sampler, vary, trials=24)
    asked = points([s for indices in opened(chosen, tmp_path).rounds() for s in opened(chosen, tmp_path).ask(indices)])
    for point in asked:
        for name, value in point.items():
            same = [v for v in awkward[name] if v == value and type(v) is type(value)]
            assert same, (name, value)
        chosen.configuration(point)
    if sampler == "grid":
        assert [p["learning_rate"] for p in asked[:12:2]] == [None] * 3 + [1] * 3


def test_cases_are_a_dimension(tmp_path: Path) -> None:
    chosen = Experiment(
        vary={"width": Choices((2, 4))}, cases=({"epochs": 5}, {"epochs": 7}), study=Study(trials_per_round=3)
    )
    asked = points(play(opened(chosen, tmp_path)))
    assert asked == [{"case": c, "width": w} for c in (0, 1) for w in (2, 4)]


def test_nothing_varies(tmp_path: Path) -> None:
    for sampler in ("grid", "random", "qmc", "tpe"):
        chosen = experiment(sampler, {}, trials=3)
        asked = play(opened(chosen, tmp_path, sampler))
        assert set(map(str, points(asked))) == {"{}"}
        assert len(asked) == chosen.n_trials


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_suggestions_are_within_their_ranges(tmp_path: Path, sampler: str) -> None:
    asked = points(play(opened(experiment(sampler, trials=64), tmp_path)))
    for point in asked:
        assert isinstance(point["width"], int) and 2 <= point["width"] <= 9
        assert isinstance(point["batch_size"], int) and 1 <= point["batch_size"] <= 64
        assert 1e-4 <= point["learning_rate"] <= 0.3
        assert 0 <= point["dropout"] <= 0.5
        assert float(f"{point['learning_rate']:.6g}") == point["learning_rate"]
        assert isinstance(point["use_bias"], bool)
    widths = [p["width"] for p in asked]
    assert len(set(widths)) >= 4
    if sampler == "qmc":  # 64 points of a Sobol sequence fill eight steps and the decades evenly
        assert {widths.count(w) for w in range(2, 10)} == {8}
        low = sum(math.log(p["learning_rate"]) < (math.log(1e-4) + math.log(0.3)) / 2 for p in asked)
        assert low == 32


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_the_study_seed_decides(tmp_path: Path, sampler: str) -> None:
    first = points(play(opened(experiment(sampler), tmp_path, "a")))
    assert points(play(opened(experiment(sampler), tmp_path, "b"))) == first
    assert points(play(opened(experiment(sampler, seed=4), tmp_path, "c"))) != first
    assert len(set(map(str, first))) > 20


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_suggestions_depend_on_nothing_but_seed_and_index(tmp_path: Path, sampler: str) -> None:
    first = points(play(opened(experiment(sampler), tmp_path, "a")))
    search = opened(experiment(sampler, trials_per_round=7), tmp_path, "b")
    rounds = list(search.rounds())
    assert points([s for r in rounds for s in search.ask(r)]) == first


def test_tpe_learns(tmp_path: Path) -> None:
    asked = points(play(opened(experiment("tpe"), tmp_path)))
    early, late = asked[:8], asked[-8:]
    assert sum(map(rate_of, late)) > sum(map(rate_of, early))


class Stopped(Exception):
    pass


SAMPLERS = ["grid", "random", "qmc", "tpe"]
GRID = {"width": Range(2, 9, 1), "depth": Choices((1, 2)), "use_bias": Choices((True, False))}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_rounds", [0, 2, 3])
@pytest.mark.parametrize("n_asked", [0, 1, 5, 8])
def test_interrupted_while_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, n_rounds: int, n_asked: int
) -> None:
    chosen = experiment(sampler, GRID if sampler == "grid" else mixed, trials=32)
    whole = points(play(opened(chosen, tmp_path, "whole")))
    search = opened(chosen, tmp_path)
    rounds = list(search.rounds())
    for indices in rounds[:n_rounds]:
        tell(search, search.ask(indices))
    left = [n_asked]
    original = optuna.Study.add_trial

    def add_trial(self: optuna.Study, trial: FrozenTrial) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        original(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "add_trial", add_trial)
        if n_asked < 8:
            with pytest.raises(Stopped):
                search.ask(rounds[n_rounds])
        else:
            search.ask(rounds[n_rounds])
    again = play(opened(chosen, tmp_path))
    assert points(again) == whole
    assert [s.is_told for s in again] == [s.index < 8 * n_rounds for s in again]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("n_rounds", "n_told"), [(0, 1), (2, 1), (2, 7), (3, 4), (3, 8)])
def test_interrupted_while_telling(tmp_path: Path, sampler: str, n_rounds: int, n_told: int) -> None:
    chosen = experiment(sampler, GRID if sampler == "grid" else mixed, trials=32)
    whole = points(play(opened(chosen, tmp_path, "whole")))
    search = opened(chosen, tmp_path)
    rounds = list(search.rounds())
    for indices in rounds[:n_rounds]:
        tell(search, search.ask(indices))
    tell(search, search.ask(rounds[n_rounds])[:n_told])
    again = play(opened(chosen, tmp_path))
    assert points(again) == whole
    assert [s.is_told for s in again] == [s.index < 8 * n_rounds + n_told for s in again]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_journal_cut_anywhere(tmp_path: Path, sampler: str) -> None:
    """A killed process leaves any beginning of its journal, the last line torn."""
    chosen = experiment(sampler, GRID if sampler == "grid" else mixed, trials=20)
    whole = points(play(opened(chosen, tmp_path)))
    content = (tmp_path / "study.journal").read_bytes()
    lines = content.splitlines(keepends=True)
    for share in (0.0, 0.02, 0.3, 0.41, 0.55, 0.68, 0.83, 0.97, 1.0):
        n = int(share * len(lines))
        for tail in (b"", lines[min(n, len(lines) - 1)][:-5]):
            (tmp_path / "cut").write_bytes(b"".join(lines[:n]) + tail)
            assert points(play(opened(chosen, tmp_path, "cut"))) == whole
            assert points(play(opened(chosen, tmp_path, "cut"))) == whole


def test_killed_between_report_and_tell(tmp_path: Path) -> None:
    chosen = experiment(vary={"width": Choices((2, 4))})
    search = opened(chosen, tmp_path)
    search.ask(range(0, 2))
    trial = optuna.Trial(search._study, search._in_flight[0]._trial_id)  # pyright: ignore[reportPrivateUsage]
    trial.report(0.1, step=10)
    play(opened(chosen, tmp_path))
    assert [t.intermediate_values for t in study_of(tmp_path).trials] == [{10: 0.1}, {10: 0.2}]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("first", [11, 16])
def test_more_trials_go_on_where_fewer_stopped(tmp_path: Path, sampler: str, first: int) -> None:
    vary = GRID if sampler == "grid" else mixed
    whole = points(play(opened(experiment(sampler, vary, trials=30), tmp_path, "whole")))
    fewer = points(play(opened(experiment(sampler, vary, trials=first), tmp_path)))
    assert fewer == whole[:first]
    assert points(play(opened(experiment(sampler, vary, trials=30), tmp_path))) == whole


def test_opening_a_finished_study_writes_nothing(tmp_path: Path) -> None:
    for sampler in SAMPLERS:
        chosen = experiment(sampler, GRID if sampler == "grid" else mixed, trials=12)
        play(opened(chosen, tmp_path, sampler))
        content = (tmp_path / sampler).read_bytes()
        assert all(s.is_told for s in play(opened(chosen, tmp_path, sampler)))
        assert (tmp_path / sampler).read_bytes() == content


def test_a_stale_lock_of_another_program_does_not_matter(tmp_path: Path) -> None:
    chosen = experiment(vary={"width": Choices((2, 4))})
    search = opened(chosen, tmp_path)
    (tmp_path / "study.journal.lock").symlink_to(tmp_path / "study.journal")
    tell(search, search.ask(range(0, 2)))
    assert all(suggestion.is_told for suggestion in opened(chosen, tmp_path).ask(range(0, 2)))


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_two_objectives(tmp_path: Path, sampler: str) -> None:
    vary = GRID if sampler == "grid" else mixed
    chosen = experiment(sampler, vary, objective=("success_rate", "n_parameters"), trials=24)
    whole = points(play(opened(chosen, tmp_path, "whole")))
    search = opened(chosen, tmp_path)
    rounds = list(search.rounds())
    tell(search, search.ask(rounds[0]))
    tell(search, search.ask(rounds[1])[:3])
    assert points(play(opened(chosen, tmp_path))) == whole
    study = study_of(tmp_path)
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in study.trials:
        assert trial.values == [rate_of(trial.params), 4 * trial.params["width"]]


def test_a_foreign_trial_does_not_disturb(tmp_path: Path) -> None:
    chosen = experiment("random", trials=12)
    whole = points(play(opened(chosen, tmp_path, "whole")))
    search = opened(chosen, tmp_path)
    tell(search, search.ask(range(0, 8)))
    foreign = study_of(tmp_path)
    foreign.tell(foreign.ask(), 1.0)
    foreign.enqueue_trial({"width": 2})
    assert points(play(opened(chosen, tmp_path))) == whole


@pytest.mark.parametrize("content", [b"not json\n", b'{"op_code": 99}\n', b"[]\n", b"\xff\xfe\n", b"{}\n"])
def test_a_damaged_journal_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.journal").write_bytes(content * 2)
    with pytest.raises(SettingError, match=r"study\.journal"):
        opened(experiment(vary=GRID), tmp_path)
