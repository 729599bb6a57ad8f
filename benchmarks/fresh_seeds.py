"""The configurations of xor.yaml judged by every rule, and on 1,024 fresh seeds: how many verdicts were false.

`make bench-verdicts` trains each configuration under 2,048 seeds (1.2 million networks, minutes), replays the rules on
the first 1,024 and holds their verdicts against the rates of the others. A verdict counts as false where the fresh rate
lies on the other side of the target; in parentheses those whose fresh interval (Wilson, 95%) lies there as a whole.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from adaptive import FIRST, doublings, least, old_rule

import sweep
from sweep.results.selection import learned_by_seed
from sweep.statistics.adaptive import Rule, SeedCourse, by_verdict, looks, play
from sweep.statistics.exact_tests import exact_tests, verdicts_of
from sweep.statistics.intervals import Counts, wilson
from sweep.statistics.verdicts import Target, Words, families

ROOT = Path(__file__).parent.parent
EXPERIMENT = ROOT / "experiments" / "xor.yaml"
SEEDS = "seed: {first: 0, count: 64}"
FIXED = 64
Learned = npt.NDArray[np.int8]


def outcomes(experiment: Path, seeds: str, most: int) -> tuple[Learned, Target]:
    """Which networks learned, `[configuration, seed]`, under `most` seeds and as many fresh ones."""
    text = experiment.read_text()
    if seeds not in text:
        raise SystemExit(f"{experiment}: no {seeds}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.yaml"
        path.write_text(text.replace(seeds, f"seed: {{first: 0, count: {2 * most}}}"))
        results = sweep.run(path, Path(folder) / "out", confirm=0)
        return learned_by_seed(results.runs, list(results.configurations["configuration"])), (
            results.experiment.reliability
        )


def courses(learned: Learned, target: Target) -> Mapping[str, SeedCourse]:
    """What each rule makes of the seeds: the runs that it took, and its verdicts."""
    n, most = learned.shape
    alpha = 1 - target.confidence
    found = dict[str, SeedCourse]()
    first = learned[:, :FIXED].sum(axis=1, dtype=np.int64)
    of_64, known = np.full(n, FIXED), np.full(n, most)
    ends = wilson(first, FIXED, target.confidence)
    low, high = ends.low >= target.target, ends.high < target.target
    words = np.where(low, "reliable", np.where(high, "unreliable", "inconclusive"))
    found[f"{FIXED} seeds, Wilson's ends"] = SeedCourse(of_64, first, words, known)
    for family in families:
        words = verdicts_of(exact_tests(first, FIXED, target.target), target.confidence, family)
        found[f"{FIXED} seeds, exact, `{family}`"] = SeedCourse(of_64, first, words, known)
    judge = old_rule(alpha / n, target.target)

    def old(n_learned: Counts, n_runs: Counts, before: Words) -> Words:
        n_looked_at = int(n_runs.max())  # the open ones have it, the others keep their verdict
        return np.where(before == "inconclusive", judge(n_learned, n_looked_at), before)

    found[f"up to {most:,}, the old rule"] = play(learned, old, doublings(FIRST, most))
    for family in families:
        look = by_verdict(Rule(target, family, n))
        found[f"up to {most:,}, mixtures, `{family}`"] = play(learned, look, looks(FIRST, most))
    return found


def table(learned: Learned, target: Target) -> str:
    """The rules, what they took and said, and how much of it was false by the fresh seeds."""
    most = learned.shape[1] // 2
    fresh = wilson(learned[:, most:].sum(axis=1), most, target.confidence)
    lines = ["| rule | networks | reliable | unreliable | false | open |", "|---|---:|---:|---:|---:|---:|"]
    for name, course in courses(learned[:, :most], target).items():
        is_reliable, is_unreliable = course.words == "reliable", course.words == "unreliable"
        false = is_reliable & (fresh.value < target.target) | is_unreliable & (fresh.value >= target.target)
        shown = is_reliable & (fresh.high < target.target) | is_unreliable & (fresh.low >= target.target)
        lines.append(
            f"| {name} | {course.n_runs.sum():,} | {is_reliable.sum()} | {is_unreliable.sum()} | "
            f"{false.sum()} ({shown.sum()}) | {(course.words == 'inconclusive').sum()} |"
        )
    bound = least(fresh.value, (1 - target.confidence) / len(learned), target.target).sum()
    is_at_least = int((fresh.value >= target.target).sum())
    lines += [
        "",
        f"{is_at_least} of {len(learned)} have a fresh rate of {target.target:g} or more. Least with `fwer`: ",
    ]
    return "\n".join(lines) + f"{bound:,.0f} networks."


def main() -> None:
    """Train and print; a smaller experiment and number of seeds may be named."""
    experiment, seeds, most = EXPERIMENT, SEEDS, 1024
    if len(sys.argv) == 4:
        experiment, seeds, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    print(table(*outcomes(experiment, seeds, most)))


if __name__ == "__main__":
    main()
