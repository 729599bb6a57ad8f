"""Experiments beyond reason: refused with an estimate, before memory is touched."""

import tracemalloc
from pathlib import Path

import pytest
from support.folders import written
from support.shell import call

import sweep
from sweep.commands.check import plan
from sweep.experiment.file import ExperimentFileError
from sweep.results.files import ResultsError
from sweep.training import threads

one_seed = "\nvary: {seed: 1}"
many = ", ".join(["xor"] * 300)
# what the file holds, what the message says
refused_for_time = {
    "four billion networks": (
        "fixed: {layers: [1000, 1000, 1000]}\nvary: {seed: 4100000000}",
        "4.1e9 networks of 2.0e6",
    ),
    "two billion epochs": ("fixed: {epochs: 2147483647, batch_size: 1, width: 64}", "64 networks of 257 parameters"),
    "a grid of 10^15": (
        "vary:\n  width: {low: 1, high: 1000000, step: 1}\n  depth: {low: 1, high: 1000, step: 1}\n"
        "  epochs: {low: 1, high: 1000000, step: 1}\n  seed: 1",
        "1.0e15 networks of up to 4.0e6 parameters",
    ),
    "a billion trials": (
        "fixed: {epochs: 1}\nvary: {width: [2, 4], seed: 1}\nstudy: {sampler: random, trials: 1000000000}",
        "1.0e9 networks of up to 17 parameters",
    ),
}
refused_for_memory = {
    "10^12 parameters": ("fixed: {width: 1000000, depth: 2, epochs: 1}" + one_seed, "1 network of 1.0e12 parameters"),
    "10^15 parameters": ("fixed: {width: 1000000, depth: 1000, epochs: 1}" + one_seed, "1.0e15 parameters"),
    "a billion seeds": ("fixed: {epochs: 1}\nvary: {seed: 1000000000}", "1.0e9 networks of 33 parameters"),
    "all seeds": ("fixed: {epochs: 1}\nvary: {seed: 4294967296}", "4.3e9 networks of 33 parameters"),
    "up to a billion": ("fixed: {epochs: 1}\nvary: {seed: {count: 16, up_to: 1000000000}}", "1.0e9 networks"),
    "a round": (
        "fixed: {epochs: 1, layers: [3000, 3000]}\nvary:\n  learning_rate: {low: 0.001, high: 1, step: 0.001}\n"
        "  seed: 64\nstudy: {trials_per_round: 1000}",
        "study.trials_per_round",
    ),
}
refused_by_the_file = {
    "a width of a billion": ("fixed: {width: 1000000000}", "fixed.width: found 1000000000"),
    "pairs of choices": (f"vary:\n  task: [{many}]\n  encoding: [{many.replace('xor', 'binary')}]", "more than 20,000"),
    "cases and choices": (
        f"cases: [{many.replace('xor', '{width: 2}')}]\nvary: {{depth: [{', '.join(map(str, range(100)))}]}}",
        "cases: more than",
    ),
    "more seeds than there are": ("vary: {seed: 4294967297}", "vary.seed: 4294967297 seeds"),
}


@pytest.fixture(autouse=True)
def _machine_of_16_gib(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(threads, "physical_memory", lambda: 16 * 2.0**30)


def refusal(path: Path, limit: float) -> str:
    """The message of a refusal that took under 64 MiB."""
    tracemalloc.start()
    try:
        with pytest.raises((ResultsError, ExperimentFileError)) as caught:
            plan(path, limit=limit)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    return str(caught.value)


@pytest.mark.parametrize(("text", "found"), refused_for_time.values(), ids=list(refused_for_time))
def test_beyond_the_time(tmp_path: Path, text: str, found: str) -> None:
    message = refusal(written(tmp_path, text), 24)
    assert found in message
    assert "on this machine; raise --limit above 24 hours if you mean it" in message
    assert "\n" not in message


@pytest.mark.parametrize(("text", "found"), refused_for_memory.values(), ids=list(refused_for_memory))
def test_beyond_the_memory(tmp_path: Path, text: str, found: str) -> None:
    message = refusal(written(tmp_path, text), 1e9)
    assert found in message
    assert "GiB of memory, this machine has 16\n  allowed: smaller networks, fewer seeds" in message


@pytest.mark.parametrize(("text", "found"), refused_by_the_file.values(), ids=list(refused_by_the_file))
def test_beyond_the_language(tmp_path: Path, text: str, found: str) -> None:
    assert found in refusal(written(tmp_path, text), 24)


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_commands_end_with_one_message(tmp_path: Path, command: str) -> None:
    text, found = refused_for_memory["10^12 parameters"]
    result = call(command, written(tmp_path, text))
    assert (result.exit_code, result.stdout) == (2, "")
    assert found in result.stderr
    assert not (tmp_path / "results").exists()


def test_one_network_beyond_the_memory() -> None:
    result = call("train", "width=1000000", "depth=2", "epochs=1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "64 networks of 1,000,005,000,001 parameters" in result.stderr
    with pytest.raises(ResultsError) as caught:  # the other door
        sweep.train({"width": 1_000_000, "depth": 2, "epochs": 1})
    assert result.stderr == f"{caught.value}\n"


def test_what_fits_is_planned(tmp_path: Path) -> None:
    path = written(tmp_path, "fixed: {layers: [256, 256, 256]}\nvary: {learning_rate: [0.1, 0.01], seed: 64}")
    assert plan(path).experiment.n_trials == 2


def test_without_memory_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> float:
        raise MemoryError

    monkeypatch.setattr(threads, "physical_memory", exhausted)
    result = call("run", written(tmp_path, ""), "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "not enough memory; the same command goes on where it stopped\n"
