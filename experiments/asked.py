"""The questions that people asked: trained, rescued, and what is known of them afterwards, as plain values.

The experiments are those of asked/, their results those of results/asked/, where a stopped training goes on. What the
page needs of them is asked.json, so that it can be written again without training.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asked_questions import Question, questions

import sweep
from sweep.commands.rescue.answer import Proportion, Rescue
from sweep.commands.rescue.rescue import rescue_configuration
from sweep.experiment.subjects import networks
from sweep.report.terminal.rescue import describe_cause, describe_longer
from sweep.results.results import Results
from sweep.runs.outcomes import outcomes
from sweep.statistics.pairs import Pairs, pair
from sweep.training import threads

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "asked"
FACTS = HERE / "asked.json"
# of the experiment's seeds, those that a rescue is of
n_rescued = 64

Facts = Mapping[str, Any]


def names() -> list[str]:
    """The experiments by name, in the order of the page."""
    return list(questions)


def trained(name: str, workers: int | None = None) -> Results:
    """The results of an experiment, trained where they are not there."""
    return sweep.run(HERE / "asked" / f"{name}.yaml", RESULTS / name, confirm=0, workers=workers)


def compared(question: Question) -> Iterator[tuple[int, int]]:
    """The trials that its answers compare: with it, without it."""
    return ((a.trial, a.without) for a in question.answers if a.trial is not None)


def facts(name: str, results: Results, workers: int | None = None) -> Facts:
    """What is known of a question: each configuration's runs by outcome, its answers' pairs of seeds, its rescue."""
    experiment = results.experiment
    by_trial = [block.sort_values("seed") for _, block in results.runs.groupby("trial")]
    table = results.configurations.sort_values("trial")
    found = [
        {
            "settings": networks.settings_of(c),
            "verdict": verdict,
            "outcomes": {o: n for o in outcomes if (n := int((block["outcome"] == o).sum()))},
            "n_runs": len(block),
        }
        for c, block, verdict in zip(experiment.networks, by_trial, table["verdict"], strict=True)
    ]
    learned = [block["learned"].to_numpy(bool) for block in by_trial]
    pairs = {f"{a}-{b}": pair(learned[a], learned[b]) for a, b in compared(questions[name])}
    return {
        "configurations": found,
        "pairs": {key: [p.both, p.only_first, p.only_second, p.neither] for key, p in pairs.items()},
        "rescue": _rescued(name, results, workers),
    }


def pairs_of(known: Facts, first: int, second: int) -> Pairs:
    """The pairs of two trials, as they were counted."""
    return Pairs(*known["pairs"][f"{first}-{second}"])


def _rescued(name: str, results: Results, workers: int | None) -> Facts:
    """The rescue of the network as asked: read where it was made, in results/asked, else made and kept there."""
    experiment = results.experiment
    asked = experiment.networks[0]
    seeds = experiment.seeds.seeds()[:n_rescued].tolist()
    path = RESULTS / "rescues" / f"{name}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if (kept["configuration"], kept["seeds"]) == (asked.id, seeds):
            return kept["rescue"]
    cores = workers or threads.available_cores()
    found = _plain(
        rescue_configuration(asked, seeds, experiment.reliability, experiment.criterion, workers=cores),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"configuration": asked.id, "seeds": seeds, "rescue": found}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return found


def _plain(found: Rescue) -> Facts:
    """What the page says of a rescue."""
    cheapest = found.cheapest and {
        "change": found.cheapest.label,
        "settings": networks.settings_of(found.cheapest.configuration),
        "fresh": _counts(found.cheapest.fresh),
        "parameters_ratio": round(found.cheapest.parameters_ratio, 6),
        "steps_ratio": round(found.cheapest.steps_ratio, 6),
    }
    return {
        "n_seeds": found.n_seeds,
        "n_failed": found.n_failed,
        "as_it_is": _counts(found.as_it_is),
        "is_reliable": found.is_reliable,
        "cause": found.cause and found.cause.name,
        "said": [line for line in (describe_cause(found), *describe_longer(found)) if line],
        "cheapest": cheapest,
        "n_tried": found.n_tried,
        "n_left_out": found.n_left_out,
    }


def _counts(share: Proportion) -> list[int]:
    return [share.k, share.n]
