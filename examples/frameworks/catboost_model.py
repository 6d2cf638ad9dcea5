"""A CatBoost model: `python examples/frameworks/catboost_model.py`."""

import pandas as pd
from catboost import CatBoostClassifier

import vedette

frame = pd.DataFrame({"amount": [float(i % 50) for i in range(500)], "country": ["AT", "DE"] * 250})
model = CatBoostClassifier(iterations=10, verbose=0, allow_writing_files=False, cat_features=["country"])
model.fit(frame, (frame["amount"] > 25).astype(int))

monitor = vedette.Monitor("fraud")
model = monitor.watch(model)
model.predict_proba(frame.head(50))
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "amount"], window="all").select(
        "metric", "feature", "value"
    )
)
