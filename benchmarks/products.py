"""What a training step can at best take: its matrix products alone, beside the whole step. make bench-products

A row is a training step as `make bench-train` takes it, beside the same step's products and nothing else: of the input
and of the states, for the weights, and back to the states. "ratio" is the products' share of the step: with the same
products no loop makes it faster than that. The first row is large products, TensorFlow's beside PyTorch's: their
"gflop" in that time is the rate that no small product exceeds.
"""

import argparse
import importlib.metadata
import sys

from train import SIDES, UNUSUAL
from turns import Side, compared, duel, write

from seqkeras import cells
from seqkeras.rnn import recurrence  # noqa: F401 - all cells are known

LENGTHS = {"lstm": (32, 128), "gru": (32, 128), **dict.fromkeys(UNUSUAL, (32,))}
CASES = [
    {"cell": cell, "units": 256, "length": length, "batch": 64}
    for cell, lengths in LENGTHS.items()
    for length in lengths
]


def shapes(cell, units):
    """(shapes of what the input is multiplied by, of what states are), for cells that take inputs of any width."""
    made = cells.make(cell, units)
    made.build((None, None, units + 1))  # one wider than the state: told apart by that
    matrices = [tuple(v.shape) for v in made.trainable_variables if len(v.shape) == 2]
    return [(units, k) for d, k in matrices if d == units + 1], [shape for shape in matrices if shape[0] == units]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--torch", default=".venv-bench/bin/python", help="a Python that has PyTorch")
    arguments = parser.parse_args()
    ours = Side("seqkeras", sys.executable, SIDES / "train_keras.py", "ours")
    tensorflow = Side("products in TensorFlow", sys.executable, SIDES / "products_tf.py")
    torch = Side("products in PyTorch", arguments.torch, SIDES / "products_torch.py")
    sides = [ours, tensorflow, torch]
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "keras", "tensorflow")}
    versions |= torch.ask(versions=True)
    rows = []
    large = {"length": 32, "batch": 64, "projections": [(2048, 2048)], "recurrent": []}
    for row in duel("two products of 2048 x 2048 x 2048 in TensorFlow", sides[1:], large, arguments.rounds)[0]:
        rows.append({**row, "gflop": round(2 * 2 * 2048**3 / 1e9, 2)})
        print(rows[-1], flush=True)
    for case in CASES:
        projections, recurrent = shapes(case["cell"], case["units"])
        steps = case["length"] * case["batch"]
        operations = sum(2 * steps * a * b for shape, n in ((projections, 2), (recurrent, 3)) for a, b in shape * n)
        alone = {"length": case["length"], "batch": case["batch"], "projections": projections, "recurrent": recurrent}
        ours.ask(case={**case, "train": True})
        for side in sides[1:]:
            side.ask(case=alone)
        taken = [[side.ask(measure=True)["ms"] for side in sides] for _ in range(arguments.rounds)]
        title = f"{case['cell']} training, width 256, length {case['length']}, batch 64"
        for row in compared(title, [side.name for side in sides], taken, "ms"):
            rows.append({**row, "gflop": round(operations / 1e9, 2)})
            print(rows[-1], flush=True)
        write("products", rows, versions=versions)


if __name__ == "__main__":
    main()
