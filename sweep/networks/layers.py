"""A layer and a head: what a network is made of, and what it is to answer.

Notation: predictions and targets `[.., row, output]`; sums, what a layer's units add up before their activation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.networks.activations import activate
from sweep.networks.vocabulary import Named

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

# a prediction that rounds to the wrong end is as wrong as float32 can say
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Layer:
    """A Dense layer, and the dropout behind it."""

    units: int
    activation: Named
    dropout: float
    use_bias: bool
    kernel_initializer: Named
    bias_initializer: Named


@dataclass(frozen=True)
class Head:
    """What the last layer answers and how that is judged: its activation, the loss, and what a right answer is.

    The head of today: a sigmoid for targets of 0 and 1, under binary cross-entropy or the squared error.
    """

    activation: Named
    loss: str

    # the prediction on whose two sides the two answers lie
    border = 0.5

    def answers(self, sums: Doubles) -> Doubles:
        """The predictions of the last layer's sums."""
        return activate(self.activation, sums)

    def sides(self, predictions: Floats, targets: Floats) -> Floats:
        """The signed margin of each entry, `(2y - 1)(2p - 1)` in [-1, 1]: above 0 where the answer is right."""
        one = np.float32(1)
        return np.multiply(targets + targets - one, predictions + predictions - one, dtype=np.float32)

    def margin(self, predictions: Floats, targets: Floats) -> Floats:
        """The smallest margin of each table; predictions `[.., row, output]`."""
        return self.sides(predictions, targets).min(axis=(-2, -1))

    def accuracy(self, predictions: Floats, targets: Floats) -> Doubles:
        """The share of each table's entries on the right side, as Keras's binary accuracy: a tie counts as 0."""
        return ((predictions > np.float32(self.border)) == (targets > self.border)).mean(axis=(-2, -1))

    def entry_losses(self, predictions: Doubles, targets: Doubles) -> Doubles:
        """The loss of each entry, in nats or squared."""
        if self.loss == "mean_squared_error":
            return (targets - predictions) ** 2
        return -np.log(np.maximum(np.where(targets > 0, predictions, 1 - predictions), LEAST_PROBABILITY))

    def mixture_loss(self, share: npt.ArrayLike) -> Doubles:
        """The lowest loss of one prediction for rows of which a `share` are ones: their entropy, or their variance.

        >>> Head(Named("sigmoid"), "mean_squared_error").mixture_loss([0.0, 0.5]).tolist()
        [0.0, 0.25]
        """
        p = np.asarray(share, np.float64)
        if self.loss == "mean_squared_error":
            return p * (1 - p)
        q = np.stack([p, 1 - p])
        return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=0)
