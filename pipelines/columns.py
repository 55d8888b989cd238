"""Columns of records as tensors: texts as ragged ids, rows of numbers."""

import numpy as np
import tensorflow as tf

from seqkeras.arguments import whole
from seqkeras.pipelines.tokenizers import train_tokenizer
from seqkeras.pipelines.values import steps
from seqkeras.pipelines.vocabulary import Tokenizer, unicode_text
from seqkeras.pipelines.words import WordCharacters, Words
from seqkeras.tokens import END, PAD, START


def texts(records, column):
    """A column of texts.

    Raises:
        ValueError: a value that is no text, or one that UTF-8 cannot hold; names its place.
    """
    values = records.column(column)
    for index, value in enumerate(values):
        try:
            unicode_text(value)
        except ValueError as error:
            raise ValueError(f"{error} in {records.places[index]}, column {column}") from None
    return values


def tokenizer_for(records, column, tokenizer, vocab_size, **options):
    """The tokenizer given, or one of that name trained on a column of the training records."""
    if isinstance(tokenizer, Tokenizer):
        if vocab_size is not None:
            raise ValueError(f"Expected a size for a tokenizer to be trained only. Received: vocab_size={vocab_size}")
        return tokenizer
    if "train" not in records:
        raise ValueError(f"Expected a trained tokenizer where there are no training records. Received: {tokenizer!r}")
    return train_tokenizer(tokenizer, texts(records["train"], column), vocab_size, **options)


def characters_for(records, column, characters, words):
    """dict of role -> WordCharacters: the one given, or one trained on a column of the training records; or empty.

    Args:
        characters: WordCharacters, or how many characters of a word are seen, or None.
        words: the tokenizer of the words.
    """
    if characters is None:
        return {}
    if not isinstance(words, Words):
        raise ValueError(f"Expected a Words tokenizer with characters. Received: {type(words).__name__}")
    if isinstance(characters, WordCharacters):
        if characters.punctuation != words.punctuation:
            raise ValueError(
                f"Expected WordCharacters with the punctuation of the words, {words.punctuation!r}. "
                f"Received: punctuation={characters.punctuation!r}"
            )
        return {"characters": characters}
    whole(characters=characters)
    if "train" not in records:
        raise ValueError(f"Expected WordCharacters where there are no training records. Received: {characters=}")
    options = {"word_length": characters, "punctuation": words.punctuation}
    return {"characters": WordCharacters.train(texts(records["train"], column), **options)}


def ids(records, column, tokenizer):
    """A column of texts as ids, ragged [N, None]: a batch of lines at a time, inside tf.data."""
    batches = tf.data.Dataset.from_tensor_slices(texts(records, column)).batch(1000)
    encoded = batches.map(tokenizer.encode_batch, num_parallel_calls=tf.data.AUTOTUNE)
    return tf.concat(list(encoded), axis=0).with_row_splits_dtype(tf.int64)


def read_ids(records, column, tokenizers):
    """What a reading model reads of a column of texts: "text", ragged [N, None], and "characters" [N, None, C]."""
    found = {role: ids(records, column, tokenizer) for role, tokenizer in tokenizers.items()}
    if "characters" in found:
        rows = found["characters"]
        dense = rows.values.to_tensor(shape=[None, tokenizers["characters"].word_length])
        found["characters"] = tf.RaggedTensor.from_row_splits(dense, rows.row_splits)
    return found


def check_counts(records, **columns):
    """Raises ValueError with its place for a record whose columns do not have as many of each."""
    counts = {name: column.row_lengths().numpy() for name, column in columns.items()}
    first = next(iter(counts.values()))
    for index in np.flatnonzero(np.any([first != other for other in counts.values()], axis=0)):
        received = ", ".join(f"{of_all[index]} {name}" for name, of_all in counts.items())
        raise ValueError(f"Expected as many {' as '.join(counts)}. Received: {received} in {records.places[index]}")


def ended(column):
    """END after each row of a ragged column of ids."""
    values = np.insert(column.values.numpy(), column.row_splits[1:].numpy(), END)
    return tf.RaggedTensor.from_row_splits(values, column.row_splits + tf.range(column.nrows() + 1))


def windows(column, max_length):
    """A ragged column of ids cut into windows of `max_length` steps, none left out; not copied.

    Returns: the windows, ragged, and the id before each, int [N], which is START where a row begins.
    """
    values, splits = column.values.numpy(), column.row_splits.numpy()
    counts = -(-np.diff(splits) // max_length)
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)  # 0, 1, … in each row
    starts = np.repeat(splits[:-1], counts) + numbers * max_length
    before = np.where(numbers == 0, START, values[starts - 1])
    return tf.RaggedTensor.from_row_splits(column.values, np.append(starts, splits[-1])), before.astype(np.int32)


def numbers(records, column, width=None):
    """A column of [T, D] or [T] numbers as float32, ragged [N, None, D].

    Args:
        width: D, where another split has set it.

    Raises:
        ValueError: what is not a table of finite numbers, or of another width; names its place.
    """
    rows = []
    for index, value in enumerate(records.column(column)):
        try:
            rows.append(steps(value, np.float32))
        except ValueError as error:
            raise ValueError(f"{error} in {records.places[index]}") from None
        width = rows[0].shape[1] if width is None else width
        if rows[-1].shape[1] != width:
            raise ValueError(
                f"Expected numbers [T, {width}]. Received: shape {rows[-1].shape} in {records.places[index]}"
            )
    return ragged(rows, np.float32)


def ragged(rows, dtype):
    """Rows of different lengths as one RaggedTensor."""
    rows = [np.asarray(row, dtype) for row in rows]
    return tf.RaggedTensor.from_row_lengths(np.concatenate(rows), [len(row) for row in rows])


def lengths_of(columns):
    """dict of name -> lengths, one a row, of the columns that are ragged."""
    return {
        name: column.row_lengths().numpy() for name, column in columns.items() if isinstance(column, tf.RaggedTensor)
    }


def shifted(next_, before=START):
    """What a model is fed while it learns to say `next`: `before`, then each id but the last. [B, T] -> [B, T]

    Args:
        before: an id, or an id per row [B].
    """
    before = tf.broadcast_to(tf.reshape(before, [-1, 1]), [tf.shape(next_)[0], 1])
    return tf.concat([before, tf.where(next_ == END, PAD, next_)[:, :-1]], axis=1)


def weight_of(ids):
    """1 where an id is real, 0 where it is padding."""
    return tf.cast(ids != PAD, tf.float32)
