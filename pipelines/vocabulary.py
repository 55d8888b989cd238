"""What all tokenizers share: their surface, and a table of pieces and ids."""

import os
import re
from collections import Counter
from numbers import Integral, Number
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf

from seqkeras.arguments import listed, whole
from seqkeras.pipelines.files import write_json
from seqkeras.tokens import END, PAD, START, UNKNOWN

SPECIAL = 4  # ids below this are PAD, START, END, UNKNOWN
LARGEST = 1_000_000  # ids of a vocabulary whose size is chosen
REPLACEMENT = "\ufffd"  # what UNKNOWN decodes to
_SURROGATE = re.compile("[\ud800-\udfff]")


def unicode_text(value):
    """The value, where it is text that UTF-8 can hold.

    Raises:
        ValueError: what it is instead.
    """
    if not isinstance(value, str):
        raise ValueError(f"Expected text. Received: {type(value).__name__}")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("Expected Unicode text. Received: half a surrogate pair")
    return value


def unicode_texts(texts):
    """The texts of a list, one after the other, each as `unicode_text` has it."""
    listed("a list of texts", texts=texts)
    return map(unicode_text, texts)


def check_size(vocab_size):
    """Raises ValueError for what is no size of a vocabulary, before anything is made of it."""
    if not isinstance(vocab_size, Integral) or isinstance(vocab_size, bool) or not SPECIAL < vocab_size <= LARGEST:
        raise ValueError(f"Expected a whole number from {SPECIAL + 1} to {LARGEST}. Received: {vocab_size=!r}")


def _made(kind, settings):
    return kind(**settings)


class Tokenizer(tf.Module):
    """The surface every tokenizer has. A tf.Module, so that a SavedModel which holds one keeps its tables.

    A subclass gives `train`, `vocab_size`, `settings`, and for one text or one row of real ids `_encode`, `_decode`,
    for many as graph operations `_encode_batch`, `_decode_batch`.
    """

    def encode(self, texts: Any) -> Any:
        """A text to its ids, a list of texts to a list of them; no START or END; an unknown piece is UNKNOWN."""
        if isinstance(texts, str):
            return self._encode(unicode_text(texts))
        return [self._encode(text) for text in unicode_texts(texts)]

    def decode(self, ids: Any) -> Any:
        """Ids to their text, rows of ids to a list of texts; PAD and START are dropped, END ends a text."""
        listed("ids, or rows of ids", ids=ids)
        array = np.asarray(ids) if hasattr(ids, "__array__") else None
        ids = list(ids) if array is None else array.tolist()
        if array.ndim > 1 if array is not None else ids and not isinstance(ids[0], Number):
            return [self.decode(row) for row in ids]
        ids = ids[: ids.index(END)] if END in ids else ids
        for place, one in enumerate(ids):
            if not isinstance(one, Integral) or isinstance(one, bool) or not 0 <= int(one) < self.vocab_size:
                raise ValueError(
                    f"Expected ids from 0 to {self.vocab_size - 1}. Received: {one!r:.60} at place {place}"
                )
        return self._decode([one for one in ids if one not in (PAD, START)])

    def encode_batch(self, texts: Any) -> tf.RaggedTensor:
        """`encode` as graph operations: string [B] -> int32 [B, None], ragged; of WordCharacters [B, None, None]."""
        try:
            texts = tf.convert_to_tensor(texts)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected texts [B]. Received: {texts!r:.80} ({error})") from None
        if texts.shape == [0]:  # without a text there is none to tell the type by
            texts = tf.zeros([0], tf.string)
        if texts.shape.rank not in (None, 1) or texts.dtype != tf.string:
            raise ValueError(f"Expected texts [B]. Received: {texts.dtype.name} {texts.shape}")
        return self._encode_batch(texts)

    def decode_batch(self, ids: Any) -> tf.Tensor:
        """`decode` as graph operations: whole numbers [B, T], ragged or not -> string [B]."""
        try:
            ids = ids.to_tensor() if isinstance(ids, tf.RaggedTensor) else tf.convert_to_tensor(ids)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected rows of ids [B, T]. Received: {ids!r:.80} ({error})") from None
        if ids.shape.rank not in (None, 2) or not ids.dtype.is_integer:
            raise ValueError(f"Expected rows of ids [B, T]. Received: {ids.dtype.name} {ids.shape}")
        ended = tf.cumsum(tf.cast(ids == END, tf.int32), axis=1) > 0
        return self._decode_batch(tf.ragged.boolean_mask(ids, (ids != PAD) & (ids != START) & ~ended))

    def __reduce__(self):
        """Copies and pickles hold the settings; tables of TensorFlow are made anew."""
        return _made, (type(self), self.settings())

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes what `load` reads: tokenizer.json, last and in one piece."""
        write_json(Path(folder) / "tokenizer.json", {"tokenizer": type(self).__name__, **self.settings()})


class Vocabulary(tf.Module):
    """Pieces of text and their ids 4, 5, 6, …, in Python and as graph operations."""

    def __init__(self, pieces):
        super().__init__()
        if not isinstance(pieces, (list, tuple)) or not all(isinstance(piece, str) for piece in pieces):
            raise ValueError(f"Expected a list of str. Received: vocabulary of type {type(pieces).__name__}")
        self.pieces = tuple(pieces)
        if not self.pieces or len(set(self.pieces)) != len(self.pieces):
            raise ValueError(f"Expected distinct pieces, at least one. Received: {len(self.pieces)} pieces")
        self.size = len(self.pieces) + SPECIAL
        self.ids = MappingProxyType(dict(zip(self.pieces, range(SPECIAL, self.size), strict=True)))
        self.keys = tf.constant(["", "", "", REPLACEMENT, *self.pieces])

    def __reduce__(self):
        return Vocabulary, (list(self.pieces),)

    def table(self, keys):
        """A table of what stands for each piece in a graph, to the piece's id."""
        ids = tf.range(SPECIAL, self.size, dtype=tf.int32)
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), UNKNOWN)

    @classmethod
    def count(cls, pieces, vocab_size, min_count):
        """The most frequent pieces first, equally frequent ones in order of their text."""
        whole(min_count=min_count)
        if vocab_size is not None:
            check_size(vocab_size)
        counted = sorted(Counter(pieces).items(), key=lambda item: (-item[1], item[0]))
        kept = [piece for piece, count in counted if count >= min_count]
        if not kept:
            raise ValueError(
                f"Expected texts in which at least one piece occurs {min_count} times or more. Received: "
                f"{len(counted)} different pieces; give texts that are not blank, or lower `min_count`"
            )
        return cls(kept if vocab_size is None else kept[: vocab_size - SPECIAL])

    def encode(self, pieces):
        return [self.ids.get(piece, UNKNOWN) for piece in pieces]

    def decode(self, ids, separator=""):
        return separator.join(REPLACEMENT if one == UNKNOWN else self.pieces[one - SPECIAL] for one in ids)

    def decode_batch(self, ids, separator=""):
        return tf.strings.reduce_join(tf.gather(self.keys, ids), axis=-1, separator=separator)
