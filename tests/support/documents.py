"""Experiment files as plain values, drawn by hypothesis and changed at a place."""

from typing import Any

import yaml
from hypothesis import strategies as st

rates = st.floats(0, 1, exclude_max=True)
scalars: dict[str, st.SearchStrategy[Any]] = {
    "task": st.sampled_from(
        ["xor", "and", {"name": "parity", "bits": 4}, {"inputs": [[0.5], [-1]], "targets": [[0], [1]]}]
    ),
    "width": st.integers(1, 1000),
    "depth": st.integers(0, 9),
    "activation": st.sampled_from(["relu", "tanh", {"name": "leaky_relu", "negative_slope": 0.1}]),
    "dropout": rates,
    "use_bias": st.booleans(),
    "optimizer": st.sampled_from(["sgd", "adam", {"name": "sgd", "momentum": 0.5, "nesterov": True}]),
    "learning_rate": st.none() | st.floats(0, 1e30),
    "batch_size": st.just("full") | st.integers(1, 99),
    "epochs": st.integers(1, 10_000),
    "loss": st.sampled_from(["binary_crossentropy", "mean_squared_error"]),
}


class WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from([*scalars, "seed", "low", "high", "name", "inputs", "targets", "full", "on"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*scalars, "low", "high", "step", "name", "inputs", "targets"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places_of(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(inner for key, child in children for inner in places_of(child, (*place, key)))]


def replaced(value: Any, place: tuple[str | int, ...], new: object) -> Any:
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], new)
    return copy
