"""How well models at their defaults learn in a few steps, beside plain Keras and PyTorch. make bench-learning

Each row is one family over one kind of token with one kind of layer: perplexity or accuracy on validation data after a
fixed small number of steps of Adam, the mean over seeds. Every side has the same shape, the same batches in the same
order and the same settings of the optimizer, and begins as its library begins by default. A case that is in the results
already is not measured again; `--again` does.
"""

import argparse
import importlib.metadata
import json
import statistics
import sys
import tempfile
from pathlib import Path

import learning_data
from turns import RESULTS, Side, write

SIDES = Path(__file__).parent / "sides"
SEEDS = (1, 2, 3)
SETTINGS = {"units": 64, "steps": 120, "batch_size": 32, "rate": 3e-3}
KINDS = ("characters", "words", "subwords")
MORE = {"units": 128, "steps": 250, "batch_size": 64, "rate": 2e-3}  # multi30k's words in earnest
FAMILIES = (
    ("classify", "SequenceClassifier", ("gru", "lstm", "transformer"), KINDS, "accuracy"),
    ("tag", "SequenceTagger", ("gru", "lstm", "transformer"), ("words",), "accuracy"),
    ("generate", "SequenceGenerator", ("gru", "lstm"), KINDS, "perplexity"),
    ("translate", "Seq2Seq", ("gru", "lstm"), KINDS, "perplexity"),
    ("translate", "AttentionSeq2Seq", ("gru", "lstm"), KINDS, "perplexity"),
    ("translate", "TransformerSeq2Seq", ("transformer",), KINDS, "perplexity"),
    ("continue", "LanguageModel", ("gru", "lstm", "transformer"), KINDS, "perplexity"),
)


def cases():
    """(name, task, kind of token, ids at most or None for the kind's, what every side is asked)."""
    earnest = {"family": "AttentionSeq2Seq", "cell": "gru", "metric": "perplexity", **MORE}
    yield "translate words, AttentionSeq2Seq gru 128, 4000 words", "translate more", "words", 4_000, earnest
    for task, family, cells, kinds, metric in FAMILIES:
        for kind in kinds:
            for cell in cells:
                asked = {"family": family, "cell": cell, "metric": metric, **SETTINGS}
                yield f"{task} {kind}, {family} {cell}", task, kind, None, asked


def known(path):
    """The rows of an earlier run, by case."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    found = {}
    for row in rows:
        found.setdefault(row["case"], []).append(row)
    return found


def figures(values):
    """(mean, half the range) of a figure over the seeds; None where a training ended in no number."""
    if None in values:
        return None, None
    return round(statistics.fmean(values), 3), round((max(values) - min(values)) / 2, 3)


def measured(name, asked, sides, data, seeds):
    """The rows of one case."""
    answers = [[side.ask(data=str(data), **asked, seed=seed) for seed in seeds] for side in sides]
    (ours, spread), *others = (figures([one["value"] for one in said]) for said in answers)
    weights = [said[0]["parameters"] for said in answers]
    if any(abs(one / weights[0] - 1) > 0.1 for one in weights):
        raise SystemExit(f"Expected the same shape on all sides. Received: weights {weights} for {name}")
    return [
        {
            "case": name,
            "ours": ours,
            "peer": side.name,
            "peer_value": value,
            "metric": asked["metric"],
            "steps": asked["steps"],
            "seeds": list(seeds),
            "spread": spread,
            "peer_spread": peer_spread,
        }
        for side, (value, peer_spread) in zip(sides[1:], others, strict=True)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--again", action="store_true", help="measure cases anew that are in the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--torch", default=".venv-bench/bin/python", help="a Python that has PyTorch")
    parser.add_argument("--output", default="learning", help="benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    sides = [
        Side("seqkeras", sys.executable, SIDES / "learning_ours.py"),
        Side("keras", sys.executable, SIDES / "learning_keras.py"),
        Side("torch", arguments.torch, SIDES / "learning_torch.py"),
    ]
    versions = {name: importlib.metadata.version(name) for name in ("seqkeras", "keras", "tensorflow")}
    versions |= sides[-1].ask(versions=True)
    found = known(RESULTS / f"{arguments.output}.json")
    names = [name for name, *_ in cases()]
    with tempfile.TemporaryDirectory() as folder:
        for name, task, kind, vocab_size, asked in cases():
            if arguments.only not in name or (name in found and not arguments.again):
                continue
            data = Path(folder) / f"{task}-{kind}.npz"
            if not data.exists():
                learning_data.write(data, learning_data.prepared(task, kind, vocab_size))
            found[name] = measured(name, asked, sides, data, arguments.seeds)
            for row in found[name]:
                beside = f"{row['peer']:6s} {row['peer_value']} ± {row['peer_spread']}"
                print(f"{name:54s} {row['ours']} ± {row['spread']}  {beside}", flush=True)
            rows = [row for one in names if one in found for row in found[one]]
            write(arguments.output, rows, versions=versions)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
