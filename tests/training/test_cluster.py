"""Sweeps on Ray: the same bytes as on threads, for any number of nodes, with nodes dying, and what is refused."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Record
from support.folders import contents, swept, written
from support.interruption import INTERRUPTED
from support.own_functions import BY_AWK, remainders

import sweep
from sweep.commands import check as planning
from sweep.commands import run
from sweep.commands.study import of_function, of_many, of_program, plan_file
from sweep.experiment.file import parse
from sweep.networks.measurements import NetworkCohort
from sweep.results.folder import Folder
from sweep.results.results import Results
from sweep.results.resume import study_name
from sweep.runs.cohort import Cohort
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits
from sweep.training import choice, cluster
from sweep.training.cluster import Cluster, Done
from sweep.training.cohorts import EngineTrainer
from sweep.training.executor import ExecutorError
from sweep.training.own import TrainerError
from sweep.training.trainer import Guard, TrainerName

GRID = """
fixed: {epochs: 30, learning_rate: 0.02}
vary:
  width: [2, 4, 8]
  depth: [1, 2]
  batch_size: [1, 4]
  seed: 150
study: {trials_per_round: 3}
"""
SECONDS = 300


# Ray's part played in this process ------------------------------------------------------------------------------------


class TaskError(Exception):
    pass


class LostError(Exception):
    pass


class Reference:
    def __init__(self, number: int, call: Callable[[], Done]) -> None:
        self.number, self.call = number, call


class Ray:
    """What of Ray an executor uses. The task begun last is done first."""

    def __init__(self, n_lost: int = 0, fail: str | None = None) -> None:
        self.exceptions = SimpleNamespace(RayTaskError=TaskError, RayError=LostError)
        self.n_running: list[int] = []
        self.tasks: list[list[NetworkCohort]] = []
        self._n_lost, self._fail = n_lost, fail

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True}, {"Alive": False}]

    def remote(self, **known: Any) -> Any:
        assert known.pop("max_retries") == cluster.n_retries
        self.known = known
        return lambda function: SimpleNamespace(remote=lambda *given: self._begin(function, given))

    def _begin(self, function: Callable[..., Done], given: Sequence[Any]) -> Reference:
        self.tasks.append(list(given[1]))
        return Reference(len(self.tasks), lambda: function(*given))

    def wait(self, references: list[Reference], num_returns: int, timeout: float) -> tuple[list[Reference], Any]:
        assert num_returns == 1
        assert timeout <= 0.1  # for Ctrl-C
        self.n_running.append(len(references))
        return references[-1:], references[:-1]

    def get(self, reference: Reference) -> Done:
        if reference.number <= self._n_lost:
            raise LostError("the node died")
        if self._fail is not None:
            raise TaskError(f"Traceback (most recent call last):\n{self._fail}")
        return reference.call()


def run_on(library: Ray, folder: Path, most: int | None = None, **known: Any) -> Results:
    planned = replace(planning.plan(written(folder, GRID)), executor=Cluster(library, most))
    return run.execute(planned, folder / "out", **known)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(swept(tmp_path_factory.mktemp("local"), GRID))


@pytest.mark.parametrize("most", [None, 1, 2, 7])
def test_tasks_in_any_order_give_the_same_bytes(tmp_path: Path, local: dict[str, bytes], most: int | None) -> None:
    library = Ray()
    results = run_on(library, tmp_path, most)
    assert contents(tmp_path / "out") == local
    assert max(library.n_running) == (6 if most is None else min(most, 3))
    machine = results.manifest.machine
    assert machine["executor"] == "ray"
    assert machine["workers"] == min(most or 3, 3)
    assert machine["nodes"] == 1
    assert machine["tasks"] == len(library.tasks)


def test_rounds_are_joined_where_results_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_parts: list[str] = []
    original = Folder.write_part

    def write_part(self: Folder, name: str, *given: Any) -> None:
        written_parts.append(name)
        original(self, name, *given)

    monkeypatch.setattr(Folder, "write_part", write_part)
    run_on(Ray(), tmp_path)
    assert len(written_parts) == 1  # four rounds of three configurations
    tpe = GRID.replace("per_round: 3", "per_round: 3, trials: 6, sampler: tpe")
    planned = replace(planning.plan(written(tmp_path, tpe)), executor=Cluster(Ray(), None))
    run.execute(planned, tmp_path / "tpe")
    assert len(written_parts) == 1 + 2


def test_a_task_that_dies_again_and_again_is_recorded_as_broken(tmp_path: Path, local: dict[str, bytes]) -> None:
    library = Ray(n_lost=1)
    results = run_on(library, tmp_path)
    lost = {f"{part.configuration.id}-{seed}" for part in library.tasks[0] for seed in part.seeds.tolist()}
    assert {run for broken in results.manifest.broken for run in broken.runs} == lost
    assert "the node died" in results.manifest.broken[0].traceback
    assert not lost & set(results.runs["run"])
    assert len(results.runs) + len(lost) == 12 * 150
    run_on(Ray(), tmp_path)  # tries them again
    assert contents(tmp_path / "out") == local


def test_a_node_that_cannot_train_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="ModuleNotFoundError: No module named 'sweep'") as caught:
        run_on(Ray(fail="ModuleNotFoundError: No module named 'sweep'"), tmp_path)
    assert "the same xor-sweep must be installed on every node" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_another_version_on_a_node_is_refused() -> None:
    with pytest.raises(ExecutorError, match="another version of xor-sweep"):
        cluster.train_task(cluster.EngineRecipe("native", "cpu"), [], "other sources")


def test_a_stop_keeps_what_is_in_training(tmp_path: Path, local: dict[str, bytes]) -> None:
    library = Ray()
    with pytest.raises(KeyboardInterrupt):
        run_on(library, tmp_path, 1, is_stopped=lambda: len(library.tasks) >= 2)
    assert len(library.tasks) == 2
    again = Ray()
    run_on(again, tmp_path)
    assert contents(tmp_path / "out") == local
    n_kept = sum(map(len, library.tasks[0] + library.tasks[1]))
    assert sum(map(len, (part for task in again.tasks for part in task))) == 12 * 150 + 1024 - n_kept


def test_tasks_train_for_about_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = parse(GRID)
    cohorts = [Cohort(experiment.configuration(p), np.arange(150, dtype=np.uint32)) for p in experiment.grid()]
    trainer = EngineTrainer(choice.choose("native", "cpu", ()))
    monkeypatch.setattr(cluster, "run_seconds", lambda *_: 0.004)
    library = Ray()
    guard = Guard(lambda broken: None, lambda: False)
    kept = list(Cluster(library, None).train(trainer, cohorts, lambda *_: None, guard))
    assert [k.configuration for k in kept] == [c.configuration.id for c in cohorts]
    # 1,800 networks of 4 ms on three cores: tasks of four shares for each core, in whole pieces of 64
    sizes = [sum(map(len, task)) for task in library.tasks]
    assert sum(sizes) == 1800
    assert all(100 <= size <= 192 for size in sizes[:-1])


OWN = """
vary: {step: [1, 2], seed: 12}
reliability: {success: "score >= 2", target: 0.5}
"""


def columns_of(results: Results) -> Any:
    return results.runs.drop(columns=["engine", "seconds"])


@pytest.mark.parametrize("kind", ["function", "program"])
def test_runs_of_ones_own_give_the_same_rows(tmp_path: Path, kind: str) -> None:
    path, library = written(tmp_path, OWN), Ray()
    alone = sweep.run(path, tmp_path / "alone", train=remainders, workers=2)
    made = {"function": lambda _: of_function(remainders), "program": lambda asked: of_program(BY_AWK, asked)}[kind]
    planned = replace(plan_file(path, made, workers=1), executor=Cluster(library, None))
    spread = run.execute(planned, tmp_path / "spread")
    pd.testing.assert_frame_equal(columns_of(spread), columns_of(alone))
    assert [len(task) for task in library.tasks] == [1] * len(library.tasks)
    assert spread.manifest.confirmation == alone.manifest.confirmation
    assert {e.seed for e in spread.folder.read_endings()} == {5}


def test_a_run_may_take_cores_and_gpus(tmp_path: Path) -> None:
    limits = Limits(cores=2, gpus=0.5)
    library = Ray()
    assert Cluster(library, None, limits).n_workers == 1 and library.known == {"num_cpus": 2, "num_gpus": 0.5}
    assert Cluster(library, None, Limits()).n_workers == 3 and library.known == {"num_cpus": 1}
    library.cluster_resources = lambda: {"CPU": 9.0, "GPU": 1.0}
    assert [Cluster(library, most, limits).n_workers for most in (None, 1)] == [2, 1]
    assert Cluster(library, None, Limits(cores=2)).n_workers == 4
    path = written(tmp_path, OWN + "limits: {cores: 2, gpus: 1}\n")
    with pytest.raises(SettingError, match="limits.gpus: found 1, and no cluster that hands them out; allowed: 0, or"):
        sweep.run(path, tmp_path / "out", train=remainders)


def test_how_much_a_run_takes_is_no_other_experiment(tmp_path: Path) -> None:
    first = sweep.run(written(tmp_path, OWN), tmp_path / "out", train=remainders, workers=1, confirm=0)
    path = written(tmp_path, OWN + "limits: {cores: 2, retries: 3}\n", "other.yaml")
    again = sweep.run(path, tmp_path / "out", train=remainders, confirm=0)
    limited = (
        parse(OWN + f"limits: {{timeout: 9 s, {more}}}", subject="settings") for more in ("", "cores: 2, retries: 3")
    )
    assert len({study_name(experiment, TrainerName("function", "cpu")) for experiment in limited}) == 1
    pd.testing.assert_frame_equal(again.runs, first.runs)


def test_runs_of_a_lost_node_are_missing_and_tried_again(tmp_path: Path) -> None:
    path = written(tmp_path, OWN)
    planned = plan_file(path, lambda _: of_function(remainders), workers=1, confirm=0)
    first = run.execute(replace(planned, executor=Cluster(Ray(n_lost=2), None)), tmp_path / "out")
    assert first.configurations["n_missing"].sum() == 2 and "the node died" in first.manifest.broken[0].traceback
    again = run.execute(replace(planned, executor=Cluster(Ray(), None)), tmp_path / "out")
    assert again.configurations["n_missing"].sum() == 0 and len(again.runs) == 24


def test_what_no_node_can_make_is_refused(tmp_path: Path) -> None:
    planned = plan_file(written(tmp_path, OWN), lambda _: of_many(lambda *_: 0), workers=1)
    with pytest.raises(ExecutorError, match="allowed: an engine, a program, or a function of a module"):
        run.execute(replace(planned, executor=Cluster(Ray(), None)), tmp_path / "out")
    broken = plan_file(written(tmp_path, OWN), lambda asked: of_program(("sh", "-c", "exit {step}"), asked), workers=1)
    with pytest.raises(TrainerError, match="each of the first 4 runs crashed; one said\nexit code [12]"):
        run.execute(replace(broken, executor=Cluster(Ray(), None)), tmp_path / "broken")


# errors of the command -----------------------------------------------------------------------------------------------


def sweep_run(
    *arguments: str | Path, environment: Mapping[str, str] = {}, code: int = 0
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweep", "run", *map(str, arguments)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env={**os.environ, **environment}, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


@pytest.mark.parametrize("address", ["nonsense", "ray://host:10001", "host:port", ":1", "host:70000", ""])
def test_addresses_that_cannot_be(address: str) -> None:
    with pytest.raises(ExecutorError, match="allowed: local"), cluster.connected(address):
        pass


def test_an_address_where_nothing_is(tmp_path: Path) -> None:
    ended = sweep_run(written(tmp_path, GRID), "--out", tmp_path / "out", "--ray", "127.0.0.1:1", code=2)
    (message,) = ended.stderr.splitlines()
    assert message.startswith("--ray 127.0.0.1:1: nothing answers there (Connection refused)")
    assert not (tmp_path / "out").exists()


def test_without_the_extra_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"pip install 'xor-sweep\[ray\]'"):
        sweep.run(written(tmp_path, GRID), tmp_path / "out", ray="local")
    assert not (tmp_path / "out").exists()


# Ray itself -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ray_started_here(tmp_path: Path) -> None:
    path = written(tmp_path, GRID)
    home = tmp_path / "home"
    home.mkdir()
    sweep_run(path, "--out", tmp_path / "threads", "--workers", "1", "--quiet")
    ended = sweep_run(path, "--out", tmp_path / "ray", "--ray", "local", environment={"HOME": str(home)})
    assert contents(tmp_path / "ray") == contents(tmp_path / "threads")
    assert "1 Ray node" in ended.stderr
    assert not (home / ".ray").exists()
    manifest = json.loads((tmp_path / "ray" / "manifest.json").read_text())
    assert manifest["machine"]["executor"] == "ray"
    assert manifest["broken"] == []


HELD = """
import sys
from sweep.training.cluster import connected
with connected("local", 1) as cluster:
    cluster.n_workers
    print("here", flush=True)
    sys.stdin.read()
"""


def begun_by(parent: int) -> set[int]:
    """The processes that a process began, and those that these did."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {parent}
    while new:
        new = {child for child, above in parents.items() if above in new}
        found |= new
    return found


def listens_at(process: int) -> set[str]:
    """The addresses at which a process waits for connections, as the kernel writes them."""
    sockets = set[str]()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(link))
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()]
    table = map(str.split, lines)
    return {cells[1].partition(":")[0] for cells in table if cells[3] == "0A" and f"socket:[{cells[9]}]" in sockets}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ray_started_here_is_alone_and_ends_with_its_driver() -> None:
    pytest.importorskip("ray")
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    with subprocess.Popen([sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == b"here\n"
        begun = begun_by(driver.pid)
        addresses = {address for process in begun for address in listens_at(process)}
        driver.kill()
    assert addresses and addresses <= loopback
    while any(Path(f"/proc/{process}/exe").exists() for process in begun):  # else the test's own limit ends it
        time.sleep(1)


@pytest.mark.slow
def test_runs_of_ones_own_on_ray_started_here_with_the_cores_they_ask_for(tmp_path: Path) -> None:
    """The same rows by a function, by a program and on Ray; libraries are told to start as many threads."""
    path = written(tmp_path, OWN + "limits: {cores: 2}\n")
    sweep.run(path, tmp_path / "function", train=remainders)
    sweep_run(path, "--out", tmp_path / "ray", "--ray", "local", "--workers", "1", "--", *BY_AWK)
    sweep_run(path, "--out", tmp_path / "program", "--", *BY_AWK)
    manifest = json.loads((tmp_path / "ray" / "manifest.json").read_text())
    assert manifest["machine"]["executor"] == "ray" and manifest["machine"]["workers"] == 1
    rows = [columns_of(sweep.load(tmp_path / name)) for name in ("function", "program", "ray")]
    pd.testing.assert_frame_equal(rows[0], rows[1])
    pd.testing.assert_frame_equal(rows[0], rows[2])
    told = ("sh", "-c", "echo $OMP_NUM_THREADS {step} {seed} >&2; echo $OMP_NUM_THREADS")
    sweep_run(path, "--out", tmp_path / "told", "--ray", "local", "--workers", "1", "--", *told)
    assert set(sweep.load(tmp_path / "told").runs["score"]) == {2.0}
    asked = OWN + "limits: {gpus: 1}\n"
    refused = sweep_run(
        written(tmp_path, asked, "g.yaml"), "--out", tmp_path / "g", "--ray", "local", "--", *BY_AWK, code=2
    )
    assert "--ray: found cores 1, gpus 1 for each run; allowed: what a node has, cores " in refused.stderr


@pytest.mark.slow
def test_keras_on_ray(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("fixed: {epochs: 5, learning_rate: 0.05}\nvary: {width: [2, 3], seed: 3}\n")
    for out, given in (("threads", ()), ("ray", ("--ray", "local", "--workers", "1"))):
        sweep_run(path, "--out", tmp_path / out, "--engine", "keras", "--quiet", *given)
    assert contents(tmp_path / "ray") == contents(tmp_path / "threads")


@pytest.mark.slow
def test_ctrl_c_on_ray(tmp_path: Path) -> None:
    path, out = written(tmp_path, GRID.replace("epochs: 30", "epochs: 1000")), tmp_path / "out"
    command = [sys.executable, "-c", INTERRUPTED, "4", "1", "run", str(path), "--out", str(out), "--quiet"]
    command += ["--ray", "local", "--workers", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "interrupted; the same command goes on where it stopped" in ended.stderr
    assert "Traceback" not in ended.stderr
    stored, _ = Folder(out).read_parts("native on cpu")
    assert 0 < sum(map(len, stored.values())) < 12 * 150
    for folder in (out, tmp_path / "whole"):
        sweep_run(path, "--out", folder, "--quiet")
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_nodes_that_die_change_nothing(tmp_path: Path, record: Record) -> None:
    path = written(tmp_path, GRID.replace("epochs: 30", "epochs: 1500"))
    sweep_run(path, "--out", tmp_path / "threads", "--quiet")
    script = Path(__file__).parents[1] / "support" / "dying_nodes.py"
    command = [sys.executable, str(script), str(path), str(tmp_path / "ray")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert contents(tmp_path / "ray") == contents(tmp_path / "threads")
    manifest = json.loads((tmp_path / "ray" / "manifest.json").read_text())
    assert manifest["broken"] == []
    killed_at = ended.stdout.strip().splitlines()[-1].partition(": ")[2].split()
    assert len(killed_at) == 2
    assert all(0 < int(n) < 12 * 150 for n in killed_at)
    record("nodes: Ray nodes killed while a sweep trained on them", len(killed_at))
