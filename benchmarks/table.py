"""The tables of docs/, from the benchmarks' results: python benchmarks/table.py train|device|learning"""

import argparse
import json

from turns import RESULTS

HEADS = {
    "train": "layer | width | length | batch | training, ms | × Keras | × PyTorch | forward, ms | × Keras | × PyTorch",
    "learning": "case | steps | measure | seqkeras | Keras | PyTorch",
    "device": "layer | width | length | threads | taken (best) | float32, µs | × ORT | int8, µs | × ORT | best × best",
}


def train(measured):
    """A line a shape: ours in milliseconds, and how many times as fast as each peer."""
    shapes = {}
    for row in measured:
        if row["peer"] in ("keras", "torch"):
            layer, _, rest = row["case"].partition(" ")
            what, *sizes = rest.split(", ")
            shape = (layer, *(size.split()[1] for size in sizes))
            shapes.setdefault(shape, {}).setdefault(what, {"ours": row["ours_ms"]})[row["peer"]] = row["ratio"]
    for shape, found in shapes.items():
        cells = []
        for what in ("training", "forward"):
            one = found.get(what, {})
            for key in ("ours", "keras", "torch"):
                cells.append(f"{one[key]:.2f}" if key in one else "")
        yield *shape, *cells


def device(measured):
    """A line a shape: ours in microseconds, and how many times as fast as onnxruntime."""
    shapes = {}
    for row in measured:
        layer, width, length, threads, what = row["case"].split(", ")
        shapes.setdefault((layer, width.split()[1], length.split()[1], threads.split()[0]), {})[what] = row
    for shape, found in shapes.items():
        exact, small, best = (found[what] for what in ("float32", "int8", "best"))
        times = [cell for row in (exact, small) for cell in (f"{row['ours_ms'] * 1e3:.0f}", f"{row['ratio']:.2f}")]
        yield *shape, str(best["takes"]), *times, f"{best['ratio']:.2f}"


def learning(measured):
    """A line a case: the mean over seeds of each side and half its range, the best of them in bold."""
    cases = {}
    for row in measured:
        found = cases.setdefault(row["case"], {"seqkeras": (row["ours"], row["spread"]), "row": row})
        found[row["peer"]] = (row["peer_value"], row["peer_spread"])
    for case, found in cases.items():
        row = found.pop("row")
        values = [value for value, _ in found.values() if value is not None]
        best = min(values) if row["metric"] == "perplexity" else max(values)
        cells = []
        for side in ("seqkeras", "keras", "torch"):
            value, spread = found.get(side, (None, None))
            text = "–" if value is None else f"{value:.4g} ± {spread:.2g}"
            cells.append(f"**{text}**" if value == best else text)
        yield case, str(row["steps"]), row["metric"], *cells


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=HEADS)
    name = parser.parse_args().name
    rows = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    columns = HEADS[name].count("|") + 1
    print(f"| {HEADS[name]} |", "|" + "---|" * columns, sep="\n")
    for line in {"train": train, "device": device, "learning": learning}[name](rows):
        print(f"| {' | '.join(line)} |")
