"""Does batch normalization help a small network to learn XOR? All seeds of each kind at once."""

import keras
import numpy as np

import sweep

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
y = np.array([[0], [1], [1], [0]], np.float32)


def build(seed: int, normalize: bool) -> keras.Model:
    """Four units of relu, with batch normalization before it or without."""
    normalization = [keras.layers.BatchNormalization()] if normalize else []
    layers = [keras.layers.Dense(4), *normalization, keras.layers.ReLU(), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    return model


if __name__ == "__main__":
    vary = {"normalize": [True, False], "batch_size": [4, 2]}
    results = sweep.train(build=build, data=(x, y), vary=vary, seeds=256, epochs=500, out="results/batch_normalization")
    print(results.configurations[[*vary, "n_learned", "n_runs", "ci_low", "ci_high", "verdict"]].to_string(index=False))
    for epochs in (50, 100, 200, 500):
        by_then = results.runs["epochs_to_learn"] <= epochs
        print(f"learned for good by epoch {epochs}:")
        print(by_then.groupby([results.runs[name] for name in vary]).mean().to_string(float_format="{:.1%}".format))
