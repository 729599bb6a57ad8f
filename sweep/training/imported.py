"""A network that was built elsewhere as settings: its layers, loss and optimizer; or all that cannot be said of it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.settings import defaults, settings_of
from sweep.networks.tasks import Task, table_task
from sweep.networks.vocabulary import Named, Signature, named
from sweep.runs.errors import SettingError, at

# settings that a network has, whether they are the usual ones or not; and those that it has not
_always = ("width", "depth", "layers", "activation", "optimizer", "learning_rate", "loss")
_of_training = ("task", "encoding", "samples", "batch_size", "epochs", "shuffle")


# f(a x) = a f(x) for a above 0: of these it does not matter on which side of them dropout stands
_homogeneous = ("linear", "relu", "leaky_relu")
_linear = Named("linear")
# an optimizer and its learning rate
Trained = tuple[Named, float | Named]


@dataclass(frozen=True)
class Loss:
    """A loss.

    inside: the activation that it has in itself, empty where it takes answers; under: how it is called then; allowed:
    what else goes with an output that has an activation.
    """

    name: Named
    inside: str = ""
    under: str = ""
    allowed: str = ""


@dataclass(frozen=True)
class Imported:
    """The settings of a network, how many inputs it has and units at its output, and what of it is not taken over."""

    settings: Mapping[str, Any]
    n_inputs: int
    n_outputs: int
    remark: str = ""


class Obstacles(SettingError):
    """All that a network has and settings cannot say: `every` obstacle, the first of them as that of a `SettingError`.

    otherwise: how such a network can be trained as it is, empty where it cannot.
    """

    def __init__(self, every: Sequence[SettingError], otherwise: str) -> None:
        super().__init__(every[0].place, every[0].found, every[0].allowed)
        self.every = tuple(every)
        self.otherwise = otherwise
        self.args = ("\n".join(self.lines()),)

    def lines(self, prefix: str = "") -> list[str]:
        """Each obstacle with its place, behind it what is allowed there; last how to train it as it is."""
        lines: list[str] = []
        for error in self.every:
            lines += [f"{prefix}{'.'.join(map(str, error.place))}: {error.found}", f"  {error.allowed}"]
        return [*lines, f"as it is: {self.otherwise}"] if self.otherwise else lines


class Notes:
    """The obstacles found so far."""

    def __init__(self) -> None:
        self.found: list[SettingError] = []

    def add(self, place: tuple[str | int, ...], found: str, allowed: str) -> None:
        """Note one."""
        self.found.append(SettingError(place, found, allowed))

    @contextmanager
    def noting(self) -> Generator[None]:
        """Note a `SettingError` that is raised inside, and go on behind."""
        try:
            yield
        except SettingError as error:
            self.found.append(error)

    def check(self, otherwise: str) -> None:
        """Raise `Obstacles` where there are any."""
        if self.found:
            raise Obstacles(self.found, otherwise)


@dataclass(frozen=True)
class Block:
    """A dense layer by its name there, with what follows it. is_seeded: whether an initializer of it has a seed."""

    name: str
    layer: Layer
    is_seeded: bool = False


def dropped(block: Block, rate: float, name: str) -> Block:
    """A dense layer with the dropout of a layer behind it, `name`."""
    if block.layer.dropout:
        raise SettingError((name,), "a second Dropout", "allowed: one after each hidden layer")
    return replace(block, layer=replace(block.layer, dropout=rate))


def activated(block: Block, activation: Named, name: str) -> Block:
    """A dense layer with the activation of a layer behind it, `name`."""
    known = block.layer.activation
    if activation == _linear:
        return block
    if known != _linear:
        found = f"a second activation, {activation.label()}, behind {known.label()}"
        raise SettingError((name,), found, "allowed: one for each layer")
    if block.layer.dropout and activation.name not in _homogeneous:
        allowed = f"allowed: {', '.join(_homogeneous)}; {activation.name} before Dropout"
        raise SettingError((name,), f"{activation.label()} behind Dropout", allowed)
    return replace(block, layer=replace(block.layer, activation=activation))


def checked_ends(blocks: Sequence[Block], kind: str, notes: Notes) -> list[Block]:
    """Note, and leave out, what may stand behind some layers only; `kind`: what a dense layer is called."""
    if not blocks and not notes.found:
        notes.add(("model",), f"no {kind} layer", "allowed: at least the output layer")
    checked = list(blocks)
    for i, block in enumerate(blocks[:-1]):
        if block.layer.activation.name == "softmax":
            found = "softmax at a hidden layer"
            notes.add((block.name, "activation"), found, allowed_names(vocabulary.activations))
            checked[i] = replace(block, layer=replace(block.layer, activation=_linear))
    for block in blocks[-1:]:
        if block.layer.dropout:
            notes.add((block.name,), "Dropout after the output layer", "allowed: after hidden layers")
    return checked


def assembled(blocks: Sequence[Block], loss: Loss | None, trained: Trained, n_inputs: int, notes: Notes) -> Imported:
    """The settings of a network whose parts are known; where its output is, also what it makes of the loss is noted.

    The settings are those of what could be said: for whoever has checked the notes.
    """
    settings: dict[str, Any] = {}
    last = blocks[-1] if blocks else None
    if last and loss and not any(error.place[0] == last.name for error in notes.found):
        try:
            layers = [*(b.layer for b in blocks[:-1]), _output(last, loss)]
            settings = network_settings(layers, loss.name, *trained, n_inputs)
        except SettingError as error:
            place = (last.name, "activation") if error.place == ("output",) else error.place
            notes.add(place, error.found, error.allowed)
    return Imported(settings, n_inputs, last.layer.units if last else 0)


def _output(last: Block, loss: Loss) -> Layer:
    """The output layer: where the loss takes logits, with the activation that is in the loss."""
    layer, place = last.layer, (last.name, "activation")
    if loss.inside:
        if layer.activation != _linear:
            found = f"found {layer.activation.label(vocabulary.output_activations)} at the output, under {loss.under}"
            raise SettingError(place, found, f"allowed: {loss.allowed}")
        layer = replace(layer, activation=Named(loss.inside))
    if layer.activation.name == "softmax" and layer.units == 1:
        raise SettingError(
            place,
            "found softmax of one unit, which is 1 whatever it is given",
            "allowed: sigmoid, or a unit for each class",
        )
    return layer


def network_settings(
    layers: Sequence[Layer], loss: Named, optimizer: Named, learning_rate: float | Named, n_inputs: int
) -> dict[str, Any]:
    """The settings of a network, the output layer last: those that it always has, others where not the default.

    Targets are classes behind a softmax, else 0 and 1. Raises `SettingError` for an output and a loss that make no
    sense together.
    """
    output = layers[-1]
    coding = "one_hot" if output.activation.name == "softmax" else "binary"
    c = Configuration(
        task=_stand_in(n_inputs, output.units, coding),
        encoding="binary",
        samples=None,
        layers=tuple(layers),
        loss=loss,
        coding=coding,
        optimizer=optimizer,
        learning_rate=learning_rate,
        batch_size=1,
        epochs=defaults["epochs"],
    )
    found = {key: value for key, value in settings_of(c).items() if key not in _of_training}
    return {key: value for key, value in found.items() if key in _always or value != defaults[key]}


def _stand_in(n_inputs: int, n_units: int, coding: str) -> Task:
    """A task of the network's shape; the network does not know its own."""
    n = n_units if coding == "one_hot" and n_units > 2 else 2
    targets = [[int(i == j) for j in range(n)] for i in range(n)]
    if n == 2:
        targets = [[y] * (n_units if coding == "binary" else 1) for y in (0, 1)]
    return table_task([[float(i)] * n_inputs for i in range(n)], targets)


def allowed_names(signatures: Mapping[str, Signature]) -> str:
    """The names that are allowed, in words."""
    return "allowed: " + ", ".join(signatures)


def of_signature(
    name: str, arguments: Mapping[str, object], signatures: Mapping[str, Signature], place: tuple[str, ...]
) -> Named:
    """A name with its arguments checked. Raises `SettingError` with the place of the argument behind `place`."""
    with at(*place):
        return named(name, arguments, signatures)
