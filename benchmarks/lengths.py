"""Time of a training step by the sequence's length: this package and keras.layers, in turn. make bench-lengths

Layer, steps and sides are those of `make bench-train`, at width 256 and batch 16. Beside the times stands the exponent
of the length that they grow with, 1 for a time linear in it: the slope of a straight line through the logarithms of
time and length, over the longer half of the lengths; the median of the rounds'.
"""

import argparse
import importlib.metadata
import sys

import numpy as np
from matplotlib.figure import Figure
from train import SIDES, name
from turns import RESULTS, Side, compared, write

LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
MARKS = {"lstm": "o", "gru": "s"}


def exponent(times):
    """The slope over the longer half: milliseconds by length -> a number."""
    half = len(LENGTHS) // 2
    return float(np.polyfit(np.log(LENGTHS[half:]), np.log(times[half:]), 1)[0])


def plot(curves):
    """dict of (cell, side) -> (milliseconds by length, exponent) -> a figure: a mark a cell, a line a side."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for (cell, side), (times, slope) in curves.items():
        line, fill = ("-", "full") if side == "seqkeras" else ("--", "none")
        label = f"{cell}, {side}: exponent {slope:.2f}"
        axes.loglog(LENGTHS, times, line, marker=MARKS[cell], fillstyle=fill, color="black", label=label)
    axes.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
    axes.minorticks_off()
    axes.set(xlabel="length", ylabel="milliseconds a training step", title="Width 256, batch 16")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "keras", "tensorflow")}
    script = SIDES / "train_keras.py"
    sides = [  # a process a length, so that all lengths have a turn in each round
        [Side(side, sys.executable, script, argument) for side, argument in (("seqkeras", "ours"), ("keras", "layers"))]
        for _ in LENGTHS
    ]
    rows, curves, exponents = [], {}, []
    for cell in MARKS:
        cases = [{"cell": cell, "units": 256, "length": length, "batch": 16, "train": True} for length in LENGTHS]
        for pair, case in zip(sides, cases, strict=True):
            for side in pair:
                side.ask(case=case)
        taken = np.array(
            [[[side.ask(measure=True)["ms"] for side in pair] for pair in sides] for _ in range(arguments.rounds)]
        )  # [rounds, lengths, sides]
        for i, case in enumerate(cases):
            rows += compared(name(case), ["seqkeras", "keras"], taken[:, i].tolist(), "ms")
            print("{case:48s} {ours_ms:9.3f} ms  keras {peer_ms:9.3f} ms  {ratio:6.2f}".format(**rows[-1]))
        for i, side in enumerate(("seqkeras", "keras")):
            slope = float(np.median([exponent(times) for times in taken[:, :, i]]))
            curves[cell, side] = np.median(taken[:, :, i], axis=0), slope
            exponents.append({"cell": cell, "side": side, "exponent": round(slope, 3)})
            print(exponents[-1], flush=True)
    write("lengths", rows, versions=versions, exponents=exponents)
    plot(curves).savefig(RESULTS / "lengths.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
