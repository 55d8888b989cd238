"""The README's table of `make bench-train`, from its results: python benchmarks/table.py"""

import json

from turns import RESULTS

HEAD = "| layer | width | length | batch | training, ms | × Keras | × PyTorch | forward, ms | × Keras | × PyTorch |"


def rows(measured):
    """A line a shape: ours in milliseconds, and how many times as fast as each peer."""
    shapes = {}
    for row in measured:
        layer, _, rest = row["case"].partition(" ")
        what, *sizes = rest.split(", ")
        shape = (layer, *(size.split()[1] for size in sizes))
        shapes.setdefault(shape, {}).setdefault(what, {"ours": row["ours_ms"]})[row["peer"]] = row["ratio"]
    for shape, found in shapes.items():
        cells = []
        for what in ("training", "forward"):
            one = found.get(what, {})
            for key, form in (("ours", "{:.2f}"), ("keras", "{:.2f}"), ("torch", "{:.2f}")):
                cells.append(form.format(one[key]) if key in one else "")
        yield "| " + " | ".join([*shape, *cells]) + " |"


if __name__ == "__main__":
    result = json.loads((RESULTS / "train.json").read_text(encoding="utf-8"))
    print(HEAD)
    print("|" + "---|" * 10)
    peers = [row for row in result["rows"] if row["peer"] in ("keras", "torch")]
    print("\n".join(rows(peers)))
