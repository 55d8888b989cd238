"""Tasks over sequences too long for one example: windows of series, chunks of documents."""

import numpy as np
import tensorflow as tf

from seqkeras.pipelines.arguments import switch, whole
from seqkeras.pipelines.batching import order
from seqkeras.pipelines.columns import ids, steps, tokenizer_for, windows
from seqkeras.pipelines.prepare import Data, described, fitted
from seqkeras.pipelines.splits import splits
from seqkeras.tokens import PAD, START


def forecasting(
    train=None, validation=None, test=None, window=96, horizon=24, stride=1, batch_size=32, shuffle=True, seed=0
):
    """Series -> (values [B, window, D], next [B, horizon, D]), an example for each place a window fits.

    All variables are scaled to mean 0 and deviation 1 of the training series; `data.report["train"]` holds "mean" and
    "deviation". A window lies within one split: to forecast the first values of `validation`, let it begin with the
    last `window` rows of the training series.

    Args:
        train, validation, test: a series [T, D] or [T], or a list of arrays, a series each; a list of lists of
            numbers is one series [T, D]. Without `train` nothing is scaled.
        window, horizon: values seen, values to say.
        stride: steps from one window to the next.
        batch_size: examples a batch.
        shuffle: whether the training examples come in another order each epoch; seeded by `seed`.

    Returns: `Data`.

    Raises:
        ValueError: no series long enough for one window; numbers that are not finite; series of different widths.
    """
    whole(window=window, horizon=horizon, stride=stride, batch_size=batch_size)
    whole(0, seed=seed)
    switch(shuffle=shuffle)
    given = {"train": train, "validation": validation, "test": test}
    given = {split: _series(series, split) for split, series in given.items() if series is not None}
    widths = {split: sorted({series.shape[1] for series in all_series}) for split, all_series in given.items()}
    if not given or len(set().union(*widths.values())) != 1:
        raise ValueError(f"Expected series of one width. Received: widths={widths}")
    data = Data(lengths={"values": window})
    mean, deviation = 0.0, 1.0
    if "train" in given:
        rows = np.concatenate(given["train"])
        mean, deviation = rows.mean(0), rows.std(0)
        deviation[deviation == 0] = 1
    for split, all_series in given.items():
        values = ((np.concatenate(all_series) - mean) / deviation).astype("float32")
        starts, first = [], 0
        for series in all_series:
            starts.append(np.arange(first, first + len(series) - window - horizon + 1, stride))
            first += len(series)
        short = sum(len(one) == 0 for one in starts)
        starts = np.concatenate(starts)
        if not len(starts):
            raise ValueError(
                f"Expected a series of {window + horizon} rows or more in {split}. Received: series={len(all_series)}, "
                f"the longest of {max(map(len, all_series))} rows; lower `window` or `horizon`"
            )
        data.report[split] = {"windows": len(starts), "series": len(all_series), "too short": short}
        data.steps[split] = -(-len(starts) // batch_size)
        dataset = _windows(values, starts, window, horizon, batch_size, seed if shuffle and split == "train" else None)
        setattr(data, split, dataset)
    if "train" in given:
        data.report["train"] |= {"mean": mean.tolist(), "deviation": deviation.tolist()}
    return data


def _windows(values, starts, window, horizon, batch_size, seed):
    """Batches of windows, cut out as they are needed; in another order each epoch unless `seed` is None."""
    values, starts = tf.constant(values), tf.constant(starts, tf.int64)

    def cut(numbers):
        rows = tf.gather(values, tf.gather(starts, numbers)[:, None] + tf.range(window + horizon, dtype=tf.int64))
        return rows[:, :window], rows[:, window:]

    numbers = order(len(starts), seed).batch(batch_size)
    return numbers.map(cut, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _series(given, split):
    """The series given, a list of arrays [T, D], one at least."""
    many = isinstance(given, (list, tuple)) and all(hasattr(one, "__array__") or _is_table(one) for one in given)
    given = given if many else [given]
    if not given:
        raise ValueError(f"Expected one series or more. Received: {split}=[]")
    checked = []
    for number, one in enumerate(given, 1):
        try:
            checked.append(steps(one, "float64"))
        except ValueError as error:
            raise ValueError(f"{error} in series {number} of {split}") from None
    return checked


def _is_table(one):
    """Whether it is a list of rows of numbers."""
    return isinstance(one, (list, tuple)) and all(isinstance(row, (list, tuple)) for row in one)


def documents(
    train=None,
    validation=None,
    test=None,
    tokenizer="characters",
    vocab_size=None,
    length=64,
    batch_size=16,
    seed=0,
):
    """(text,) -> (ids [B, T], next [B, T], weight [B, T]) in order: row b of a batch goes on in row b of the next.

    What `Truncated` trains on: texts stand one behind the other in `batch_size` rows, each beginning with START at
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
