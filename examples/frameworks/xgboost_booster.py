"""An XGBoost booster: `python examples/frameworks/xgboost_booster.py`."""

import numpy as np
import xgboost

import vedette

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 3))
names = ["amount", "age", "visits"]
train = xgboost.DMatrix(x, (x[:, 0] > 0).astype(int), feature_names=names)
booster = xgboost.train({"objective": "binary:logistic"}, train, num_boost_round=10)

monitor = vedette.Monitor("fraud")
booster = monitor.watch(booster)
booster.predict(xgboost.DMatrix(rng.normal(size=(40, 3)), feature_names=names))
booster.inplace_predict(rng.normal(size=(10, 3)))
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "amount"], window="all").select(
        "metric", "feature", "value"
    )
)
