"""A bundle in use: text in, text out, checked against its manifest, without the Keras model.

Also LiteRT's two ways to run a file behind one face: `run(signature, inputs) -> outputs`, NumPy arrays by name.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from ai_edge_litert import interpreter as litert
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.options import Options

from seqkeras.pipelines import tokenizers
from seqkeras.tokens import END, PAD


class Interpreter:
    """The LiteRT interpreter."""

    def __init__(self, path, num_threads=1):
        self._interpreter = litert.Interpreter(model_path=str(path), num_threads=num_threads)
        self.signatures = sorted(self._interpreter.get_signature_list())
        self._runners = {}

    def _runner(self, signature):
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        details = self._runner(signature).get_input_details()
        return {name: (tuple(d["shape"]), np.dtype(d["dtype"])) for name, d in details.items()}

    def run(self, signature, inputs):
        return self._runner(signature)(**_checked(inputs, self.inputs(signature)))


class Compiled:
    """LiteRT's CompiledModel."""

    def __init__(self, path, num_threads=1):
        options = Options()
        options.cpu_options.num_threads = num_threads
        self._model = CompiledModel.from_file(str(path), options=options)
        self.signatures = sorted(self._model.get_signature_list())
        self._buffers = {}

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        return _specs(self._model.get_input_tensor_details(signature))

    def run(self, signature, inputs):
        model, outputs = self._model, _specs(self._model.get_output_tensor_details(signature))
        inputs = _checked(inputs, self.inputs(signature))
        if signature not in self._buffers:
            self._buffers[signature] = (
                {name: model.create_input_buffer_by_name(signature, name) for name in inputs},
                {name: model.create_output_buffer_by_name(signature, name) for name in outputs},
            )
        ins, outs = self._buffers[signature]
        for name, array in inputs.items():
            ins[name].write(array)
        model.run_by_name(signature, ins, outs)
        return {
            name: outs[name].read(int(np.prod(shape)), dtype).reshape(shape) for name, (shape, dtype) in outputs.items()
        }


def _specs(details):
    return {name: (tuple(d["shape"]), np.dtype(d["dtype"])) for name, d in details.items()}


def _checked(inputs, specs):
    received = {name: (np.shape(array), np.asarray(array).dtype) for name, array in inputs.items()}
    if received != specs:
        raise ValueError(f"Expected inputs {specs}. Received: {received}")
    return {name: np.asarray(array) for name, array in inputs.items()}
