"""A scikit-learn pipeline: `python examples/frameworks/sklearn_pipeline.py`."""

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vedette

data = load_breast_cancer(as_frame=True)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, data.target)

monitor = vedette.Monitor("tumours")
model = monitor.watch(model)
model.predict_proba(data.data.head(100))
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "mean radius"], window="all").select(
        "metric", "feature", "value"
    )
)
