"""An endpoint of Flask that takes many rows at once: `python examples/frameworks/flask_app.py`."""

from flask import Flask, request

import vedette

monitor = vedette.Monitor("offers")
app = Flask(__name__)
app.wsgi_app = vedette.WSGIMiddleware(
    app.wsgi_app,
    monitor=monitor,
    routes={"/v1/models/*:predict": {"features": "instances[*]", "prediction": "predictions[*].label"}},
)


@app.post("/v1/models/offers:predict")
def predict() -> dict[str, object]:
    return {"predictions": [{"label": int(row["amount"] > 3)} for row in request.get_json()["instances"]]}


client = app.test_client()
for start in range(5):
    rows = [{"amount": start + i, "age": 40} for i in range(4)]
    client.post("/v1/models/offers:predict", json={"instances": rows}).get_json()
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "amount"], window="all").select(
        "metric", "feature", "value"
    )
)
