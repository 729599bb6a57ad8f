"""The epochs of a training that are kept; epochs count from 1, epoch 0 is the state before training."""

import numpy as np
import numpy.typing as npt

max_snapshots = 64
max_snapshot_values = 4096


def snapshot_epochs(epochs: int, n_values: int) -> npt.NDArray[np.int64]:
    """The epochs of a training that are kept: first, nine tenths, last, and others closer together at the beginning.

    At most 64, fewer for tables of many values (`n_values`: rows times outputs), so that a run never keeps more than
    4,096 predictions unless the table itself has more in three epochs.
    """
    n = int(np.clip(max_snapshot_values // n_values, 3, max_snapshots))
    spread = epochs * (np.arange(n - 1) / (n - 2)) ** 2  # the nine tenths take the last place
    return np.unique(np.append(np.floor(spread).astype(np.int64), [nine_tenths(epochs), epochs]))


def nine_tenths(epochs: int) -> int:
    """The epoch that begins the last tenth of a training."""
    return epochs - max(1, epochs // 10)
