"""What a run may take: time, memory, tries, cores and GPUs, and when it is given up."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sweep.runs.errors import SettingError, show
from sweep.runs.success import Success

_seconds = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86_400}
_bytes = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
allowed_time = "seconds above 0, or 30 s, 10 min, 2 h"
allowed_memory = "bytes above 0, or 512 MiB, 2 GiB"


@dataclass(frozen=True)
class Stop:
    """A run is given up where its curve, at the first point from this step on, is found so."""

    found: Success
    step: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """A rule as one writes it; `ValueError` says what is allowed.

        >>> Stop.parse("accuracy < 0.2 at step 50")
        Stop(found=Success(metric='accuracy', comparison='<', threshold=0.2), step=50.0)
        """
        match = re.fullmatch(r"(.+?)\s+at\s+step\s+(\d+(?:\.\d+)?)\s*", text)
        try:
            if match is not None:
                return cls(Success.parse(match[1]), float(match[2]))
        except ValueError:
            pass
        raise ValueError("one comparison of a number of the curve, and a step: accuracy < 0.2 at step 50")

    def judges(self, step: float, numbers: Mapping[str, float]) -> bool:
        """Whether a point of the curve is one that this rule looks at; it looks at the first of them alone."""
        return step >= self.step and self.found.metric in numbers

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether that point says that the run is to be given up."""
        return bool(self.found.holds(numbers[self.found.metric]))

    def __str__(self) -> str:
        return f"{self.found} at step {self.step:g}"


@dataclass(frozen=True)
class Limits:
    """Of one run: `timeout` in seconds, `memory` in bytes of data, `stop` by its curve; None for none.

    `retries`: how often a run that was lost is tried again; `cores` and `gpus`: what is kept free for it, a GPU by a
    cluster only. These decide no outcome, so they are no part of what is equal.
    """

    timeout: float | None = None
    memory: int | None = None
    retries: int = field(default=1, compare=False)
    stop: Stop | None = None
    cores: int = field(default=1, compare=False)
    gpus: float = field(default=0.0, compare=False)

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Self:
        """Limits as a file has them: `{timeout: 10 min, memory: 2 GiB, retries: 1, stop: accuracy < 0.2 at step 50}`.

        Raises `SettingError`.
        """
        stop, retries = section.get("stop"), section.get("retries", cls.retries)
        cores, gpus = section.get("cores", cls.cores), section.get("gpus", cls.gpus)
        try:
            rule = None if stop is None else Stop.parse(stop)
        except ValueError as error:
            raise SettingError(("stop",), f"found {show(stop)}", f"allowed: {error}") from None
        if retries < 0:
            raise SettingError(("retries",), f"found {retries}", "allowed: a whole number from 0 up")
        if cores < 1:
            raise SettingError(("cores",), f"found {cores}", "allowed: a whole number from 1 up")
        if not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus)):
            raise SettingError(
                ("gpus",), f"found {show(gpus)}", "allowed: a whole number from 0 up, or a share below 1"
            )
        memory = _amount("memory", section.get("memory"), _bytes, allowed_memory)
        return cls(
            timeout=_amount("timeout", section.get("timeout"), _seconds, allowed_time),
            memory=None if memory is None else int(memory),
            retries=retries,
            stop=rule,
            cores=cores,
            gpus=float(gpus),
        )

    @property
    def are_none(self) -> bool:
        """Whether nothing is asked of whoever makes the runs; tries apart."""
        return self == Limits() and self.cores == Limits.cores and self.gpus == Limits.gpus


def _amount(name: str, given: Any, units: Mapping[str, int], allowed: str) -> float | None:
    """A number, or a text of one with its unit."""
    if given is None:
        return None
    try:
        if isinstance(given, str):
            match = re.fullmatch(r"([\d.]+)\s*([A-Za-z]*)", given.strip())
            number, unit = match.groups() if match else ("", "")
            amount = float(number) * (units[unit.lower().removesuffix("s") or "s"] if unit else 1)
        else:
            amount = float(given)
    except (ValueError, KeyError):
        amount = math.nan
    if not 0 < amount < math.inf:
        raise SettingError((name,), f"found {show(given)}", f"allowed: {allowed}")
    return amount
