"""Runs that somebody else made, in tables as they come: to verdicts, comparisons and a page."""

import json
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from support.folders import contents
from support.shell import call

import sweep

# as Weights & Biases exports runs: a name, a state, config.* and the last of each number; NaN as a word
WANDB = """"Name","State","config.lr","config.layers","config.seed","accuracy","_runtime"
"brisk-1","finished","0.1","1","0","0.97","12"
"brisk-2","finished","0.1","1","1","0.99","13"
"brisk-3","crashed","0.1","1","2","","4"
"brisk-4","finished","0.01","2","0","0.91","12"
"brisk-5","finished","0.01","2","1","NaN","12"
"brisk-6","finished","0.01","2","2","0.90","12"
"brisk-7","running","0.01","2","3","0.30","2"
"""
# as mlflow.search_runs(..).to_csv() has them
MLFLOW = """,run_id,experiment_id,status,metrics.accuracy,metrics.loss,params.lr,params.seed,tags.mlflow.user
0,a1,0,FINISHED,0.97,0.25,0.1,0,ann
1,a2,0,FINISHED,0.5,inf,0.1,1,ann
2,a3,0,FAILED,,,0.2,0,ann
3,a4,0,FINISHED,True,0.125,0.2,1.0,ann
"""


def judged(folder: Path, text: str, *arguments: str) -> Any:
    (folder / "table.csv").write_text(text)
    return call("judge", folder / "table.csv", "--out", folder / "out", *arguments)


def outcomes(folder: Path, *columns: str) -> dict[Any, str]:
    runs = sweep.load(folder / "out").runs
    return {tuple(row[:-1]): row[-1] for row in runs[[*columns, "seed", "outcome"]].itertuples(index=False, name=None)}


def test_an_export_of_wandb(tmp_path: Path) -> None:
    done = judged(
        tmp_path,
        WANDB,
        "--configuration",
        "lr,layers",
        "--seed",
        "seed",
        "--success",
        "accuracy >= 0.95",
        "--target",
        "0.2",
    )
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        "left out, as their runs have not ended: 1 of 7 rows",
        "crashed, as they have no accuracy: 1 of 7 rows",
    ]
    assert "By these 3 seeds 0 of 2 do, 0 do not, 2 are inconclusive." in done.stdout
    assert outcomes(tmp_path, "lr", "layers") == {
        **{(0.1, 1, 0): "learned", (0.1, 1, 1): "learned", (0.1, 1, 2): "crashed"},
        **{(0.01, 2, 0): "missed", (0.01, 2, 1): "diverged", (0.01, 2, 2): "missed"},
    }
    results = sweep.load(tmp_path / "out")
    assert set(results.runs["engine"].str[:15]) == {"table table.csv"}
    assert results.runs["_runtime"].tolist() == [12, 13, 4, 12, 12, 12]
    assert (tmp_path / "out" / "report.html").exists()
    one, other = results.configurations["configuration"]
    for command in (["show"], ["report"], ["importance"], ["compare", one, other], ["verify"]):
        again = call(command[0], tmp_path / "out", *command[1:])
        assert again.exit_code == 0, again.output


def test_an_export_of_mlflow(tmp_path: Path) -> None:
    options = ("--configuration", "lr", "--seed", "seed", "--success", "accuracy > 0.9")
    assert judged(tmp_path, MLFLOW, *options).exit_code == 0
    assert outcomes(tmp_path, "lr") == {
        **{(0.1, 0): "learned", (0.1, 1): "missed", (0.2, 0): "crashed", (0.2, 1): "learned"}
    }
    runs = sweep.load(tmp_path / "out").runs
    assert runs["loss"].isna().tolist() == [False, True, True, False] and "experiment_id" in runs


def test_trials_of_optuna(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        lr, seed = trial.suggest_float("lr", 0, 1), trial.suggest_int("seed", 0, 3)
        trial.set_user_attr("size", 7)
        if lr == 0.5 and seed == 3:
            raise RuntimeError("no luck")
        return float("nan") if lr == 0.5 and seed == 2 else lr + seed

    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"lr": [0.0, 0.5], "seed": [0, 1, 2, 3]}, seed=0))
    study.optimize(objective, catch=RuntimeError)
    text = study.trials_dataframe().to_csv(index=False)
    done = judged(tmp_path, text, "--configuration", "lr", "--seed", "seed", "--success", "value >= 1")
    assert done.exit_code == 0, done.output
    assert outcomes(tmp_path, "lr") == {
        **{(0.0, 0): "missed", (0.0, 1): "learned", (0.0, 2): "learned", (0.0, 3): "learned"},
        **{(0.5, 0): "missed", (0.5, 1): "learned", (0.5, 2): "crashed", (0.5, 3): "crashed"},  # Optuna keeps no NaN
    }
    assert set(sweep.load(tmp_path / "out").runs["size"].dropna()) == {7}


def test_a_table_of_a_sweep_has_its_verdicts(finished: Path, tmp_path: Path) -> None:
    names = "width,optimizer,learning_rate,epochs"
    options = ("--configuration", names, "--seed", "seed", "--success", "margin > 0", "--target", "0.2")
    assert judged(tmp_path, (finished / "runs.csv").read_text(), *options).exit_code == 0
    columns = ["width", "optimizer", "n_learned", "n_runs", "ci_low", "ci_high", "verdict"]
    ours, theirs = (sweep.load(f).configurations[columns].astype(str) for f in (tmp_path / "out", finished))
    order = ["width", "optimizer"]
    pd.testing.assert_frame_equal(
        ours.sort_values(order).reset_index(drop=True), theirs.sort_values(order).reset_index(drop=True)
    )


def test_the_same_table_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    options = ("--configuration", "lr", "--seed", "seed", "--success", "accuracy > 0.9")
    judged(tmp_path, MLFLOW, *options)
    before = contents(tmp_path / "out")
    assert judged(tmp_path, MLFLOW, *options).exit_code == 0 and contents(tmp_path / "out") == before
    changed = judged(tmp_path, MLFLOW.replace("0.5,inf", "0.99,inf"), *options)
    assert changed.exit_code == 2 and "was trained by the engine table table.csv" in changed.stderr
    assert judged(tmp_path, MLFLOW.replace("0.5,inf", "0.99,inf"), *options, "--fresh").exit_code == 0
    assert outcomes(tmp_path, "lr")[0.1, 1] == "learned"


def test_rows_without_seeds_are_numbered_and_seeds_of_their_own_are_told(tmp_path: Path) -> None:
    text = "lr,run,accuracy\n" + "".join(f"{lr},{n},{n % 2}\n" for n, lr in enumerate([1, 1, 1, 2, 2]))
    options = ("--configuration", "lr", "--success", "accuracy >= 1")
    assert judged(tmp_path, text, *options).exit_code == 0
    assert list(outcomes(tmp_path, "lr")) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert sweep.load(tmp_path / "out").configurations.set_index("lr")["n_missing"].to_dict() == {1: 0, 2: 1}
    done = judged(tmp_path, text, *options, "--seed", "run", "--fresh")
    assert done.exit_code == 0 and "no seed stands under two configurations" in done.stderr


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "a,s,y\n1,0,1\n2,0,1\n1,0,0\n",
            (),
            "line 4: a second row of a=1 under seed 0, the first is line 2",
        ),
        ("a,step,y\n1,1,0\n1,2,1\n", ("--seed",), "the rows of a=1 differ in step, as the points of a curve do"),
        ("a,s,y\n", (), "no rows"),
        ("", (), "table.csv: cannot be read"),
        ("a,s,y\n1,0\n", (), "line 2: 2 cells under 3 columns"),
        ("a,s,y\n1,x,1\n", (), "line 2: seed: found 'x'; allowed: a whole number"),
        ("a,s,y\n1,,1\n", (), "line 2: seed: found ''"),
        ("a,s,y\n1,-1,1\n", (), "line 2: seed: found '-1'"),
        ("a,s,y\n1,0,good\n", (), "line 2: y: found 'good'; allowed: a number"),
        ("b,s,y\n1,0,1\n", (), "--configuration: "),
        ("a,t,y\n1,0,1\n", (), "has no column s; "),
        ("a,s,metrics.y,summary.y\n1,0,1,1\n", (), "--success: y: .* has metrics.y, summary.y; allowed: one of these"),
        ("a,s,y\n1,0,1\n", ("--success", "y"), "--success: found 'y'; allowed: one comparison"),
        ("a,s,y,state\n1,0,1,RUNNING\n", (), "no run has ended"),
        ("learned,s,y\n1,0,1\n", ("--configuration", "learned"), "a column of the tables has that name"),
        ("a,s,y\n1,0,1\n", ("--target", "2"), "reliability.target: found 2"),
    ],
)
def test_what_is_no_table_of_runs_is_one_message(
    tmp_path: Path, text: str, options: tuple[str, ...], message: str
) -> None:
    given = {"--configuration": "a", "--seed": "s", "--success": "y >= 1"}
    if options == ("--seed",):
        del given["--seed"]
    elif options:
        given[options[0]] = options[1]
    done = judged(tmp_path, text, *(word for pair in given.items() for word in pair))
    assert done.exit_code == 2 and not (tmp_path / "out").exists()
    assert pd.Series([done.stderr]).str.contains(message).all(), done.stderr


def test_names_of_strangers_are_shown_and_do_nothing(tmp_path: Path) -> None:
    text = 'a,s,y,"<b>\x1b[31m"\n"<script>alert(1)</script>",0,1,3\n"\x1b[31mred",0,0,4\n'
    done = judged(tmp_path, text, "--configuration", "a", "--seed", "s", "--success", "y >= 1")
    assert done.exit_code == 0 and "\x1b" not in done.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page and "<b>\x1b" not in page
    lines = (tmp_path / "out" / "configurations.jsonl").read_text().splitlines()
    assert {json.loads(line)["settings"]["a"] for line in lines} == {"<script>alert(1)</script>", "\x1b[31mred"}
