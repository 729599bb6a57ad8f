"""The JSON Schema of experiment files, for editors: names, values and what each is, as one types.

It says of a single value what the reader of experiment files says of it; the rules that join two values (`samples` with
`dropout`, `trials` off the grid) are the reader's alone. Draft 7, which editors know best.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweep.experiment import shape
from sweep.experiment.shape import Schema
from sweep.networks import splits, task_settings, tasks, vocabulary
from sweep.networks.settings import (
    defaults,
    hyperparameters,
    max_depth,
    named_signatures,
    numeric,
    of_a_layer,
    of_the_output,
    scalars,
)
from sweep.networks.vocabulary import Argument, Signature, max_number

file_name = "sweep.schema.json"
first_line = f"# yaml-language-server: $schema={file_name}\n"

descriptions: Mapping[str, str] = {
    "task": "the table to learn: a name, a name with arguments, a table of one's own, or a CSV file of one",
    "encoding": "inputs of a Boolean task: binary, 0 and 1, or bipolar, -1 and 1",
    "targets": "what a right answer is: binary, 0 and 1, bipolar, -1 and 1, or one_hot, an output for each class",
    "samples": "null: the table itself; a number: a data set of so many rows that the seed draws from the table",
    "width": "units of each hidden layer",
    "depth": "hidden layers; 0 is the linear control",
    "layers": "hidden layers instead of width and depth, units or a mapping each: [4, {units: 2, activation: tanh}]",
    "output": "the output layer: an activation, or a mapping: {activation: linear, use_bias: false}",
    "activation": "of the hidden layers",
    "dropout": "share of units dropped after every hidden layer while training",
    "use_bias": "whether every layer has a bias",
    "kernel_initializer": "initial weights of every layer",
    "bias_initializer": "initial biases of every layer; as_kernel draws them as the layer's kernel",
    "kernel_regularizer": "added to what training lowers, for the weights of every layer; no part of `final_loss`",
    "bias_regularizer": "the same for the biases of every layer",
    "framework": "whose defaults stand where nothing is named: keras, or pytorch (Linear's start, Adam's epsilon, ..)",
    "optimizer": "what updates the weights",
    "learning_rate": "of the optimizer, a number or a schedule of one in steps; null: Keras's default for it",
    "batch_size": "rows of one step, or full for all; never more than there are",
    "epochs": "how often the whole data set is seen",
    "shuffle": "whether the seed draws the order of the rows anew for every epoch; false: table order",
    "loss": "what training makes small",
    "seed": "the seeds that every configuration is trained under: a count, a list, or a block",
}


def experiment_schema() -> Schema:
    """The JSON Schema of an experiment file."""
    schema = copy.deepcopy(shape.document)
    sections: Schema = schema["$defs"]
    sections |= {name: value_schema(name) for name in hyperparameters}
    own: Schema = {name: {"$ref": f"#/$defs/{name}"} for name in hyperparameters}
    seeds = {name: _described("seed", sections[name]["properties"]["seed"]) for name in ("_Fixed", "_Vary")}
    varied = {name: _varied(name) for name in hyperparameters}
    sections["_Fixed"] = _mapping({**own, "seed": seeds["_Fixed"]})
    sections["_Vary"] = _mapping({**varied, "seed": seeds["_Vary"]})
    objective: Schema = sections["_Study"]["properties"]["objective"]
    del objective["oneOf"]
    objective["enum"] = ["success_rate", ["success_rate"], ["success_rate", "n_parameters"]]
    cases: Schema = schema["properties"]["cases"]
    cases["anyOf"] = [_list_of(_mapping(own)), {"type": "null"}]
    title = "An experiment of xor-sweep"
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **schema}


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(experiment_schema(), indent=1) + "\n"


def value_schema(name: str) -> Schema:
    """The schema of one value of a hyperparameter."""
    if name == "task":
        forms = _task_forms()
    elif name == "layers":
        forms = [{**_list_of(_layer()), "maxItems": max_depth, "minItems": 0}]
    else:
        forms = _plain_forms(name)
    if name == "output":
        forms.append(_mapping({"activation": {"anyOf": forms[:]}, **_own(of_the_output[1:])}))
    if name == "batch_size":
        forms.append({"enum": ["full"]})
    if defaults[name] is None:
        forms.append({"type": "null"})
    return _described(name, forms[0] if len(forms) == 1 else {"anyOf": forms})


def _plain_forms(name: str) -> list[Schema]:
    """A name with arguments, or a number or word; a learning rate may be a schedule."""
    forms = _named_forms(named_signatures[name]) if name in named_signatures else [_argument(scalars[name])]
    return [*forms, *_mappings(vocabulary.schedules)] if name == "learning_rate" else forms


def _layer() -> Schema:
    """A hidden layer: its units, or a mapping."""
    own = _own(of_a_layer)
    return {
        "anyOf": [
            _argument(scalars["width"]),
            _mapping({"units": _argument(scalars["width"]), **own}, required=["units"]),
        ]
    }


def _own(names: Sequence[str]) -> Schema:
    """What a layer may have of its own."""
    return {name: {"$ref": f"#/$defs/{name}"} for name in names}


def _described(name: str, schema: Schema) -> Schema:
    described = {**schema, "description": descriptions[name]}
    return described if defaults.get(name) is None else {**described, "default": defaults[name]}


def _varied(name: str) -> Schema:
    """The schema of a hyperparameter's choices: a list, or a range where it is a number."""
    forms: list[Schema] = [{**_list_of({"$ref": f"#/$defs/{name}"}), "minItems": 1}]
    if name in numeric:
        forms.append({"$ref": "#/$defs/_Range"})
    return {"anyOf": forms, "description": descriptions[name]}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _argument(argument: Argument) -> Schema:
    """The schema of a value as `Argument.coerce` takes it."""
    if argument.many:
        return {**_list_of(_argument(replace(argument, many=False))), "minItems": 1}
    if argument.or_none:
        return {"anyOf": [_argument(replace(argument, or_none=False)), {"type": "null"}]}
    if argument.choices:
        return {"enum": list(argument.choices)}
    if isinstance(argument.default, bool):
        return {"type": "boolean"}
    low, high = max(argument.low, -max_number), min(argument.high, max_number)
    return {
        "type": "integer" if isinstance(argument.default, int) else "number",
        "exclusiveMinimum" if argument.open_low else "minimum": low,
        "exclusiveMaximum" if argument.open_high else "maximum": high,
    }


def _named_forms(signatures: Mapping[str, Signature]) -> list[Schema]:
    """A name, or a mapping of it and its arguments."""
    return [{"enum": list(signatures)}, *_mappings(signatures)]


def _mappings(signatures: Mapping[str, Signature]) -> list[Schema]:
    """Mappings of a name and its arguments; an optimizer's learning rate may be a schedule."""
    forms: list[Schema] = []
    for name, signature in signatures.items():
        arguments = {key: _with_default(a) for key, a in signature.items()}
        if "learning_rate" in signature:
            rate = {key: x for key, x in arguments["learning_rate"].items() if key != "default"}
            default = signature["learning_rate"].default
            arguments["learning_rate"] = {"anyOf": [rate, *_mappings(vocabulary.schedules)], "default": default}
        required = ["name", *(key for key, a in signature.items() if a.is_required)]
        forms.append(_mapping({"name": {"const": name}, **arguments}, required=required))
    return forms


def _with_default(argument: Argument) -> Schema:
    form = _argument(argument)
    return form if argument.is_required else {**form, "default": argument.usual}


def _task_forms() -> list[Schema]:
    number: Schema = {"type": "number", "minimum": -max_number, "maximum": max_number}
    rows: Schema = {"type": "array", "minItems": 1, "maxItems": tasks.max_rows}
    inputs = {**rows, "items": {**_list_of(number), "minItems": 1, "maxItems": tasks.max_inputs}}
    targets = {**rows, "items": {**_list_of({"enum": [0, 1]}), "minItems": 1}}
    classes = {**rows, "items": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}]}}
    columns = {**_list_of({"type": "string"}), "minItems": 1}
    name: Schema = {"type": "string", "minLength": 1}
    of_any = {key: _with_default(argument) for key, argument in splits.signature.items()}
    own: list[Schema] = [
        {"inputs": inputs, "targets": targets},
        {"inputs": inputs, "classes": classes},
        {"file": name, "targets": columns},
        {"file": name, "classes": name},
    ]
    named = _named_forms(task_settings.all_signatures)
    return [*named, *(_mapping({**form, **of_any}, required=list(form)) for form in own)]


def _mapping(properties: Schema, *, required: Sequence[str] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
