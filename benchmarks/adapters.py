"""What an adapter adds to a call of one row, in times of a bare ``log`` of the same row.

    python benchmarks/adapters.py [--repeats 60] [--only sklearn ...] [--json]

Each model is called as it is and as it is watched, in turn, in blocks; what the second takes longer is what the adapter adds,
the row put together and logged. Beside it stands what ``log`` alone takes for the same features. Frameworks that are not
installed are said to be missing (``pip install "vedette[frameworks]"``). For middleware the limit is three times a bare ``log``.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

import vedette

BLOCK_S = 0.02
MIDDLEWARE_MAX = 3.0
NAMES = [f"x{i}" for i in range(10)]
X = np.random.default_rng(0).normal(size=(400, 10))
Y = (X[:, 0] > 0).astype(int)
ROW = X[:1]
Watch = Callable[..., Any]
Pair = tuple[Callable[[], Any], Callable[[], Any]]


def function(watch: Watch) -> Pair:
    def predict(features: dict[str, float]) -> int:
        return 1 if features["x0"] > 0 else 0

    row, watched = dict(zip(NAMES, ROW[0].tolist(), strict=True)), watch(predict)
    return lambda: predict(row), lambda: watched(row)


def sklearn(watch: Watch) -> Pair:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(X, Y)
    watched = watch(model)
    return lambda: model.predict_proba(ROW), lambda: watched.predict_proba(ROW)


def torch(watch: Watch) -> Pair:
    import torch as framework

    def made() -> Any:
        return framework.nn.Sequential(framework.nn.Linear(10, 2), framework.nn.Softmax(dim=1)).eval()

    model, watched, given = made(), watch(made()), framework.tensor(ROW, dtype=framework.float32)

    def call(one: Any) -> Any:
        with framework.inference_mode():
            return one(given)

    return lambda: call(model), lambda: call(watched)


def keras(watch: Watch) -> Pair:
    import keras as framework

    layers = [framework.layers.Input((10,)), framework.layers.Dense(1, activation="sigmoid")]
    model = framework.Sequential(layers)
    watched = watch(model)
    return lambda: model(ROW), lambda: watched(ROW)


def xgboost(watch: Watch) -> Pair:
    import xgboost as framework

    booster = framework.train({"objective": "binary:logistic", "nthread": 1}, framework.DMatrix(X, Y), 10)
    watched = watch(booster)
    return lambda: booster.inplace_predict(ROW), lambda: watched.inplace_predict(ROW)


def lightgbm(watch: Watch) -> Pair:
    import lightgbm as framework

    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = framework.train(options, framework.Dataset(X, Y), 10)
    watched = watch(booster)
    return lambda: booster.predict(ROW), lambda: watched.predict(ROW)


def catboost(watch: Watch) -> Pair:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=10, verbose=0, allow_writing_files=False, thread_count=1).fit(X, Y)
    watched = watch(model)
    return lambda: model.predict_proba(ROW), lambda: watched.predict_proba(ROW)


def _onnx() -> bytes:
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [10, 2], list(range(20)))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Softmax", ["s"], ["p"], axis=1)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n]) for name, n in (("x", 10), ("p", 2))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    return bytes(model.SerializeToString())


def onnxruntime(watch: Watch) -> Pair:
    import onnxruntime as framework

    session = framework.InferenceSession(_onnx(), providers=["CPUExecutionProvider"])
    watched, feed = watch(session), {"x": ROW.astype(np.float32)}
    return lambda: session.run(None, feed), lambda: watched.run(None, feed)


def opencv(watch: Watch) -> Pair:
    import cv2

    net = cv2.dnn.readNetFromONNX(np.frombuffer(_onnx(), np.uint8))
    watched, blob = watch(net), ROW.astype(np.float32)

    def call(one: Any) -> Any:
        one.setInput(blob)
        return one.forward()

    return lambda: call(net), lambda: call(watched)


def transformers(watch: Watch) -> Pair:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline

    words = Path(tempfile.mkdtemp()) / "vocab.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "day"]))
    config = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = BertForSequenceClassification(config).eval()
    classify = pipeline(
        "text-classification", model=model, tokenizer=BertTokenizerFast(vocab_file=str(words))
    )
    watched = watch(classify)
    return lambda: classify("good day"), lambda: watched("good day")


def mlflow(watch: Watch) -> Pair:
    import mlflow.pyfunc
    import pandas as pd

    class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002 - MLflow's
            return (model_input["x0"] > 0).astype(int)

    folder = f"{tempfile.mkdtemp()}/model"
    mlflow.pyfunc.save_model(folder, python_model=Model())
    model, frame = mlflow.pyfunc.load_model(folder), pd.DataFrame(ROW, columns=NAMES)
    watched = watch(model)
    return lambda: model.predict(frame), lambda: watched.predict(frame)


ROUTES = {"/predict": {"features": "input", "prediction": "label", "probability": "score", "id": "id"}}
ASKED = json.dumps({"id": "a1", "input": dict(zip(NAMES, ROW[0].tolist(), strict=True))}).encode()
ANSWER = json.dumps({"label": 1, "score": 0.93}).encode()


def asgi(watch: Watch) -> Pair:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": ANSWER})

    async def receive() -> Any:
        return {"type": "http.request", "body": ASKED}

    async def send(message: Any) -> None:
        pass

    monitor = watch.__self__  # type: ignore[attr-defined]
    watched = vedette.ASGIMiddleware(app, monitor=monitor, routes=ROUTES)
    scope = {"type": "http", "method": "POST", "path": "/predict"}
    loop = asyncio.new_event_loop()

    def calls(one: Any) -> Callable[[], None]:
        async def many() -> None:
            for _ in range(100):
                await one(scope, receive, send)

        return lambda: loop.run_until_complete(many())

    return calls(app), calls(watched)


def wsgi(watch: Watch) -> Pair:
    def app(environ: Any, start: Any) -> Any:
        environ["wsgi.input"].read()
        start("200 OK", [])
        return [ANSWER]

    watched = vedette.WSGIMiddleware(app, monitor=watch.__self__, routes=ROUTES)  # type: ignore[attr-defined]

    def call(one: Any) -> None:
        for _ in range(100):
            environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "wsgi.input": io.BytesIO(ASKED)}
            list(one(environ, lambda *_: None))

    return lambda: call(app), lambda: call(watched)


CASES: dict[str, Callable[[Watch], Pair]] = {
    one.__name__: one
    for one in (
        *(
            function,
            sklearn,
            torch,
            keras,
            xgboost,
            lightgbm,
            catboost,
            onnxruntime,
            opencv,
            transformers,
            mlflow,
        ),
        *(asgi, wsgi),
    )
}
HUNDREDS = ("asgi", "wsgi")  # of which a call is a hundred requests


def block(call: Callable[[], Any], n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


def measure(name: str, repeats: int) -> dict[str, float]:
    """Seconds of a call as it is, what watching adds, and what ``log`` alone takes."""
    with vedette.Monitor("benchmark", lake=tempfile.mkdtemp(), journal_bytes_max=2**40) as monitor:
        plain, watched = CASES[name](monitor.watch)
        row = dict(zip(NAMES, ROW[0].tolist(), strict=True))
        alone = vedette.Monitor("alone", lake=tempfile.mkdtemp(), journal_bytes_max=2**40)

        def log() -> None:
            alone.log(row, 1, probability=0.93, latency_s=0.004)

        for call in (plain, watched, log):
            call()
        n = max(1, int(BLOCK_S / block(plain, 3)))
        as_is, added, bare = [], [], []
        for _ in range(repeats):
            one, other = block(plain, n), block(watched, n)
            as_is.append(one)
            added.append(other - one)
            bare.append(block(log, 5000))
    alone.close()
    scale = 100 if name in HUNDREDS else 1
    return {"call_s": median(as_is) / scale, "added_s": median(added) / scale, "log_s": median(bare)}


def main() -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for name in arguments.only:
        try:
            found[name] = measure(name, arguments.repeats)
        except ImportError as error:
            found[name] = {"missing": str(error)}
    if arguments.json:
        print(json.dumps(found))
        return 0
    print(f"{'':14}{'call µs':>10}{'added µs':>10}{'log µs':>9}{'x log':>8}")
    for name, one in found.items():
        if "missing" in one:
            print(f"{name:14}{one['missing']:>10}")
            continue
        ratio = one["added_s"] / one["log_s"]
        limit = (
            f"  {'ok' if ratio <= MIDDLEWARE_MAX else 'MISS'} <= {MIDDLEWARE_MAX:g}"
            if name in HUNDREDS
            else ""
        )
        figures = [1e6 * one[key] for key in ("call_s", "added_s", "log_s")]
        print(f"{name:14}{figures[0]:10.1f}{figures[1]:10.2f}{figures[2]:9.3f}{ratio:8.1f}{limit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
