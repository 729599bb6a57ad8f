"""A layer and a head: what a network is made of, and what it is to answer.

Notation: predictions and targets `[.., row, output]`; sums, what a layer's units add up before their activation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.activations import activate, lowest
from sweep.networks.vocabulary import Named

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

# a prediction that rounds to the wrong end is as wrong as float32 can say
LEAST_PROBABILITY = 1e-7
# between what binary cross-entropy cuts predictions that are no sigmoid's, in float32 as Keras does
CUT = float(np.float32(LEAST_PROBABILITY)), float(np.float32(1 - LEAST_PROBABILITY))


@dataclass(frozen=True)
class Layer:
    """A Dense layer, and the dropout behind it."""

    units: int
    activation: Named
    dropout: float
    use_bias: bool
    kernel_initializer: Named
    bias_initializer: Named
    kernel_regularizer: Named = Named("none")
    bias_regularizer: Named = Named("none")


@dataclass(frozen=True)
class Head:
    """What the last layer answers and how that is judged: its activation, the loss, and how targets are coded.

    coding: `binary` targets are 0 and 1, `bipolar` -1 and 1; `one_hot` has an output for each class, 1 where it is the
    row's. An answer is right where its signed margin in [-1, 1] is above 0: `(2y - 1)(2p - 1)` for targets 0 and 1,
    `y p` for -1 and 1, both of predictions cut to lie between the two; for classes the output of the true one less the
    largest other.
    """

    activation: Named
    loss: Named
    coding: str

    @property
    def has_classes(self) -> bool:
        """Whether the outputs of a row are one answer, a class."""
        return self.coding == "one_hot"

    @property
    def takes_sums(self) -> bool:
        """Whether the loss is computed from the last layer's sums: cross-entropy behind its own activation."""
        pairs = {("sigmoid", "binary_crossentropy"), ("softmax", "categorical_crossentropy")}
        return (self.activation.name, self.loss.name) in pairs

    @property
    def smoothing(self) -> float:
        """By how large a part the loss moves targets to the middle."""
        return float(dict(self.loss.arguments).get("label_smoothing", 0.0))

    @property
    def low(self) -> float:
        """The lower of the two targets; the upper one is 1."""
        return -1.0 if self.coding == "bipolar" else 0.0

    @property
    def border(self) -> float:
        """The prediction on whose two sides the two answers lie."""
        return (self.low + 1) / 2

    def coded(self, targets: npt.ArrayLike) -> Floats:
        """The targets `[row, output]` of a table's targets 0 and 1, `[row, target]`.

        >>> Head(Named("softmax"), Named("categorical_crossentropy"), "one_hot").coded([[0], [1]]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        y = np.array(targets, np.float32)
        if self.has_classes and y.shape[1] == 1:
            return np.concatenate([1 - y, y], axis=1)
        return y + y - np.float32(1) if self.coding == "bipolar" else y

    def aims(self, targets: Any) -> Any:
        """Targets `[.., output]` as the loss takes them: with label smoothing mixed with equal shares of all answers.

        >>> Head(Named("sigmoid"), Named("binary_crossentropy", (("label_smoothing", 0.2),)), "binary").aims(
        ...     np.array([[0], [1]], np.float32)
        ... ).tolist()
        [[0.10000000149011612], [0.9000000357627869]]
        """
        if not self.smoothing:
            return targets
        n_answers = self._n_answers(targets.shape[-1])
        return targets * np.float32(1 - self.smoothing) + np.float32(self.smoothing / n_answers)

    def _n_answers(self, n_outputs: int) -> int:
        """Among how many answers label smoothing shares: the classes, or the two of an entry."""
        return n_outputs if self.loss.name == "categorical_crossentropy" else 2

    def averaged(self, n_outputs: int) -> int:
        """By what the sum of a row's entries is divided: their number, 1 where the loss is their sum."""
        return 1 if self.loss.name == "categorical_crossentropy" else n_outputs

    def answers(self, sums: Doubles) -> Doubles:
        """The predictions of the last layer's sums, `[.., output]`."""
        return activate(self.activation, sums)

    def leaning(self, sums: Doubles) -> Doubles:
        """A number for each of the last layer's sums `[.., output]`, above 0 where the answer is the upper target."""
        if self.activation.name == "sigmoid":
            return sums
        answers = self.answers(sums)
        if not self.has_classes:
            return answers - self.border
        others = [np.delete(answers, i, axis=-1).max(axis=-1) for i in range(answers.shape[-1])]
        return answers - np.stack(others, axis=-1)

    def shares(self, predictions: Doubles) -> Doubles:
        """Where predictions lie between the two targets: 0 at the lower one and below, 1 at the upper one and above."""
        return np.clip((predictions - self.low) / (1 - self.low), 0.0, 1.0)

    def sides(self, predictions: Floats, targets: Floats) -> Floats:
        """The signed margin of each entry, `[.., row, output]`; of each row where there are classes, `[.., row, 1]`."""
        one = np.float32(1)
        if self.has_classes:
            is_true = targets > 0
            true = np.where(is_true, predictions, -np.inf).max(axis=-1, keepdims=True)
            with np.errstate(invalid="ignore"):  # both infinite
                lead = true - np.where(is_true, -np.inf, predictions).max(axis=-1, keepdims=True)
            return np.clip(lead, -1, 1).astype(np.float32)
        predictions = np.clip(predictions, np.float32(self.low), one)
        if self.coding == "bipolar":
            return targets * predictions
        return np.multiply(targets + targets - one, predictions + predictions - one, dtype=np.float32)

    def margin(self, predictions: Floats, targets: Floats) -> Floats:
        """The smallest margin of each table; predictions `[.., row, output]`."""
        return self.sides(predictions, targets).min(axis=(-2, -1))

    def accuracy(self, predictions: Floats, targets: Floats) -> Doubles:
        """The share of each table's entries on the right side, as Keras's binary accuracy: a tie counts as the lower.

        Of classes the share of rows, as Keras's categorical accuracy: of equal answers the first counts.
        """
        if self.has_classes:
            return (predictions.argmax(axis=-1) == targets.argmax(axis=-1)).mean(axis=-1)
        return ((predictions > np.float32(self.border)) == (targets > self.border)).mean(axis=(-2, -1))

    def largest_error(self, predictions: Floats, targets: Floats) -> Floats:
        """The largest distance of a prediction from its target in each table; predictions `[.., row, output]`."""
        with np.errstate(invalid="ignore"):
            return np.abs(predictions - targets).max(axis=(-2, -1))

    def entry_losses(self, predictions: Doubles, targets: Doubles) -> Doubles:
        """The loss of each entry, in nats or in parts of the targets' unit; see `averaged` for that of a row."""
        aims = self.aims(targets)
        error = np.abs(targets - predictions)
        slack = np.maximum(1 - (targets if self.low else 2 * targets - 1) * predictions, 0.0)
        match self.loss.name:
            case "mean_squared_error":
                return error**2
            case "mean_absolute_error":
                return error
            case "huber":
                delta = float(self.loss["delta"])
                return np.where(error <= delta, error**2 / 2, delta * error - delta**2 / 2)
            case "hinge":
                return slack
            case "squared_hinge":
                return slack**2
            case "categorical_crossentropy":
                return -aims * np.log(np.maximum(predictions, LEAST_PROBABILITY))
            case _:
                if not self.takes_sums:
                    predictions = np.clip(predictions, *CUT)
                upper, lower = (np.log(np.maximum(p, LEAST_PROBABILITY)) for p in (predictions, 1 - predictions))
                return -(aims * upper + (1 - aims) * lower)

    def entry_floor(self, share: npt.ArrayLike, n_outputs: int) -> Doubles:
        """The lowest loss of one prediction for entries of which a `share` have the upper target.

        Cross-entropy: their entropy, or the true class's part of it. Every other loss is convex, and lowest at one of
        few predictions: the targets, their mean, or where one side of Huber's loss is straight.
        """
        p = np.asarray(share, np.float64)
        if self.loss.name.endswith("crossentropy"):
            p = p * (1 - self.smoothing) + self.smoothing / self._n_answers(n_outputs)
            q = np.stack([p, 1 - p]) if self.loss.name == "binary_crossentropy" else p[None]
            return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=0)
        low = -1.0 if self.loss.name.endswith("hinge") else self.low
        tried = [np.full_like(p, low), np.ones_like(p), low + p * (1 - low)]
        if self.loss.name == "huber":
            with np.errstate(divide="ignore", invalid="ignore"):
                odds = float(self.loss["delta"]) * p / (1 - p)
                tried += [low + odds, 1 - float(self.loss["delta"]) ** 2 / odds]
        best = np.clip(np.nan_to_num(np.stack(tried)), max(low, lowest(self.activation)), 1.0)
        upper, lower = (self.entry_losses(best, np.full_like(best, y)) for y in (1.0, self.low))
        return (p * upper + (1 - p) * lower).min(axis=0)

    def mixture_loss(self, share: npt.ArrayLike) -> Doubles:
        """The lowest loss of one answer to rows of which a `share` are ones.

        >>> Head(Named("sigmoid"), Named("mean_squared_error"), "binary").mixture_loss([0.0, 0.5]).tolist()
        [0.0, 0.25]
        """
        p = np.asarray(share, np.float64)
        if not self.has_classes:
            return self.entry_floor(p, 1)
        return (self.entry_floor(p, 2) + self.entry_floor(1 - p, 2)) / self.averaged(2)
