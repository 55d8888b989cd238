"""What every measurement of quality does: train, choose the weights, record a row in the table."""

import json
import os
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import seqkeras
from seqkeras.tokens import END, PAD

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SEQKERAS_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "benchmarks" / "results" / "quality.json"


def adam(schedule):
    return keras.optimizers.Adam(schedule, clipnorm=1.0)


def train(model, data, epochs, rate, monitor, loss=None, hours=None, **given):
    """`fit`, keeping the weights of the best epoch by `monitor`; seconds of it."""
    with tempfile.TemporaryDirectory() as folder:
        best = os.path.join(folder, "best.weights.h5")
        mode = "min" if "loss" in monitor or "perplexity" in monitor else "max"
        keep = keras.callbacks.ModelCheckpoint(
            best, monitor=monitor, mode=mode, save_best_only=True, save_weights_only=True
        )
        callbacks = [keep, *([Limit(hours)] if hours else [])]
        seconds = fit(model, data, epochs, rate, loss, validation_data=data.validation, callbacks=callbacks, **given)
        model.load_weights(best)
    return seconds


def fit(
    model, data, epochs, rate, loss=None, warmup=0.05, optimizer=adam, validation_data=None, callbacks=(), **measures
):
    """Fit with a cosine schedule; seconds of it.

    `loss` and `measures` (metrics=…) are those of `compile`; cross-entropy and what belongs to the model if None.
    `optimizer`: schedule -> optimizer.
    """
    steps = epochs * data.steps["train"]
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, int(steps * (1 - warmup)), warmup_target=rate, warmup_steps=int(steps * warmup)
    )
    if not measures and loss is None:
        tokens = [seqkeras.TokenAccuracy(), seqkeras.ExactMatch(), seqkeras.Perplexity()]
        classes = isinstance(model, seqkeras.SequenceClassifier)
        measures = {"metrics": ["accuracy"]} if classes else {"weighted_metrics": tokens}
    model.compile(optimizer(schedule), loss or seqkeras.CrossEntropy(), **measures)
    begin = time.monotonic()
    model.fit(data.train, validation_data=validation_data, epochs=epochs, callbacks=list(callbacks), verbose=2)
    return time.monotonic() - begin


class Limit(keras.callbacks.Callback):
    """Ends training at the end of the epoch after which another would not fit into the time allowed."""

    def __init__(self, hours):
        super().__init__()
        self.seconds = hours * 3600

    def on_train_begin(self, logs=None):
        self.begin = self.epoch = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        longest, self.epoch = now - self.epoch, now
        self.model.stop_training = now - self.begin + longest > self.seconds


def outputs(search, inputs, tokenizer, batch_size=256):
    """What the search says for each row of `inputs` (dict of arrays), as texts."""
    ids = [
        np.asarray(search({name: value[i : i + batch_size] for name, value in inputs.items()}))
        for i in range(0, len(next(iter(inputs.values()))), batch_size)
    ]
    return [tokenizer.decode(list(row)) for row in np.concatenate(ids)]


def sources(texts, tokenizer):
    """Texts as source ids, END behind each, padded: {"source": [N, S]}."""
    return {"source": pad([[*ids, END] for ids in tokenizer.encode(list(texts))])}


def pad(rows):
    """Lists of ids as one array [N, longest]."""
    ids = np.full((len(rows), max(map(len, rows))), PAD, "int32")
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids


def row(dataset, model, metric, value, published, seconds, **extra):
    """What one training reached, a row of the table."""
    return {
        "dataset": dataset,
        "model": type(model).__name__,
        "metric": metric,
        "value": float(value),
        "published": published,
        "seconds": round(seconds),
        "parameters": model.count_params(),
        **extra,
    }


def record(new, seed, task):
    """Print a row and put it into the table, where the values of all seeds stand together.

    The table's `value` is the mean over `values`, one per seed, and `spread` their largest difference. A row with
    another number of parameters is another model's, and its values go.
    """
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    key = ("dataset", "model", "metric")
    same = [one for one in rows if all(one[name] == new[name] for name in key)]
    kept = [one for one in same if one["parameters"] == new["parameters"]]
    values = {**(kept[0].get("values", {}) if kept else {}), str(seed): round(new["value"], 4)}
    new = {
        **new,
        "value": round(sum(values.values()) / len(values), 4),
        "spread": round(max(values.values()) - min(values.values()), 4),
        "values": dict(sorted(values.items())),
        "command": f"python benchmarks/quality.py {task} --seeds {len(values)}",
    }
    rows = sorted([one for one in rows if one not in same] + [new], key=lambda one: (one["dataset"], one["metric"]))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    temporary = RESULTS.with_suffix(".part")
    temporary.write_text(json.dumps(rows, indent=1) + "\n")
    os.replace(temporary, RESULTS)
    print(json.dumps(new, indent=1), flush=True)
