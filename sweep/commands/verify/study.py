"""The study against the experiment and the runs."""

from collections import Counter
from pathlib import Path

from sweep.experiment.experiment import shown_storage
from sweep.results.contents import Contents, at_most
from sweep.runs.cohort import Subject
from sweep.runs.runs import Entry
from sweep.search.reading import StoredTrial
from sweep.search.study import objective_values


def check_study(contents: Contents) -> list[str]:
    """Trials that are missing, doubled or added, or that were told another rate than their runs have."""
    if contents.study_problem is not None:
        return [contents.study_problem]
    file = Path(shown_storage(str(contents.folder.study_of(contents.experiment))))
    found = Counter(trial.index for trial in contents.trials)
    wanted = range(contents.experiment.n_trials)
    if contents.experiment.study.trial == "run":  # its trials are networks, and runs.csv says all that they do
        return []
    seeds = {p.configuration.id: p.seeds for p in contents.planned}
    findings = [f"{file.name}: trial {i} is missing" for i in wanted if i not in found]
    findings += [f"{file.name}: trial {i} was added" for i in sorted(set(found) - set(wanted))]
    findings += [f"{file.name}: trial {i} stands twice" for i, n in found.items() if n > 1]
    entries = {e.configuration.id: e for e in contents.entries}
    grid = list(contents.experiment.grid()) if contents.experiment.study.sampler == "grid" else None
    for trial in contents.trials:
        where = f"{file.name}: trial {trial.index}"
        wanted_id = contents.experiment.configuration(trial.point).id
        if trial.configuration != wanted_id:
            findings.append(f"{where}: names {trial.configuration}, its point is {wanted_id}")
        elif grid is not None and trial.index < len(grid) and dict(trial.point) != grid[trial.index]:
            findings.append(f"{where}: its point is not the grid's")
        elif wanted_id in seeds and trial.seeds != (int(seeds[wanted_id][0]), len(seeds[wanted_id])):
            findings.append(f"{where}: its seeds are {trial.seeds[1]} from {trial.seeds[0]}")
        elif wanted_id in entries:
            findings += [f"{where}: {problem}" for problem in _problems(contents, trial, entries[wanted_id])]
    return at_most(findings, file, "findings")


def _problems(contents: Contents, trial: StoredTrial, entry: Entry[Subject]) -> list[str]:
    if len(entry.runs) == 0:
        return []
    runs, n_parameters = entry.runs, entry.configuration.n_parameters
    wanted = tuple(objective_values(contents.experiment, float(runs.learned.mean()), n_parameters, runs.measured))
    if trial.values == wanted:
        return []
    found = "nothing" if trial.values is None else ", ".join(f"{x:g}" for x in trial.values)
    return [f"was told {found}, its runs give {', '.join(f'{x:g}' for x in wanted)}"]
