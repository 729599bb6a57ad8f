"""Columns of numbers as the texts of a CSV file: the same texts on every machine, and quick for millions of them."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson


def shortest(values: npt.NDArray[np.float32]) -> list[str]:
    """float32 numbers by the fewest digits that read back as the same float32; empty where not finite.

    As numpy 2.4 writes them: from 1e-4 up and below 1e6 without an exponent. There orjson writes the same in a
    thirtieth of the time, and a reader that goes by way of float64 cannot round to another float32: a text of 9 digits
    and a midpoint of two float32 are apart by more than 2^-53 of themselves.
    """
    narrow = np.ascontiguousarray(values, np.float32)
    texts = orjson.dumps(narrow, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",") if len(narrow) else []
    size = np.abs(narrow.astype(np.float64))
    for i in np.flatnonzero(~((size >= 1e-4) & (size < 1e6) | (size == 0))):
        texts[i] = _with_exponent(narrow[i])
    return texts


def _with_exponent(number: np.float32) -> str:
    if not np.isfinite(number):
        return ""
    text = str(number)
    # by way of float64 rounding twice may miss by one (7.038531e-26): such a number gets all digits
    return text if np.float32(float(text)) == number else repr(float(number))


def decimals(values: npt.ArrayLike) -> list[str]:
    """Statistics with six decimals; empty where not finite."""
    different, places = np.unique(np.asarray(values, np.float64), return_inverse=True)
    texts = [f"{x:.6f}" if math.isfinite(x) else "" for x in different.tolist()]
    return [texts[i] for i in places.tolist()]


def significant(values: npt.ArrayLike) -> list[str]:
    """Numbers that may be very small or large, with six significant digits.

    >>> significant([0.0389123456, 1.5e-12, 64.0])
    ['0.0389123', '1.5e-12', '64']
    """
    return [f"{x:.6g}" for x in np.asarray(values, np.float64).tolist()]


def exact(values: npt.NDArray[np.float64]) -> list[str]:
    """Numbers by the fewest digits that read back as the same; empty where not finite."""
    return [repr(x).removesuffix(".0") if math.isfinite(x) else "" for x in np.asarray(values, np.float64).tolist()]


def plain(values: npt.NDArray[Any]) -> list[str]:
    """Whole numbers, or truth."""
    return list(map(str, values.tolist()))


def present(values: npt.NDArray[Any], is_present: npt.NDArray[np.bool_]) -> list[str]:
    """Whole numbers; empty where there is none."""
    return list(map(str, np.where(is_present, values.astype(object), "").tolist()))
