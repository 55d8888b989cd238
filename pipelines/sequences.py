"""Tasks over sequences too long for one example: windows of series, chunks of documents."""

import numpy as np
import tensorflow as tf

from seqkeras.pipelines.columns import ids, tokenizer_for, windows
from seqkeras.pipelines.prepare import Data
from seqkeras.pipelines.splits import splits
from seqkeras.tokens import END, PAD, START


def forecasting(
    train=None, validation=None, test=None, window=96, horizon=24, stride=1, batch_size=32, shuffle=True, seed=0
):
    """Series -> (values [B, window, D], next [B, horizon, D]), an example for each place a window fits.

    All variables are scaled to mean 0 and deviation 1 of the training series; `data.report["train"]` holds "mean" and
    "deviation". A window lies within one split: to forecast the first values of `validation`, let it begin with the
    last `window` rows of the training series.

    Args:
        train, validation, test: a series [T, D] or [T], or a list of them. Without `train` nothing is scaled.
        window, horizon: values seen, values to say.
        stride: steps from one window to the next.
        batch_size: examples a batch.
        shuffle: whether the training examples come in another order each epoch; seeded by `seed`.

    Raises:
        ValueError: no series long enough for one window; numbers that are not finite; series of different widths.
    """
    for name, value in {"window": window, "horizon": horizon, "stride": stride, "batch_size": batch_size}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected a positive whole number. Received: {name}={value!r}")
    given = {"train": train, "validation": validation, "test": test}
    given = {split: _series(series, split) for split, series in given.items() if series is not None}
    if len({series.shape[1] for all_series in given.values() for series in all_series}) != 1:
        raise ValueError("Expected series of one width. Received: none, or of several widths")
    data = Data()
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
            raise ValueError(f"Expected a series of {window + horizon} rows or more in {split}. Received: none")
        data.report[split] = {"windows": len(starts), "series": len(all_series), "too short": short}
        data.steps[split] = -(-len(starts) // batch_size)
        dataset = _windows(values, starts, window, horizon, batch_size, seed if shuffle and split == "train" else None)
        setattr(data, split, dataset)
    if "train" in given:
        data.report["train"] |= {"mean": mean.tolist(), "deviation": deviation.tolist()}
    return data


def _windows(values, starts, window, horizon, batch_size, seed):
    """Batches of windows, cut out as they are needed; in another order each epoch unless `seed` is None."""
    values = tf.constant(values)

    def cut(start):
        rows = tf.gather(values, start[:, None] + tf.range(window + horizon, dtype=tf.int64))
        return rows[:, :window], rows[:, window:]

    dataset = tf.data.Dataset.from_tensor_slices(starts.astype("int64"))
    if seed is not None:
        dataset = dataset.shuffle(len(starts), seed)
    return dataset.batch(batch_size).map(cut, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _series(given, split):
    given = given if isinstance(given, (list, tuple)) and np.ndim(given[0]) > 0 else [given]
    checked = []
    for number, one in enumerate(given, 1):
        array = np.asarray(one, "float64")
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or not np.isfinite(array).all():
            raise ValueError(
                f"Expected finite numbers [T, D] or [T]. Received: shape {array.shape} in series {number} of {split}"
                + ("" if np.isfinite(array).all() else ", not all of them finite")
            )
        checked.append(array)
    return checked


def documents(
    train=None,
    validation=None,
    test=None,
    tokenizer="characters",
    vocab_size=None,
    length=64,
    batch_size=16,
    **options,
):
    """(text,) -> (ids [B, T], next [B, T], weight [B, T]) in order: row b of a batch goes on in row b of the next.

    What `Truncated` trains on: texts stand one behind the other in `batch_size` rows, each beginning with START at
    the beginning of a chunk of `length` steps. A text longer than a row is cut into texts of a row each. A row that
    is done before the others is all padding.

    Args:
        tokenizer, vocab_size: as of `language_model`.
        length: T, steps of a chunk.
        batch_size: B, rows.
        **options: `seed`, of the split.
    """
    for name, value in {"length": length, "batch_size": batch_size}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected a positive whole number. Received: {name}={value!r}")
    records = splits(train, validation, test, ("text",), lambda row: row[0], None, **options)
    tokenizer = tokenizer_for(records, 0, tokenizer, vocab_size)
    data = Data(tokenizers={"text": tokenizer})
    for split, texts in records.items():
        whole = windows(texts, ids(texts, 0, tokenizer), None)
        rows, parts = _rows([row[0] for row in whole.rows], length, batch_size)
        data.records[split] = whole
        data.report[split] = {"texts": len(whole), "parts": parts, "skipped": dict(whole.skipped)}
        data.steps[split] = rows.shape[1] // (length + 1)
        chunks = rows.reshape(batch_size, -1, length + 1).transpose(1, 0, 2)  # one id of each is the next one's first
        now, following = chunks[..., :-1], chunks[..., 1:]
        now = np.where(now == END, PAD, now)
        weight = (following != PAD).astype("float32")
        data.report[split]["padding"] = float(1 - weight.mean())
        setattr(data, split, tf.data.Dataset.from_tensor_slices((now, following, weight)))
    return data


def _rows(texts, length, batch_size):
    """Texts (START, ids, END) -> ([B, chunks * (length + 1)] with each chunk's first id repeated, number of parts)."""
    share = -(-sum(len(text) - 1 for text in texts) // (batch_size * length)) * length  # steps of a full row
    parts = []
    for text in texts:
        for begin in range(0, len(text) - 1, share):
            part = list(text[begin : begin + share + 1])
            parts.append([START, *part[1:]])
    rows = [[] for _ in range(batch_size)]
    for part in sorted(parts, key=len, reverse=True):
        row = min(rows, key=len)
        for begin in range(0, len(part) - 1, length):
            chunk = part[begin : begin + length + 1]
            row += chunk + [PAD] * (length + 1 - len(chunk))
    longest = max(map(len, rows))
    return np.array([row + [PAD] * (longest - len(row)) for row in rows], "int32"), len(parts)
