"""The width of numbers on the way out: float32 whatever the training used, weights of 16 bits or of 8.

"float16" rounds each weight to the nearest number of 16 bits; all is computed in float32 with these, see `halving`.
"int8" is dynamic range: each matrix of 1,024 weights or more becomes 8-bit integers with a float32 scale a row (one
for a whole embedding); activations stay float32 and are rounded on the fly where two matrices meet.
"""

import keras
import numpy as np


def check(quantize):
    """Raises ValueError for anything but None, "float16" and "int8"."""
    if not (quantize is None or isinstance(quantize, str) and quantize in ("float16", "int8")):
        raise ValueError(
            'Expected quantize=None for float32 weights, "float16" for half the size, or "int8" for a quarter. '
            f"Received: quantize={quantize!r}"
        )


def check_float(model):
    """Raises ValueError for a model whose weights Keras's `quantize` has rounded: the converter cannot take it."""
    rounded = [v.path for v in model.variables if v.dtype in ("int8", "uint8") or "amax_history" in v.path]
    if rounded:
        raise ValueError(
            "Expected a model with float weights. Received: one that Keras's model.quantize has rounded "
            f"({len(rounded)} variables, first {rounded[0]}). Export the model as it was before, from its .keras file "
            'or made again and trained; quantize="int8" of write_bundle and to_tflite makes 8-bit weights'
        )


def check_finite(model):
    """Raises ValueError for weights that are not numbers: what such a model answers is none either."""
    for variable in model.variables:
        values = keras.ops.convert_to_numpy(variable.value)
        if values.dtype.kind in "fV" and not np.isfinite(values.astype("float32")).all():
            raise ValueError(
                f"Expected finite weights. Received: {variable.path} with nan or infinity; training has diverged: "
                "train again with a lower learning rate, or with clipnorm"
            )


def in_float32(model):
    """`model`, or, where it or a part of it computes in another dtype, its twin in float32 with the same weights."""
    config = model.get_config()
    exact = _float32(config)
    if exact == config:
        return model
    return _twin(model, exact, model.get_weights())


def in_float16(model):
    """The twin of a float32 model whose weights are rounded to float16.

    Raises:
        ValueError: a weight that float16 does not reach.
    """
    with np.errstate(over="ignore"):
        weights = [w.astype("float16").astype("float32") if w.dtype == "float32" else w for w in model.get_weights()]
    for variable, weight in zip(model.weights, weights, strict=True):
        if not np.isfinite(weight).all():
            raise ValueError(
                f'Expected weights from -65,504 to 65,504 with quantize="float16". Received: {variable.path} with '
                "a number beyond; export with float32 weights"
            )
    return _twin(model, model.get_config(), weights)


def _twin(model, config, weights):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        twin = type(model).from_config(config)
    finally:
        keras.config.set_dtype_policy(before)
    twin.set_weights(weights)
    return twin


def _float32(config):
    """A config in which every part that computes with floating numbers does so in float32."""
    if isinstance(config, dict):
        return {key: _policy(value) if key == "dtype" else _float32(value) for key, value in config.items()}
    return [_float32(value) for value in config] if isinstance(config, list) else config


def _policy(dtype):
    policy = keras.dtype_policies.get(dtype)
    floating = policy is not None and "float" in policy.name
    return "float32" if floating and policy.name != "float32" else dtype
