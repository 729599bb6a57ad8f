"""A network that was built elsewhere as settings: its layers, loss and optimizer; or all that cannot be said of it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.settings import defaults, settings_of
from sweep.networks.tasks import Task, table_task
from sweep.networks.vocabulary import Named
from sweep.runs.errors import SettingError

# settings that a network has, whether they are the usual ones or not; and those that it has not
_always = ("width", "depth", "layers", "activation", "optimizer", "learning_rate", "loss")
_of_training = ("task", "encoding", "samples", "batch_size", "epochs", "shuffle")


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


def network_settings(
    layers: Sequence[Layer], loss: Named, optimizer: Named, learning_rate: Any, n_inputs: int
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


def allowed_names(signatures: Mapping[str, vocabulary.Signature]) -> str:
    """The names that are allowed, in words."""
    return "allowed: " + ", ".join(signatures)
