"""A LightGBM booster: `python examples/frameworks/lightgbm_booster.py`."""

import lightgbm
import numpy as np

import vedette

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 3))
train = lightgbm.Dataset(x, (x[:, 0] > 0).astype(int), feature_name=["amount", "age", "visits"])
booster = lightgbm.train({"objective": "binary", "verbose": -1}, train, num_boost_round=10)

monitor = vedette.Monitor("fraud")
booster = monitor.watch(booster)
booster.predict(rng.normal(size=(50, 3)))
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "amount"], window="all").select(
        "metric", "feature", "value"
    )
)
