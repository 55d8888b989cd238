"""LiteRT's two ways to run a file with one interface: `run(signature, inputs) -> outputs`, NumPy arrays by name.

Both run one call at a time, whatever thread it comes from: LiteRT's buffers are the file's, not the call's.
"""

import threading

import numpy as np
from ai_edge_litert import interpreter as litert
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.options import Options


class Interpreter:
    """The LiteRT interpreter.

    Args:
        file: a path, or the file's bytes: what happens to the path later does not matter to them.
        num_threads: that it takes.

    Raises:
        ValueError: LiteRT's verifier finds the file damaged.
    """

    def __init__(self, file, num_threads=1):
        self._interpreter = _interpreter(file, num_threads)
        self.signatures = sorted(self._interpreter.get_signature_list())
        self._runners = {}
        self._lock = threading.Lock()

    def _runner(self, signature):
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        return _specs(self._runner(signature).get_input_details())

    def outputs(self, signature):
        """The outputs' (shape, dtype) by name."""
        return _specs(self._runner(signature).get_output_details())

    def run(self, signature, inputs):
        with self._lock:
            return self._runner(signature)(**_checked(inputs, self.inputs(signature)))


class Compiled:
    """LiteRT's CompiledModel, after the interpreter's verifier: by itself it dies of a damaged file, with the process.

    Arguments and errors as of `Interpreter`.
    """

    def __init__(self, file, num_threads=1):
        _interpreter(file, 1)
        options = Options()
        options.cpu_options.num_threads = num_threads
        if isinstance(file, bytes):
            self._file = file  # whose memory the model reads
            self._model = CompiledModel.from_buffer(file, options=options)
        else:
            self._model = CompiledModel.from_file(str(file), options=options)
        self.signatures = sorted(self._model.get_signature_list())
        self._buffers = {}
        self._lock = threading.Lock()

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        return _specs(self._model.get_input_tensor_details(signature))

    def outputs(self, signature):
        """The outputs' (shape, dtype) by name."""
        return _specs(self._model.get_output_tensor_details(signature))

    def run(self, signature, inputs):
        model, outputs = self._model, self.outputs(signature)
        inputs = _checked(inputs, self.inputs(signature))
        with self._lock:
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
                name: outs[name].read(int(np.prod(shape)), dtype).reshape(shape)
                for name, (shape, dtype) in outputs.items()
            }


def _interpreter(file, num_threads):
    what = {"model_content": file} if isinstance(file, bytes) else {"model_path": str(file)}
    return litert.Interpreter(**what, num_threads=num_threads)


RUNTIMES = {"interpreter": Interpreter, "compiled": Compiled}


def _specs(details):
    return {name: (tuple(d["shape"]), np.dtype(d["dtype"])) for name, d in details.items()}


def _checked(inputs, specs):
    received = {name: (np.shape(array), np.asarray(array).dtype) for name, array in inputs.items()}
    if received != specs:
        raise ValueError(f"Expected inputs {specs}. Received: {received}")
    return {name: np.asarray(array) for name, array in inputs.items()}
