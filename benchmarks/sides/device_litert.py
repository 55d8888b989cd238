"""A classifier in the LiteRT interpreter: python device_litert.py FOLDER float32|int8"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from turns import serve

FOLDER, PRECISION = Path(sys.argv[1]), sys.argv[2]


def make(name, length, threads):
    file = FOLDER / f"{name}.{length}.{threads}.{PRECISION}.tflite"
    takes = json.loads(file.with_suffix(".json").read_text())["num_threads"]
    interpreter = Interpreter(str(file), num_threads=takes)
    interpreter.allocate_tensors()
    ids, probabilities = (
        one[0]["index"] for one in (interpreter.get_input_details(), interpreter.get_output_details())
    )

    def answer(row):
        interpreter.set_tensor(ids, row)
        interpreter.invoke()
        return interpreter.get_tensor(probabilities)

    examples = np.load(FOLDER / "examples.npz")
    said = [np.argmax(answer(row[None, :length])) for row in examples["ids"]]
    full = np.random.default_rng(0).integers(4, 40, (1, length)).astype("int32")
    return lambda: answer(full), {"accuracy": float(np.mean(said == examples["label"]))}


if __name__ == "__main__":
    serve(make)
