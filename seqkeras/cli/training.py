"""From settings to a trained model in a folder."""

import csv
import inspect
import io
import os
import shutil
import time
from importlib import metadata
from pathlib import Path

import keras

from seqkeras import distribution, losses, metrics, models, pipelines, search
from seqkeras.cli import progress, sources
from seqkeras.pipelines import files

SETTINGS = (
    *("task", "data", "validation", "test", "columns", "header", "encoding"),
    *("tokenizer", "vocab_size", "max_length", "batch_size", "buckets"),
    *("model", "options", "epochs", "learning_rate", "label_smoothing", "patience", "seed", "strategy"),
)
FEW = 20  # batches an epoch; where there are more, those that are not full are left out, for XLA's sake
PACKAGES = ("seqkeras", "tensorflow", "keras", "tensorflow-text", "sentencepiece", "babel", "numpy")


def settings(asked):
    """The settings of a run, from the arguments of `train`."""
    return {name: getattr(asked, name) for name in SETTINGS}


def read(settings):
    """The data of a run: the `Data` of its task."""
    keras.utils.set_random_seed(settings["seed"])
    return prepare(sources.splits(settings), settings)


def prepare(records, settings, tokenizers=None, labels=None, **options):
    """The batches of a task: the `Data` of its function in `pipelines`, `records` a dict of split -> Records."""
    options |= {name: settings[name] for name in ("batch_size", "max_length", "seed")}
    few = len(records.get("train", ())) < FEW * settings["batch_size"]  # where every example of an epoch counts
    options |= {"num_buckets": settings["buckets"], "fixed_shapes": not few}
    tokenizer = settings["tokenizer"]
    if settings["task"] == "translate":
        return pipelines.translation(
            **records, tokenizer=tokenizers or tokenizer, vocab_size=settings["vocab_size"], **options
        )
    function = {"classify": pipelines.classification, "generate": pipelines.generation}[settings["task"]]
    tokenizer = next(iter(tokenizers.values())) if tokenizers else tokenizer
    return function(**records, tokenizer=tokenizer, vocab_size=settings["vocab_size"], labels=labels, **options)


def build(settings, tokenizers, labels):
    """The untrained model of a run: its class, its options, and the sizes that follow from the data."""
    sizes = {"num_classes": len(labels)} if labels else {"target_vocab_size": tokenizers["target"].vocab_size}
    first = next(iter(tokenizers.values()))
    model = getattr(models, settings["model"])
    if "max_length" in inspect.signature(model).parameters:
        sizes["max_length"] = settings["max_length"]
    return model(vocab_size=first.vocab_size, **sizes, **settings["options"])


def compile_for(task, model, settings, steps=None):
    """Loss, metrics and, where it is to be trained for `steps` batches, the optimizer.

    The learning rate rises over the first tenth of the steps (300 at most) and falls along a cosine to nothing.
    """
    optimizer = None
    if steps:
        rise, rate = min(300, steps // 10), settings["learning_rate"]
        schedule = keras.optimizers.schedules.CosineDecay(
            rate / 10, max(1, steps - rise), warmup_target=rate, warmup_steps=rise
        )
        optimizer = keras.optimizers.Adam(schedule if rise else rate, clipnorm=1.0)
    watched = (
        {"metrics": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]}
        if task == "classify"
        else {"weighted_metrics": [metrics.TokenAccuracy(), metrics.Perplexity()]}
    )
    model.compile(optimizer or "adam", losses.CrossEntropy(settings["label_smoothing"]), **watched)


def train(settings, data, folder, what):
    """Trains a model and keeps the best epoch's in a folder, as soon as there is one.

    Args:
        settings: dict with the keys SETTINGS.
        data: what `read` made of them.
        folder: where to, in place of a run that is there; `runs.load` reads it.
        what: is trained, for the bar.

    Returns: the `Watch` over it.
    """
    folder = Path(folder)
    settings = {
        **settings,
        "max_length": settings["max_length"] or max(data.shapes[-1].values()),
        "versions": versions(),
    }
    keras.utils.set_random_seed(settings["seed"])
    with distribution.strategy(settings["strategy"]).scope():
        model = build(settings, data.tokenizers, data.labels)
        compile_for(settings["task"], model, settings, data.steps["train"] * settings["epochs"])
    remove(folder)
    for role, tokenizer in data.tokenizers.items():
        tokenizer.save(folder / "tokenizers" / role)
    if data.labels:
        data.labels.save(folder)
    files.write_json(folder / "settings.json", settings)
    whole = model if settings["task"] == "classify" else search.Greedy(model, settings["max_length"])
    keep = Keep(whole, folder, "val_loss" if data.validation else "loss")
    patience = [keras.callbacks.EarlyStopping(keep.monitor, patience=settings["patience"])] * (settings["patience"] > 0)
    with progress.bar(what, data.steps["train"] * settings["epochs"]) as show:
        watch = Watch(show)
        model.fit(
            data.train,
            validation_data=data.validation,
            epochs=settings["epochs"],
            callbacks=[keep, watch, *patience],
            shuffle=False,  # the batches come in another order each epoch already
            verbose=0,
        )
    return watch


def remove(folder):
    """Deletes a run; a folder that holds anything else is left alone.

    Raises:
        ValueError: a folder without settings.json.
    """
    if Path(folder).exists():
        if not (Path(folder) / "settings.json").exists():
            raise ValueError(f"Expected a run to replace. Received: {folder}, which holds something else")
        shutil.rmtree(folder)


class Keep(keras.callbacks.Callback):
    """Writes history.csv after each epoch, and model.keras after each that is the best so far."""

    def __init__(self, whole, folder, monitor):
        super().__init__()
        self.whole, self.folder, self.monitor = whole, folder, monitor
        self.best, self.rows = float("inf"), []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write_bytes(self.folder / "history.csv", table.getvalue().encode())
        if not logs[self.monitor] >= self.best or not (self.folder / "model.keras").exists():
            self.best = logs[self.monitor]
            unfinished = self.folder / "unfinished.keras"
            self.whole.save(unfinished)
            os.replace(unfinished, self.folder / "model.keras")


class Watch(keras.callbacks.Callback):
    """What is seen of training: its `seconds`, and its `curve` of (batches so far, mean loss of the last ten).

    Args:
        show: called with the batches so far and the loss in words.
    """

    def __init__(self, show):
        super().__init__()
        self.show = show
        self.curve = []

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.before, self.counted, self.total = epoch * self.params["steps"], 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        count = batch + 1
        if count % 10 == 0 or count == self.params["steps"]:
            total = float(logs["loss"]) * count  # Keras gives the mean since the epoch began
            loss = (total - self.total) / (count - self.counted)
            self.counted, self.total = count, total
            self.curve.append((self.before + count, loss))
            self.show(self.before + count, f"loss {loss:.3f}")

    def on_train_end(self, logs=None):
        self.seconds = time.monotonic() - self.began


def versions():
    return {package: metadata.version(package) for package in PACKAGES}
