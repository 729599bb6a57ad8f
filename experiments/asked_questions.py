"""What was claimed in the threads of the experiments in asked/, in a form that runs can be held against.

The head of each experiment says in words what was asked, where, and what was answered. Here is what of it is a claim:
of the network as asked, trial 0 where nothing else is said; of what was said to work; of what an answer changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Says = Literal["fails", "sometimes", "works"]
Symptom = Literal[
    "all outputs 0.5",
    "loss stays 0.693",
    "loss stuck at 0.25",
    "three rows 0.66",
    "accuracy 75%",
    "accuracy 50%",
    "another result every run",
    "works in PyTorch, not in Keras",
    "relu dies, tanh works",
    "NaN after a few epochs",
    "softmax output always 1",
    "works with 20 units, not with 2",
]


@dataclass(frozen=True)
class Claim:
    """What was seen of a trial's configuration: all runs failed, both kinds were seen, or it was said to work.

    share: of runs that learned, its lowest and highest value, where the report has a number.
    """

    says: Says
    trial: int = 0
    share: tuple[float, float] | None = None


@dataclass(frozen=True)
class Answer:
    """A change that an answer advises, `trial` with it and `without` it; or, without a trial, that it is the start.

    accepted: whether the thread took it, or had no other; not a second answer's, nor a part of what was taken.
    """

    words: str
    trial: int | None = None
    without: int = 0
    accepted: bool = True


@dataclass(frozen=True)
class Question:
    """A question: its title on the page, the symptoms in the words that people type, its claims and its answers."""

    title: str
    symptoms: tuple[Symptom, ...]
    claims: tuple[Claim, ...] = ()
    answers: tuple[Answer, ...] = ()


_start = Answer("it depends on the start")

questions: Mapping[str, Question] = {
    "keras_softmax_of_one": Question(
        "Softmax over one output",
        ("softmax output always 1", "all outputs 0.5"),
        (Claim("fails"),),
        (Answer("many more updates: 400,000", 1),),
    ),
    "keras_mlp_sgd": Question(
        "Two sigmoid units under plain gradient descent",
        ("all outputs 0.5", "loss stays 0.693"),
        (Claim("fails"),),
        (
            Answer("more updates: 50,000", 1),
            Answer("a larger rate: 1", 2),
            Answer("a larger rate and momentum", 3),
        ),
    ),
    "keras_use_bias": Question(
        "The same network twice",
        ("another result every run",),
        (Claim("sometimes"),),
        (_start,),
    ),
    "so_tanh_adam": Question(
        "Sometimes right, sometimes 0, 1, 0.5, 0.5",
        ("another result every run", "accuracy 75%", "relu dies, tanh works"),
        (Claim("sometimes"), Claim("works", 1), Claim("works", 2)),
        (
            _start,
            Answer("relu for 2,000 epochs", 1, accepted=False),
            Answer("gradient descent for 5,000", 2, accepted=False),
        ),
    ),
    "stats_relu_width": Question(
        "Sigmoid learns, relu does not",
        ("relu dies, tanh works", "accuracy 75%", "works with 20 units, not with 2"),
        (Claim("fails"), Claim("works", 1), Claim("works", 5)),
        (Answer("more relu units: five", 5),),
    ),
    "so_three_narrow_layers": Question(
        "Three narrow layers, 40,000 rows",
        ("another result every run", "three rows 0.66", "relu dies, tanh works"),
        (Claim("sometimes"),),
        (Answer("one layer of eight on the four rows", 1),),
    ),
    "so_xnor": Question(
        "XNOR with few relu units",
        ("relu dies, tanh works", "accuracy 75%"),
        (Claim("fails"), Claim("works", 1), Claim("works", 2)),
        (Answer("20 and 20 units", 1), Answer("two leaky units", 2)),
    ),
    "so_bitwise": Question(
        "A bottleneck, and a relu at the output",
        ("accuracy 50%", "loss stays 0.693"),
        (Claim("fails"),),
    ),
    "ai_always_half": Question(
        "One hidden unit",
        ("all outputs 0.5",),
        (Claim("fails"),),
        (Answer("two units", 1),),
    ),
    "datascience_bipolar": Question(
        "-1 and 1 instead of 0 and 1",
        ("accuracy 50%",),
        (Claim("fails"), Claim("works", 2)),
        (Answer("train longer: 20 times", 1),),
    ),
    "datascience_numpy": Question(
        "Three rows right, one wrong",
        ("accuracy 75%",),
        (Claim("fails"), Claim("fails", 2)),
        (Answer("more epochs: ten times", 1),),
    ),
    "stats_sometimes": Question(
        "One run in five to ten fails",
        ("three rows 0.66", "another result every run"),
        (Claim("sometimes", share=(0.8, 0.9)),),
        (Answer("weights between 0.5 and 1", 1), Answer("four units", 2, accepted=False)),
    ),
    "stats_plateau": Question(
        "A million steps, most of them flat",
        ("loss stuck at 0.25",),
        (Claim("works"),),
    ),
    "datascience_small_start": Question(
        "Weights that begin near 0",
        ("loss stays 0.693", "all outputs 0.5"),
        (Claim("fails"),),
        (
            Answer("larger weights, random biases and a larger rate", 1),
            Answer("larger weights alone", 2, accepted=False),
            Answer("the larger rate alone", 3, accepted=False),
        ),
    ),
    "so_tflearn": Question(
        "Half of the runs stay at 0.5",
        ("all outputs 0.5", "loss stuck at 0.25", "another result every run"),
        (Claim("sometimes", share=(0.4, 0.6)), Claim("works", 1)),
        (
            Answer("another start, one layer, gradient descent", 1),
            Answer("the start alone, in two layers of sigmoid units", 3, without=2, accepted=False),
        ),
    ),
    "so_softmax_column": Question(
        "Softmax over one column",
        ("softmax output always 1", "NaN after a few epochs"),
        (Claim("works"), Claim("works", 1)),
    ),
    "pytorch_linear_hidden": Question(
        "No activation between two layers",
        ("works with 20 units, not with 2", "all outputs 0.5"),
        (Claim("fails"), Claim("works", 2)),
        (Answer("a relu and squared error", 1), Answer("20 units", 2, without=1, accepted=False)),
    ),
    "lightning_undeterministic": Question(
        "Learns in PyTorch, not in Lightning",
        ("another result every run", "works in PyTorch, not in Keras"),
        (Claim("sometimes"),),
    ),
    "glow_flaky_test": Question(
        "A test that fails in 56 of 100 runs",
        ("relu dies, tanh works", "another result every run"),
        (Claim("sometimes", share=(0.34, 0.54)), Claim("works", 1)),
        (Answer("tanh", 1),),
    ),
    "tinytorch_75": Question(
        "75% since the seed changed",
        ("accuracy 75%", "relu dies, tanh works"),
        (Claim("sometimes"), Claim("works")),
        (_start,),
    ),
    "mxnet_weight_decay": Question(
        "Weight decay",
        ("loss stuck at 0.25", "all outputs 0.5"),
        (Claim("fails"),),
    ),
    "kann_five_units": Question(
        "Five units work, three should",
        ("works with 20 units, not with 2",),
        (Claim("works"),),
        (Answer("more units: ten for five", 2), Answer("five for three", 0, without=1)),
    ),
    "tensorflow_net": Question(
        "Fails in the binding, learns in Python",
        ("all outputs 0.5", "loss stuck at 0.25"),
        (Claim("fails"), Claim("works")),
    ),
    "dl4j_sigmoid_uniform": Question(
        "Two layers of two, 0.45 to 0.57",
        ("all outputs 0.5", "loss stays 0.693"),
        (Claim("fails"),),
        (Answer("the project's current example", 1),),
    ),
    "incode_single_rows": Question(
        "10,000 single rows",
        ("all outputs 0.5", "loss stuck at 0.25"),
        (Claim("fails"),),
        (Answer("ten times the rows", 1),),
    ),
    "neuroflow_readme": Question(
        "The example of a README",
        ("all outputs 0.5", "loss stuck at 0.25"),
        (Claim("fails"),),
        (Answer("another start", 1),),
    ),
    "theanets_twice": Question(
        "Wrong once, right once",
        ("another result every run", "accuracy 75%", "works with 20 units, not with 2"),
        (Claim("sometimes"), Claim("works", 1)),
        (_start, Answer("20 units", 1, accepted=False)),
    ),
    "encog_hello_world": Question(
        "Until the error is under 1%",
        ("another result every run",),
        (Claim("sometimes", share=(0.99, 1.0)),),
        (_start,),
    ),
    "toy_network": Question(
        "A row at a time at 0.01",
        ("another result every run", "loss stuck at 0.25"),
        (Claim("sometimes"),),
        (Answer("more units: four", 1),),
    ),
    "ml5_no_hidden_layer": Question(
        "No hidden layer",
        ("accuracy 75%", "accuracy 50%"),
        (Claim("fails"), Claim("fails", 1)),
        (Answer("a hidden layer of 16", 2),),
    ),
    "neuralnetworks_java": Question(
        "No biases, tiny weights",
        ("loss stays 0.693", "all outputs 0.5"),
        (Claim("fails"),),
    ),
    "neuro_rust": Question(
        "Two units that begin alike",
        ("accuracy 75%",),
    ),
    "so_even_odd_bits": Question(
        "Even or odd, from bits",
        ("accuracy 50%", "relu dies, tanh works"),
        (Claim("fails"),),
        (Answer("more units", 1), Answer("no relu: tanh", 2), Answer("more epochs: ten times", 3)),
    ),
    "forum_even_odd_number": Question(
        "Even or odd, from the number itself",
        ("NaN after a few epochs",),
        (Claim("fails"),),
        (Answer("scale the input", 1),),
    ),
    "so_no_bias": Question(
        "0,0 stays at 0.5",
        ("all outputs 0.5",),
        (Claim("fails"),),
        (Answer("a bias", 1),),
    ),
    "se_every_tenth_run": Question(
        "Every second to every twentieth run",
        ("three rows 0.66", "another result every run"),
        (Claim("sometimes", share=(0.5, 0.95)),),
        (_start,),
    ),
    "so_five_percent": Question(
        "Until every output is within 5%",
        ("all outputs 0.5", "loss stuck at 0.25"),
        (Claim("fails"),),
        (Answer("update after every row", 1), Answer("momentum", 2)),
    ),
    "so_bias_bug": Question(
        "One row at 0.5, now and then",
        ("accuracy 75%", "another result every run"),
        (Claim("sometimes"), Claim("works", 1)),
        (Answer("the bias of the output", 1),),
    ),
    "parity_of_five": Question(
        "Parity of five bits",
        ("accuracy 50%", "works with 20 units, not with 2"),
        (Claim("fails"),),
    ),
    "tutorial_softplus": Question(
        "A tutorial that raised the rate",
        ("loss stays 0.693",),
        (Claim("works", 1),),
        (Answer("the rate: 0.1 for 0.01", 1),),
    ),
}
