"""What would have rescued the seeds that failed: one change at a time, then the cheapest that makes it reliable.

Every change is trained under the seeds of the configuration, so that a seed is compared with itself. Cost is
parameters times steps.
"""

from collections.abc import Iterable

import numpy as np

from sweep.commands.progress import Observer, ignore
from sweep.commands.rescue.answer import Attempt, Rescue
from sweep.commands.rescue.search import Say, Search, count_failures
from sweep.commands.rescue.trainer import Trainer
from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.results.results import Results
from sweep.results.selection import select_configuration
from sweep.runs.cohort import Seeds
from sweep.runs.outcomes import failures, outcomes
from sweep.runs.success import Success, above_margin
from sweep.statistics.verdicts import Target
from sweep.training import choice, threads


def rescue(
    results: Results,
    configuration: str,
    *,
    engine: str = "auto",
    workers: int | None = None,
    say: Say = lambda message: None,
    observe: Observer = ignore,
) -> Rescue:
    """What would have rescued the failing seeds of a configuration in a results folder.

    `configuration`: its id, the beginning of one, or `width=8,optimizer=adam`. Its seeds are trained again, so that
    rows of another engine do not mix in. Raises `ResultsError`, `EngineError`.
    """
    results.folder.check_has_experiment()
    identity = select_configuration(results.configurations, configuration)
    runs = results.runs
    seeds = runs.loc[runs["configuration"] == identity, "seed"].to_numpy(np.uint32)
    experiment = results.experiment
    reliability, success = experiment.reliability, experiment.criterion
    found = results.configuration(identity)
    return rescue_configuration(
        found, seeds, reliability, success, engine=engine, workers=workers, say=say, observe=observe
    )


def rescue_configuration(
    configuration: Configuration,
    seeds: Iterable[int] | Seeds,
    reliability: Target = Target(),  # noqa: B008  (frozen)
    success: Success = above_margin(0.0),  # noqa: B008  (frozen)
    *,
    engine: str = "auto",
    workers: int | None = None,
    say: Say = lambda message: None,
    observe: Observer = ignore,
) -> Rescue:
    """As `rescue`, for a configuration and seeds without a results folder.

    `say` is told what is being trained, `observe` how many networks are. The same arguments give the same values; what
    would cost more than the budget is left out. Raises `EngineError`.
    """
    chosen = choice.choose(engine, "auto", [configuration])
    block = SeedBlock(listed=tuple(map(int, seeds)))
    n_workers = workers or threads.available_cores()
    trainer = Trainer(chosen, n_workers, block, reliability, success, observe=observe)
    own = trainer.train([configuration], block.seeds())[0]
    fresh = trainer.fresh_rate(configuration)
    trainer.left = trainer.budget  # what was asked for costs nothing of it
    failed = ~own.learned
    by_outcome = {
        name: n for i, name in enumerate(outcomes) if name in failures and (n := int((own.outcome == i).sum()))
    }
    attempts: tuple[Attempt, ...] = ()
    cause = cheapest = None
    n_tried = 0
    if failed.any():
        budget = f"about {trainer.budget:g} s of one core at most"
        say(f"{len(block)} seeds, {int(failed.sum())} failed: one change at a time; {budget}")
        search = Search(trainer, configuration, own, say)
        attempts = search.attempts()
        cause = search.cause(fresh)
        if not fresh.shows(reliability):
            cheapest = search.cheapest(count_failures(configuration, own))
        n_tried = len(search.tried)
    return Rescue(
        configuration=configuration,
        engine=chosen.name,
        reliability=reliability,
        n_seeds=len(block),
        by_outcome=by_outcome,
        as_it_is=fresh,
        attempts=attempts,
        cause=cause,
        cheapest=cheapest,
        n_tried=n_tried,
        n_left_out=trainer.n_left_out,
        budget=trainer.budget,
    )
