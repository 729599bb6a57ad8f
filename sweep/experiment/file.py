"""The experiment file: YAML in, an `Experiment` out, or one message that says what is wrong and where.

The text becomes plain values with a line for each, whose shape is checked; the values become an `Experiment`, whose own
rules are checked there. Every mistake ends as place, found and allowed. A message has all mistakes of the shape, of
single values and of sections; of those across settings, which only the whole shows, the first.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from sweep.experiment.dimensions import Choices, Dimension, Range
from sweep.experiment.experiment import Experiment, Study
from sweep.experiment.regular_files import regular
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.shape import read_shape
from sweep.experiment.table_files import TableFiles, is_file_task
from sweep.experiment.yaml_text import Place, Source, YamlError
from sweep.networks.configuration import Configuration
from sweep.networks.settings import check_value, hyperparameters, resolve
from sweep.runs.errors import SettingError, UserError, at, did_you_mean, nearest, show
from sweep.runs.limits import Limits
from sweep.runs.success import Success
from sweep.statistics.verdicts import Target

max_bytes = 1 << 20
max_mistakes = 20  # that a message has

Opener = Callable[[str, int], int]


class ExperimentFileError(UserError):
    """An experiment file that cannot be run. Its text is the whole message: file, line, place, found, allowed."""


_file_allowed = "allowed: the path of an experiment file; `sweep new FILE` writes one to start from"


@dataclass(frozen=True)
class ExperimentFile:
    """An experiment file as it was read: its bytes, those of the tables that it names by their path, its meaning."""

    path: Path
    content: bytes
    tables: Mapping[str, bytes]
    experiment: Experiment


def load(path: str | PathLike[str], subject: str = "network") -> Experiment:
    """Read the experiment in a results folder, a regular file. Raises `ExperimentFileError`."""
    return read(path, subject, opener=regular).experiment


def read(path: str | PathLike[str], subject: str = "network", *, opener: Opener | None = None) -> ExperimentFile:
    """Read an experiment file of at most 1 MiB of UTF-8. Raises `ExperimentFileError`, whatever it holds.

    `subject`: what it is of, see `sweep.experiment.subjects`; a file does not say so itself. A user may name a pipe;
    `opener` as for `open`.
    """
    name = fspath(path)
    try:
        with open(path, "rb", opener=opener) as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ExperimentFileError(_message(name, None, (), f"cannot be read: {reason}", _file_allowed)) from None
    if len(content) > max_bytes:
        found = f"longer than {max_bytes:,} bytes"
        raise ExperimentFileError(_message(name, None, (), found, "allowed: an experiment of at most 1 MiB"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"not a text in UTF-8: byte {content[error.start]:#04x}"
        raise ExperimentFileError(_message(name, line, (), found, "allowed: a YAML file saved as UTF-8")) from None
    tables = TableFiles(Path(path).parent, opener)
    experiment = parse(text, name, tables, subject)
    return ExperimentFile(Path(path), content, tables.contents, experiment)


def parse(
    text: str, name: str = "experiment.yaml", tables: TableFiles | None = None, subject: str = "network"
) -> Experiment:
    """Read the experiment in a YAML text; `name` is what messages call the file. Raises `ExperimentFileError`.

    `tables` reads the files of tasks; those of the current folder where it is not given. An empty text is an experiment
    too: one configuration, all defaults.

    >>> parse("vary: {width: [2, 4]}").n_trials
    2
    """
    try:
        source = Source(text)
    except YamlError as error:
        message = _message(name, error.line, error.place, error.found, error.allowed)
        raise ExperimentFileError(message) from None
    document, mistakes = read_shape({} if source.value is None else source.value)
    own = _settings_of_ones_own(document) if subject == "network" else None
    if own is not None:
        told = f"{own} of one's own: say what runs them: sweep run {name} -- PROGRAM ARG..., or train=function"
        raise ExperimentFileError(_message(name, None, (), told, ""))
    if subject == "network":
        document, mistakes = _check_values(document, mistakes, tables or TableFiles(Path()))
    try:
        experiment = _experiment(document, subject, mistakes)
    except SettingError as error:
        experiment, mistakes = None, [error]
    if experiment is None:
        raise ExperimentFileError(_all_messages(name, mistakes, source))
    return experiment


def _all_messages(name: str, mistakes: Sequence[SettingError], source: Source) -> str:
    """Every mistake, by its line."""
    ordered = sorted(mistakes, key=lambda mistake: source.line(mistake.place) or 0)
    messages = [_message(name, source.line(x.place), x.place, *_explained(x, source)) for x in ordered[:max_mistakes]]
    more = len(mistakes) - len(messages)
    return "\n".join([*messages, f"{_printable(name, 1000)}: {more:,} more"] if more else messages)


def _check_values(
    document: Mapping[str, Any], mistakes: Sequence[SettingError], tables: TableFiles
) -> tuple[dict[str, Any], list[SettingError]]:
    """A file of networks with its tables read, and, beside those in its shape, the mistakes that a value has alone.

    A name that there is not is said, and no more of what stands under it.
    """
    found = list(mistakes)

    def read(value: Any, name: str, *place: str | int) -> Any:
        try:
            if name not in hyperparameters:
                raise SettingError((name,), "no such hyperparameter", did_you_mean(name, (*hyperparameters, "seed")))
            value = with_tables({name: value}, tables)[name]
            check_value(name, value)
        except SettingError as error:
            known = [x for x in found if x.place[: len(place)] != place]
            told = [SettingError((*place, *e.place[1:]), e.found, e.allowed) for e in (error, *error.more)]
            found[:] = [*known, *told]
        return value

    def section(values: Any, *place: str | int) -> Any:
        return {
            name: value if name == "seed" else read(value, name, *place, name)
            for name, value in (values.items() if isinstance(values, Mapping) else ())
        }

    def choices(name: str, value: Any) -> Any:
        if name in hyperparameters and isinstance(value, list):
            return [read(choice, name, "vary", name, i) for i, choice in enumerate(cast(list[Any], value))]
        return value if name in (*hyperparameters, "seed") else read(value, name, "vary", name)

    vary, cases = document.get("vary"), document.get("cases")
    is_list, is_mapping = isinstance(cases, list), isinstance(vary, Mapping)
    checked = {
        "fixed": section(document.get("fixed"), "fixed"),
        "vary": {k: choices(k, v) for k, v in cast(Mapping[str, Any], vary).items()} if is_mapping else {},
        "cases": [section(case, "cases", i) for i, case in enumerate(cast(list[Any], cases))] if is_list else [],
    }
    return {**document, **checked}, found


def settings(arguments: Sequence[str], *, are_of_networks: bool = True) -> dict[str, Any]:
    """Read settings given as NAME=VALUE, each value as in an experiment file. Raises `ExperimentFileError`.

    Settings that are not of networks may have any name but `seed`.

    >>> settings(["width=2", "optimizer={name: sgd, momentum: 0.9}"])
    {'width': 2, 'optimizer': {'name': 'sgd', 'momentum': 0.9}}
    """
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise ExperimentFileError(_message(argument, None, (), "no NAME=VALUE", "allowed: width=2"))
        if name == "seed" or (are_of_networks and name not in hyperparameters):
            allowed = "allowed: --seeds N" if name in ("seed", "seeds") else did_you_mean(name, hyperparameters)
            raise ExperimentFileError(_message(argument, None, (), "no such hyperparameter", allowed))
        if name in given:
            raise ExperimentFileError(_message(argument, None, (), f"{name} is given twice", "allowed: once"))
        try:
            given[name] = Source(value).value
        except YamlError as error:
            raise ExperimentFileError(_message(argument, None, error.place, error.found, error.allowed)) from None
    return given


def configuration(arguments: Sequence[str]) -> Configuration:
    """Resolve settings given as NAME=VALUE; a task's file lies in the current folder. Raises `ExperimentFileError`.

    >>> configuration(["width=2", "depth=3"]).widths
    (2, 2, 2)
    """
    given = settings(arguments)
    try:
        return resolve(with_tables(given, TableFiles(Path())))
    except SettingError as error:
        name = error.place[0]
        (argument,) = (a for a in arguments if a.startswith(f"{name}="))
        source = Source(argument.partition("=")[2])
        inner = [SettingError(e.place[1:], e.found, e.allowed) for e in (error, *error.more)]
        messages = (_message(argument, None, e.place, *_explained(e, source)) for e in inner)
        raise ExperimentFileError("\n".join(messages)) from None


def template() -> str:
    """Return a commented experiment to start from."""
    return resources.files("sweep.experiment").joinpath("template.yaml").read_text("utf-8")


def _message(name: str, line: int | None, place: Place, found: str, allowed: str) -> str:
    """Give every message its one form; what comes from the file is made printable and short."""
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")
    name = _printable(name, 1000)
    where = name if line is None else f"{name}:{line}"
    first = ": ".join(part for part in (where, _printable(path, 100), _printable(found, 200)) if part)
    return first + (f"\n  {_printable(allowed, 600)}" if allowed else "")


def _printable(text: str, longest: int) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def _explained(error: SettingError, source: Source) -> tuple[str, str]:
    """Return found and allowed, with a hint where YAML or the wrong section is behind the mistake."""
    place = error.place
    if place in source.booleans:
        word, value = source.booleans[place]
        return f"found {word}, which YAML reads as {show(value)} (quote it if it is a name)", error.allowed
    is_setting = (place[:1] == ("fixed",) and len(place) == 2) or (place[:1] == ("cases",) and len(place) == 3)
    if is_setting and place in source.lists and place[-1] not in ("seed", "layers"):
        return error.found, f"{error.allowed}; several choices go under vary"
    return error.found, error.allowed


def with_tables(settings: Mapping[str, Any], tables: TableFiles) -> dict[str, Any]:
    """Return settings in which a task from a file, or each that is a choice, is its table."""

    def read(value: Any) -> Any:
        return tables.task(value) if is_file_task(value) else value

    given = dict(settings)
    with at("task"):
        if isinstance(given.get("task"), list):
            choices: list[Any] = []
            for i, choice in enumerate(given["task"]):
                with at(i):
                    choices.append(read(choice))
            given["task"] = choices
        elif "task" in given:
            given["task"] = read(given["task"])
    return given


def _settings_of_ones_own(document: Mapping[str, Any]) -> str | None:
    """What of a file no network has, in words, where it is clearly of something else; None where it may be of networks.

    A name that no network has is a slip of the pen, unless the file says what success is, or what a run may take. It
    is one even so beside a task, which only networks have, or where it is like a name of theirs.
    """
    cases: Any = document.get("cases")
    sections = [document.get("fixed"), document.get("vary"), *(cases if isinstance(cases, list) else ())]
    names = {name: None for section in sections if isinstance(section, Mapping) for name in section}
    unknown = [name for name in names if name not in (*hyperparameters, "seed")]
    reliability: Any = document.get("reliability")
    success = reliability.get("success") if isinstance(reliability, Mapping) else None
    if document.get("limits"):
        return "limits of runs"
    are_slips = "task" in names or all(nearest(name, hyperparameters) for name in unknown)
    return None if are_slips or success is None else f"settings ({', '.join(unknown[:3])})"


def _experiment(document: Mapping[str, Any], subject: str, mistakes: list[SettingError]) -> Experiment | None:
    """What a file says; where there are `mistakes`, nothing, and those of its other sections are added.

    Raises `SettingError` for the first mistake across settings.
    """
    wrong = {mistake.place[:2] for mistake in mistakes}

    def usable(section: str) -> dict[str, Any]:
        """A section without what is known to be wrong in it."""
        values: Any = document.get(section)
        is_mapping = isinstance(values, Mapping) and (section,) not in wrong
        return {k: v for k, v in values.items() if (section, k) not in wrong} if is_mapping else {}

    @contextmanager
    def collected(*place: str | int) -> Generator[None]:
        try:
            with at(*place):
                yield
        except SettingError as error:
            mistakes.extend((error, *error.more))

    fixed, vary = usable("fixed"), usable("vary")
    under_fixed, under_vary = fixed.pop("seed", None), vary.pop("seed", None)
    seeds, study, success, limits = SeedBlock(), Study(), None, Limits()
    if under_fixed is not None and under_vary is not None:
        mistakes.append(SettingError(("vary", "seed"), "also under fixed", "allowed: one place for the seeds"))
    with collected("vary" if under_fixed is None else "fixed", "seed"):
        seeds = _seeds(under_vary if under_fixed is None else under_fixed)
    with collected("study"):
        study = _study(usable("study")) if not any(place[0] == "study" for place in wrong if place) else study
    reliability = usable("reliability")
    with collected("reliability", "success"):
        written = reliability.pop("success", None)
        success = None if written is None else read_success(written)
    if success is not None and "margin" in reliability:
        allowed = "allowed: one of the two; success: margin > 0.1 says the same"
        mistakes.append(SettingError(("reliability", "margin"), "beside success", allowed))
    with collected("limits"):
        limits = Limits.of(usable("limits"))
    if mistakes:
        return None
    cases: list[Any] = list(document.get("cases") or ())
    return Experiment(
        fixed=fixed,
        vary={name: _dimension(name, value) for name, value in vary.items()},
        cases=tuple(cases),
        seeds=seeds,
        study=study,
        reliability=Target(**reliability),
        success=success,
        subject=subject,
        limits=limits,
    )


def read_success(text: str) -> Success:
    """Read a criterion as a file has it. Raises `SettingError`."""
    try:
        return Success.parse(text)
    except ValueError as error:
        raise SettingError((), f"found {show(text)}", f"allowed: {error}") from None


def _seeds(value: int | list[int] | dict[str, Any] | None) -> SeedBlock:
    if isinstance(value, dict):
        block = {key: x for key, x in value.items() if key != "until"}
        return SeedBlock(**block, until=_half_width(value.get("until")))
    if isinstance(value, list):
        return SeedBlock(listed=tuple(value))
    return SeedBlock() if value is None else SeedBlock(count=value)


def _half_width(text: str | None) -> float | None:
    """The half-width in `half_width 0.02`."""
    if text is None:
        return None
    name, _, number = text.partition(" ")
    try:
        if name == "half_width":
            return float(number)
    except ValueError:
        pass
    allowed = "allowed: half_width and a number, half_width 0.02"
    raise SettingError(("until",), f"found {show(text)}", allowed)


def _study(section: Mapping[str, Any]) -> Study:
    named = section.get("objective", Study.objective)
    given: dict[str, Any] = {**section, "objective": (named,) if isinstance(named, str) else tuple(named)}
    return Study(**given)


def _dimension(name: str, value: list[Any] | dict[str, Any]) -> Dimension:
    if isinstance(value, list):
        return Choices(tuple(value))
    with at("vary", name):
        return Range(**value)
