"""Words and their characters: text is split alike for both, in Python and in graphs."""

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

import tensorflow as tf

from seqkeras.arguments import listed, switch, whole
from seqkeras.pipelines.vocabulary import Tokenizer, Vocabulary, unicode_text, unicode_texts


class Words(Tokenizer):
    """An id a word. Words stand between white space; decoding joins them with single spaces.

    Args:
        vocabulary: the words of ids 4, 5, 6, …
        lower: whether "Cat" and "cat" are one word; done code point by code point.
        punctuation: "split" makes each mark a word, "keep" leaves it on its word, "drop" makes it a space.
    """

    def __init__(self, vocabulary, lower=False, punctuation="split"):
        super().__init__()
        _check(punctuation)
        switch(lower=lower)
        self.vocabulary = Vocabulary(vocabulary)
        self._pieces = self.vocabulary.table(tf.constant(self.vocabulary.pieces))
        self.lower, self.punctuation = lower, punctuation
        if lower:
            upper = (tf.constant(list(codes), tf.int32) for codes in (_lowered(), _lowered().values()))
            self._lower = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(*upper), -1)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int | None = None,
        lower: bool = False,
        punctuation: str = "split",
        min_count: int = 1,
    ) -> "Words":
        """Takes every word, or the most frequent that fit into `vocab_size`, seen `min_count` times."""
        _check(punctuation)
        words = (word for text in unicode_texts(texts) for word in _split(_lower(text) if lower else text, punctuation))
        return cls(Vocabulary.count(words, vocab_size, min_count).pieces, lower, punctuation)

    @property
    def vocab_size(self):
        """Number of ids, the four special ones included."""
        return self.vocabulary.size

    def settings(self):
        return {
            "lower": self.lower,
            "punctuation": self.punctuation,
            "vocabulary": list(self.vocabulary.pieces),
        }

    def _encode_batch(self, texts):
        if self.lower:
            codes = tf.strings.unicode_decode(texts, "UTF-8")
            lowered = self._lower.lookup(codes)
            codes = codes.with_flat_values(tf.where(lowered.flat_values < 0, codes.flat_values, lowered.flat_values))
            texts = tf.strings.unicode_encode(codes, "UTF-8")
        return self._pieces.lookup(_split_batch(texts, self.punctuation))

    def words(self, text):
        """The words of a text as they were written: as many as `encode` gives ids, whatever their case."""
        return [word.translate(_WRITTEN) for word in _split(unicode_text(text), self.punctuation)]

    def _encode(self, text):
        return self.vocabulary.encode(_split(_lower(text) if self.lower else text, self.punctuation))

    def _decode(self, ids):
        return self.vocabulary.decode(ids, " ")

    def _decode_batch(self, ids):
        return self.vocabulary.decode_batch(ids, " ")


class WordCharacters(Tokenizer):
    """An id a character, a row of them a word: `encode` gives rows, and `decode` of rows gives words.

    Args:
        vocabulary: the characters of ids 4, 5, 6, …
        word_length: the first so many characters of a word are seen.
        punctuation: as of the `Words` that stand beside it.
    """

    def __init__(self, vocabulary, word_length=16, punctuation="split"):
        super().__init__()
        _check(punctuation)
        whole(word_length=word_length)
        self.vocabulary = Vocabulary(vocabulary)
        if any(len(piece) != 1 for piece in self.vocabulary.pieces):
            raise ValueError(f"Expected characters. Received: the longest has {max(map(len, vocabulary))} of them")
        self._codes = self.vocabulary.table(tf.constant([ord(one) for one in self.vocabulary.pieces], tf.int32))
        self.word_length, self.punctuation = int(word_length), punctuation

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int | None = None,
        word_length: int = 16,
        punctuation: str = "split",
        min_count: int = 1,
    ) -> "WordCharacters":
        """Takes every character of a word, or the most frequent that fit, seen `min_count` times."""
        _check(punctuation)
        pieces = (piece for text in unicode_texts(texts) for word in _split(text, punctuation) for piece in word)
        return cls(Vocabulary.count(pieces, vocab_size, min_count).pieces, word_length, punctuation)

    @property
    def vocab_size(self):
        """Number of ids, the four special ones included."""
        return self.vocabulary.size

    def settings(self):
        return {
            "word_length": self.word_length,
            "punctuation": self.punctuation,
            "vocabulary": list(self.vocabulary.pieces),
        }

    def cut(self, texts):
        """How many words of these texts have more characters than are seen."""
        words = (word for text in unicode_texts(texts) for word in _split(text, self.punctuation))
        return sum(len(word) > self.word_length for word in words)

    def _encode_batch(self, texts):
        words = _split_batch(texts, self.punctuation)  # [B, None], their ids [B, None, None]
        codes = tf.strings.unicode_decode(words.flat_values, "UTF-8")
        return words.with_flat_values(self._codes.lookup(codes[:, : self.word_length]))

    def _encode(self, text):
        return [self.vocabulary.encode(word[: self.word_length]) for word in _split(text, self.punctuation)]

    def _decode(self, ids):
        return self.vocabulary.decode(ids)

    def _decode_batch(self, ids):
        return self.vocabulary.decode_batch(ids)


def join(words: Iterable[str]) -> str:
    """Words as a text with a space between them, in which each stays one word.

    White space around a word goes. Inside a word, a space is written as "\u2423", a no-break space as "\u237d", other
    white space as a private-use character; `Words.words` gives the words back as they were.

    Raises:
        ValueError: what is no text, or a blank one.
    """
    listed("a list of words", words=words)
    words = [unicode_text(word).strip() for word in words]
    if "" in words:
        raise ValueError(f"Expected words. Received: a blank one after {words[: words.index('')][-3:]}")
    text = " ".join(words)
    if len(text.split()) == len(words):
        return text
    return " ".join(word.translate(_INSIDE) for word in words)


_INSIDE = {code: 0xF0000 + code for code in range(0x3001) if chr(code).isspace()} | {0x20: 0x2423, 0xA0: 0x237D}
_WRITTEN = {symbol: space for space, symbol in _INSIDE.items()}

# Python's white space, spelt out, because RE2 and Python do not agree on what \\s is.
_SPACE = "[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
_MARK = {"split": r" \0 ", "drop": " "}


@cache
def _punctuation():
    """A class of Unicode's punctuation marks that Python and RE2 read alike."""
    marks = (chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "P")
    return f"[{re.escape(''.join(marks))}]"


@cache
def _lowered():
    """Code point -> its lower case, for each code point that has one of a single code point."""
    pairs = ((code, chr(code).lower()) for code in range(sys.maxunicode + 1))
    return {code: ord(lower) for code, lower in pairs if len(lower) == 1 and ord(lower) != code}


def _check(punctuation):
    if punctuation not in ("split", "keep", "drop"):
        raise ValueError(f'Expected "split", "keep" or "drop". Received: punctuation={punctuation!r}')


def _lower(text):
    return text.translate(_lowered())


def _split(text, punctuation):
    """A text to its words."""
    if punctuation != "keep":
        text = re.sub(_punctuation(), lambda mark: f" {mark[0]} " if punctuation == "split" else " ", text)
    return text.split()


def _split_batch(texts, punctuation):
    """`_split` as graph operations: string [B] -> string [B, None], ragged."""
    if punctuation != "keep":
        texts = tf.strings.regex_replace(texts, _punctuation(), _MARK[punctuation])
    return tf.strings.split(tf.strings.regex_replace(texts, _SPACE, " "))
