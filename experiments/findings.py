"""Write docs/findings.md and its figures from the results of the experiments in this folder: `make experiments`.

The page is written where the tables have the SHA-256 of digests.txt: the native engine gives the same bytes on every
processor.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import findings_sections as sections
from findings_words import learned, rate

import sweep
from sweep.results.files import ResultsError
from sweep.results.results import Results

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "findings.md"
DIGESTS = HERE / "digests.txt"

SECTIONS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "question": ("The question: three layers of two units on 40,000 samples", sections.question),
    "answer": ("The answer: one layer of eight units on the four rows", sections.answer),
    "advice": ("The advice, point by point", sections.advice),
    "width": ("How wide?", sections.width),
    "depth": ("How deep?", sections.depth),
    "activation": ("Which activation?", sections.activation),
    "initializer": ("Which initial weights?", sections.initializer),
    "optimizer": ("Which optimizer, at which learning rate?", sections.optimizer),
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
    points.append(
        f"The smallest width of one ReLU layer that is shown reliable (at least 90%): {widths['width'].min()}."
    )
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


def main() -> None:
    """Write the page; with `--accept` its results become the committed ones, else other digests end with code 1.

    Results that are missing, unfinished or damaged end with one message and code 2.
    """
    try:
        results = {name: sweep.load(ROOT / "results" / name) for name in SECTIONS}
    except ResultsError as error:
        print(f"{error}\n  make experiments runs what is missing, and writes the page", file=sys.stderr)
        sys.exit(2)
    found = digests(results)
    if "--accept" in sys.argv[1:]:
        DIGESTS.write_text(found, encoding="utf-8")
    known = DIGESTS.read_text(encoding="utf-8").splitlines()
    others = [line.split()[1] for line in found.splitlines() if line not in known]
    if others:
        sys.exit(
            f"not as committed in {DIGESTS.relative_to(ROOT)}: {', '.join(others)}\n"
            "  the page is left as it was; where the change is meant: make experiments ACCEPT=--accept"
        )
    PAGE.write_text(page(results, found), encoding="utf-8")
    print(f"all digests as committed; wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
