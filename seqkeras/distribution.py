"""Several replicas that train as one: the mean over the global batch."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def mean(values, weights):
    """sum(w * v) / sum(w) over the global batch, so that replicas holding different numbers of tokens add up right.

    Keras divides each replica's loss by the number of replicas and sums the gradients; the result here is scaled so
    that what comes out of that is the gradient of the mean over all replicas' tokens.
    """
    total, replicas = _over_replicas(ops.sum(weights))
    return ops.sum(values * weights) * replicas / ops.maximum(total, 1e-7)


def _over_replicas(value):
    if keras.backend.backend() != "tensorflow" or not tf.distribute.in_cross_replica_context():
        context = tf.distribute.get_replica_context() if keras.backend.backend() == "tensorflow" else None
        if context is not None and context.num_replicas_in_sync > 1:
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value), context.num_replicas_in_sync
    return value, 1


def strategy(name):
    """The tf.distribute strategy called `name`: "default", "mirrored" (all local devices) or "mirrored:CPU:0,CPU:1".

    Raises:
        ValueError: an unknown name.
    """
    kind, _, devices = name.partition(":")
    if kind == "default" and not devices:
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        return tf.distribute.MirroredStrategy(devices.split(",") if devices else None)
    raise ValueError(f"Expected strategy 'default', 'mirrored' or 'mirrored:DEVICE,DEVICE'. Received: {name!r}")
