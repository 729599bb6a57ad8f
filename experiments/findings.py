"""Write docs/findings.md, docs/asked.md, docs/symptoms.md and their figures: `make experiments`.

The findings are of the results of the experiments in this folder. The questions of asked/ are trained and rescued here;
what their page needs is kept in asked.json, so that `python experiments/findings.py --stored` writes it and the page of
symptoms without any results. Pages are written where the tables have the SHA-256 of the two digests.txt: the native
engine gives the same bytes on every processor.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import asked
import asked_page
import findings_choices as choices
import findings_sections as sections
import symptoms
from findings_words import learned, rate

import sweep
from sweep.results.files import ResultsError
from sweep.results.results import Results

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "findings.md"
DIGESTS = HERE / "digests.txt"
ASKED_DIGESTS = HERE / "asked" / "digests.txt"

SECTIONS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "question": ("The question: three layers of two units on 40,000 samples", sections.question),
    "answer": ("The answer: one layer of eight units on the four rows", sections.answer),
    "advice": ("The advice, point by point", sections.advice),
    "width": ("How wide?", sections.width),
    "depth": ("How deep?", sections.depth),
    "activation": ("Which activation?", sections.activation),
    "initializer": ("Which initial weights?", sections.initializer),
    "optimizer": ("Which optimizer, at which learning rate?", sections.optimizer),
    "start": ("Does the framework's default start matter?", choices.start),
    "head": ("Which output, which loss?", choices.head),
    "encoding": ("Inputs 0 and 1, or -1 and 1?", choices.encoding),
    "batch_and_dropout": ("Small batches and dropout", sections.batch_and_dropout),
    "parity": ("Parity of more bits", sections.parity),
    "gates": ("All sixteen functions of two inputs", sections.gates),
    "adders": ("Half and full adder", sections.adders),
    "seeds": ("How many seeds?", sections.seeds),
    "xor": ("Five hyperparameters at once", sections.xor),
    "adaptive": ("Seeds where they decide something", sections.adaptive),
    "spirals": ("Two spirals: width, depth, activation", sections.held_out),
    "moons": ("Two moons: dropout and the rows held out", sections.held_out),
    "iris": ("Irises: how small, and scaled or not", sections.held_out),
}

HEAD = """# Findings

Somebody asked why a small Keras network does not learn XOR and prints something else at every run; somebody answered.
This page puts a rate and an interval to each claim of both. It is written by `make experiments` from the results of the
experiments in [experiments/](../experiments), which anybody can run again to the same bytes.

A rate stands with its 95% interval in brackets (Wilson's; a difference of rates has Tango's). `2 x 3`: three hidden
layers of two units. What the outcomes of failed runs mean is in [method.md](method.md).
"""


def purpose(name: str) -> str:
    """The comment at the head of an experiment file."""
    lines = (HERE / f"{name}.yaml").read_text().splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return " ".join(line.removeprefix("#").strip() for line in head)


def in_short(results: Mapping[str, Results]) -> str:
    """The answer to the question, and what became of each piece of advice."""
    fresh = results["question"].manifest.confirmation
    assert fresh is not None
    asked, answered = results["question"].runs, results["answer"].runs
    printed = sections.is_three_merged(asked)
    points = [
        f"The network of the question learns XOR for {rate(fresh.n_learned, fresh.n_runs)} of seeds. It was not "
        f"broken and not unlucky: most seeds fail. What it printed is how {rate(int(printed.sum()), len(asked))} of "
        "seeds end.",
        f"The network of the answer learns for {learned(answered)}: far better, and not reliable yet.",
        *(
            f"The advice “{words}”: **{so}**; {without} without it, {following} with it."
            for words, without, following, _, _, so in sections.judged(results["advice"])
        ),
    ]
    widths = results["width"].configurations.query("verdict == 'reliable'")
    points += [
        f"The smallest width of one ReLU layer that is shown reliable (at least 90%): {widths['width'].min()}.",
        f"The start of a framework. {choices.verdict(choices.starts, *choices.two_starts(results['start']))}",
        f"The output and its loss, the best of five. {choices.best_head(results['head'])}",
        f"The code of the inputs. {choices.verdict(choices.codes, *choices.two_codes(results['encoding']))}",
    ]
    return "\n".join(f"- {point}" for point in points)


def digests(results: Mapping[str, Results]) -> str:
    """The SHA-256 of each experiment and its tables, as `sha256sum --check` reads them."""
    lines: list[str] = []
    for name, found in results.items():
        folder = found.folder
        places = {f"experiments/{name}.yaml": HERE / f"{name}.yaml"}
        places |= {f"results/{name}/{path.name}": path for path in (folder.runs, folder.configurations)}
        lines += [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {shown}" for shown, path in places.items()]
    return "\n".join(lines) + "\n"


def page(results: Mapping[str, Results], listed: str) -> str:
    """The whole page; draws its figures. `listed`: the digests."""
    parts = [HEAD, f"## In short\n\n{in_short(results)}\n"]
    for name, (title, describe) in SECTIONS.items():
        head = f"[{name}.yaml](../experiments/{name}.yaml): {purpose(name)}"
        parts.append(f"## {title}\n\n{head}\n\n{describe(results[name])}\n")
    block = "\n".join(f"    {line}" for line in listed.splitlines())
    words = "SHA-256 of each experiment and its tables, the same on every processor (`sha256sum --check`):"
    parts.append(f"## Digests\n\n{words}\n\n{block}\n")
    return "\n".join(parts)


def write_stored() -> None:
    """Write the pages that need no results: of the questions, from asked.json, and of the symptoms."""
    asked_page.PAGE.write_text(asked_page.page(json.loads(asked.FACTS.read_text(encoding="utf-8"))), encoding="utf-8")
    symptoms.write()


def ask_all() -> tuple[dict[str, Results], str]:
    """Train and rescue the questions, or go on with them: their results, and what is known as JSON, a line each."""
    results: dict[str, Results] = {}
    known: dict[str, asked.Facts] = {}
    for name in asked.names():
        print(f"experiments/asked/{name}.yaml", file=sys.stderr)
        results[f"asked/{name}"] = asked.trained(name)
        known[name] = asked.facts(name, results[f"asked/{name}"])
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(of_name)}" for name, of_name in known.items())
    return results, f"{{\n{lines}\n}}\n"


def others(path: Path, found: str, *, is_accepted: bool) -> list[str]:
    """The lines of what was found that are not in a committed file; where it is accepted it becomes that file."""
    if is_accepted:
        path.write_text(found, encoding="utf-8")
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in found.splitlines() if line not in known]


def main() -> None:
    """Write the pages; with `--accept` the results become the committed ones, else other digests end with code 1.

    Results that are missing, unfinished or damaged end with one message and code 2.
    """
    if "--stored" in sys.argv[1:]:
        write_stored()
        return
    try:
        results = {name: sweep.load(ROOT / "results" / name) for name in SECTIONS}
    except ResultsError as error:
        print(f"{error}\n  make experiments runs what is missing, and writes the page", file=sys.stderr)
        sys.exit(2)
    questions, known = ask_all()
    found = digests(results)
    is_accepted = "--accept" in sys.argv[1:]
    listed = others(DIGESTS, found, is_accepted=is_accepted)
    listed += others(ASKED_DIGESTS, digests(questions), is_accepted=is_accepted)
    differing = [line.split()[1] for line in listed]
    if others(asked.FACTS, known, is_accepted=is_accepted):
        differing.append(str(asked.FACTS.relative_to(ROOT)))
    if differing:
        sys.exit(
            f"not as committed: {', '.join(differing)}\n"
            "  the pages are left as they were; where the change is meant: make experiments ACCEPT=--accept"
        )
    PAGE.write_text(page(results, found), encoding="utf-8")
    write_stored()
    pages = (PAGE, asked_page.PAGE, symptoms.PAGE)
    print(f"all digests as committed; wrote {', '.join(str(path.relative_to(ROOT)) for path in pages)}")


if __name__ == "__main__":
    main()
