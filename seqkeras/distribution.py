"""Several replicas that train as one: the mean over the global batch."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def mean(values, weights):
    """sum(w * v) / sum(w) over the global batch, so that replicas holding different numbers of tokens add up right.

    Keras adds up the replicas' gradients, so each replica gives its own sum over the total weight of all.
    """
    return ops.sum(values * weights) / ops.maximum(_over_replicas(ops.sum(weights)), 1e-7)


def _over_replicas(value):
    if keras.backend.backend() == "tensorflow":
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
    return value


def strategy(name):
    """The tf.distribute strategy called `name`: "default", "mirrored" (all local devices) or "mirrored:CPU:0,CPU:1".

    Raises:
        ValueError: an unknown name, or another backend than TensorFlow, to which these strategies belong.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Expected Keras's TensorFlow backend for a tf.distribute strategy. "
            f"Received: {keras.backend.backend()}; keras.distribution distributes there"
        )
    kind, _, devices = str(name).partition(":")
    if kind == "default" and not devices:
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        return tf.distribute.MirroredStrategy(devices.split(",") if devices else None)
    raise ValueError(f"Expected strategy 'default', 'mirrored' or 'mirrored:DEVICE,DEVICE'. Received: {name!r}")
