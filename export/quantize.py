"""The width of numbers on the way out: float32 whatever the training used, or 8-bit weights.

"int8" is dynamic range: each matrix of 1,024 weights or more becomes 8-bit integers with a float32 scale a row (one
for a whole embedding); activations stay float32 and are rounded on the fly where two matrices meet.
"""

import keras
import tensorflow as tf


def check(quantize):
    """Raises ValueError for anything but None and "int8"."""
    if quantize not in (None, "int8"):
        raise ValueError(f'Expected quantize to be None or "int8". Received: quantize={quantize!r}')


def configure(converter, quantize):
    """Tells a TFLiteConverter."""
    if quantize == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]


def in_float32(model):
    """`model`, or, where it computes in another dtype, its twin in float32 with the same weights."""
    if model.dtype_policy.name == "float32":
        return model
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        twin = type(model).from_config(_float32(model.get_config()))
    finally:
        keras.config.set_dtype_policy(before)
    twin.set_weights(model.get_weights())
    return twin


def _float32(config):
    if isinstance(config, dict):
        return {key: "float32" if key == "dtype" else _float32(value) for key, value in config.items()}
    return config
