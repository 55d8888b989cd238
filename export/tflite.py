"""A model as one LiteRT file: built-in operators only, no variables, static shapes, named signatures.

The model is traced at batch 1 with its weights as constants and handed to LiteRT's converter, which runs in a process
of its own: a converter that crashes costs an error message, not the training session.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from seqkeras import recurrence


def to_tflite(model, path, length, quantize=None):
    """Writes `model` as a LiteRT file, in one piece or not at all.

    Args:
        model: anything with `signatures(batch, length)`: a `SequenceClassifier`, a search over a decoder.
        path: of the file.
        length: the longest input, static.
        quantize: None for float32, "int8" for 8-bit weights (dynamic range).

    Raises:
        ValueError: an unknown `quantize`.
        RuntimeError: the converter failed; the message holds what it said last.
    """
    if quantize not in (None, "int8"):
        raise ValueError(f"Expected quantize to be None or 'int8'. Received: quantize={quantize!r}")
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        trace(model, folder, length)
        converted = Path(folder) / "model.tflite"
        _convert(folder, converted, quantize)
        os.replace(converted, path)


def trace(model, folder, length):
    """Writes the SavedModel the converter reads: each signature at batch 1, the weights as constants."""
    weights = [(v, keras.ops.convert_to_numpy(v)) for v in model.variables]
    module, functions, state = tf.Module(), {}, {}
    for name, (function, inputs) in model.signatures(1, length).items():
        specs = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in inputs.items()}
        if name == "step":
            specs |= state
        functions[name] = _constant(function, weights).get_concrete_function(**specs)
        if name == "encode":
            outputs = functions[name].structured_outputs
            state = {key: tf.TensorSpec(x.shape, x.dtype, key) for key, x in outputs.items()}
    module.functions = functions
    tf.saved_model.save(module, str(folder), signatures=functions)


def _constant(function, weights):
    def run(**inputs):
        mapping = [(v, tf.constant(value)) for v, value in weights]
        with keras.StatelessScope(state_mapping=mapping), recurrence.looping(recurrence.in_place):
            return function(inputs)

    return tf.function(run, autograph=False)


def _convert(folder, path, quantize):
    child = subprocess.run(
        [sys.executable, "-m", "seqkeras.export.converter", str(folder), str(path), quantize or "float32"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if child.returncode or not path.exists():
        said = "\n".join(child.stdout.strip().splitlines()[-20:])
        raise RuntimeError(f"The LiteRT converter ended with status {child.returncode}:\n{said}")
