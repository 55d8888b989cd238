"""One function a task: from records to batches exactly as that task's models eat them.

Every function takes `train`, `validation` and `test`: `Records` of a reader, or a list of tuples with the columns
that its first line shows. `validation` and `test` may also be shares of the records in `train` to split off, such as
0.1; records of the same text stay together. `**options` say how examples become batches, the same for every task; they
are told at `classification`. Every function returns `Data`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from seqkeras.pipelines.classes import LabelColumn
from seqkeras.pipelines.columns import (
    characters_for,
    check_counts,
    ids,
    numbers,
    ragged,
    read_ids,
    shifted,
    tokenizer_for,
    weight_of,
)
from seqkeras.pipelines.labels import Labels
from seqkeras.pipelines.prepare import Data, prepare, task
from seqkeras.pipelines.records import Source
from seqkeras.pipelines.splits import splits
from seqkeras.pipelines.vocabulary import Tokenizer
from seqkeras.pipelines.words import WordCharacters

SIDES = ("source", "target")
ANSWERS = ("tags", "label")


@task
def classification(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "words",
    vocab_size: int | None = None,
    labels: Labels | Iterable[str] | None = None,
    characters: WordCharacters | int | None = None,
    **options: Any,
) -> Data:
    """(text, label) -> (ids [B, T], label [B]).

    Args:
        tokenizer: a Tokenizer, or "characters", "bytes", "words", "unigram" or "bpe" to train one on `train`.
        vocab_size: at most so many ids, for a tokenizer to be trained.
        labels: Labels, or a list of the names of the classes, which may be more than `train` has; None takes those in
            `train`. A label of validation or test that is none of them becomes -1: it counts as answered wrongly, and
            the report lists it under "unknown labels". In `train` it is an error.
        characters: with a tokenizer of words, how many characters of each are seen besides its id, or the
            WordCharacters trained before; then, for ids, `{"ids": [B, T], "characters": [B, T, characters]}`.
        batch_size: examples per batch; 32 when neither this nor `tokens_per_batch` is given.
        tokens_per_batch: instead, at most so many tokens a batch, padding and both sides counted.
        max_length: examples with a longer row (END counted) are skipped, or cut when `truncate` is true.
        num_buckets: at most so many padded shapes. None chooses them by the lengths in `train`: up to 24, or with
            `fixed_shapes` as few as leave a third of padding, up to 8. A few examples much longer than the others have
            a shape of their own.
        shuffle: whether the training examples come in another order each epoch; False keeps the order of the file (with
            `fixed_shapes`: among the examples of one shape).
        seed: of that order, and of the choice of what a share splits off.
        fixed_shapes: the batches of a shape all have as many training examples, so that there are no more shapes than
            buckets, as XLA and TPUs like it. What does not fill a batch, other examples each epoch when they are
            shuffled, is left out and counted; a shape made for fewer examples than a batch has one batch of them all.
            Validation and test keep theirs.

    Returns: `Data`: `train`, `validation`, `test` as batched datasets, tokenizers, labels, and a report of what became
        of each record. Validation and test keep the order of the file: row i of `model.predict(data.test)` answers
        `data.records["test"][i]`.
    """
    records = splits(train, validation, test, ("text", "label"), _first, _second, options.get("seed", 0))
    label = LabelColumn(labels, records, 1)
    tokenizers = {"text": tokenizer_for(records, 0, tokenizer, vocab_size)}
    tokenizers |= characters_for(records, 0, characters, tokenizers["text"])

    def encode(records):
        words = read_ids(records, 0, tokenizers)
        check_counts(records, **words)
        return {**words, "label": label.encode(records)}

    def assemble(batch):
        return _read(batch), batch["label"]

    return _cut(prepare(records, _first, encode, assemble, (), tokenizers, {"label": label}, **options))


@task
def generation(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "characters",
    vocab_size: int | None = None,
    labels: Labels | Iterable[str] | None = None,
    **options: Any,
) -> Data:
    """(label, text) -> ({"label" [B], "target" [B, T]}, next [B, T], weight [B, T]).

    Records of validation and test whose label is none of `labels` are skipped and counted, since the model is fed it.

    The other arguments are those of `classification`.

    Returns: `Data`.
    """
    records = splits(train, validation, test, ("label", "text"), _second, _first, options.get("seed", 0))
    label = LabelColumn(labels, records, 0)
    tokenizer = tokenizer_for(records, 1, tokenizer, vocab_size)

    def encode(records):
        return {"label": label.encode(records), "target": ids(records, 1, tokenizer)}

    def assemble(batch):
        target = batch["target"]
        return {"label": batch["label"], "target": shifted(target)}, target, weight_of(target)

    tokenizers = {"target": tokenizer}
    return prepare(records, _second, encode, assemble, ("target",), tokenizers, {"label": label}, True, **options)


@task
def translation(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer | dict[str, str | Tokenizer] = "unigram",
    vocab_size: int | dict[str, int] | None = None,
    **options: Any,
) -> Data:
    """(source, target) -> ({"source" [B, S], "target" [B, T]}, next [B, T], weight [B, T]).

    Args:
        tokenizer, vocab_size: one for both sides, or a dict with the keys "source" and "target". A name trains a
            tokenizer a side; an instance serves where it is given.

    The other arguments are those of `classification`.

    Returns: `Data`.
    """
    records = splits(train, validation, test, ("source", "target"), _first, None, options.get("seed", 0))
    wanted, sizes = _each(SIDES, tokenizer=tokenizer), _each(SIDES, vocab_size=vocab_size)
    tokenizers = {role: tokenizer_for(records, column, wanted[role], sizes[role]) for column, role in enumerate(SIDES)}

    def encode(records):
        return {
            "source": ids(records, 0, tokenizers["source"]),
            "target": ids(records, 1, tokenizers["target"]),
        }

    def assemble(batch):
        target = batch["target"]
        return {"source": batch["source"], "target": shifted(target)}, target, weight_of(target)

    return prepare(records, _first, encode, assemble, ("source", "target"), tokenizers, **options)


@task
def tagging(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "words",
    vocab_size: int | None = None,
    labels: Labels | Iterable[str] | None = None,
    characters: WordCharacters | int | None = None,
    **options: Any,
) -> Data:
    """(words, tags) -> (ids [B, T], tags [B, T], weight [B, T]); each a list, or a text with white space between them.

    A word of a list stays one word, whatever white space is in it: `data.records` holds texts that `words.join` makes,
    and `data.tokenizers["text"].words(text)` are the words as they were.

    There must be as many tags as the tokenizer makes ids; "words" trains one that leaves punctuation on its word.

    The other arguments are those of `classification`.

    Returns: `Data`.
    """
    records = splits(train, validation, test, ("words", "tags"), _first, None, options.get("seed", 0))
    tags = LabelColumn(labels, records, 1, many=True)
    tokenizers = _words(records, tokenizer, vocab_size, characters)

    def encode(records):
        return _tagged(records, tokenizers, tags)

    def assemble(batch):
        return _read(batch), batch["tags"], weight_of(batch["text"])

    return _cut(prepare(records, _first, encode, assemble, (), tokenizers, {"tags": tags}, **options))


@task
def joint_tagging(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "words",
    vocab_size: int | None = None,
    labels: dict[str, Labels | Iterable[str]] | None = None,
    characters: WordCharacters | int | None = None,
    **options: Any,
) -> Data:
    """(words, tags, label) -> (ids [B, T], `{"tags": [B, T], "label": [B]}`, weights of the same names and shapes).

    Args:
        labels: a dict with the keys "tags" and "label", each as of `classification`; None takes those in `train`.

    The other arguments, and what words and tags are, are those of `tagging`.

    Returns: `Data`, its labels a dict with "tags" and "label".
    """
    records = splits(train, validation, test, ("words", "tags", "label"), _first, None, options.get("seed", 0))
    labels = _each(ANSWERS, labels=labels)
    tags = LabelColumn(labels["tags"], records, 1, many=True)
    label = LabelColumn(labels["label"], records, 2)
    tokenizers = _words(records, tokenizer, vocab_size, characters)

    def encode(records):
        return {**_tagged(records, tokenizers, tags), "label": label.encode(records)}

    def assemble(batch):
        weight = {"tags": weight_of(batch["text"]), "label": tf.ones_like(batch["label"], tf.float32)}
        return _read(batch), {"tags": batch["tags"], "label": batch["label"]}, weight

    answers = {"tags": tags, "label": label}
    return _cut(prepare(records, _first, encode, assemble, (), tokenizers, answers, **options))


@task
def series(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    labels: Labels | Iterable[str] | None = None,
    **options: Any,
) -> Data:
    """(values, label) -> ({"values" [B, T, D], "length" [B]}, label [B]); a record's values are [T, D] or [T].

    The other arguments are those of `classification`.

    Returns: `Data`.
    """
    records = splits(train, validation, test, ("values", "label"), _numbers, _second, options.get("seed", 0))
    label = LabelColumn(labels, records, 1)
    width = numbers(next(iter(records.values())), 0).shape[-1]

    def encode(records):
        values = numbers(records, 0, width)
        return {"values": values, "length": values.row_lengths(), "label": label.encode(records)}

    def assemble(batch):
        length = tf.minimum(batch["length"], tf.shape(batch["values"], tf.int64)[1])  # where it was cut
        return {"values": batch["values"], "length": tf.cast(length, tf.int32)}, batch["label"]

    return prepare(records, _numbers, encode, assemble, (), {}, {"label": label}, **options)


def _first(row):
    return row[0]


def _second(row):
    return row[1]


def _numbers(row):
    """Values as something two records can be compared by."""
    return repr(np.asarray(row[0], object).tolist())


def _each(keys, **option):
    """An option as a dict with a value per key, given as one or as one for all."""
    ((name, value),) = option.items()
    if not isinstance(value, dict):
        return dict.fromkeys(keys, value)
    if value.keys() != set(keys):
        raise ValueError(f"Expected the keys {keys}. Received: {name}={value}")
    return value


def _words(records, tokenizer, vocab_size, characters):
    """The tokenizers of words that have tags; one that is trained leaves punctuation on its word."""
    kept = {"punctuation": "keep"} if tokenizer == "words" else {}
    words = tokenizer_for(records, 0, tokenizer, vocab_size, **kept)
    return {"text": words, **characters_for(records, 0, characters, words)}


def _tagged(records, tokenizers, labels):
    """Columns of words, and of the tags of each."""
    words = read_ids(records, 0, tokenizers)
    tags = ragged(labels.encode(records), np.int32)
    check_counts(records, ids=words["text"], tags=tags, **{name: words[name] for name in words.keys() - {"text"}})
    return {**words, "tags": tags}


def _read(batch):
    """What a reading model is given: ids alone, or with the characters of each word."""
    return {"ids": batch["text"], "characters": batch["characters"]} if "characters" in batch else batch["text"]


def _cut(data):
    """Data whose report says how many words are longer than what is seen of them."""
    if "characters" in data.tokenizers:
        for split, records in data.records.items():
            data.report[split]["words cut"] = data.tokenizers["characters"].cut(records.column(0))
    return data
