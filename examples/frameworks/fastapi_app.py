"""An endpoint of FastAPI: `python examples/frameworks/fastapi_app.py`."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

import vedette


class Order(BaseModel):
    order: str
    features: dict[str, float]


monitor = vedette.Monitor("offers")
app = FastAPI()
app.add_middleware(
    vedette.ASGIMiddleware,
    monitor=monitor,
    routes={
        "/predict": {"features": "features", "prediction": "label", "probability": "score", "id": "order"}
    },
)


@app.post("/predict")
async def predict(order: Order) -> dict[str, float]:
    score = 1 / (1 + order.features["amount"])
    return {"label": int(score > 0.5), "score": score}


client = TestClient(app)
for number in range(20):
    client.post("/predict", json={"order": f"o{number}", "features": {"amount": number / 10, "age": 40.0}})
client.post("/predict", json={"order": "wrong"})  # 422: counted as rejected
monitor.flush()
print(monitor.figures(["rows", "latency_p50_s"], window="all").select("metric", "value", "n"))
