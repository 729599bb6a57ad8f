"""The seeds that each configuration is trained under."""

import itertools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from sweep.runs.errors import SettingError, at

end_of_seeds = 2**32


@dataclass(frozen=True)
class SeedBlock:
    """The seeds that each configuration is trained under: `first`, `first + 1`, ... or a list, in rising order.

    Unlike all others they are crossed with everything and never optimised. With `up_to`, `count` is where each
    configuration begins, and those whose verdict is open get more, `up_to` at most. With `until`, a half-width, they
    get more until the interval of their rate is as narrow, whatever the verdict.
    """

    first: int = 0
    count: int = 64
    listed: tuple[int, ...] | None = None
    up_to: int | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        if self.until is not None and not 0 < self.until < 0.5:
            raise SettingError(("until",), f"found half_width {self.until:g}", "allowed: above 0 and below 0.5")
        if self.listed is None:
            if self.up_to is not None and self.up_to <= self.count:
                raise SettingError(("up_to",), f"found {self.up_to}", f"allowed: more than count, {self.count}")
            if not (0 <= self.first and self.count >= 1 and self.first + (self.up_to or self.count) <= end_of_seeds):
                found = f"{self.up_to or self.count} seeds from {self.first}"
                raise SettingError((), found, "allowed: at least one seed, all from 0 to 2^32 - 1")
            return
        if not self.listed:
            raise SettingError((), "no seeds", "allowed: at least one")
        known: set[int] = set()
        for i, seed in enumerate(self.listed):
            if not 0 <= seed < end_of_seeds:
                raise SettingError((i,), f"found {seed}", "allowed: a seed from 0 to 2^32 - 1")
            if seed in known:
                raise SettingError((i,), f"found {seed} twice", "allowed: each seed once")
            known.add(seed)
        object.__setattr__(self, "listed", tuple(sorted(self.listed)))

    def seeds(self) -> npt.NDArray[np.uint32]:
        """The seeds in rising order, all that a configuration may get: uint32 `[seed]`."""
        if self.listed is not None:
            return np.array(self.listed, np.uint32)
        return np.arange(self.first, self.first + len(self), dtype=np.uint64).astype(np.uint32)

    def fresh(self, n: int) -> npt.NDArray[np.uint32]:
        """`n` seeds that are not among these: the first after the largest, going round at 2^32."""
        used = set(self.seeds().tolist())
        after = (s % 2**32 for s in itertools.count(max(used) + 1))
        return np.array(list(itertools.islice((s for s in after if s not in used), n)), np.uint32)

    def __len__(self) -> int:
        """The most seeds that a configuration may get."""
        return len(self.listed) if self.listed is not None else self.up_to or self.count

    def amount(self) -> str:
        """How many seeds a configuration gets, in words: `64`, or `16 to 1,024`."""
        return f"{len(self):,}" if self.up_to is None else f"{self.count:,} to {self.up_to:,}"

    def label(self) -> str:
        """`0..63` for a block, `0..15 to 0..1023` for one that may grow, `3 7 21` for a list."""
        if self.listed is not None:
            return " ".join(map(str, self.listed))
        label = f"{self.first}..{self.first + self.count - 1}"
        return label if self.up_to is None else f"{label} to {self.first}..{self.first + self.up_to - 1}"


def seed_block(seeds: SupportsIndex | Iterable[SupportsIndex]) -> SeedBlock:
    """The block of a count of seeds, or of the seeds themselves. Raises `SettingError`, `TypeError`."""
    with at("seeds"):
        if isinstance(seeds, Iterable):
            return SeedBlock(listed=tuple(map(operator.index, seeds)))
        return SeedBlock(count=operator.index(seeds))
