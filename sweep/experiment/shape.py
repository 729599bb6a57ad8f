"""The shape of an experiment file, said once: a JSON Schema that editors get and that the reader follows.

The description of a key says what is allowed there: messages quote it. What a hyperparameter's value may be is none of
its business, nor is what joins two values.
"""

import operator
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from sweep.experiment.experiment import Study, samplers, trial_kinds
from sweep.experiment.seeds import SeedBlock
from sweep.networks.settings import hyperparameters
from sweep.runs.errors import SettingError, did_you_mean, show
from sweep.runs.limits import Limits, allowed_memory, allowed_time
from sweep.statistics.verdicts import Target, families

Schema = dict[str, Any]
Place = tuple[str | int, ...]


def _key(allowed: str, **rules: Any) -> Schema:
    return dict(sorted({"description": allowed, **rules}.items()))


def _section(properties: Schema, *, others: bool | Schema = False, **rules: Any) -> Schema:
    return {"additionalProperties": others, "properties": properties, **rules, "type": "object"}


def _or_null(form: Schema) -> list[Schema]:
    return [form, {"type": "null"}]


_integer = {"type": "integer"}
_text_or_texts = [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]
_share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_any_seeds = {"oneOf": [_integer, {"items": _integer, "type": "array"}, {"$ref": "#/$defs/_Block"}]}
_seed = _key("a count, a list of whole numbers, or {first: 0, count: 64}", anyOf=_or_null(_any_seeds), default=None)
_any_dimension = _key(
    "a list of choices, [2, 4, 8], or a range, {low: 2, high: 8, step: 2}; a single value goes under fixed",
    oneOf=[{"items": {}, "type": "array"}, {"$ref": "#/$defs/_Range"}],
)
_study = {
    "sampler": _key("grid, random, qmc or tpe", type="string", enum=list(samplers), default=Study.sampler),
    "trials": _key(
        "a whole number from 1 up, or null", anyOf=_or_null({"minimum": 1, **_integer}), default=Study.trials
    ),
    "seed": _key(
        "a whole number from 0 to 2^32 - 1", type="integer", minimum=0, exclusiveMaximum=2**32, default=Study.seed
    ),
    "objective": _key(
        "success_rate, or [success_rate, n_parameters]; of a program or function of one's own any number that it "
        "gives, with its goal: [success_rate, seconds], [success_rate, memory low]",
        oneOf=_text_or_texts,
        default=list(Study.objective),
    ),
    "trials_per_round": _key("a whole number from 1 up", type="integer", minimum=1, default=Study.trials_per_round),
    "trial": _key("configuration, or run", type="string", enum=list(trial_kinds), default=Study.trial),
    "storage": _key("journal, or a storage URL of Optuna", type="string", default=Study.storage),
}
_reliability = {
    "target": _key("a number above 0 and below 1", default=Target.target, **_share),
    "confidence": _key("a number above 0 and below 1", default=Target.confidence, **_share),
    "margin": _key(
        "a number from 0 up and below 1", type="number", minimum=0, exclusiveMaximum=1, default=Target.margin
    ),
    "family": _key(
        "what the error is of: none, fwer or fdr",
        anyOf=_or_null({"type": "string", "enum": list(families)}),
        default=Target.family,
    ),
    "success": _key(
        "instead of margin, one comparison, accuracy >= 0.95: of a network's accuracy, loss, margin or max_error, or "
        "of a number that a program or function of one's own gives",
        anyOf=_or_null({"type": "string"}),
        default=None,
    ),
}
_amount = [{"type": "string"}, {"type": "number"}]
_limits = {
    "timeout": _key(allowed_time, anyOf=[*_amount, {"type": "null"}], default=None),
    "memory": _key(allowed_memory, anyOf=[*_amount, {"type": "null"}], default=None),
    "retries": _key("a whole number from 0 up", type="integer", minimum=0, default=Limits.retries),
    "cores": _key("a whole number from 1 up", type="integer", minimum=1, default=Limits.cores),
    "gpus": _key("a number from 0 up, on a cluster", type="number", minimum=0, default=Limits.gpus),
    "stop": _key(
        "one comparison of a number of the curve, and a step: accuracy < 0.2 at step 50",
        anyOf=_or_null({"type": "string"}),
        default=None,
    ),
}
_sections = {
    "_Block": _section(
        {
            "first": _key("a whole number from 0 to 2^32 - 1", type="integer", default=SeedBlock.first),
            "count": _key("a whole number from 1 to 2^32", type="integer", default=SeedBlock.count),
            "up_to": _key("a whole number above count", anyOf=_or_null(_integer), default=SeedBlock.up_to),
            "until": _key(
                "what ends the seeds: half_width and a number, half_width 0.02",
                anyOf=_or_null({"type": "string"}),
                default=SeedBlock.until,
            ),
        }
    ),
    "_Fixed": _section({"seed": _seed}, others=True),
    "_Limits": _section(_limits),
    "_Range": _section(
        {
            "low": _key("a number", type="number"),
            "high": _key("a number", type="number"),
            "step": _key("a number above 0", anyOf=_or_null({"type": "number"}), default=None),
            "log": _key("true or false", type="boolean", default=False),
        },
        required=["low", "high"],
    ),
    "_Reliability": _section(_reliability),
    "_Study": _section(_study),
    "_Vary": _section({"seed": _seed}, others=_any_dimension),
}
_cases = {"items": {"additionalProperties": True, "type": "object"}, "type": "array"}
_forms_of_keys: Mapping[str, tuple[str, Schema]] = {
    "fixed": ("a mapping, hyperparameter: value (with a space after the colon)", {"$ref": "#/$defs/_Fixed"}),
    "vary": ("a mapping, hyperparameter: choices", {"$ref": "#/$defs/_Vary"}),
    "cases": ("a list of mappings, [{batch_size: 1, epochs: 250}]", _cases),
    "study": (f"a mapping, {', '.join(_study)}", {"$ref": "#/$defs/_Study"}),
    "reliability": (f"a mapping, {', '.join(_reliability)}", {"$ref": "#/$defs/_Reliability"}),
    "limits": (f"a mapping, {', '.join(_limits)}", {"$ref": "#/$defs/_Limits"}),
}
document: Schema = {
    "$defs": _sections,
    **_section({k: _key(words, anyOf=_or_null(form), default=None) for k, (words, form) in _forms_of_keys.items()}),
}


def read_shape(value: Any) -> tuple[dict[str, Any], list[SettingError]]:
    """A file's plain values, numbers as floats where its shape has any number, and every mistake in their shape."""
    mistakes: list[SettingError] = []
    read = _read(value, document, (), f"a mapping with the keys {', '.join(_forms_of_keys)}", mistakes)
    return read if isinstance(read, dict) else {}, mistakes


_types: Mapping[str, Any] = {
    "integer": int,
    "number": int | float,
    "string": str,
    "boolean": bool,
    "null": NoneType,
    "array": list,
    "object": dict,
}
_bounds = {"minimum": operator.ge, "exclusiveMinimum": operator.gt, "exclusiveMaximum": operator.lt}


def _forms(schema: Schema) -> Iterator[Schema]:
    """The forms of a schema: what it refers to, and its alternatives one by one."""
    schema = _sections[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    alternatives = schema.get("anyOf", schema.get("oneOf"))
    if alternatives is None:
        yield schema
    for alternative in alternatives or ():
        yield from _forms(alternative)


def _fits(value: Any, form: Schema) -> bool:
    """Whether a value has the type of a form and lies within its bounds; its choices are the values' own rule."""
    if not isinstance(value, _types[form["type"]]) or isinstance(value, bool) and form["type"] != "boolean":
        return False
    return all(holds(value, form[bound]) for bound, holds in _bounds.items() if bound in form)


def _read(value: Any, schema: Schema, place: Place, allowed: str, mistakes: list[SettingError]) -> Any:
    """A value by its schema; `allowed` is what messages say where the schema has no description."""
    allowed = schema.get("description", allowed)
    form = next((form for form in _forms(schema) if _fits(value, form)), None)
    if form is None:
        mistakes.append(SettingError(place, f"found {show(value)}", f"allowed: {allowed}"))
        return value
    match form["type"]:
        case "object":
            return _read_mapping(value, form, place, allowed, mistakes)
        case "array" if form["items"]:
            return [_read(x, form["items"], (*place, i), allowed, mistakes) for i, x in enumerate(value)]
        case "number":
            return float(value)
        case _:
            return value


def _home_of(name: str, value: Any) -> str | None:
    """Where a key at the top of a file belongs, if it is a hyperparameter or means the seeds: as one may paste it."""
    name = "seed" if name == "seeds" else name
    if name not in (*hyperparameters, "seed"):
        return None
    form: Any = _any_dimension["oneOf"]
    is_varied = name == "seed" or any(_fits(value, one) for alternative in form for one in _forms(alternative))
    return f"allowed: {'vary' if is_varied else 'fixed'}: {{{name}: {show(value)}}}"


def _read_mapping(
    value: Mapping[str, Any], form: Schema, place: Place, allowed: str, mistakes: list[SettingError]
) -> dict[str, Any]:
    own: Schema = form.get("properties", {})
    others = form["additionalProperties"]
    is_known = all(name in own for name in value)  # a key that is no key may be a missing one, misspelt
    for name in form.get("required", ()):
        if name not in value and is_known:
            mistakes.append(SettingError(place, f"no {name}", f"allowed: {', '.join(own)}"))
    read: dict[str, Any] = {}
    for name, x in value.items():
        schema = own.get(name, others)
        if schema is False:
            hint = did_you_mean(name, own) if place else _home_of(name, x) or did_you_mean(name, own)
            mistakes.append(SettingError((*place, name), "no such key", hint))
        else:
            read[name] = x if schema is True else _read(x, schema, (*place, name), allowed, mistakes)
    return read
