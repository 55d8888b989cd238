"""Tasks over sequences that may be too long for one example: texts and series in windows, documents in chunks."""

import warnings
from operator import itemgetter
from typing import Any

import numpy as np
import tensorflow as tf

from seqkeras.arguments import switch, whole, whole_or_none
from seqkeras.pipelines.batching import order
from seqkeras.pipelines.columns import ids, shifted, tokenizer_for, weight_of, windows
from seqkeras.pipelines.prepare import Data, described, fitted, prepare, task
from seqkeras.pipelines.records import Source
from seqkeras.pipelines.scaling import Scale, unscaled
from seqkeras.pipelines.splits import splits
from seqkeras.pipelines.values import columns as names_of
from seqkeras.pipelines.values import steps
from seqkeras.pipelines.vocabulary import Tokenizer
from seqkeras.tokens import PAD, START


@task
def language_model(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "characters",
    vocab_size: int | None = None,
    max_length: int | None = None,
    **options: Any,
) -> Data:
    """(text,) -> (ids [B, T], next [B, T], weight [B, T]).

    Args:
        max_length: a text of more steps, END counted, is cut into windows of so many, none left out; the report counts
            texts and windows. Nothing is left to `truncate`. In validation and test the windows of a text follow each
            other, and the texts keep the order of the file.

    The other arguments are those of `classification`.

    Returns: `Data`.
    """
    whole_or_none(max_length=max_length)
    if options.get("truncate"):
        raise ValueError(
            f"Expected no truncate, as long texts are cut into windows. Received: truncate={options['truncate']!r}"
        )
    records = splits(train, validation, test, ("text",), itemgetter(0), None, options.get("seed", 0))
    tokenizer = tokenizer_for(records, 0, tokenizer, vocab_size)

    def encode(records):
        return {"text": ids(records, 0, tokenizer)}

    def cut(columns):
        text = columns["text"]
        text, before = windows(text, max_length or text.bounding_shape()[1].numpy())
        return {"text": text, "before": before}

    def assemble(batch):
        text = batch["text"]
        return shifted(text, batch["before"]), text, weight_of(text)

    return prepare(records, itemgetter(0), encode, assemble, ("text",), {"text": tokenizer}, cut=cut, **options)


def forecasting(
    train: Any = None,
    validation: Any = None,
    test: Any = None,
    window: int = 96,
    horizon: int = 24,
    stride: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
) -> Data:
    """Series -> (values [B, window, D], next [B, horizon, D]), an example for each place a window fits.

    All variables are scaled to mean 0 and deviation 1 of the training series, those that do not vary there to mean 0
    alone; `data.report["train"]` holds "mean" and "deviation", the names of the "variables" where the series has
    them, and which are "constant" or have a value "far out". A window lies within one split: to forecast the first
    values of `validation`, let it begin with the last `window` rows of the training series. The windows of validation
    and test come in the order of time.

    Args:
        train, validation, test: a series [T, D] or [T]: an array, a list of numbers or of rows of numbers, a `Series`
            of `readers.series`, a DataFrame of numeric columns. Or a list of several of these, arrays or lists of
            rows; a list of arrays [D] too short for a window each is one series of rows. Without `train` nothing is
            scaled.
        window, horizon: values seen, values to say.
        stride: steps from one window to the next.
        batch_size: examples per batch.
        shuffle: whether the training examples come in another order each epoch; seeded by `seed`.

    Returns: `Data`.

    Raises:
        ValueError: no series long enough for one window; what is no number, is masked, not finite or so far out that
            nothing can be learnt next to it, such as a fill value of 1e20; series of different widths or variables.
    """
    whole(window=window, horizon=horizon, stride=stride, batch_size=batch_size)
    whole(0, seed=seed)
    switch(shuffle=shuffle)
    given = {"train": train, "validation": validation, "test": test}
    given = {split: _listed(series, window + horizon) for split, series in given.items() if series is not None}
    names = _variables(given)
    given = {split: _checked(series, split) for split, series in given.items()}
    widths = {split: sorted({series.shape[1] for series in all_series}) for split, all_series in given.items()}
    if not given or len(set().union(*widths.values())) != 1:
        raise ValueError(f"Expected series of one width. Received: widths={widths}")
    data = Data(lengths={"values": window})
    scale: Any = Scale(given["train"], names) if "train" in given else unscaled
    for split, all_series in given.items():
        values = scale(all_series, split)
        starts, short = _starts(all_series, window + horizon, stride, split)
        data.report[split] = {"windows": len(starts), "series": len(all_series), "too short": short}
        data.steps[split] = -(-len(starts) // batch_size)
        dataset = _windows(values, starts, window, horizon, batch_size, seed if shuffle and split == "train" else None)
        setattr(data, split, dataset)
    if "train" in given:
        data.report["train"] |= scale.report()
        _warn_of_far(scale.far)
    return data


def _warn_of_far(far):
    if far:
        warnings.warn(
            f"Values far from the others of their variable: {far}. Where they stand for missing ones, fill "
            "them in or leave their rows out",
            stacklevel=3,
        )


def _starts(all_series, rows, stride, split):
    """(where in the series, one after the other, an example of so many rows begins; how many series are too short)"""
    starts, first = [], 0
    for series in all_series:
        starts.append(np.arange(first, first + len(series) - rows + 1, stride))
        first += len(series)
    short = sum(len(one) == 0 for one in starts)
    starts = np.concatenate(starts)
    if not len(starts):
        raise ValueError(
            f"Expected a series of {rows} rows or more in {split}. Received: series={len(all_series)}, "
            f"the longest of {max(map(len, all_series))} rows; lower `window` or `horizon`"
        )
    return starts, short


def _windows(values, starts, window, horizon, batch_size, seed):
    """Batches of windows, cut out as they are needed; in another order each epoch unless `seed` is None."""
    values, starts = tf.constant(values), tf.constant(starts, tf.int64)

    def cut(numbers):
        rows = tf.gather(values, tf.gather(starts, numbers)[:, None] + tf.range(window + horizon, dtype=tf.int64))
        return rows[:, :window], rows[:, window:]

    numbers = order(len(starts), seed).batch(batch_size)
    return numbers.map(cut, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _listed(given, length):
    """The series given, as a list.

    Args:
        length: steps of a window and its horizon, to tell rows from series.
    """
    if not isinstance(given, (list, tuple)) or not all(map(_is_series, given)):
        return [given]
    sizes = {np.shape(one)[0] if np.ndim(one) == 1 else None for one in given if not isinstance(one, (list, tuple))}
    if len(sizes) == 1 and None not in sizes and sizes.pop() < length <= len(given):
        return [list(given)]  # rows of one series
    return list(given)


def _is_series(one):
    """Whether it is an array, or a list of rows of numbers."""
    if isinstance(one, (list, tuple)):
        return bool(one) and all(isinstance(row, (list, tuple)) or np.ndim(row) == 1 for row in one)
    return hasattr(one, "__array__") and np.ndim(one) > 0


def _variables(given):
    """The names of the variables, the same in all series that have names.

    Args:
        given: dict of split -> list of series.
    """
    found = {names_of(one): split for split, many in given.items() for one in many}
    named = [names for names in found if names]
    if len(named) > 1:
        raise ValueError(
            f"Expected the same variables in every series. Received: {named[0]} in {found[named[0]]} and {named[1]} in "
            f"{found[named[1]]}"
        )
    return named[0] if named else ()


def _checked(series, split):
    """A list of series as arrays [T, D], one at least."""
    if not series:
        raise ValueError(f"Expected one series or more. Received: {split}=[]")
    checked = []
    for number, one in enumerate(series, 1):
        try:
            checked.append(steps(one, "float64"))
        except ValueError as error:
            raise ValueError(f"{error} in series {number} of {split}") from None
    return checked


def documents(
    train: Source = None,
    validation: Source = None,
    test: Source = None,
    tokenizer: str | Tokenizer = "characters",
    vocab_size: int | None = None,
    length: int = 64,
    batch_size: int = 16,
    seed: int = 0,
) -> Data:
    """(text,) -> (ids [B, T], next [B, T], weight [B, T]) in order: row b of a batch goes on in row b of the next.

    What `TruncatedBPTT` trains on: texts stand one after the other in `batch_size` rows, each beginning with START at
    the beginning of a chunk of `length` steps. A text longer than a row is cut into texts of a row each. A row that
    is done before the others is all padding. A batch therefore holds pieces of `batch_size` different texts, in every
    split: what is predicted stands in the order of these rows, not in the order of the file.

    Args:
        tokenizer, vocab_size: as of `language_model`.
        length: T, steps of a chunk.
        batch_size: B, rows.
        seed: of the choice of what a share splits off.

    Returns: `Data`.
    """
    whole(length=length, batch_size=batch_size)
    records = splits(train, validation, test, ("text",), lambda row: row[0], None, seed)
    tokenizer = tokenizer_for(records, 0, tokenizer, vocab_size)
    data = Data(tokenizers={"text": tokenizer}, lengths={"text": length})
    for split, texts in records.items():
        data.records[split], columns, data.report[split] = fitted(texts, {"text": ids(texts, 0, tokenizer)}, ("text",))
        data.report[split] |= described(data.records[split], columns, ("text",))
        now, following, parts = _rows(columns["text"], length, batch_size)
        weight = (following != PAD).astype("float32")
        data.steps[split] = len(now)
        data.report[split] |= {"parts": parts, "padding": float(1 - weight.mean())}
        setattr(data, split, tf.data.Dataset.from_tensor_slices((now, following, weight)))
    return data


def _rows(texts, length, batch_size):
    """Texts of ids and END, ragged -> ids [chunks, B, length], what follows each, and the number of parts."""
    share = -(-len(texts.values) // (batch_size * length)) * length  # steps of a full row
    parts, _ = windows(texts, share)
    values, splits = parts.values.numpy(), parts.row_splits.numpy()
    steps = np.diff(splits)
    filled, begins = [0] * batch_size, {}
    for part in np.argsort(-steps, kind="stable"):
        row = min(range(batch_size), key=filled.__getitem__)
        begins[part] = row, filled[row]
        filled[row] += -(-int(steps[part]) // length) * length
    now = np.full([batch_size, max(filled)], PAD, "int32")
    following = now.copy()
    for part, (row, begin) in begins.items():
        ids_ = values[splits[part] : splits[part + 1]]
        now[row, begin : begin + len(ids_)] = START, *ids_[:-1]
        following[row, begin : begin + len(ids_)] = ids_
    now, following = (one.reshape(batch_size, -1, length).transpose(1, 0, 2) for one in (now, following))
    return now, following, len(steps)
