"""Text to ids and back: in Python for people, as TensorFlow graph operations for tf.data and SavedModels."""

import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import tensorflow as tf

from seqkeras.pipelines.files import read_bytes, read_json
from seqkeras.pipelines.subwords import SentencePiece
from seqkeras.pipelines.vocabulary import REPLACEMENT, SPECIAL, Tokenizer, Vocabulary, unicode_texts
from seqkeras.pipelines.words import WordCharacters, Words
from seqkeras.tokens import UNKNOWN


class Characters(Tokenizer):
    """An id a Unicode code point. `decode(encode(text)) == text` for text of characters seen in training."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary = Vocabulary(vocabulary)
        if any(len(piece) != 1 for piece in self.vocabulary.pieces):
            raise ValueError(f"Expected characters. Received: the longest has {max(map(len, vocabulary))} of them")
        self._codes = self.vocabulary.table(tf.constant([ord(one) for one in self.vocabulary.pieces], tf.int32))

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int | None = None, min_count: int = 1) -> "Characters":
        """Takes every character, or the most frequent that fit into `vocab_size`, seen `min_count` times."""
        return cls(Vocabulary.count(chain.from_iterable(unicode_texts(texts)), vocab_size, min_count).pieces)

    @property
    def vocab_size(self):
        """Number of ids, the four special ones included."""
        return self.vocabulary.size

    def settings(self):
        return {"vocabulary": list(self.vocabulary.pieces)}

    def _encode_batch(self, texts):
        return self._codes.lookup(tf.strings.unicode_decode(texts, "UTF-8"))

    def _encode(self, text):
        return self.vocabulary.encode(text)

    def _decode(self, ids):
        return self.vocabulary.decode(ids)

    def _decode_batch(self, ids):
        return self.vocabulary.decode_batch(ids)


class Bytes(Tokenizer):
    """An id a byte of UTF-8. `decode(encode(text)) == text` for every text; what is not UTF-8 becomes U+FFFD."""

    vocab_size = 256 + SPECIAL

    def __init__(self):
        super().__init__()
        bytes_ = [bytes([one]) for one in range(256)]
        self._keys = tf.constant([b"", b"", b"", REPLACEMENT.encode(), *bytes_])

    @classmethod
    def train(cls, texts: Iterable[str] = (), vocab_size: int | None = None) -> "Bytes":
        """Nothing is learnt: there are 256 bytes."""
        if vocab_size not in (None, cls.vocab_size):
            raise ValueError(f"Expected vocab_size={cls.vocab_size} for bytes. Received: vocab_size={vocab_size}")
        return cls()

    def settings(self):
        return {}

    def _encode_batch(self, texts):
        split = tf.strings.bytes_split(texts)
        values = tf.reshape(tf.io.decode_raw(split.flat_values, tf.uint8), [-1])
        return split.with_flat_values(tf.cast(values, tf.int32) + SPECIAL)

    def _encode(self, text):
        return [one + SPECIAL for one in text.encode("utf-8")]

    def _decode(self, ids):
        parts = (REPLACEMENT.encode() if one == UNKNOWN else bytes([one - SPECIAL]) for one in ids)
        return b"".join(parts).decode("utf-8", errors="replace")

    def _decode_batch(self, ids):
        joined = tf.strings.reduce_join(tf.gather(self._keys, ids), axis=-1)
        return tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8")


def train_tokenizer(name, texts, vocab_size=None, **options):
    """A tokenizer by name: "characters", "bytes", "words", "unigram" or "bpe"; `options` are those of its `train`."""
    kinds = {"characters": Characters, "bytes": Bytes, "words": Words}
    if isinstance(name, str) and name in kinds:
        return kinds[name].train(texts, vocab_size, **options)
    if name in ("unigram", "bpe"):
        return SentencePiece.train(texts, 8000 if vocab_size is None else vocab_size, model=name)
    raise ValueError(f"Expected a Tokenizer or one of {[*kinds, 'unigram', 'bpe']}. Received: tokenizer={name!r}")


def load(folder: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer that `save` wrote into this folder.

    Raises:
        ValueError: no such folder; files that are missing, cannot be read, or are not what `save` writes.
    """
    if not isinstance(folder, (str, os.PathLike)) or not Path(folder).is_dir():
        raise ValueError(f"Expected a folder that a tokenizer's `save` wrote. Received: folder={folder!r}")
    path = Path(folder) / "tokenizer.json"
    settings = read_json(path)
    kinds = {kind.__name__: kind for kind in (Characters, Bytes, Words, WordCharacters, SentencePiece)}
    name = settings.pop("tokenizer", None)
    if not isinstance(name, str) or name not in kinds:
        raise ValueError(f"Expected a tokenizer among {list(kinds)}. Received: tokenizer={name!r} in {path}")
    if name == "SentencePiece":
        settings["model"] = read_bytes(path.with_name("sentencepiece.model"))
    try:
        return kinds[name](**settings)
    except (TypeError, ValueError) as error:
        files = f"{path} and sentencepiece.model beside it" if name == "SentencePiece" else path
        raise ValueError(
            f"Expected the settings of {name}; save the tokenizer again, or copy the whole folder. Received: {error} "
            f"in {files}"
        ) from None
