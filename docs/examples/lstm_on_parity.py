"""How often does an LSTM learn the parity of four bits, and is it the number of units? All seeds at once."""

import itertools

import keras
import numpy as np

import sweep

bits = np.array(list(itertools.product([0, 1], repeat=4)), np.float32)
x, y = bits[:, :, None], bits.sum(axis=1, keepdims=True) % 2


def build(seed: int, units: int) -> keras.Model:
    """A bit at a time, then one sigmoid."""
    model = keras.Sequential([keras.Input((4, 1)), keras.layers.LSTM(units), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    return model


if __name__ == "__main__":
    vary = {"units": [2, 4, 8]}
    results = sweep.train(build=build, data=(x, y), vary=vary, seeds=64, epochs=300, batch_size=4, out="results/lstm")
    print(results.configurations[[*vary, "n_learned", "n_runs", "ci_low", "ci_high", "verdict"]].to_string(index=False))
    for epochs in (75, 150, 225, 300):
        by_then = results.runs["epochs_to_learn"] <= epochs
        print(f"learned for good by epoch {epochs}:")
        print(by_then.groupby([results.runs[name] for name in vary]).mean().to_string(float_format="{:.1%}".format))
