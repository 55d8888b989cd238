"""A run: a trained model in one folder, with all it needs to be used, looked at and repeated.

model.keras        what answers: a classifier, or a greedy search over a trained model
tokenizers/        a folder per role; labels.json where there are classes
history.csv        a line per epoch
settings.json      what was asked for, and the versions it was asked of
manifest.json      checksums of the parts
held_out.jsonl.gz  records that the model has not learnt from: those of --test, else those of validation
"""

import zipfile
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from seqkeras import export, pipelines, search
from seqkeras.cli import integrity, preconditions, progress, training
from seqkeras.cli.settings import load as load_settings
from seqkeras.pipelines import classes, readers
from seqkeras.tasks import COMMANDS, WRITES
from seqkeras.tokens import END, PAD
from seqkeras.training import metrics, scores
from seqkeras.training.spans import in_bio, spans


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
    def writes(self):
        """Whether its answers are texts."""
        return WRITES[self.task] is not None

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
        rows = self.tokenizers[COMMANDS[self.task].roles[0]].encode(list(texts))
        for text, row in zip(texts, rows, strict=True):
            if not row and self.task != "language":
                raise ValueError(f"Expected text. Received: {text!r}, in which the tokenizer finds nothing")
        return [[*row, END] for row in rows] if source else rows

    def inputs(self, texts, length=None):
        """What the model takes for these texts (labels, when generating), a row each, cut at `length` tokens."""
        rows = self.rows(texts)
        if self.task == "generate":
            return {"label": np.array(rows, np.int32)[:, 0]}
        width = max(1, min(max(map(len, rows)), length or self.max_length))
        ids = np.full((len(rows), width), PAD, np.int32)
        for into, row in zip(ids, rows, strict=True):
            into[: len(row)] = row[:width]
        if self.task == "language":
            return {"prompt": ids}
        if self.task != "translate":
            return ids
        ids[[len(row) > width for row in rows], -1] = END
        return {"source": ids}

    def outputs(self, inputs, temperature=None, seed=0):
        """What the model gives for `inputs`: ids [N, T] of one that writes, else probabilities.

        They are [N, C] of a classifier, [N, T, C] of a tagger, `{"tags": [N, T, C], "label": [N, K]}` of a joint one.
        With a temperature tokens are drawn, the same for the same seed.
        """
        model = self.model
        if temperature is not None:
            model, rows = search.Sample(self.network, self.max_length), len(next(iter(inputs.values())))
            uniform = np.random.default_rng(seed).random((rows, self.max_length), "float32")
            inputs = {**inputs, "uniform": uniform, "temperature": np.full(rows, temperature, "float32")}
        outputs = model.predict(inputs, batch_size=256, verbose=0)
        if self.writes:
            return outputs
        return keras.tree.map_structure(lambda logits: np.asarray(keras.ops.softmax(logits)), outputs)

    def answers(self, texts, temperature=None, seed=0):
        """A text each, of a model that writes, drawn where there is a temperature.

        Of a classifier a dict of label -> probability, the likeliest first; of a tagger `Tagged`.
        """
        if temperature is not None and not self.writes:
            raise ValueError(
                f"Expected a model that writes with a temperature. Received: {self.folder}, which does not"
            )
        outputs = self.outputs(self.inputs(texts), temperature, seed)
        if self.writes:
            return self.tokenizers[WRITES[self.task]].decode(outputs)
        if self.task == "classify":
            return _ranked(self.labels, outputs)
        joint = self.task == "joint"
        labels = self.labels["tags"] if joint else self.labels
        ranked = _ranked(self.labels["label"], outputs["label"]) if joint else [None] * len(outputs)
        rows = outputs["tags"] if joint else outputs
        return [Tagged.of(self.words(text), *one, labels) for text, *one in zip(texts, rows, ranked, strict=True)]

    def words(self, text):
        """What a tagger gives tags to, as it is written in the text."""
        tokenizer = self.tokenizers["text"]
        return tokenizer.words(text) if hasattr(tokenizer, "words") else list(text)

    def evaluate(self, records):
        """What the model does on records it has not learnt from: dict of metric -> value, `examples` first.

        Longer texts are cut at `max_length`; `cut` counts them. Labels and tags that the model does not know count as
        wrong, and "unknown labels" says which and how many. "classes" has the scores of each class and "confusion" how
        often which is taken for which, as `scores.by_class` and `scores.confusion` give them.
        """
        options = {} if self.task == "language" else {"truncate": True}  # which has windows of long texts
        data = training.prepare({"test": records}, self.settings, self.tokenizers, self.labels, **options)
        report = data.report["test"]
        results = {"examples": report["kept"], "cut": report.get("cut", 0), "skipped": sum(report["skipped"].values())}
        unknown = report.get("unknown labels") or {}
        if any(unknown.values()):  # of a joint tagger one entry a column, each of them empty where all is known
            results["unknown labels"] = unknown
        training.compile_for(self.task, self.network, self.settings)
        found = self.network.evaluate(data.test, verbose=0, return_dict=True)
        results |= {name: value for name, value in found.items() if self.writes or name.endswith("loss")}
        if self.task == "translate":
            given, references = zip(*data.records["test"].rows, strict=True)
            results |= compared(self.answers(given), references)
        elif not self.writes:
            results |= self.scored(data)
        return results

    def scored(self, data):
        """The scores of what the model says of the records in `data`, by names."""
        records, columns = data.records["test"], COMMANDS[self.task].labels
        best = {column: [] for column in columns}
        for inputs, *_ in data.test:
            outputs = self.network.predict_on_batch(inputs)
            for column, rows in best.items():
                rows.extend(np.argmax(outputs[column] if self.task == "joint" else outputs, axis=-1))
        results = {}
        for column, rows in best.items():
            labels = self.labels[column] if self.task == "joint" else self.labels
            before = f"{column} " if self.task == "joint" else ""
            number = COMMANDS[self.task].columns.index(column)
            if column == "tags":
                true = [tags[: len(row)] for tags, row in zip(classes.tags(records, number), rows, strict=True)]
                said = [[labels.names[i] for i in row[: len(tags)]] for tags, row in zip(true, rows, strict=True)]
                if in_bio(labels.names):
                    results["span F1"] = scores.span_f1(true, said)
                true, said = (list(chain.from_iterable(side)) for side in (true, said))
            else:
                true, said = classes.names(records, number), [labels.names[i] for i in rows]
            results |= {
                f"{before}accuracy": scores.accuracy(true, said),
                f"{before}macro F1": scores.macro_f1(true, said),
                f"{before}classes": scores.by_class(true, said),
                f"{before}confusion": scores.confusion(true, said),
            }
        return results

    def export(self, folder, records, quantize=None, bound=None, quality=None, length=None, **options):
        """Writes a bundle for texts of `length` tokens, `max_length` if None, with `options` of `export.write_bundle`.

        It is proved on `inputs` of these records. Returns its manifest.

        With weights of 8 or 16 bits the answers may differ from the model's by `bound`: in accuracy, or in character
        edits compared with the references (when generating: with what the model itself says).
        """
        inputs = self.inputs(self.texts(records), length)
        metric = self.metric(records) if quantize else None
        return export.write_bundle(
            self.model,
            folder,
            length or self.max_length,
            inputs=inputs if isinstance(inputs, dict) else {"ids": inputs},
            tokenizers=self.tokenizers,
            labels=self.labels,
            quantize=quantize,
            metric=metric,
            bound=bound if quantize else None,
            quality=quality,
            **options,
        )

    def texts(self, records):
        """What the model is given of records: their first column; of a language model the first half of each text."""
        whole = records.column(0)
        return [text[: len(text) // 2] for text in whole] if self.task == "language" else whole

    def metric(self, records):
        """What smaller weights may worsen: a function of the outputs, 1 at best."""
        if self.writes:
            references = records.column(1) if self.task == "translate" else self.answers(self.texts(records))
            decode = self.tokenizers[WRITES[self.task]].decode
            return lambda outputs: 1 - metrics.edit_rate(decode(outputs["ids"]), references)
        wanted = {column: self.wanted(records, column) for column in COMMANDS[self.task].labels}

        def right(outputs):
            """The share of right answers; of a joint task the mean of the two."""
            given = outputs if self.task == "joint" else dict.fromkeys(wanted, outputs["probabilities"])
            shares = []
            for column, (ids, real) in wanted.items():
                best = np.argmax(given[column], axis=-1)
                places = tuple(map(slice, best.shape))  # padding may be more, or less
                shares.append(np.mean((best == ids[places])[real[places]]))
            return float(np.mean(shares))

        return right

    def wanted(self, records, column):
        """The true ids of a column of labels, -1 where unknown, and where they are: [N] of a label, [N, T] of tags."""
        labels = self.labels[column] if self.task == "joint" else self.labels
        number = COMMANDS[self.task].columns.index(column)
        if column == "label":
            return labels.indices(classes.names(records, number)), np.ones(len(records), bool)
        rows = [labels.indices(tags)[: self.max_length] for tags in classes.tags(records, number)]
        ids = np.full((len(rows), self.max_length), -1, np.int32)
        for into, row in zip(ids, rows, strict=True):
            into[: len(row)] = row
        return ids, np.arange(self.max_length) < np.array([len(row) for row in rows])[:, None]

    def held_out(self):
        """Records that the model has not learnt from."""
        return readers.json_lines(self.folder / training.HELD_OUT, COMMANDS[self.task].columns)


def _ranked(labels, probabilities):
    """A dict a row of label -> probability, the likeliest first."""
    return [{labels.names[i]: float(row[i]) for i in np.argsort(-row)} for row in probabilities]


class Tagged(NamedTuple):
    """What a tagger says of a text.

    Args:
        words: list of (word, tag, probability), of the words that are not cut.
        spans: list of (type, words), where the tags are of spans: O, B-type, I-type.
        label: dict of label -> probability, the likeliest first, of a joint tagger; None of another.
    """

    words: list
    spans: list
    label: dict | None

    @classmethod
    def of(cls, words, probabilities, label, labels):
        """From words, probabilities [T, C] of their tags, and the label; `labels` are the tags' names."""
        tags = [labels.names[row.argmax()] for row in probabilities[: len(words)]]
        rows = [(word, tag, float(row.max())) for word, tag, row in zip(words, tags, probabilities, strict=False)]
        found = spans(tags) if in_bio(labels.names) else []
        return cls(rows, [(type_, words[start:end]) for type_, start, end in found], label)


def compared(outputs, references):
    """The model's own outputs compared with the references, in the task's metrics."""
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
    task = COMMANDS[settings["task"]]
    tokenizers = {role: pipelines.load_tokenizer(folder / "tokenizers" / role) for role in task.roles}
    labels = load_labels(folder, task.labels)
    model = load_model(folder / integrity.MODEL)
    if integrity.identity(folder) != before:
        raise ValueError(f"Expected a run that stays while it is read. Received: {folder}, just replaced; try again")
    run = Run(folder, settings, model, tokenizers, labels)
    expect_fitting(run)
    return run


def load_labels(folder, columns):
    """What `training.save_labels` wrote: Labels, a dict of them where several columns hold labels, or None."""
    if len(columns) > 1:
        return {column: pipelines.Labels.load(folder / "labels" / column) for column in columns}
    return pipelines.Labels.load(folder) if columns else None


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
    sizes |= training.label_sizes(run.labels)
    if run.task == "translate":
        sizes["target_vocab_size"] = run.tokenizers["target"].vocab_size
    for name, size in sizes.items():
        had = config.get(name)
        if had is not None and had != size:
            raise ValueError(
                f"Expected parts of one run. Received: {run.folder}, whose model has {name}={had} where its tokenizer "
                f"or labels have {size}"
            )
