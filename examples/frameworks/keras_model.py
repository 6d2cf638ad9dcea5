"""A Keras model, on any backend: `KERAS_BACKEND=torch python examples/frameworks/keras_model.py`."""

import keras
import numpy as np

import vedette

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])

monitor = vedette.Monitor("clicks")
model = monitor.watch(model, features=["age", "hour", "price"])
model.predict(np.random.default_rng(0).normal(size=(50, 3)), verbose=0)
model(np.zeros((2, 3)))
monitor.flush()
print(monitor.figures(["rows", "latency_p50_s"], window="all").select("metric", "value", "n"))
