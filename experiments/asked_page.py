"""The page of the questions that people asked, written from asked.json: no network is trained for it.

What is said of a report or an answer follows from intervals by the rules below, never by hand. Rates stand with
Wilson's 95% interval, changes on the same seeds with Tango's.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from asked import HERE, Facts, n_rescued, pairs_of
from asked_questions import Answer, Claim, Symptom, questions
from findings_words import confidence, effect, points, rate, shares_of, table

from sweep.networks.configuration import Configuration
from sweep.networks.settings import resolve
from sweep.report.scripts import script
from sweep.report.words import describe_configuration
from sweep.statistics.intervals import Rates, wilson
from sweep.statistics.pairs import paired_difference

PAGE = HERE.parent / "docs" / "asked.md"

HEAD = """# Questions that people asked

Somebody's small network does not learn, or learns sometimes, and the answer is to try another seed, more units, more
epochs. Here are {n} such questions from public places, in our own words, each trained under 64 to 512 seeds: how often
the network learns, how the other runs end, whether the advice helps, and a change that was confirmed on fresh seeds,
with the code to paste. `make experiments` writes this page from the results of
[experiments/asked/](../experiments/asked), which anybody can run again to the same bytes.
"""

RULES = """## How it is judged

Rates stand with their 95% interval in brackets (Wilson's), differences on the same seeds with Tango's. A run has
learned where every row is right, unless the experiment says otherwise. What the outcomes of failed runs mean is in
[method.md](method.md). These rules decide, no hand does:

- *Every run failed*: this agrees where the interval of the rate lies below 50%, and does not where it lies above.
- *Sometimes*: this agrees where the interval lies between 5% and 95%, or meets the rates of the report where it has
  numbers; it does not where it lies outside.
- *It works*: this held where the rate is shown to be at least 90%, and was luck where it is shown to be below: one
  start in ten, or more, goes wrong. Else it is open.
- An answer *helps* or *harms* where the interval of the difference on the same seeds lies above or below 0. Else it is
  not shown to matter. One that helps *is enough* where the rate with it is shown to be at least 90%.
- *It depends on the start* is confirmed where other weights for the seeds that failed make over 5% of them learn, by
  the interval, or where nothing else depends on the seed and the rate lies between 5% and 95%.

Each verdict errs in 5% of such cases, so among so many a few will be wrong. A thread seldom tells everything: what had
to be chosen here stands under *not told*, and what was changed under *here*; the verdict is of the network as it
stands.
"""

LEFT_OUT = """## What is not here

- A recurrent network on XOR (GitHub, BrainJS/brain.js, issue 954), and scikit-learn's L-BFGS on three rows, asked for
  the fourth (Stack Overflow): no such network and no such optimizer can be said here.
- Even or odd from the numbers 0 to 999, and exactly one of nine inputs (both Stack Overflow): their tables have more
  rows than the 256 of these experiments.
- An example of theanets that gives 0.5 for every row (GitHub, lmjohns3/theanets, issue 135): it tells no more than
  that.
"""


def head_of(name: str) -> Mapping[str, str]:
    """The comment at the head of an experiment by its labels: Asked, Where, Answered and, in some, Not told, Here."""
    found: dict[str, str] = {}
    label = ""
    for line in (HERE / "asked" / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words = re.match(r"# (Asked|Where|Answered|Not told|Here): (.*)", line)
        if words:
            label = words[1]
        found[label] = f"{found[label]} {line[1:].strip()}" if words is None else words[2]
    return found


def rate_of(known: Facts, trial: int) -> Rates:
    """The success rate of a trial."""
    c = known["configurations"][trial]
    return wilson(c["outcomes"].get("learned", 0), c["n_runs"], confidence)


def judge_claim(claim: Claim, known: Facts) -> str:
    """Whether a report agrees with the runs, by the rules of the page: `agrees`, `does not`, `held`, `luck`, `open`."""
    r = rate_of(known, claim.trial)
    low, high = float(r.low), float(r.high)
    if claim.says == "works":
        verdict = known["configurations"][claim.trial]["verdict"]
        return {"reliable": "held", "unreliable": "luck"}.get(verdict, "open")
    if claim.says == "fails":
        return "agrees" if high < 0.5 else "does not" if low > 0.5 else "open"
    if claim.share is not None:
        return "agrees" if low <= claim.share[1] and high >= claim.share[0] else "does not"
    return "agrees" if low >= 0.05 and high <= 0.95 else "does not" if high < 0.05 or low > 0.95 else "open"


def judge_answer(answer: Answer, known: Facts) -> str:
    """What an answer does, by the rules of the page."""
    if answer.trial is None:
        cause, asked = known["rescue"]["cause"], judge_claim(Claim("sometimes"), known)
        is_start = cause in ("weights", "both") or (cause == "only weights" and asked == "agrees")
        return "confirmed" if is_start else "not shown"
    found = effect(paired_difference(pairs_of(known, answer.trial, answer.without), confidence))
    is_enough = known["configurations"][answer.trial]["verdict"] == "reliable"
    return f"{found}, and is enough" if found == "helps" and is_enough else found


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def configuration(known: Mapping[str, Any]) -> Configuration:
    """A configuration of stored settings."""
    return resolve(known["settings"])


def in_short(facts: Facts) -> Iterator[str]:
    """The first tables: what became of the answers, of what was said to work, and of the reports."""
    answers = [(a, judge_answer(a, facts[name])) for name, q in questions.items() for a in q.answers]
    changes = [(a.accepted, so) for a, so in answers if a.trial is not None]
    kinds = ("helps, and is enough", "helps", "not shown to matter", "harms")
    counts = Counter(changes)
    rows = [[kind, counts[True, kind], counts[False, kind]] for kind in kinds]
    n = len(changes)
    yield f"{n} changes were advised, as the accepted answer, as another one or as a part:"
    yield table(["the change", "accepted", "another, or a part of it"], rows)
    starts = Counter(so for a, so in answers if a.trial is None)
    yield (
        f"{starts.total()} threads were answered with the start, or a local minimum: confirmed in "
        f"{starts['confirmed']}, not shown in {starts['not shown']}."
    )
    claims = [(c.says, judge_claim(c, facts[name])) for name, q in questions.items() for c in q.claims]
    works = Counter(so for says, so in claims if says == "works")
    yield (
        f"“It works” was said of {works.total()} networks: it held for {works['held']}, **was luck for "
        f"{works['luck']}**, and is open for {works['open']}."
    )
    told = {"fails": "every run failed", "sometimes": "sometimes it learns"}
    seen = Counter(claims)
    rows = [[words, *(seen[says, so] for so in ("agrees", "does not", "open"))] for says, words in told.items()]
    yield "The reports of networks that fail, against the runs here:"
    yield table(["the report", "agrees", "does not", "open"], rows)
    told_in_full = [name for name in questions if not {"Not told", "Here"} & set(head_of(name))]
    n = sum(judge_claim(c, facts[name]) == "does not" for name in told_in_full for c in questions[name].claims)
    yield f"Of those that do not agree, {n} are of threads that tell the network in full."
    rescues = [facts[name]["rescue"] for name in questions]
    failing = [r for r in rescues if not r["is_reliable"]]
    yield (
        f"Of the {len(failing)} networks that are not shown reliable as asked, a change that makes them so was found "
        f"and confirmed on fresh seeds for {sum(r['cheapest'] is not None for r in failing)}."
    )


def index() -> Iterator[str]:
    """The questions by symptom."""
    for symptom in get_args(Symptom):
        linked = [f"[{q.title}](#{anchor(q.title)})" for q in questions.values() if symptom in q.symptoms]
        yield f"- [“{symptom}”](symptoms.md#{anchor(symptom)}): {', '.join(linked)}"


def section(name: str, known: Facts) -> str:
    """A question: what was asked, its rates, what is to be thought of report and answer, and the way out."""
    q = questions[name]
    head = head_of(name)
    where = re.sub(r'"([^"]+)", (https://\S+)', r"[“\1”](\2)", head["Where"].rstrip(".")) + "."
    lines = [f"### {q.title}", f"**Asked:** {head['Asked']} *Where:* {where}", f"**Answered:** {head['Answered']}"]
    lines += [f"*{label}:* {head[label]}" for label in ("Not told", "Here") if label in head]
    lines.append(f"[{name}.yaml](../experiments/asked/{name}.yaml)")
    trials = known["configurations"]
    rows = [
        [
            describe_configuration(configuration(c)),
            rate(c["outcomes"].get("learned", 0), c["n_runs"]),
            shares_of(c["outcomes"]),
        ]
        for c in trials
    ]
    rows[0][0] = f"**as asked:** {rows[0][0]}"
    lines.append(table(["network", "learns", "failures"], rows))
    points_told = [*map(lambda c: told_claim(c, known), q.claims), *map(lambda a: told_answer(a, known), q.answers)]
    if points_told:
        lines.append("\n".join(f"- {p}" for p in points_told))
    return "\n\n".join([*lines, *way_out(known)])


def told_claim(claim: Claim, known: Facts) -> str:
    """A report and what the runs say to it."""
    share = "" if claim.share is None else f", for {claim.share[0]:.0%} to {claim.share[1]:.0%} of runs"
    said = {"fails": "every run failed", "sometimes": f"sometimes it learns{share}", "works": "it works"}[claim.says]
    of = "" if claim.trial == 0 else f" ({describe_configuration(configuration(known['configurations'][claim.trial]))})"
    verdict = judge_claim(claim, known)
    words = {"held": "It held", "luck": "It was luck", "does not": "The runs here do not agree", "open": "Open"}
    return f"Report: {said}{of}. **{words.get(verdict, 'The runs here agree')}**: {_learns(known, claim.trial)} learn."


def _learns(known: Facts, trial: int) -> str:
    c = known["configurations"][trial]
    return rate(c["outcomes"].get("learned", 0), c["n_runs"])


def told_answer(answer: Answer, known: Facts) -> str:
    """An answer and what it does."""
    verdict = judge_answer(answer, known)
    kind = "Answer" if answer.accepted else "Beside it"
    if answer.trial is None:
        return f"{kind}: {answer.words}. **{verdict.capitalize()}**."
    d = paired_difference(pairs_of(known, answer.trial, answer.without), confidence)
    rates = f"{_learns(known, answer.without)} without, {_learns(known, answer.trial)} with it"
    return f"{kind}: {answer.words}. **{verdict.capitalize()}**: {points(d)} on the same seeds; {rates}."


def way_out(known: Facts) -> Iterator[str]:
    """What rescue found: the cause, the change and its code."""
    r = known["rescue"]
    asked = configuration(known["configurations"][0])
    fresh = rate(*r["as_it_is"])
    if r["is_reliable"]:
        yield f"It is reliable as it is: {fresh} of {r['as_it_is'][1]:,} fresh seeds learn."
        return
    yield f"Why seeds fail, of the first {n_rescued}: " + " ".join(r["said"])
    found = r["cheapest"]
    if found is None:
        left = f"; {r['n_left_out']:,} more were too costly" if r["n_left_out"] else ""
        yield f"**Nothing that was tried makes it reliable**: {r['n_tried']:,} configurations{left}."
        return
    ratios = (found["parameters_ratio"], "parameters"), (found["steps_ratio"], "steps")
    cost = ", ".join(f"as many {what}" if x == 1 else f"{x:.3g} times the {what}" for x, what in ratios)
    yield (
        f"**A change that is enough:** {found['change']}. It learns for {rate(*found['fresh'])} of "
        f"{found['fresh'][1]:,} fresh seeds, as it is for {fresh}; {cost}."
    )
    framework, lines = script(configuration(found), asked)
    code = "\n".join(lines)
    yield f"To paste, for {framework}:\n\n```python\n{code}\n```"


def page(facts: Facts) -> str:
    """The whole page."""
    parts = [
        HEAD.format(n=len(questions)),
        "## In short\n\n" + "\n\n".join(in_short(facts)) + "\n",
        "## By symptom\n\nWhat they would type into a search box:\n\n" + "\n".join(index()) + "\n",
        "## The questions\n\n" + "\n\n".join(section(name, facts[name]) for name in questions) + "\n",
        LEFT_OUT,
        RULES,
    ]
    return "\n".join(parts)
