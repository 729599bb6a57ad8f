"""Write the pages that code decides: `make docs`.

docs/commands.md comes from the commands' help, docs/experiment-file.md from the vocabulary, and the tables between the
markers of results/README.md from the columns. A test compares the pages with what this makes, and another one types the
examples.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from sweep.cli.common import app
from sweep.experiment import shape
from sweep.experiment.file import template
from sweep.experiment.schema import descriptions
from sweep.experiment.writing import flow
from sweep.networks import tasks, vocabulary
from sweep.networks.settings import (
    defaults,
    hyperparameters,
    named_signatures,
    numeric,
    of_a_layer,
    of_the_output,
    or_a_mapping,
    scalars,
)
from sweep.networks.vocabulary import Signature
from sweep.results.columns import Column, of_configurations, of_runs, predicted_class, prediction

HERE = Path(__file__).parent

# what one would type, in this order, in an empty folder; those of `slow` start TensorFlow or a server
examples: Mapping[str, Sequence[str]] = {
    "new": ["sweep new mine.yaml"],
    "check": ["sweep check mine.yaml"],
    "run": ["sweep run mine.yaml", "sweep run mine.yaml --out elsewhere --workers 1 --limit 0.1 --quiet"],
    "audit": ["sweep audit results/mine --runs 3"],
    "report": ["sweep report results/mine --figures"],
    "show": [
        "sweep show results/mine --top 5",
        "sweep show results/mine --where 'depth == 1 and width >= 4' --sort success_rate",
        "sweep show results/mine --export mine.csv",
    ],
    "train": [
        "sweep train width=2 depth=3 --seeds 1000",
        "sweep train width=4 'optimizer={name: sgd, momentum: 0.9}' --seeds 100 --json",
        "sweep train width=4 task=xnor --seeds 100 --save xnor.yaml",
        "sweep train 'layers=[{units: 4, activation: tanh}, 2]' --seeds 100",
        "sweep train output=softmax --seeds 100",
        "sweep train width=4 --seeds 100 --success 'loss < 0.01'",
        "sweep train activation=tanh output=tanh loss=mean_squared_error encoding=bipolar targets=bipolar --seeds 100",
    ],
    "import": ["sweep import my_network.keras task=xor --out my_network.yaml"],
    "compare": ["sweep compare results/mine width=4,depth=1,optimizer=adam width=8,depth=1,optimizer=adam"],
    "judge": [
        "sweep judge results/mine/runs.csv --configuration width,depth,optimizer --seed seed "
        "--success 'final_loss < 0.1' --out judged",
    ],
    "importance": ["sweep importance results/mine"],
    "plan": [
        "sweep plan --rate 0.95 --target 0.9",
        "sweep plan --rate 0.5 --half-width 0.03",
    ],
    "rescue": ["sweep rescue results/mine width=2,depth=2,optimizer=adam"],
    "replay": ["sweep replay results/mine width=4,depth=1,optimizer=adam-7 --figure run.svg"],
    "verify": ["sweep verify results/mine", "sweep verify results/mine --sample all"],
    "dashboard": ["sweep dashboard results/mine"],
}
slow = ("audit", "import", "dashboard")

commands_head = """# Commands

*Written by `make docs` from the commands' own help.*

Results go to standard output, progress and messages to standard error. Exit codes: 0 done; 1 finished, and something is
wrong (a broken run, a failed audit or verification); 2 bad input: one message that says where, what was found, what is
allowed; 3 and 4 are answers of `sweep show --gate`; 130 interrupted, the same command goes on.

An EXPERIMENT is a file as [experiment-file.md](experiment-file.md) describes it, RESULTS a folder as
[results/README.md](../results/README.md) does. A configuration is given by its id, a unique beginning of it, or by what
sets it apart: `width=8,optimizer=adam`.
"""

experiment_head = """# The experiment file

*Written by `make docs` from the vocabulary that the program itself checks files with.*

`sweep new mine.yaml` writes this one:

```yaml
{template}```

Beside it lies `sweep.schema.json`, a JSON Schema. Editors that know YAML's language server (VS Code with its YAML
extension, Neovim, Emacs) find it by the first line, `# yaml-language-server: $schema=sweep.schema.json`: they complete
names, explain them and mark mistakes. Any experiment in the same folder may begin with that line.

## Sections

| section | meaning |
|---|---|
{sections}

The configurations are the product of `cases` and everything under `vary`, in file order, the last one changing fastest.
A hyperparameter stands in one place only. Under `vary` it has a list of choices, or, being a number, a range:
`{{low: 2, high: 16, step: 2}}`; without a step any number from `low` to `high`, evenly in the logarithm with
`log: true`, for the samplers random, qmc and tpe. Numbers of a range are rounded to 6 significant digits.

Equal configurations are trained once, however they are spelled: what is named nowhere has its default, a `batch_size`
above the number of rows is that number, what has no effect (the activation of a network without hidden layers) is
neutral.

## Hyperparameters

The defaults are Keras's wherever Keras has the thing.

| hyperparameter | meaning | allowed | default | range |
|---|---|---|---|---|
{hyperparameters}

A name that takes arguments may be a mapping, `{{name: sgd, momentum: 0.9}}`; arguments not given have their defaults.
The learning rate may stand in the optimizer's mapping instead, `{{name: adam, learning_rate: 0.01}}`. A schedule
changes it with the steps, which are counted from the first batch on, through all epochs: `learning_rate: {{name:
cosine_decay, initial_learning_rate: 0.1, decay_steps: 1000}}`.

A regularizer adds to what training lowers, for the weights (`kernel_regularizer`) or the biases of every layer, the
output layer too: `kernel_regularizer: {{name: l2, l2: 0.001}}`. `final_loss` has no such part. Whether a training is at
rest is judged by the sum of both, merged rows by the loss alone: it is the same floor with a regularizer, which a loss
under one need not reach. `label_smoothing` of a cross-entropy moves targets to the middle for the loss, and for no
judgement of right and wrong; floors and `final_loss` are those of the moved targets.

A layer of `layers` is its number of units, or a mapping of `units` and any of {of_a_layer};
what it leaves out comes from the hyperparameter of that name. `layers: [{{units: 4, activation: tanh}}, 2]` has two
unlike layers; the second has the `activation` that the experiment gives. In the tables unlike layers are joined: `4-2`,
`tanh-relu`.

`framework: pytorch` is a preset: weights and biases of a layer begin within 1 / sqrt(inputs), as `torch.nn.Linear`
draws them, Adam and AdamW have epsilon 1e-8, AdamW a decay of 0.01, SGD a rate of 0.001, leaky ReLU a slope of 0.01;
RMSprop, Adagrad and Adamax have the rates, averages and epsilons of PyTorch. What is named stands as it is named.
Optimizers whose formula is another one there are refused, NAdam among them. Epsilon keeps the place that it has in
Keras. Adam's is outside of the correction of the averages: in the first steps the two part where gradients are below
about 3e-5. RMSprop's and Adagrad's is inside the root, and so the square of PyTorch's: by over 1% the two part where
what the gradient is divided by is below 1e-6 and 1e-8, Adamax's below 1e-6. In Python
`sweep.from_torch(model, loss, optimizer)` makes settings of a network of PyTorch's.

`output` is an activation, or a mapping of `activation` and any of {of_the_output}.
`binary` targets are 0 and 1, and a right answer lies on its side of 1/2; `bipolar` targets are -1 and 1, and 0 parts
them. `one_hot` has an output for each class, two for a single target; a right answer has its largest output at the true
class. `softmax` and `categorical_crossentropy` take each other and `one_hot` where nothing else is said.

Binary cross-entropy behind a sigmoid and categorical behind softmax are computed from the sums. Behind any other
output, binary cross-entropy is that of predictions cut to [1e-7, 1 - 1e-7], as in Keras. Hinge losses take targets 0
and 1 for -1 and 1. What makes no sense together is refused with the reason: softmax of one unit or with binary
cross-entropy, categorical cross-entropy without softmax, hinge losses of classes, binary cross-entropy of `bipolar`
targets, `bipolar` targets of an output that is never below 0.
"""

experiment_tail = """## Seeds

`seed` stands under `fixed` or `vary`. It decides initial weights, row order, dropout masks and drawn samples, and
nothing else does. Every configuration is trained under all seeds; they are never optimised.

| form | meaning |
|---|---|
| `seed: 64` | the seeds 0 to 63 |
| `seed: {first: 1000, count: 64}` | the seeds 1000 to 1063 |
| `seed: [3, 7, 21]` | these |
| `seed: {first: 0, count: 16, up_to: 1024}` | 16; while the verdict is inconclusive 16 or an eighth more, up to 1,024 |
| `seed: {count: 16, until: half_width 0.02}` | 16, and more until the interval is 0.02 wide to either side |

With `until` the interval holds whenever the seeds end. Without `up_to` they go on to the number that is enough whatever
they show. A larger count, `up_to` or number of trials goes on in the same results folder and trains only what is new.
"""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns), *("| " + " | ".join(r) + " |" for r in rows)]
    )


def commands_page() -> str:
    """The page of commands: the help of each, as a terminal of 80 columns shows it, and examples."""
    group: Any = typer.main.get_command(app)
    runner = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    names = group.list_commands(None)
    parts = [commands_head, "\n".join(f"- [sweep {name}](#sweep-{name})" for name in names) + "\n"]
    for name in names:
        text = runner.invoke(app, [name, "--help"], prog_name="sweep").stdout.strip()
        lines = "\n".join(examples.get(name, ()))
        parts.append(f"## sweep {name}\n\n```text\n{text}\n```\n\n```bash\n{lines}\n```\n")
    return "\n".join(parts)


def _allowed(name: str) -> str:
    if name in named_signatures:
        return "a name, see below" + (", or a mapping" if name == "output" else "")
    if name == "task":
        return "see below"
    if name == "layers":
        return f"a list, each {scalars['width'].allowed()}{or_a_mapping.replace('{', '`{').replace('}', '}`')}"
    also = {"batch_size": ", or full", "samples": ", or null", "learning_rate": ", a schedule, see below, or null"}
    return scalars[name].allowed() + also.get(name, "")


def _default(name: str) -> str:
    if name == "learning_rate":
        return "Keras's for the optimizer"
    return "" if name == "layers" else flow(defaults[name])


def _signatures(signatures: Mapping[str, Signature], head: str) -> str:
    """The names without arguments in a sentence, the arguments of the others in a table."""
    plain = [f"`{name}`" for name, signature in signatures.items() if not signature]
    rows: list[list[str]] = []
    for name, signature in signatures.items():
        for i, (key, a) in enumerate(signature.items()):
            rows.append(
                [
                    "" if i else f"`{name}`",
                    f"`{key}`",
                    a.allowed(),
                    "" if a.is_required else vocabulary.format_value(a.usual),
                ]
            )
    sentence = f"Without arguments: {', '.join(plain)}.\n\n" if plain else ""
    return sentence + _table([head, "argument", "allowed", "default"], rows)


def _section(name: str) -> str:
    """The keys of a section: what is allowed and the default, from the schema."""
    fields = shape.document["$defs"][f"_{name.title()}"]["properties"]
    rows = [[f"`{key}`", f["description"], flow(f["default"])] for key, f in fields.items()]
    return _table(["key", "allowed", "default"], rows)


_sections = {
    "fixed": "hyperparameters that stay",
    "vary": "hyperparameters that vary, with their choices",
    "cases": "mappings, each laid over `fixed` and crossed with `vary`: for settings that belong together",
    "study": "how configurations are chosen",
    "reliability": "when a configuration counts as reliable",
    "limits": "what a run of one's own program or function may take, see [trainers.md](trainers.md)",
}

_tasks = """## Tasks

{named}

Rows count upwards in binary, the first input the most significant. `majority` of an even number of bits wants more ones
than zeros; a `multiplexer` has 3 inputs (one address bit, two data bits) or 6 (two and four); the adders' outputs are
sum and carry. A table of one's own has up to {rows} rows, real inputs and targets 0 or 1:

```yaml
task: {{inputs: [[0.5, 1], [2, -1]], targets: [[0], [1]]}}
task: {{inputs: [[0.5], [1], [2]], classes: [0, 1, 2]}}    # of each row its class, from 0; targets are then one_hot
task: {{file: data.csv, targets: [y]}}      # a CSV file in the experiment's folder; the other columns are the inputs
```
"""


_notes = {
    "Activations": "\n`softmax` stands at the output only.\n",
    "Schedules": "\nKeras's of these names, `keras.optimizers.schedules`; the first step of a training is step 0. "
    "The rate jumps (`staircase`, `cycle`) where the formula says; compiled Keras multiplies by the reciprocal of "
    "`decay_steps`, and may jump a step away from there.\n",
    "Regularizers": "\nThe sum of a variable's absolute values times `l1`, and that of their squares times `l2`.\n",
    "Initializers": "\n`as_kernel`, of biases only: drawn as the layer's kernel is, from the kernel's fans.\n",
}


def experiment_page() -> str:
    """The page of the experiment file."""
    rows = [
        [f"`{name}`", descriptions[name], _allowed(name), _default(name), "yes" if name in numeric else ""]
        for name in hyperparameters
    ]
    head = experiment_head.format(
        template=template(),
        sections="\n".join(f"| `{name}` | {meaning} |" for name, meaning in _sections.items()),
        hyperparameters="\n".join("| " + " | ".join(row) + " |" for row in rows),
        of_a_layer=", ".join(f"`{name}`" for name in of_a_layer),
        of_the_output=", ".join(f"`{name}`" for name in of_the_output[1:]),
    )
    named = {
        "Activations": vocabulary.output_activations,
        "Optimizers": named_signatures["optimizer"],
        "Schedules": vocabulary.schedules,
        "Initializers": vocabulary.initializers,
        "Regularizers": vocabulary.regularizers,
        "Losses": vocabulary.losses,
    }
    return "\n".join(
        [
            head,
            _tasks.format(named=_signatures(tasks.signatures, "task"), rows=tasks.max_rows),
            *(f"## {title}\n\n{_signatures(s, 'name')}\n{_notes.get(title, '')}" for title, s in named.items()),
            experiment_tail,
            f"## study\n\n{_section('study')}\n",
            f"## reliability\n\n{_section('reliability')}\n\n`margin`: a run learned where the smallest "
            "`(2y - 1)(2p - 1)` of its table is above it; at 0 every prediction is on the right side of 1/2. For "
            "targets -1 and 1 it is `y p`, for classes the output of the true one less the largest other. `success` "
            "instead of it: `loss` is the mean over the table, `accuracy` the share of right entries (of classes: "
            "rows), `max_error` the largest distance of an output from its target, `margin` as above; `>`, `>=`, "
            "`<` or `<=` a number, after the last epoch with dropout off. It decides `learned`, `epochs_to_learn` "
            "and the outcome, and is no part of a configuration's id.\n\n"
            "`family`: what the error, one minus the confidence, is of. `none`: the verdict of each configuration. "
            "`fwer`: any false verdict of the experiment. `fdr`: the expected share of false ones among the verdicts. "
            "Where it is null: `none`, or `fdr` where seeds are added ([method](method.md#verdicts)).\n",
            f"## limits\n\n{_section('limits')}\n",
        ]
    )


_cells = {
    "str": "text",
    "bool": "`True` or `False`",
    "int64": "whole number",
    "Int64": "whole number, or empty",
    "float32": "float32 number",
    "float64": "number",
}


def _columns(columns: Iterable[Column]) -> str:
    """A table of columns; those of one meaning share a row."""
    rows: list[list[str]] = []
    for meaning, group in itertools.groupby(columns, key=lambda column: column.meaning):
        found = list(group)
        names = [f"`{c.name}`" for c in found if c.is_needed or len(found) == 1]
        cells = {_cells[c.type] for c in found}
        rows.append([", ".join(names), cells.pop() if len(cells) == 1 else "", meaning])
    return _table(["column", "cells", "meaning"], rows)


def results_page(text: str) -> str:
    """The page of the results folder: `text`, what stands between its markers made anew."""
    for name, columns in (
        ("runs.csv", (*of_runs, prediction, predicted_class)),
        ("configurations.csv", of_configurations),
    ):
        begin, end = f"<!-- {name}: columns, written by make docs -->\n", f"<!-- {name}: end -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{_columns(columns)}\n{end}{after}"
    return text


def pages() -> dict[Path, str]:
    """The generated pages by file."""
    results = HERE.parent / "results" / "README.md"
    return {
        HERE / "commands.md": commands_page(),
        HERE / "experiment-file.md": experiment_page(),
        results: results_page(results.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
