"""A model as one LiteRT file: built-in operators only, no variables, static shapes, named signatures.

The model is traced at batch 1 with its weights as constants and handed to LiteRT's converter, which runs in a process
of its own: a converter that crashes costs an error message, not the training session.

`encode` and `step` are for an app with its own loop. Its state is a dictionary of the tensors `step` asks for: those
`encode` does not return start at zero, those `step` does not return stay as they are. (LiteRT's CompiledModel cannot
give one tensor out under two names, nor an input out again.)
"""

import os
import subprocess
import sys
import tempfile
from numbers import Integral
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqkeras import loops, recurrence
from seqkeras.export import folders, given
from seqkeras.export import quantize as weights
from seqkeras.export.audit import audit
from seqkeras.export.saved_model import save


def to_tflite(model, path, length=None, quantize=None):
    """Writes `model` as a LiteRT file that `audit` finds clean, in one piece or not at all.

    Args:
        model: anything with `signatures(batch, length)`: a `SequenceClassifier`, a search over a decoder.
        path: of the file.
        length: the longest input, static; None where the model's inputs are no longer or shorter.
        quantize: None for float32, "int8" for 8-bit weights (dynamic range).

    Returns:
        What `audit` says of the file.

    Raises:
        ValueError: a model, `quantize`, `length` or `path` that cannot be; the audit failed.
        RuntimeError: the converter failed; the message holds what it said last.
    """
    weights.check(quantize)
    model = given.model_in_float32(model)
    length, path = checked_length(model, length), Path(path)
    folders.make(path.parent)
    if path.is_dir():
        raise ValueError(f"Expected the path of a file. Received: path={str(path)!r}, a folder")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        converted = Path(folder) / path.name
        trace(model, folder, length)
        convert(folder, converted, quantize)
        report = audit(converted)
        os.replace(converted, path)
    return report


def checked_length(model, length):
    """`length` as an int, or None for a model that does not ask for one."""
    asked = any(None in spec.shape for _, inputs in model.signatures(1, None).values() for spec in inputs.values())
    whole = isinstance(length, Integral) and not isinstance(length, bool) and length > 0
    if not whole and (asked or length is not None):
        raise ValueError(f"Expected length to be a positive integer. Received: length={length!r}")
    return int(length) if whole else None


def trace(model, folder, length):
    """Writes the SavedModel the converter reads: each signature at batch 1, the weights as constants."""
    values = [(v, v.value.numpy()) for v in model.variables]
    functions, state = {}, {}

    def constant(name, function):
        def run(**inputs):
            mapping = [(v, tf.constant(value)) for v, value in values]
            with keras.StatelessScope(state_mapping=mapping), recurrence.looping(loops.in_place):
                outputs = function(inputs)
            if name == "encode":
                state.update({key: tf.TensorSpec(x.shape, x.dtype, key) for key, x in outputs.items()})
                return {key: x for key, x in outputs.items() if not _zero(x)}
            return {key: x for key, x in outputs.items() if x is not inputs.get(key)}

        return tf.function(run, autograph=False)

    for name, (function, inputs) in model.signatures(1, length).items():
        specs = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in inputs.items()}
        specs |= state if name == "step" else {}
        functions[name] = constant(name, function).get_concrete_function(**specs)
    module = tf.Module()
    module.functions = functions
    save(module, folder, functions)


def _zero(tensor):
    value = tf.get_static_value(tensor)
    return value is not None and not np.any(value)


def convert(folder, path, quantize):
    """Runs `seqkeras.export.converter` on the SavedModel in `folder`."""
    child = subprocess.run(
        [sys.executable, "-m", "seqkeras.export.converter", str(folder), str(path), quantize or "float32"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if child.returncode or not path.exists():
        said = "\n".join(child.stdout.strip().splitlines()[-20:])
        raise RuntimeError(f"The LiteRT converter ended with status {child.returncode}. It said last:\n{said}")
