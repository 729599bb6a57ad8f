"""How often does a small CNN read at least 90% of unseen digits, and does a larger rate help? All seeds at once."""

import keras
import numpy as np

import sweep

# the digits 0 to 9, five rows of three dots each
ROWS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717")


def pictures(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits of 5 x 3 dots in one of four places of 8 x 8, with noise: pictures `[n, 8, 8, 1]`, and the digits."""
    rng = np.random.default_rng(0)
    glyphs = np.array([[[int(row) >> 2 - i & 1 for i in range(3)] for row in rows] for rows in ROWS], np.float32)
    shown = np.zeros((n, 8, 8, 1), np.float32)
    digits = rng.integers(0, 10, n)
    for picture, digit in zip(shown, digits, strict=True):
        top, left = rng.integers(1, 3), rng.integers(2, 4)
        picture[top : top + 5, left : left + 3, 0] = glyphs[digit]
    return shown + rng.normal(0, 0.15, shown.shape).astype(np.float32), digits


def build(seed: int, rate: float) -> keras.Model:
    """One convolution, the largest of each 2 x 2, ten classes."""
    convolution = keras.layers.Conv2D(8, 3, activation="relu")
    layers = [convolution, keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


if __name__ == "__main__":
    vary = {"rate": [0.003, 0.03]}
    results = sweep.train(
        build=build,
        data=pictures(400),
        vary=vary,
        seeds=64,
        epochs=20,
        batch_size=32,
        test=0.25,
        success="test_accuracy >= 0.9",
        out="results/digits",
    )
    print(results.configurations[[*vary, "n_learned", "n_runs", "ci_low", "ci_high", "verdict"]].to_string(index=False))
    for epochs in (5, 10, 15, 20):
        by_then = results.runs["epochs_to_learn"] <= epochs
        print(f"learned for good by epoch {epochs}:")
        print(by_then.groupby([results.runs[name] for name in vary]).mean().to_string(float_format="{:.1%}".format))
