"""A Caffe model in OpenCV's DNN module: `python examples/frameworks/opencv_net.py`."""

import cv2
import numpy as np

import vedette

LAYERS = b"""
name: "tiny"
input: "data"
input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: MAX kernel_size: 4 stride: 4 } }
layer { name: "prob" type: "Softmax" bottom: "pool" top: "prob" softmax_param { axis: 3 } }
"""
net = cv2.dnn.readNetFromCaffe(np.frombuffer(LAYERS, np.uint8))


def brightness(blob: np.ndarray) -> list[dict[str, float]]:
    """What is kept of an image: its mean, not its pixels."""
    return [{"brightness": float(image.mean())} for image in blob]


monitor = vedette.Monitor("pictures")
net = monitor.watch(net, features=brightness, output=lambda out: int(out[0].argmax()))
for seed in range(20):
    net.setInput(np.random.default_rng(seed).random((1, 1, 8, 8), dtype=np.float32))
    net.forward()
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "brightness"], window="all").select(
        "metric", "feature", "value"
    )
)
