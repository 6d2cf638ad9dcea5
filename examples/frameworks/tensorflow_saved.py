"""A TensorFlow saved model, called by its signature or as it is."""

import tempfile

import numpy as np
import tensorflow as tf

import vedette


class Clicks(tf.Module):
    def __init__(self):
        self.weights = tf.Variable([[0.5], [-0.2], [0.1]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="visits")])
    def __call__(self, visits):
        chance = tf.sigmoid(visits @ self.weights)
        return {"classes": tf.cast(chance > 0.5, tf.int32), "probabilities": chance}


folder = tempfile.mkdtemp()
model = Clicks()
tf.saved_model.save(model, folder, signatures={"serving_default": model.__call__})

monitor = vedette.Monitor("clicks")
served = monitor.watch(tf.saved_model.load(folder), features=["age", "hour", "price"])
visits = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
served.signatures["serving_default"](visits=tf.constant(visits))
served(tf.constant(visits[:2]))
monitor.flush()
print(monitor.figures(["rows", "latency_p50_s"], window="all").select("metric", "value", "n"))
