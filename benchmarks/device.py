"""Classifiers on a device's runtime, one text at a time: LiteRT beside onnxruntime, the same weights. make bench-device

A row is one call from Python, text of full length as ids in, probabilities out: embedding, one LSTM or GRU, its last
output, softmax over 27 languages. float32 beside float32, 8-bit weights beside onnxruntime's dynamic quantisation
(which leaves a GRU in float32), and the best of each side beside the best of the other; "best" counts 8-bit weights
only where they cost less than a point of accuracy on held-out names. Ours are exported with strategy="auto" and
growth=4: the embedding times the layer's kernel is one table where the constants do not grow to more than that. What is
fastest depends on the threads that there are, so there is a file for each number of them; of two threads ours takes one
where "auto" found that faster: a row's "takes".
"""

import argparse
import importlib.metadata
import json
import re
import sys
import tempfile
from itertools import product
from pathlib import Path

import keras
import numpy as np
from turns import Side, compared, write

import seqkeras
from seqkeras import export, pipelines
from seqkeras.pipelines import samples

SIDES = Path(__file__).parent / "sides"
CELLS, WIDTHS, LENGTHS, THREADS, PRECISIONS = ("lstm", "gru"), (64, 128, 256), (32, 64), (1, 2), ("float32", "int8")
COSTS = 0.01  # accuracy that 8-bit weights may cost


def prepare(folder):
    """Trains what the folder does not hold: a classifier a cell and width, its weights and files, and examples."""
    folder.mkdir(parents=True, exist_ok=True)
    data = pipelines.classification(
        *samples.languages(24_000),
        tokenizer="characters",
        batch_size=64,
        max_length=LENGTHS[0],
        num_buckets=1,
        fixed_shapes=True,
    )
    rows = [
        (ids, label) for ids, labels in data.test.as_numpy_iterator() for ids, label in zip(ids, labels, strict=True)
    ]
    ids = np.zeros((500, LENGTHS[-1]), "int32")
    for row, (one, _) in zip(ids, rows, strict=False):
        row[: len(one)] = one
    np.savez(folder / "examples.npz", ids=ids, label=np.array([label for _, label in rows[: len(ids)]]))
    for cell, units in product(CELLS, WIDTHS):
        name = f"{cell}{units}"
        model = seqkeras.SequenceClassifier(
            data.tokenizers["text"].vocab_size, len(data.labels), units, cell=cell, bidirectional=False, pooling="last"
        )
        if (folder / f"{name}.npz").exists():
            known = np.load(folder / f"{name}.npz")
            model.set_weights([known[key] for key in known.files])
        else:
            for old in folder.glob(f"{name}.*"):
                old.unlink()
            model.compile(keras.optimizers.Adam(3e-3), seqkeras.CrossEntropy(), metrics=["accuracy"])
            model.fit(data.train, validation_data=data.validation, epochs=2, verbose=2)
            known = {re.sub(r"_\d+/", "/", v.path).replace("/", "."): v.numpy() for v in model.weights}
            np.savez(folder / f"{name}.npz", **known)
        for length, threads, precision in product(LENGTHS, THREADS, PRECISIONS):
            file = folder / f"{name}.{length}.{threads}.{precision}.tflite"
            if not file.with_suffix(".json").exists():
                weights = None if precision == "float32" else precision
                report = export.to_tflite(model, file, length, weights, "auto", growth=4, num_threads=threads)
                file.with_suffix(".json").write_text(json.dumps(report))
                print(file.name, *(report[key] for key in ("bytes", "strategy", "num_threads", "measured")), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="a Python that has onnxruntime and onnx")
    parser.add_argument("--folder", type=Path, help="keeps the models there, and measures those it holds already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.folder or Path(passing)
        prepare(folder)
        measure(folder, arguments.peers, arguments.rounds)


def measure(folder, peers, rounds):
    """Writes the rows of every cell, width, length and number of threads."""
    ours = [Side(one, sys.executable, SIDES / "device_litert.py", folder, one) for one in PRECISIONS]
    onnx = [Side(one, peers, SIDES / "device_onnx.py", folder, one) for one in PRECISIONS]
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "ai-edge-litert")}
    versions |= onnx[0].ask(versions=True)
    rows, accuracy = [], {}
    for threads, cell, units, length in product(THREADS, CELLS, WIDTHS, LENGTHS):
        case = {"name": f"{cell}{units}", "length": length, "threads": threads}
        said = [side.ask(case=case)["accuracy"] for side in (*ours, *onnx)]
        taken = [[side.ask(measure=True)["ms"] for side in (*ours, *onnx)] for _ in range(rounds)]
        title = f"{cell}, width {units}, length {length}, {threads} thread{'s'[: threads - 1]}"
        accuracy[title] = dict(zip(("ours", "ours int8", "onnxruntime", "onnxruntime int8"), said, strict=True))
        mine, theirs = (best(said, taken, side) for side in ((0, 1), (2, 3)))
        for what, i, j in (("float32", 0, 2), ("int8", 1, 3), ("best", mine, theirs)):
            pair = [[one[i], one[j]] for one in taken]
            (row,) = compared(f"{title}, {what}", ["seqkeras", "onnxruntime"], pair, "ms")
            rows.append({**row, **described(folder, case, PRECISIONS[i])})
            print(rows[-1], flush=True)
        write("device", rows, versions=versions, accuracy=accuracy)


def described(folder, case, precision):
    """How our file of a case goes over time, and how many threads it takes."""
    report = json.loads((folder / f"{case['name']}.{case['length']}.{case['threads']}.{precision}.json").read_text())
    return {"strategy": report["strategy"], "takes": report["num_threads"]}


def best(said, taken, side):
    """Which of a side's two, float32 and int8, is the faster without costing accuracy."""
    exact, small = side
    keeps = said[small] >= said[exact] - COSTS
    faster = np.median([one[small] for one in taken]) < np.median([one[exact] for one in taken])
    return small if keeps and faster else exact


if __name__ == "__main__":
    main()
