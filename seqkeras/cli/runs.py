"""A run: a trained model in one folder, with all it needs to be used, looked at and repeated.

model.keras        what answers: a classifier, or a greedy search over a trained model
tokenizers/        a folder a role; labels.json where there are classes
history.csv        a line an epoch
settings.json      what was asked for, and the versions it was asked of
manifest.json      checksums of the parts
held_out.jsonl.gz  records that the model has not learnt from: those of --test, else those of validation
"""

import zipfile
from pathlib import Path

import keras
import numpy as np

from seqkeras import export, metrics, pipelines, search
from seqkeras.cli import integrity, preconditions, progress, sources, training
from seqkeras.cli.settings import load as load_settings
from seqkeras.pipelines import readers
from seqkeras.tokens import END, PAD


class Run:
    """A trained model, text in and text out.

    Args:
        folder: where it is kept.
        settings: dict, as in `training`.
        model: a `SequenceClassifier`, or a search over what was trained.
        tokenizers: dict of role -> tokenizer.
        labels: Labels, or None.
    """

    def __init__(self, folder, settings, model, tokenizers, labels):
        self.folder = folder
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

    def rows(self, texts):
        """The ids of these texts as the model reads them, END counted, however long; to generate, those of labels."""
        if self.task == "generate":
            return [[self.labels.index(text)] for text in texts]
        source = self.task == "translate"
        rows = self.tokenizers["source" if source else "text"].encode(list(texts))
        for text, row in zip(texts, rows, strict=True):
            if not row:
                raise ValueError(f"Expected text. Received: {text!r}, in which the tokenizer finds nothing")
        return [[*row, END] for row in rows] if source else rows

    def inputs(self, texts):
        """What the model takes for these texts (labels, when generating), a row each, cut at `max_length`."""
        rows = self.rows(texts)
        if self.task == "generate":
            return {"label": np.array(rows, np.int32)[:, 0]}
        width = min(max(map(len, rows)), self.max_length)
        ids = np.full((len(rows), width), PAD, np.int32)
        for into, row in zip(ids, rows, strict=True):
            into[: len(row)] = row[:width]
        if self.task == "classify":
            return ids
        ids[[len(row) > width for row in rows], -1] = END
        return {"source": ids}

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
        data = training.prepare({"test": records}, self.settings, self.tokenizers, self.labels, truncate=True)
        report = data.report["test"]
        results = {"examples": report["kept"], "cut": report["cut"], "skipped": sum(report["skipped"].values())}
        training.compile_for(self.task, self.network, self.settings)
        results |= self.network.evaluate(data.test, verbose=0, return_dict=True)
        if self.task == "translate":
            given, references = zip(*data.records["test"].rows, strict=True)
            results |= compared(self.answers(given), references)
        return results

    def export(self, folder, records, quantize=None, bound=None, quality=None, **options):
        """Writes a bundle, proved on `inputs` of these records, with `options` of `export.write_bundle`; its manifest.

        With 8-bit weights the answers may differ from the model's by `bound`: in accuracy, or in character edits
        beside the references (when generating: beside what the model itself says).
        """
        inputs = self.inputs(records.column(0))
        metric = self.metric(records) if quantize else None
        return export.write_bundle(
            self.model,
            folder,
            self.max_length,
            inputs=inputs if isinstance(inputs, dict) else {"ids": inputs},
            tokenizers=self.tokenizers,
            labels=self.labels,
            quantize=quantize,
            metric=metric,
            bound=bound if quantize else None,
            quality=quality,
            **options,
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
        """Records that the model has not learnt from."""
        return readers.json_lines(self.folder / training.HELD_OUT, sources.COLUMNS[self.task])


def compared(outputs, references):
    """The model's own outputs beside the references, in the task's metrics."""
    return {
        "exact": 1 - metrics.error_rate(outputs, references),
        "character edits": metrics.edit_rate(outputs, references),
        "chrF": metrics.chrf(outputs, references)[0],
        "BLEU": metrics.bleu(outputs, references)[0],
    }


def spread(records, count):
    """At most `count` records of different texts, from the shortest to the longest in even steps."""
    different = {text: index for index, text in enumerate(records.column(0))}
    texts = list(different)
    return records.take([different[texts[index]] for index in export.spread([len(text) for text in texts], count)])


def load(folder):
    """The run that `train` left in a folder.

    Raises:
        ValueError: a folder without a run, or one in which something is missing, damaged or of another run.
    """
    folder = Path(folder)
    preconditions.expect_run(folder)
    before, settings = integrity.identity(folder), load_settings(folder / "settings.json")
    if not integrity.check(folder):
        progress.say(f"{folder} has no manifest.json, as an earlier version left it: its parts cannot be checked")
    roles = {"classify": ["text"], "generate": ["target"], "translate": ["source", "target"]}[settings["task"]]
    tokenizers = {role: pipelines.load_tokenizer(folder / "tokenizers" / role) for role in roles}
    labels = None if settings["task"] == "translate" else pipelines.Labels.load(folder)
    model = load_model(folder / integrity.MODEL)
    if integrity.identity(folder) != before:
        raise ValueError(f"Expected a run that stays while it is read. Received: {folder}, just replaced; try again")
    run = Run(folder, settings, model, tokenizers, labels)
    expect_fitting(run)
    return run


def load_model(path):
    """The model in a .keras file.

    Raises:
        ValueError: it is missing, damaged, or not to be understood by Keras.
    """
    if not zipfile.is_zipfile(path):
        wrong = "which is damaged: the end of the file is missing" if path.exists() else "which is missing"
        raise ValueError(f"Expected a trained model. Received: {path}, {wrong}; train again, or restore the file")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever Keras finds wrong
        raise ValueError(f"Expected a trained model. Received: {path} ({error})") from error


def expect_fitting(run):
    """Raises ValueError where tokenizers or labels have other sizes than the model."""
    config = run.network.get_config()
    sizes = {"vocab_size": next(iter(run.tokenizers.values())).vocab_size}
    if run.labels:
        sizes["num_classes"] = len(run.labels)
    if run.task == "translate":
        sizes["target_vocab_size"] = run.tokenizers["target"].vocab_size
    for name, size in sizes.items():
        had = config.get(name)
        if had is not None and had != size:
            raise ValueError(
                f"Expected parts of one run. Received: {run.folder}, whose model has {name}={had} where its tokenizer "
                f"or labels have {size}"
            )
