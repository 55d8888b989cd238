"""A run: a trained model in one folder, with all it needs to be used, looked at and repeated.

model.keras     what answers: a classifier, or a greedy search over a trained model
tokenizers/     a folder a role; labels.json where there are classes
history.csv     a line an epoch
settings.json   what was asked for, and the versions it was asked of
"""

import csv
import inspect
import io
import os
import shutil
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from seqkeras import distribution, export, losses, metrics, models, pipelines, search, sources
from seqkeras.pipelines import files
from seqkeras.tokens import END

SETTINGS = (
    *("task", "data", "validation", "test", "columns", "header", "encoding"),
    *("tokenizer", "vocab_size", "max_length", "batch_size", "buckets"),
    *("model", "options", "epochs", "learning_rate", "label_smoothing", "patience", "seed", "strategy"),
)
FEW = 20  # batches an epoch; where there are more, those that are not full are left out, for XLA's sake
PACKAGES = ("seqkeras", "tensorflow", "keras", "tensorflow-text", "sentencepiece", "babel", "numpy")


class Run:
    """A trained model, text in and text out.

    Args:
        settings: dict, see `train`.
        model: what `model.keras` holds.
        tokenizers: dict of role -> tokenizer. labels: Labels or None.
    """

    def __init__(self, settings, model, tokenizers, labels):
        self.settings = settings
        self.model = model
        self.tokenizers = tokenizers
        self.labels = labels

    @property
    def task(self):
        return self.settings["task"]

    @property
    def network(self):
        """The model that was trained, without the search over it."""
        return self.model.model if isinstance(self.model, search.Search) else self.model

    @property
    def max_length(self):
        return self.settings["max_length"]

    def inputs(self, texts):
        """What the model takes for these texts (labels, when generating), a row each."""
        if self.task == "generate":
            return {"label": np.array([self.labels.index(text) for text in texts], np.int32)}
        role = "text" if self.task == "classify" else "source"
        rows = self.tokenizers[role].encode(list(texts))
        for text, row in zip(texts, rows, strict=True):
            if not row:
                raise ValueError(f"Expected text. Received: {text!r}, in which the tokenizer finds nothing")
        if self.task == "translate":
            rows = [[*row[: self.max_length - 1], END] for row in rows]
        width = max(map(len, rows))
        ids = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
        return ids[:, : self.max_length] if self.task == "classify" else {"source": ids}

    def outputs(self, inputs):
        """What the model gives for `inputs`: probabilities [N, C] of a classifier, ids [N, T] of the others."""
        outputs = self.model.predict(inputs, batch_size=256, verbose=0)
        return np.asarray(keras.ops.softmax(outputs)) if self.task == "classify" else outputs

    def answers(self, texts):
        """A text each; for a classifier a dict of label -> probability, the likeliest first."""
        outputs = self.outputs(self.inputs(texts))
        if self.task != "classify":
            return self.tokenizers["target"].decode(outputs)
        names = self.labels.names
        return [{names[i]: float(row[i]) for i in np.argsort(-row)} for row in outputs]

    def evaluate(self, records):
        """What the model does on records it has not learnt from: dict of metric -> value, `examples` first.

        Longer texts are cut at `max_length`; `cut` counts them.
        """
        data = prepare({"test": records}, self.settings, self.tokenizers, self.labels, truncate=True)
        report = data.report["test"]
        results = {"examples": report["kept"], "cut": report["cut"], "skipped": sum(report["skipped"].values())}
        compile_for(self.task, self.network, self.settings)
        results |= self.network.evaluate(data.test, verbose=0, return_dict=True)
        if self.task == "translate":
            given, references = zip(*data.records["test"].rows, strict=True)
            results |= compared(self.answers(given), references)
        return results

    def export(self, folder, records, quantize=None, bound=None, quality=None):
        """Writes a bundle, proved on `inputs` of these records. Returns its manifest; see `export.write_bundle`.

        With 8-bit weights the answers may differ from the model's by `bound`: in accuracy, or in character edits
        beside the references (when generating: beside what the model itself says).
        """
        inputs = self.inputs(records.column(0))
        metric = self.metric(records) if quantize else None
        return export.write_bundle(
            self.model,
            folder,
            self.max_length,
            inputs if isinstance(inputs, dict) else {"ids": inputs},
            self.tokenizers,
            self.labels,
            quantize,
            metric,
            bound if quantize else None,
            quality,
        )

    def metric(self, records):
        """What 8-bit weights may worsen: a function of the outputs, 1 at best."""
        if self.task == "classify":
            wanted = np.array([self.labels.index(label) for label in records.column(1)])
            return lambda outputs: np.mean(np.argmax(outputs["probabilities"], axis=-1) == wanted)
        references = records.column(1) if self.task == "translate" else self.answers(records.column(0))
        decode = self.tokenizers["target"].decode
        return lambda outputs: 1 - metrics.edit_rate(decode(outputs["ids"]), references)

    def held_out(self):
        """Records that the model has not learnt from: those of --test, else those of validation."""
        splits = sources.splits(self.settings)
        if "test" in splits:
            return splits["test"]
        return read(self.settings).records["validation"]


def compared(outputs, references):
    """The model's own outputs beside the references, in the task's metrics."""
    return {
        "exact": 1 - metrics.error_rate(outputs, references),
        "character edits": metrics.edit_rate(outputs, references),
        "chrF": metrics.chrf(outputs, references)[0],
        "BLEU": metrics.bleu(outputs, references)[0],
    }


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


def settings(asked):
    """The settings of a run, from the arguments of `train`."""
    return {name: getattr(asked, name) for name in SETTINGS}


def spread(records, count):
    """At most `count` records of different texts, from the shortest to the longest in even steps."""
    different = {text: index for index, text in enumerate(records.column(0))}
    order = [different[text] for text in sorted(different, key=len)]
    steps = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return records.take([order[step] for step in steps])


def read(settings):
    """The data of a run: the `Data` of its task."""
    keras.utils.set_random_seed(settings["seed"])
    return prepare(sources.splits(settings), settings)


def train(settings, data, folder, callbacks=()):
    """Trains a model and keeps the best epoch's in a folder, as soon as there is one.

    Args:
        settings: dict with the keys of `commands.SETTINGS`.
        data: what `read` made of them.
        folder: where to.
        callbacks: Keras callbacks.

    Returns: the `Run`.
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
    for role, tokenizer in data.tokenizers.items():
        tokenizer.save(folder / "tokenizers" / role)
    if data.labels:
        data.labels.save(folder)
    files.write_json(folder / "settings.json", settings)
    whole = model if settings["task"] == "classify" else search.Greedy(model, settings["max_length"])
    keep = Keep(whole, folder, "val_loss" if data.validation else "loss")
    callbacks = [keep, *callbacks]
    if settings["patience"]:
        callbacks.append(keras.callbacks.EarlyStopping(keep.monitor, patience=settings["patience"]))
    model.fit(
        data.train,
        validation_data=data.validation,
        epochs=settings["epochs"],
        callbacks=callbacks,
        shuffle=False,  # the batches come in another order each epoch already
        verbose=0,
    )
    return load(folder)


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


def load(folder):
    """The run that `train` left in a folder.

    Raises:
        ValueError: a folder without a run, or one whose training was stopped before its first epoch ended.
    """
    folder = Path(folder)
    if not (folder / "settings.json").exists():
        raise ValueError(
            f"Expected a run, as `seqkeras train` leaves it. Received: {folder}; there: {names(folder.parent)}"
        )
    if not (folder / "model.keras").exists():
        raise ValueError(f"Expected a trained model. Received: {folder}, where no epoch was finished")
    settings = files.read_json(folder / "settings.json")
    tokenizers = {role.name: pipelines.load_tokenizer(role) for role in sorted((folder / "tokenizers").iterdir())}
    labels = pipelines.Labels.load(folder) if (folder / "labels.json").exists() else None
    return Run(settings, keras.saving.load_model(folder / "model.keras", compile=False), tokenizers, labels)


def history(folder):
    """history.csv: list of dicts of column -> number."""
    with open(Path(folder) / "history.csv", encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def names(root):
    """The names of the runs in a folder, as text."""
    found = sorted(path.parent.name for path in Path(root).glob("*/settings.json"))
    return ", ".join(found) or "no runs"


def remove(folder):
    """Deletes a run; a folder that holds anything else is left alone.

    Raises:
        ValueError: a folder without settings.json.
    """
    if Path(folder).exists():
        if not (Path(folder) / "settings.json").exists():
            raise ValueError(f"Expected a run to replace. Received: {folder}, which holds something else")
        shutil.rmtree(folder)


def versions():
    return {package: metadata.version(package) for package in PACKAGES}
