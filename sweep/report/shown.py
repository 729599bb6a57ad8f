"""Results as a Python prompt and a notebook show them: the answer, the best configurations with bars, the words."""

import html
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from sweep.commands import replay as replays
from sweep.commands.rescue import answer as rescues
from sweep.report.summaries import summarise
from sweep.report.terminal.answer import answer_sentence, brief_text, named_lines, question, verdict_words
from sweep.report.terminal.replay import describe_replay
from sweep.report.terminal.rescue import describe_rescue
from sweep.report.words import interval
from sweep.results import results as stored
from sweep.results.resume import study_name
from sweep.results.storages import study_to_read
from sweep.runs.errors import UserError, visible
from sweep.runs.settings import setting_text, title_of
from sweep.search.reading import Study, read_study
from sweep.training.trainer import TrainerName

n_shown = 10
_colours = {"reliable": "#00705a", "inconclusive": "#a66300", "unreliable": "#8a8f98"}


class Results(stored.Results):
    """A results folder: its tables as pandas DataFrames, its manifest, its study; shown as its answer."""

    def study(self, storage: str | None = None) -> Study:
        """The Optuna study, to be read: writing to the journal of a results folder is refused.

        `storage`: the database to ask, where the folder names one and was not made here. Raises `SettingError` where
        the study cannot be read.
        """
        trainer = TrainerName.recorded(vars(self.manifest))
        place: Path | str = study_to_read(self.folder, self.experiment, storage)
        return read_study(place, study_name(self.experiment, trainer))

    def __repr__(self) -> str:
        """The answer and the best configurations; of a folder that cannot be read, which one it is."""
        try:
            return brief_text(self, n_shown)
        except UserError:
            return f"Results({str(self.folder.path)!r})"

    def _repr_html_(self) -> str | None:
        try:
            return _answer_html(self)
        except UserError:
            return None


class Replay(replays.Replay):
    """A run trained again; shown in words."""

    def __repr__(self) -> str:
        """The words of `sweep replay`."""
        return "\n".join(describe_replay(self))

    def _repr_html_(self) -> str:
        return _pre(describe_replay(self))


class Rescue(rescues.Rescue):
    """What a rescue finds; shown in words."""

    def __repr__(self) -> str:
        """The words of `sweep rescue`."""
        return "\n".join(describe_rescue(self))

    def _repr_html_(self) -> str:
        return _pre(describe_rescue(self))


def as_replay(found: replays.Replay) -> Replay:
    """The same, to be shown."""
    return Replay(**{f.name: getattr(found, f.name) for f in fields(found)})


def as_rescue(found: rescues.Rescue) -> Rescue:
    """The same, to be shown."""
    return Rescue(**{f.name: getattr(found, f.name) for f in fields(found)})


def _escaped(text: str) -> str:
    return html.escape(visible(text))


def _pre(lines: Iterable[str]) -> str:
    return f"<pre>{_escaped(chr(10).join(lines))}</pre>"


def _answer_html(results: stored.Results) -> str:
    """The question, the answer, the best configurations with a bar for each rate, the one that is named."""
    answer = summarise(results, n_shown)
    has_sizes = any("n_parameters" in row for row in answer.shown)
    titles = ["id", *map(title_of, answer.columns), *(["parameters"] if has_sizes else [])]
    head = "".join(f"<th>{_escaped(x)}</th>" for x in (*titles, "learned", "", "interval", "verdict"))
    rows: list[str] = []
    for row in answer.shown:
        colour, rate = _colours[row["verdict"]], float(row["success_rate"] or 0) if row["n_runs"] else 0.0
        bar = f'<div style="width:8em"><div style="width:{rate:.1%};height:.8em;background:{colour}"></div></div>'
        cells = [row["configuration"][: answer.id_length], *(setting_text(row[c]) for c in answer.columns)]
        cells += [f"{row['n_parameters']:,}"] if has_sizes else []
        cells.append(f"{row['n_learned']:,}/{row['n_runs']:,}")
        after = [interval(row["ci_low"], row["ci_high"]), verdict_words(row, answer)]
        rows.append("".join([*map(_cell, cells), f"<td>{bar}</td>", *map(_cell, after)]))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    said = [question(answer), answer_sentence(answer)]
    paragraphs = "".join(f"<p>{_escaped(line)}</p>" for line in said)
    closing = "".join(f"<p>{_escaped(line)}</p>" for line in named_lines(answer))
    return f"{paragraphs}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{closing}"


def _cell(text: Any) -> str:
    return f"<td>{_escaped(str(text))}</td>"
