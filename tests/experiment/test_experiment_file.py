"""The experiment file: what it means, and that every mistake is one message with file, line, place, found, allowed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.documents import WithoutAliases, anything, places_of, rates, replaced, scalars
from support.malformed import mistakes

from sweep.experiment import file as experiment_file
from sweep.experiment import yaml_text
from sweep.experiment.dimensions import Choices, Range
from sweep.experiment.experiment import Experiment, Study
from sweep.experiment.file import ExperimentFileError, load, parse
from sweep.experiment.seeds import SeedBlock
from sweep.experiment.shape import read_shape
from sweep.networks.settings import check_value, defaults, resolve
from sweep.statistics.verdicts import Target

whole = """\
fixed:
  task: xor
  activation: relu
  epochs: 1000
vary:
  width: [2, 4, 8, 16]
  depth: {low: 1, high: 3, step: 1}
  dropout: [0.0, 0.1, 0.3]
  optimizer: [sgd, {name: rmsprop, momentum: 0.9}, adam]
  batch_size: [1, 2, full]
  seed: {first: 3, count: 64}
cases:
  - {learning_rate: 1e-3, loss: mean_squared_error}
  - {learning_rate: .5}
study:
  sampler: tpe
  trials: 20
  seed: 7
  objective: [success_rate, n_parameters]
  trials_per_round: 8
  trial: configuration
  storage: sqlite:///study.db
reliability: {target: 0.8, confidence: 0.9, margin: 0.1}
"""


def error_of(text: str) -> str:
    with pytest.raises(ExperimentFileError) as caught:
        parse(text, "mine.yaml")
    return str(caught.value)


def test_every_section_is_read():
    assert parse(whole) == Experiment(
        fixed={"task": "xor", "activation": "relu", "epochs": 1000},
        vary={
            "width": Choices((2, 4, 8, 16)),
            "depth": Range(1, 3, 1),
            "dropout": Choices((0.0, 0.1, 0.3)),
            "optimizer": Choices(("sgd", {"name": "rmsprop", "momentum": 0.9}, "adam")),
            "batch_size": Choices((1, 2, "full")),
        },
        cases=({"learning_rate": 0.001, "loss": "mean_squared_error"}, {"learning_rate": 0.5}),
        seeds=SeedBlock(3, 64),
        study=Study("tpe", 20, 7, ("success_rate", "n_parameters"), 8, "sqlite:///study.db"),
        reliability=Target(0.8, 0.9, 0.1),
    )


def test_vary_keeps_the_order_of_the_file():
    assert list(parse(whole).vary) == ["width", "depth", "dropout", "optimizer", "batch_size"]
    assert list(parse("vary: {seed: 2, width: [2], depth: [1]}").vary) == ["width", "depth"]


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "# nothing\n", "{}", "~", "---\n", "fixed:\nvary:\ncases:\nstudy:\nreliability:\n"]
)
def test_an_empty_file_is_one_configuration_with_all_defaults(text: str):
    assert parse(text) == Experiment()
    assert parse(text).n_trials == 1


def test_the_template_loads_and_can_be_changed():
    text = experiment_file.template()
    experiment = parse(text)
    assert experiment.n_trials == 12
    assert len(experiment.seeds) == 64
    for section in ("fixed", "vary", "cases", "study", "reliability"):
        assert f"\n{section}:" in text
    # the examples in its comments are meant to be tried
    assert parse("vary: {width: {low: 2, high: 16, step: 2}}").n_trials == 8
    assert len(parse("cases: [{batch_size: 1, epochs: 250}, {batch_size: 4, epochs: 1000}]").cases) == 2
    assert parse("fixed: {task: {inputs: [[0, 1], [1, 1]], targets: [[1], [0]]}}").networks[0].task.n_rows == 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1e+2", 100.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5e-2", 0.015),
        ("1", 1),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("+3", 3),
    ],
)
def test_numbers_are_read_as_yaml_1_2_has_them(written: str, value: float):
    read = parse(f"fixed: {{learning_rate: {written}}}").fixed["learning_rate"]
    assert read == value
    assert type(read) is type(value)


def test_yes_and_no_are_booleans_where_a_boolean_belongs():
    assert parse("fixed: {use_bias: no}").fixed == {"use_bias": False}
    assert parse("vary: {use_bias: [on, off]}").vary == {"use_bias": Choices((True, False))}


@pytest.mark.parametrize(
    ("seed", "block"),
    [
        ("5", SeedBlock(0, 5)),
        ("[7, 3, 5]", SeedBlock(listed=(3, 5, 7))),
        ("{first: 4294967295, count: 1}", SeedBlock(2**32 - 1, 1)),
        ("{first: 2}", SeedBlock(2, 64)),
        ("{count: 3, up_to: null}", SeedBlock(0, 3)),
        ("{count: 3, up_to: 99, until: half_width 0.1}", SeedBlock(0, 3, up_to=99, until=0.1)),
        ("{count: 3, until: half_width 0.1}", SeedBlock(0, 3, up_to=274, until=0.1)),
    ],
)
@pytest.mark.parametrize("section", ["fixed", "vary"])
def test_seeds(section: str, seed: str, block: SeedBlock):
    experiment = parse(f"{section}: {{seed: {seed}}}")
    assert experiment.seeds == block
    assert "seed" not in {**experiment.fixed, **experiment.vary}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("width: {low: 2, high: 9, step: 3}", (2, 5, 8)),
        ("epochs: {low: 1e2, high: 3e2, step: 100.0}", (100, 200, 300)),
        ("dropout: {low: 0, high: 0.3, step: 0.1}", (0.0, 0.1, 0.2, 0.3)),
        ("learning_rate: {low: 0, high: 2, step: 1}", (0.0, 1.0, 2.0)),
        ("depth: {low: 2, high: 2, step: 5}", (2,)),
    ],
)
def test_a_range_takes_the_type_of_its_hyperparameter(written: str, values: tuple[float, ...]):
    (dimension,) = parse(f"vary: {{{written}}}").vary.values()
    assert isinstance(dimension, Range)
    assert dimension.values() == values
    assert [type(x) for x in dimension.values()] == [type(x) for x in values]


def test_choices_may_be_mappings_lists_and_null():
    experiment = parse("vary: {layers: [[4], [4, 2], []], learning_rate: [null, 0.1], samples: [null, 8]}")
    configurations = experiment.networks
    assert [c.widths for c in configurations] == [(4,)] * 4 + [(4, 2)] * 4 + [()] * 4
    assert [c.samples for c in configurations] == [None, 8] * 6


@pytest.mark.parametrize(("text", "first", "allowed"), mistakes.values(), ids=list(mistakes))
def test_a_mistake_is_one_message(text: str, first: str, allowed: str):
    lines = error_of(text).split("\n")
    assert lines[0] == f"mine.yaml:{first}"
    assert len(lines) == 2
    assert lines[1].startswith("  ")
    assert allowed in lines[1]
    assert "allowed" in lines[1]


def test_all_mistakes_of_a_file_come_at_once_by_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = """vary:
  widht: 3
  depth: [1, -1, a]
  task: [xor, {file: none.csv, targets: [y]}, nro]
  seed: {count: 0}
reliability: {target: 2, confidence: a}
study: {sampler: grit}
fixed: {activation: ReLU, output: softmax, loss: hinge}
cases: [{epochs: 0}, {epochs: 1}]
limits: {}
"""
    lines = error_of(text).split("\n")
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines[::2]] == [
        *("vary.widht", "vary.depth[1]", "vary.depth[2]", "vary.task[1].file", "vary.task[2]", "vary.seed"),
        *("reliability.target", "reliability.confidence", "study.sampler", "fixed.activation", "cases[0].epochs"),
    ]
    assert lines[0] == "mine.yaml:2: vary.widht: no such hyperparameter"
    assert all(line.startswith("  ") for line in lines[1::2])
    # what two settings come to is judged when each is right by itself
    assert error_of("fixed: {output: softmax, loss: hinge}").startswith("mine.yaml:1: fixed.loss: ")


@pytest.mark.parametrize(
    "text", ["fixed: {widht: 3}", "fixed: {task: xor, units: 3}", "vary: {widht: [2, 3], dept: [1, 2], seed: 4}"]
)
def test_a_slip_beside_a_criterion_is_one_of_a_network(text: str):
    with pytest.raises(ExperimentFileError, match="no such hyperparameter"):
        parse(text + "\nreliability: {success: 'accuracy >= 0.9'}")
    with pytest.raises(ExperimentFileError, match=r"settings \(lr\) of one's own"):
        parse("fixed: {lr: 3, layers: 2}\nreliability: {success: 'accuracy >= 0.9'}")


def test_of_very_many_mistakes_some_are_shown():
    lines = error_of(f"vary: {{width: {[0] * 1000}}}").split("\n")
    assert len(lines) == 2 * 20 + 1 and lines[-1] == "mine.yaml: 980 more"


def test_advice_for_a_key_at_the_top_can_be_pasted():
    for text in ("width: 8", "width: [2, 4]", "seeds: 32", "seed: 5", "epochs: {low: 2, high: 4, step: 1}"):
        advice = error_of(text).partition("allowed: ")[2]
        assert parse(advice).n_trials >= 1


def test_every_value_that_is_right_somewhere_is_right_alone():
    for name, value in defaults.items():
        check_value(name, value)
    for given_settings in (
        {"targets": "bipolar", "output": "tanh", "loss": "hinge"},
        {
            "loss": "categorical_crossentropy",
            "targets": "one_hot",
            "output": {"activation": "softmax", "use_bias": False},
        },
        {"samples": 4, "encoding": "bipolar", "batch_size": "full", "shuffle": True, "framework": "pytorch"},
        {
            "layers": [{"units": 4, "activation": "tanh"}, 2],
            "learning_rate": {"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 5},
        },
        {"optimizer": {"name": "sgd", "learning_rate": 0.1}, "task": {"inputs": [[0], [1]], "classes": [0, 1]}},
    ):
        resolve(given_settings)
        for name, value in given_settings.items():
            check_value(name, value)


def test_every_mistake_in_the_shape_is_known():
    text = "reliability: {target: 2, margin: 0}\nstudy: {x: 1, objective: [3]}\n"
    text += "vary: {width: {step: 1, high: a}, seed: [1, a]}"
    read, mistakes = read_shape(yaml_text.Source(text).value)
    assert [mistake.place for mistake in mistakes] == [
        ("reliability", "target"),
        ("study", "x"),
        ("study", "objective", 0),
        ("vary", "width"),
        ("vary", "width", "high"),
        ("vary", "seed", 1),
    ]
    assert (read["reliability"]["margin"], type(read["reliability"]["margin"])) == (0.0, float)
    assert read["vary"]["seed"] == [1, "a"]


@pytest.mark.parametrize("written", ["9" * 5000, "0x" + "f" * 5000, "-" + "9" * 20, "9223372036854775808"])
def test_a_huge_number_is_a_short_message(written: str):
    message = error_of(f"fixed: {{epochs: {written}}}")
    assert message.startswith(f"mine.yaml:1: fixed.epochs: found {written[:15]}")
    assert len(message) < 200


def test_a_long_value_is_cut():
    message = error_of(f"fixed: {{activation: {'x' * 10_000}, {'y' * 10_000}: 1}}")
    assert len(message) < 1000


def test_aliases_cannot_blow_up():
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert error_of(bomb).startswith("mine.yaml:2: the alias *a")


def test_too_many_values_are_refused():
    text = "vary: {width: [\n" + "[],\n" * yaml_text.max_values + "]}"
    assert error_of(text).startswith(f"mine.yaml:{yaml_text.max_values - 3}: more than 100,000 values")


def failing_load(path: Path) -> str:
    with pytest.raises(ExperimentFileError) as caught:
        load(path)
    return str(caught.value)


def test_load_reads_utf8_with_and_without_a_mark(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    for content in (whole.encode(), b"\xef\xbb\xbf" + whole.encode(), whole.replace("\n", "\r\n").encode()):
        path.write_bytes(content)
        assert load(path) == load(str(path)) == parse(whole)


def test_load_names_the_file_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("\n\nfixed: {widht: 2}\n")
    assert failing_load(Path("mine.yaml")).startswith("mine.yaml:3: fixed.widht: no such hyperparameter\n")


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("# größe\nfixed: {}\n# größe".encode("latin-1"), ":1: not a text in UTF-8: byte 0xf6"),
        (b"fixed: {}\n\xff\xfe\x00", ":2: not a text in UTF-8: byte 0xff"),
        ("fixed: {}".encode("utf-16"), ":1: not a text in UTF-8: byte 0xff"),
        (b"\x00\x01\x02", ":1: a character that YAML forbids: U+0000"),
        (b"#" * (1 << 20) + b"#", ": longer than 1,048,576 bytes"),
    ],
)
def test_unreadable_content(tmp_path: Path, content: bytes, first: str):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert failing_load(path).split("\n")[0] == f"{path}{first}"


def test_a_file_of_one_mebibyte_is_read(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"#" * (1 << 20))
    assert load(path) == Experiment()


def test_unreadable_paths(tmp_path: Path):
    assert "cannot be read: No such file or directory\n  allowed: " in failing_load(tmp_path / "none.yaml")
    assert "cannot be read: Is a directory\n  allowed: " in failing_load(tmp_path)
    assert failing_load(Path("a\0b")).startswith("a\\x00b: cannot be read: ") or "null" in failing_load(Path("a\0b"))


def test_reading_loads_no_heavy_library():
    heavy = ("numba", "tensorflow", "keras", "optuna", "pandas", "scipy", "statsmodels")
    code = (
        "import sys; from sweep.experiment.file import parse, template; parse(template());"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# Round trip and fuzz ----------------------------------------------------------------------------------------------


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Valid experiment files as plain values."""
    names = draw(st.permutations(list(scalars)))
    a, b = sorted(draw(st.tuples(st.integers(0, len(names)), st.integers(0, len(names)))))
    document: dict[str, Any] = {
        "fixed": {name: draw(scalars[name]) for name in names[:a]},
        "vary": {name: draw(st.lists(scalars[name], min_size=1, max_size=3)) for name in names[a:b]},
        "cases": draw(st.lists(st.fixed_dictionaries({}, optional={n: scalars[n] for n in names[b:]}), max_size=2)),
        "reliability": draw(st.fixed_dictionaries({}, optional={"target": st.floats(0.01, 0.99), "margin": rates})),
        "study": draw(st.fixed_dictionaries({}, optional={"trials": st.integers(1, 99), "seed": st.integers(0, 99)})),
    }
    seeds = st.integers(1, 99) | st.lists(st.integers(0, 99), min_size=1, unique=True)
    document[draw(st.sampled_from(["fixed", "vary"]))]["seed"] = draw(seeds)
    return document


@settings(max_examples=100, derandomize=True, deadline=None)
@given(documents())
def test_what_is_written_is_what_is_read(document: dict[str, Any]):
    experiment = parse(yaml.dump(document, Dumper=WithoutAliases, sort_keys=False))
    seed = {**document["fixed"], **document["vary"]}["seed"]
    assert experiment.fixed == {k: v for k, v in document["fixed"].items() if k != "seed"}
    assert experiment.vary == {k: Choices(tuple(v)) for k, v in document["vary"].items() if k != "seed"}
    assert list(experiment.vary) == [k for k in document["vary"] if k != "seed"]
    assert list(experiment.cases) == document["cases"]
    assert experiment.seeds.seeds().tolist() == (sorted(seed) if isinstance(seed, list) else list(range(seed)))
    assert experiment.study == Study(**document["study"])
    assert experiment.reliability == Target(**document["reliability"])


def is_answered(text: str) -> bool:
    """Whether `text` is an experiment, or each mistake of it has two printable lines; any other exception passes."""
    try:
        parse(text, "f")
    except ExperimentFileError as error:
        message = str(error)
        lines = message.split("\n")
        heads, rest = lines[::2], [line[:2] for line in lines[1::2]]
        return all(x.startswith("f:") for x in heads) and set(rest) == {"  "} and all(map(str.isprintable, lines))
    return True


def read(text: str) -> Any:
    """What a text says, or what is wrong with it."""
    try:
        source = yaml_text.Source(text)
    except yaml_text.YamlError as error:
        return f"{error.line}: {error}"
    return source.value, source.booleans, source.lists


tree = yaml.safe_load(whole)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(places_of(tree)), anything)
def test_any_value_in_place_of_another_is_answered(place: tuple[str | int, ...], value: object):
    assert is_answered(yaml.safe_dump(replaced(tree, place, value), sort_keys=False, allow_unicode=True))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(whole)),
            st.integers(0, 3),
            st.text(st.characters() | st.sampled_from("[]{}:,-#&*!|>'\"%@`?~.0\n\t\\"), max_size=4),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_cut_and_insertion_is_answered(edits: list[tuple[int, int, str]]):
    text = whole
    for position, cut, inserted in edits:
        text = text[:position] + inserted + text[position + cut :]
    assert is_answered(text)
    with pytest.MonkeyPatch.context() as patch:
        quickly = read(text)
        patch.setattr(yaml, "__with_libyaml__", False)
        slowly = read(text)
    is_mistake = isinstance(slowly, str)
    assert quickly == slowly or (is_mistake and not isinstance(quickly, str))  # libyaml reads `0?0` in a list


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(whole.splitlines()), max_size=30))
def test_any_order_of_lines_is_answered(lines: list[str]):
    assert is_answered("\n".join(lines))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_bytes_are_answered(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    content = bytearray(whole.encode())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    answered = True
    try:
        load(path)
    except ExperimentFileError as error:
        answered = str(error).startswith(f"{path}:")
    assert answered
