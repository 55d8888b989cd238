"""Memory of recurrent training side by side: this package and keras.layers. make bench-memory

A row is what the peak of resident memory grows by in the training steps of one recurrent layer, compiling them
included; each number is that of a process of its own. Over 2 time steps it is what is taken whatever the length. Layer,
steps and sides are those of `make bench-train`.
"""

import argparse
import importlib.metadata
import sys
from itertools import product

from train import KNOWN, SIDES, name
from turns import Side, compared, write

ARGUMENTS = {"seqkeras": "ours", "keras": "layers"}


def megabytes(side, case):
    alone = Side(side, sys.executable, SIDES / "train_keras.py", ARGUMENTS[side])
    try:
        alone.ask(case=case)
        return alone.ask(measure=True)["mb"]
    finally:
        alone.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--output", default="memory", help="benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "keras", "tensorflow")}
    rows = []
    for cell, length in product(KNOWN, (2, 128, 512)):
        case = {"cell": cell, "units": 256, "length": length, "batch": 64, "train": True}
        if arguments.only not in name(case):
            continue
        taken = [[megabytes(side, case) for side in ARGUMENTS] for _ in range(arguments.rounds)]
        for row in compared(name(case), list(ARGUMENTS), taken, "mb"):
            print(f"{row['case']:48s} {row['ours_mb']:7.0f} MB  keras {row['peer_mb']:7.0f} MB  {row['ratio']:6.2f}")
            rows.append(row)
        write(arguments.output, rows, versions=versions)


if __name__ == "__main__":
    main()
