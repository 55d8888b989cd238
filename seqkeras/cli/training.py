"""From settings to a trained model in a folder."""

import contextlib
import csv
import errno
import gzip
import inspect
import io
import json
import math
import os
import time
from importlib import metadata
from pathlib import Path

import keras

from seqkeras import folders, pipelines, public, search
from seqkeras.cli import integrity, preconditions, progress, sources
from seqkeras.pipelines import files
from seqkeras.tasks import COMMANDS, WRITES
from seqkeras.training import distribution, losses, metrics

FEWEST_BATCHES = 20  # batches per epoch; where there are more, those that are not full are left out, for XLA's sake
HELD_OUT = "held_out.jsonl.gz"
HISTORY = "history.csv"
PACKAGES = ("seqkeras", "tensorflow", "keras", "tensorflow-text", "sentencepiece", "babel", "numpy")


def read(settings):
    """The data of a run.

    Returns: the `Data` of its task, and the records held out: those of a test file as they are, those of a share
        for test, or else those of validation.
    """
    distribution.strategy(settings["strategy"])  # its devices can only be made before TensorFlow's first operation
    keras.utils.set_random_seed(settings["seed"])
    splits = sources.splits(settings)
    data = prepare(splits, settings)
    held_out = data.records["test" if "test" in data.records else "validation"]
    return data, held_out if isinstance(splits.get("test", 0.0), float) else splits["test"]


def prepare(records, settings, tokenizers=None, labels=None, **options):
    """The batches of a task: the `Data` of its function in `pipelines`, `records` a dict of split -> Records."""
    options |= {name: settings[name] for name in ("batch_size", "max_length", "seed")}
    few = len(records.get("train", ())) < FEWEST_BATCHES * settings["batch_size"]  # every example counts
    options |= {"num_buckets": settings["buckets"], "fixed_shapes": not few}
    task = COMMANDS[settings["task"]]
    if task.labels:
        options["labels"] = labels
    if len(task.roles) == 1:
        tokenizers = tokenizers and next(iter(tokenizers.values()))
    untrained = {"tokenizer": settings["tokenizer"], "vocab_size": settings["vocab_size"]}
    options |= {"tokenizer": tokenizers} if tokenizers else untrained
    return getattr(pipelines, task.function)(**records, **options)


def build(settings, tokenizers, labels):
    """The untrained model of a run: its class, its options, and the sizes that follow from the data."""
    sizes = label_sizes(labels)
    if "target_vocab_size" in inspect.signature(getattr(public, settings["model"])).parameters:
        sizes["target_vocab_size"] = tokenizers["target"].vocab_size
    first = next(iter(tokenizers.values()))
    model = getattr(public, settings["model"])
    if "max_length" in set(inspect.signature(model).parameters) - model.idle(settings["options"]):
        sizes["max_length"] = settings["max_length"]
    return model(vocab_size=first.vocab_size, **sizes, **settings["options"])


def label_sizes(labels):
    """The arguments of a model that say how many classes there are."""
    if isinstance(labels, dict):
        return {"num_tags": len(labels["tags"]), "num_classes": len(labels["label"])}
    return {"num_classes": len(labels)} if labels else {}


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
    watched = {
        "classify": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        "tag": [metrics.TokenAccuracy(name="accuracy")],
        "joint": {name: [metrics.TokenAccuracy(name="accuracy")] for name in ("tags", "label")},
    }.get(task, [metrics.TokenAccuracy(), metrics.Perplexity()])
    loss = losses.CrossEntropy(settings["label_smoothing"])
    loss = {"tags": loss, "label": loss} if task == "joint" else loss
    model.compile(optimizer or "adam", loss, weighted_metrics=watched)


def train(settings, data, held_out, folder, what):
    """Trains a model and keeps the best epoch's in a folder, as soon as there is one.

    Until then a run that is there stays as it was; afterwards a folder is always a whole run.

    Args:
        settings: dict with the keys of `settings.SETTINGS`.
        data, held_out: what `read` made of them.
        folder: where to, in place of a run that is there; it is to be locked. `runs.load` reads it.
        what: is trained, for the bar, or the line per epoch.

    Returns: the `Progress` over it.

    Raises:
        ValueError: a folder that holds anything but a run, or a training that diverged in its first epoch.
    """
    folder = Path(folder)
    preconditions.expect_free(folder, overwrite=True)
    settings = {
        **settings,
        "max_length": max(max(shape.values()) for shape in data.shapes),  # of what was asked for, what there is
        "versions": versions(),
    }
    keras.utils.set_random_seed(settings["seed"])
    with distribution.strategy(settings["strategy"]).scope():
        model = build(settings, data.tokenizers, data.labels)
        compile_for(settings["task"], model, settings, data.steps["train"] * settings["epochs"])
    whole = search.Greedy(model, settings["max_length"]) if WRITES[settings["task"]] else model
    monitor = monitored(settings["task"], data.validation)
    fitted = {"train", "validation"} & set(data.steps)
    with (
        folders.begun(folder) as new,
        progress.bar(what, sum(data.steps[split] for split in fitted) * settings["epochs"]) as show,
    ):
        with writing(folder):
            write(new, settings, data, held_out)
        keep, watch = SaveBest(whole, new, folder, monitor), Progress(what, show)
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
    """The figure that is least in the best epoch."""
    return ("val_" if validation else "") + ("perplexity" if WRITES[task] else "loss")


def write(folder, settings, data, held_out):
    """All of a run but the model: settings, tokenizers, labels, and the records it will not learn from."""
    for role, tokenizer in data.tokenizers.items():
        tokenizer.save(folder / "tokenizers" / role)
    save_labels(data.labels, folder)
    files.write_json(folder / "settings.json", settings)
    names = COMMANDS[settings["task"]].columns
    rows = (dict(zip(names, row, strict=True)) for row in held_out)
    lines = [json.dumps(row, ensure_ascii=False, default=lambda value: value.tolist()) for row in rows]  # NumPy's
    files.write_bytes(folder / HELD_OUT, gzip.compress("\n".join(lines).encode("utf-8"), mtime=0))


def save_labels(labels, folder):
    """Writes labels.json; of several columns with labels one each, in folders labels/COLUMN."""
    several = isinstance(labels, dict)
    for column, named in labels.items() if several else [("", labels)] if labels else ():
        named.save(folder / "labels" / column if several else folder)


class SaveBest(keras.callbacks.Callback):
    """Keeps history.csv of all epochs, and model.keras of the best so far.

    Args:
        whole: what is saved.
        new: the folder of `folders.begun`, which holds the other parts of the run.
        folder: `new` takes its place with the first model.
        monitor: what is least in the best epoch.
    """

    def __init__(self, whole, new, folder, monitor):
        super().__init__()
        self.whole, self.new, self.folder, self.monitor = whole, new, folder, monitor
        self.best, self.rows, self.manifest = math.inf, [], integrity.described(new)

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        first, better = math.isinf(self.best), logs[self.monitor] < self.best  # never, where it is not a number
        with writing(self.folder):
            self.new.mkdir(exist_ok=True)
            files.write_bytes(self.new / HISTORY, table(self.rows))
            if better:
                self.best = logs[self.monitor]
                self.whole.save(self.new / integrity.MODEL)
                self.manifest = integrity.with_model(self.manifest, self.new / integrity.MODEL)
                files.write_json(self.new / "manifest.json", self.manifest)
            if better and first:
                folders.put(self.new, self.folder)
            elif not math.isinf(self.best):  # in this order a run is whole at each moment: see `integrity`
                for name in ("manifest.json", integrity.MODEL, HISTORY) if better else (HISTORY,):
                    os.replace(self.new / name, self.folder / name)


def table(rows):
    """Rows, dicts of equal keys, as the bytes of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@contextlib.contextmanager
def writing(folder):
    """Names the folder in errors of the file system that name no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        full = error.errno == errno.ENOSPC or "No space left" in str(error)  # HDF5 tells it in a text of its own
        said = "No space left on device" if full else str(error)
        raise OSError(error.errno or errno.EIO, said, str(folder)) from error


class Progress(keras.callbacks.Callback):
    """What is seen of training: its `steps`, `seconds`, and `curve` of (steps so far, mean loss of the last ten).

    Args:
        what: is trained, for the lines.
        show: called with the batches so far, those of validation too, and what is being done.
    """

    def __init__(self, what, show):
        super().__init__()
        self.what, self.show = what, show
        self.curve, self.done, self.seconds = [], 0, 0.0
        self.before, self.counted, self.total = 0, 0, 0.0

    @property
    def steps(self):
        return self.before + self.counted

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()

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

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.monotonic() - self.began
        figures = ", ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())
        progress.tell(f"{self.what}: epoch {epoch + 1}/{self.params['epochs']}, {self.seconds:.0f} s, {figures}")


def versions():
    return {package: metadata.version(package) for package in PACKAGES}
