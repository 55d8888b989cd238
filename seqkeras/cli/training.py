"""From settings to a trained model in a folder."""

import csv
import gzip
import inspect
import io
import json
import math
import os
import tempfile
import time
from importlib import metadata
from pathlib import Path

import keras

from seqkeras import distribution, losses, metrics, pipelines, public, search
from seqkeras.cli import progress, sources
from seqkeras.pipelines import files

SETTINGS = (
    *("task", "data", "validation", "test", "columns", "header", "encoding"),
    *("tokenizer", "vocab_size", "max_length", "batch_size", "buckets"),
    *("model", "options", "epochs", "learning_rate", "label_smoothing", "patience", "seed", "strategy"),
)
FEW = 20  # batches an epoch; where there are more, those that are not full are left out, for XLA's sake
HELD_OUT = "held_out.jsonl.gz"
PACKAGES = ("seqkeras", "tensorflow", "keras", "tensorflow-text", "sentencepiece", "babel", "numpy")


def settings(asked):
    """The settings of a run, from the arguments of `train`; files by their whole path, to be found from anywhere."""
    found = {name: getattr(asked, name) for name in SETTINGS}
    return found | {name: found[name] and sources.located(found[name]) for name in ("data", "validation", "test")}


def load(path):
    """The settings in a file that `train` wrote."""
    settings = files.read_json(path)
    missing = [name for name in SETTINGS if name not in settings]
    if missing or settings["task"] not in sources.COLUMNS:
        wrong = f"without {', '.join(missing)}" if missing else f"with task={settings['task']!r}"
        raise ValueError(f"Expected the settings of a run. Received: {path} {wrong}")
    return settings


def read(settings):
    """The data of a run.

    Returns: the `Data` of its task, and the records held out: those of test as they are, else those of validation.
    """
    keras.utils.set_random_seed(settings["seed"])
    splits = sources.splits(settings)
    data = prepare(splits, settings)
    return data, splits.get("test") or data.records["validation"]


def prepare(records, settings, tokenizers=None, labels=None, **options):
    """The batches of a task: the `Data` of its function in `pipelines`, `records` a dict of split -> Records."""
    options |= {name: settings[name] for name in ("batch_size", "max_length", "seed")}
    few = len(records.get("train", ())) < FEW * settings["batch_size"]  # where every example of an epoch counts
    options |= {"num_buckets": settings["buckets"], "fixed_shapes": not few}
    if settings["task"] == "translate":
        function = pipelines.translation
    else:
        function = {"classify": pipelines.classification, "generate": pipelines.generation}[settings["task"]]
        options["labels"] = labels
        tokenizers = tokenizers and next(iter(tokenizers.values()))
    untrained = {"tokenizer": settings["tokenizer"], "vocab_size": settings["vocab_size"]}
    return function(**records, **({"tokenizer": tokenizers} if tokenizers else untrained), **options)


def build(settings, tokenizers, labels):
    """The untrained model of a run: its class, its options, and the sizes that follow from the data."""
    sizes = {"num_classes": len(labels)} if labels else {"target_vocab_size": tokenizers["target"].vocab_size}
    first = next(iter(tokenizers.values()))
    model = getattr(public, settings["model"])
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


def train(settings, data, held_out, folder, what):
    """Trains a model and keeps the best epoch's in a folder, as soon as there is one.

    Until then a run that is there stays as it was; afterwards a folder is always a whole run.

    Args:
        settings: dict with the keys SETTINGS.
        data, held_out: what `read` made of them.
        folder: where to, in place of a run that is there; `runs.load` reads it.
        what: is trained, for the bar.

    Returns: the `Watch` over it.

    Raises:
        ValueError: a folder that holds anything but a run, or a training that diverged in its first epoch.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "settings.json").exists():
        raise ValueError(f"Expected a run to replace. Received: {folder}, which holds something else")
    settings = {
        **settings,
        "max_length": max(max(shape.values()) for shape in data.shapes),  # of what was asked for, what there is
        "versions": versions(),
    }
    keras.utils.set_random_seed(settings["seed"])
    with distribution.strategy(settings["strategy"]).scope():
        model = build(settings, data.tokenizers, data.labels)
        compile_for(settings["task"], model, settings, data.steps["train"] * settings["epochs"])
    whole = model if settings["task"] == "classify" else search.Greedy(model, settings["max_length"])
    monitor = monitored(settings["task"], data.validation)
    fitted = {"train", "validation"} & set(data.steps)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside,
        progress.bar(what, sum(data.steps[split] for split in fitted) * settings["epochs"]) as show,
    ):
        begun = Path(beside) / "new"
        write(begun, settings, data, held_out)
        keep, watch = Keep(whole, begun, folder, monitor), Watch(show)
        patience = [keras.callbacks.EarlyStopping(monitor, patience=settings["patience"], mode="min")]
        model.fit(
            data.train,
            validation_data=data.validation,
            epochs=settings["epochs"],
            callbacks=[keep, watch, *(patience if settings["patience"] else ())],
            shuffle=False,  # the batches come in another order each epoch already
            verbose=0,
        )
    if math.isinf(keep.best):
        raise ValueError(f"Expected a {monitor} that is a number. Received: nan or inf; try a lower --learning-rate")
    return watch


def monitored(task, validation):
    """The figure that is least in the best epoch: of sequences one over all tokens, of all batches and replicas."""
    return ("val_" if validation else "") + ("loss" if task == "classify" else "perplexity")


def write(folder, settings, data, held_out):
    """All of a run but the model: settings, tokenizers, labels, and the records it will not learn from."""
    for role, tokenizer in data.tokenizers.items():
        tokenizer.save(folder / "tokenizers" / role)
    if data.labels:
        data.labels.save(folder)
    files.write_json(folder / "settings.json", settings)
    names = sources.COLUMNS[settings["task"]]
    rows = (dict(zip(names, row, strict=True)) for row in held_out)
    lines = [json.dumps(row, ensure_ascii=False, default=lambda value: value.tolist()) for row in rows]  # NumPy's
    files.write_bytes(folder / HELD_OUT, gzip.compress("\n".join(lines).encode("utf-8"), mtime=0))


class Keep(keras.callbacks.Callback):
    """Writes history.csv after each epoch, and model.keras after each that is the best so far.

    Args:
        whole: what is saved.
        begun: the folder it is saved into first, beside the one that is to hold it.
        folder: takes the place of `begun` with the first model.
        monitor: what is least in the best epoch.
    """

    def __init__(self, whole, begun, folder, monitor):
        super().__init__()
        self.whole, self.folder, self.to, self.monitor = whole, begun, folder, monitor
        self.best, self.rows = math.inf, []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write_bytes(self.folder / "history.csv", table.getvalue().encode())
        if logs[self.monitor] < self.best:  # never, where it is not a number
            self.best = logs[self.monitor]
            unfinished = self.folder / "unfinished.keras"
            self.whole.save(unfinished)
            os.replace(unfinished, self.folder / "model.keras")
            if self.folder != self.to:
                replace(self.to, self.folder)
                self.folder = self.to


def replace(folder, new):
    """Puts a new folder in the place of another, which goes to where the new one was, as `old`."""
    try:
        if folder.exists():
            os.replace(folder, new.with_name("old"))
    finally:  # also when interrupted between the two
        os.replace(new, folder)


class Watch(keras.callbacks.Callback):
    """What is seen of training: its `steps`, `seconds`, and `curve` of (steps so far, mean loss of the last ten).

    Args:
        show: called with the batches so far, those of validation too, and what is being done.
    """

    def __init__(self, show):
        super().__init__()
        self.show = show
        self.curve = []

    def on_train_begin(self, logs=None):
        self.began, self.done = time.monotonic(), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.before, self.counted, self.total = epoch * self.params["steps"], 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        count = batch + 1
        self.done += 1
        if count % 10 == 0 or count == self.params["steps"]:
            total = float(logs["loss"]) * count  # Keras gives the mean since the epoch began
            loss = (total - self.total) / (count - self.counted)
            self.counted, self.total = count, total
            self.curve.append((self.before + count, loss))
            self.show(self.done, f"loss {loss:.3f}")

    def on_test_begin(self, logs=None):
        self.show(self.done, "validating")

    def on_test_batch_end(self, batch, logs=None):
        self.done += 1
        self.show(self.done, "validating")

    def on_train_end(self, logs=None):
        self.steps, self.seconds = self.before + self.counted, time.monotonic() - self.began


def versions():
    return {package: metadata.version(package) for package in PACKAGES}
