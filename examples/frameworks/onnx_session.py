"""A session of ONNX Runtime: `python examples/frameworks/onnx_session.py`."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

import vedette

weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [1, 0, 0, 1, 1, 1])
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Softmax", ["s"], ["p"], axis=1)],
    "classifier",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
    [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 2])],
    [weights],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)

monitor = vedette.Monitor("parts")
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
session = monitor.watch(session, features=["width", "height", "weight"])
session.run(None, {"x": np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)})
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "width"], window="all").select(
        "metric", "feature", "value"
    )
)
