"""The experiment file: YAML in, an `Experiment` out, or one message that says what is wrong and where.

The text becomes plain values with a line for each, the values become pydantic models of the file's shape, the models an
`Experiment`, whose own rules are checked there. Every mistake ends as place, found and allowed, and so as one message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from sweep.experiment.dimensions import Choices, Dimension, Range
from sweep.experiment.experiment import Experiment, Study, samplers, trial_kinds
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.table_files import TableFiles, is_file_task
from sweep.experiment.yaml_text import Place, Source, YamlError
from sweep.networks.configuration import Configuration
from sweep.networks.settings import hyperparameters, resolve
from sweep.runs.errors import SettingError, UserError, at, did_you_mean, show
from sweep.statistics.verdicts import Target

max_bytes = 1 << 20


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


def load(path: str | PathLike[str]) -> Experiment:
    """Read the experiment in a file. Raises `ExperimentFileError`."""
    return read(path).experiment


def read(path: str | PathLike[str]) -> ExperimentFile:
    """Read an experiment file of at most 1 MiB of UTF-8. Raises `ExperimentFileError`, whatever it holds."""
    name = fspath(path)
    try:
        with open(path, "rb") as file:
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
    tables = TableFiles(Path(path).parent)
    experiment = parse(text, name, tables)
    return ExperimentFile(Path(path), content, tables.contents, experiment)


def parse(text: str, name: str = "experiment.yaml", tables: TableFiles | None = None) -> Experiment:
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
    try:
        return _experiment(_document(source), tables or TableFiles(Path()))
    except SettingError as error:
        found, allowed = _explained(error, source)
        raise ExperimentFileError(_message(name, source.line(error.place), error.place, found, allowed)) from None


def settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Read settings given as NAME=VALUE, each value as in an experiment file. Raises `ExperimentFileError`.

    >>> settings(["width=2", "optimizer={name: sgd, momentum: 0.9}"])
    {'width': 2, 'optimizer': {'name': 'sgd', 'momentum': 0.9}}
    """
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise ExperimentFileError(_message(argument, None, (), "no NAME=VALUE", "allowed: width=2"))
        if name not in hyperparameters:
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

    >>> configuration(["width=2", "depth=3"]).layers
    (2, 2, 2)
    """
    given = settings(arguments)
    try:
        return resolve(with_tables(given, TableFiles(Path())))
    except SettingError as error:
        name = error.place[0]
        (argument,) = (a for a in arguments if a.startswith(f"{name}="))
        source = Source(argument.partition("=")[2])
        inner = SettingError(error.place[1:], error.found, error.allowed)
        message = _message(argument, None, inner.place, *_explained(inner, source))
        raise ExperimentFileError(message) from None


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


# The description of a field says what is allowed there: messages quote it. A tag names a form of a union; the angle
# brackets keep it apart from the file's own keys in the place of an error.


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Range(_Section):
    low: float = Field(description="a number")
    high: float = Field(description="a number")
    step: float | None = Field(default=None, description="a number above 0")
    log: bool = Field(default=False, description="true or false")


class _Block(_Section):
    first: int = Field(default=0, description="a whole number from 0 to 2^32 - 1")
    count: int = Field(default=64, description="a whole number from 1 to 2^32")
    up_to: int | None = Field(default=None, description="a whole number above count")


def _dimension_form(value: object) -> str | None:
    return "<list>" if isinstance(value, list) else "<range>" if isinstance(value, dict) else None


def _seeds_form(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return "<count>"
    return "<list>" if isinstance(value, list) else "<block>" if isinstance(value, dict) else None


_AnyDimension = Annotated[
    Annotated[list[Any], Tag("<list>")] | Annotated[_Range, Tag("<range>")], Discriminator(_dimension_form)
]
_AnySeeds = Annotated[
    Annotated[int, Tag("<count>")] | Annotated[list[int], Tag("<list>")] | Annotated[_Block, Tag("<block>")],
    Discriminator(_seeds_form),
]
_seeds_allowed = "a count, a list of whole numbers, or {first: 0, count: 64}"
_dimension_allowed = (
    "a list of choices, [2, 4, 8], or a range, {low: 2, high: 8, step: 2}; a single value goes under fixed"
)


class _Fixed(_Section):
    model_config = ConfigDict(extra="allow")
    seed: _AnySeeds | None = Field(default=None, description=_seeds_allowed)


class _Vary(_Section):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _AnyDimension] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]
    seed: _AnySeeds | None = Field(default=None, description=_seeds_allowed)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_objectives = ["success_rate", ["success_rate"], ["success_rate", "n_parameters"]]


class _Study(_Section):
    sampler: str = Field(
        default="grid", description="grid, random, qmc or tpe", json_schema_extra={"enum": list(samplers)}
    )
    trials: int | None = Field(default=None, ge=1, description="a whole number from 1 up, or null")
    seed: int = Field(default=0, ge=0, lt=2**32, description="a whole number from 0 to 2^32 - 1")
    objective: Annotated[list[str], BeforeValidator(_listed), WithJsonSchema({"enum": _objectives})] = Field(
        default=["success_rate"], description="success_rate, or [success_rate, n_parameters]"
    )
    trials_per_round: int = Field(default=32, ge=1, description="a whole number from 1 up")
    trial: str = Field(
        default="configuration", description="configuration, or run", json_schema_extra={"enum": list(trial_kinds)}
    )
    storage: str = Field(default="journal", description="journal, or a storage URL of Optuna")


class _Reliability(_Section):
    target: float = Field(default=0.9, gt=0, lt=1, description="a number above 0 and below 1")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="a number above 0 and below 1")
    margin: float = Field(default=0.0, ge=0, lt=1, description="a number from 0 up and below 1")


class _Document(_Section):
    fixed: _Fixed | None = Field(
        default=None, description="a mapping, hyperparameter: value (with a space after the colon)"
    )
    vary: _Vary | None = Field(default=None, description="a mapping, hyperparameter: choices")
    cases: list[dict[str, Any]] | None = Field(
        default=None, description="a list of mappings, [{batch_size: 1, epochs: 250}]"
    )
    study: _Study | None = Field(default=None, description="a mapping, " + ", ".join(_Study.model_fields))
    reliability: _Reliability | None = Field(
        default=None, description="a mapping, " + ", ".join(_Reliability.model_fields)
    )


_models: Mapping[str, type[BaseModel]] = {
    "": _Document,
    "fixed": _Fixed,
    "vary": _Vary,
    "study": _Study,
    "reliability": _Reliability,
    "<range>": _Range,
    "<block>": _Block,
}


def document_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file's shape; a hyperparameter's values are none of its business."""
    return _Document.model_json_schema()


_tags = ("<count>", "<list>", "<range>", "<block>")


def _document(source: Source) -> _Document:
    """Check the shape of a file; raise its first mistake, by line, as a `SettingError`."""
    try:
        return _Document.model_validate({} if source.value is None else source.value)
    except ValidationError as error:
        mistakes = [_mistake(details) for details in error.errors(include_url=False, include_context=False)]
    raise min(mistakes, key=lambda mistake: source.line(mistake.place))


def _mistake(details: ErrorDetails) -> SettingError:
    """Translate one of pydantic's errors to place, found and allowed."""
    location = details["loc"]
    place = tuple(key for key in location if key not in _tags)
    parent, last = ("", "", *map(str, location))[-2:]
    if details["type"] == "extra_forbidden":
        if last in hyperparameters and parent == "":
            return SettingError(place, "no such key", "allowed: under fixed, vary or cases")
        return SettingError(place, "no such key", did_you_mean(last, _models[parent].model_fields))
    if details["type"] == "missing":
        return SettingError(place[:-1], f"no {last}", "allowed: " + ", ".join(_models[parent].model_fields))
    return SettingError(place, f"found {show(details['input'])}", f"allowed: {_allowed(location)}")


def _allowed(location: Place) -> str:
    """Find the description of the field at pydantic's location of an error."""
    while location and (isinstance(location[-1], int) or location[-1] in _tags):
        location = location[:-1]
    if not location:
        return "a mapping with the keys " + ", ".join(_Document.model_fields)
    parent, field = ("", *map(str, location))[-2:]
    fields = _models[parent].model_fields
    return (fields[field].description or "") if field in fields else _dimension_allowed


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


def _experiment(document: _Document, tables: TableFiles) -> Experiment:
    fixed, vary = document.fixed or _Fixed(), document.vary or _Vary()
    reliability = document.reliability or _Reliability()
    if fixed.seed is not None and vary.seed is not None:
        raise SettingError(("vary", "seed"), "also under fixed", "allowed: one place for the seeds")
    with at("vary" if fixed.seed is None else "fixed", "seed"):
        seeds = _seeds(vary.seed if fixed.seed is None else fixed.seed)
    with at("study"):
        study = _study(document.study or _Study())
    with at("fixed"):
        stays = with_tables(fixed.model_extra or {}, tables)
    with at("vary"):
        varies = with_tables(vary.model_extra or {}, tables)
    cases: list[dict[str, Any]] = []
    for i, case in enumerate(document.cases or ()):
        with at("cases", i):
            cases.append(with_tables(case, tables))
    return Experiment(
        fixed=stays,
        vary={name: _dimension(name, value) for name, value in varies.items()},
        cases=tuple(cases),
        seeds=seeds,
        study=study,
        reliability=Target(reliability.target, reliability.confidence, reliability.margin),
    )


def _seeds(value: int | list[int] | _Block | None) -> SeedBlock:
    if isinstance(value, _Block):
        return SeedBlock(value.first, value.count, up_to=value.up_to)
    if isinstance(value, list):
        return SeedBlock(listed=tuple(value))
    return SeedBlock() if value is None else SeedBlock(count=value)


def _study(section: _Study) -> Study:
    return Study(
        sampler=section.sampler,
        trials=section.trials,
        seed=section.seed,
        objective=tuple(section.objective),
        trials_per_round=section.trials_per_round,
        storage=section.storage,
        trial=section.trial,
    )


def _dimension(name: str, value: list[Any] | _Range) -> Dimension:
    if isinstance(value, list):
        return Choices(tuple(value))
    with at("vary", name):
        return Range(value.low, value.high, value.step, value.log)
