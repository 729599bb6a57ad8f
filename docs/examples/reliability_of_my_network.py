"""How reliable is my network, why does it fail, and what would help? Answers in seconds."""

import keras

import sweep

model = keras.Sequential([keras.Input((2,))])
for _ in range(3):
    model.add(keras.layers.Dense(2, activation="relu"))
model.add(keras.layers.Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy")

settings = {**sweep.from_keras(model), "task": "xor", "epochs": 1000}
runs = sweep.train(settings, seeds=1000)
print(f"{runs['learned'].mean():.1%} of 1,000 seeds learn; they end so:")
print(runs["outcome"].value_counts().to_string())

failing = runs["seed"][~runs["learned"]]
for change in ({"width": 4}, {"depth": 1}, {"activation": "leaky_relu"}, {"width": 4, "activation": "leaky_relu"}):
    again = sweep.train({**settings, **change}, seeds=failing)
    print(f"{change}: {again['learned'].mean():.1%} of the failing seeds learn")
