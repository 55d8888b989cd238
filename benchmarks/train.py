"""Recurrent training side by side: this package, keras.layers and PyTorch, in turn. make bench-train

A row is one recurrent layer on [batch, length, width] random values: forward and backward pass of the mean squared
error at every position and Adam's update, or the forward pass alone; float32, every side as it is by default, in
Keras through `fit`'s or `predict`'s own function. Cells that `keras.layers` does not have stand beside themselves as
a cell of `keras.layers.RNN`.
"""

import argparse
import importlib.metadata
import sys
from itertools import product
from pathlib import Path

from turns import Side, duel, write

SIDES = Path(__file__).parent / "sides"
KNOWN = ("lstm", "gru", "simplernn")
UNUSUAL = ("mut3", "peepholelstm", "nas")


def cases():
    for cell, units in product(UNUSUAL, (64, 256)):
        yield {"cell": cell, "units": units, "length": 32, "batch": 64, "train": True}
    for length in (32, 128):
        yield {"cell": "jordan", "units": 256, "length": length, "batch": 64, "train": True}
    for train, units, cell, length, batch in product((True, False), (256, 64, 512), KNOWN, (32, 128), (1, 16, 64)):
        yield {"cell": cell, "units": units, "length": length, "batch": batch, "train": train}


def name(case):
    what = "training" if case["train"] else "forward"
    return f"{case['cell']} {what}, width {case['units']}, length {case['length']}, batch {case['batch']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--torch", default=".venv-bench/bin/python", help="a Python that has PyTorch")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--output", default="train", help="benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    ours = Side("seqkeras", sys.executable, SIDES / "train_keras.py", "ours")
    layers = Side("keras", sys.executable, SIDES / "train_keras.py", "layers")
    torch = Side("torch", arguments.torch, SIDES / "train_torch.py")
    forced = Side("seqkeras", sys.executable, SIDES / "train_keras.py", "teacher_forced")
    loop = Side("the same, step by step", sys.executable, SIDES / "train_keras.py", "ours")
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "keras", "tensorflow")}
    versions |= torch.ask(versions=True)
    rows = []
    for case in cases():
        if arguments.only not in name(case):
            continue
        sides = [ours, layers, torch] if case["cell"] in KNOWN else [ours, layers]
        if case["cell"] == "jordan":
            sides = [forced, loop]
        new, said = duel(name(case), sides, case, arguments.rounds)
        if abs(said[0]["parameters"] / said[1]["parameters"] - 1) > 0.01:  # Keras gives a GRU one bias more
            raise SystemExit(f"Expected the same weights on both sides. Received: {said} for {name(case)}")
        for row in new:
            mine, theirs = f"{row['ours_ms']:9.3f} ms", f"{row['peer_ms']:9.3f} ms"
            print(f"{row['case']:48s} {mine}  {row['peer']:8s} {theirs}  {row['ratio']:6.2f}")
        sys.stdout.flush()
        rows += new
        write(arguments.output, rows, versions=versions)


if __name__ == "__main__":
    main()
