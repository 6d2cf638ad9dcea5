"""A model from MLflow: `python examples/frameworks/mlflow_model.py`."""

import tempfile

import mlflow.pyfunc
import pandas as pd
from mlflow.models import infer_signature

import vedette


class Threshold(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.Series:  # noqa: ARG002 - MLflow's
        return (model_input["amount"] > 10).astype(int)


frame = pd.DataFrame({"amount": [float(i) for i in range(40)], "age": [20.0 + i for i in range(40)]})
folder = f"{tempfile.mkdtemp()}/model"
mlflow.pyfunc.save_model(
    folder, python_model=Threshold(), signature=infer_signature(frame, pd.Series([0, 1]))
)

monitor = vedette.Monitor("limits")
model = monitor.watch(mlflow.pyfunc.load_model(folder))
model.predict(frame)
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "amount"], window="all").select(
        "metric", "feature", "value"
    )
)
