"""Subwords: learnt in a process that can be stopped, from texts cut into pieces of bounded length."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text

from seqkeras.pipelines.files import write_bytes
from seqkeras.pipelines.vocabulary import REPLACEMENT, SPECIAL, Tokenizer, check_size, unicode_texts
from seqkeras.tokens import END, PAD, START, UNKNOWN

SPACE = "\u2581"  # stands for a space in pieces
PROGRAM = Path(__file__).with_name("subword_trainer.py")
LONGEST = 4_000  # characters of a piece: the time it takes to learn from one grows with its square
MOST = 100_000_000  # characters to learn subwords from
ENOUGH = 1_000_000  # pieces to learn subwords from; of more, so many are drawn, always the same


class SentencePiece(Tokenizer):
    """Subwords of Kudo and Richardson's SentencePiece, unigram or BPE, unknown characters as bytes.

    Text is taken as it is, without normalisation, so that `decode(encode(text)) == text` for every text but
    one with U+2581, which SentencePiece itself uses for the space.

    Args:
        model: the bytes of a SentencePiece model with the ids PAD, START, END, UNKNOWN = 0, 1, 2, 3.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        try:
            python = self._python = sentencepiece.SentencePieceProcessor(model_proto=model)
            ids = python.pad_id(), python.bos_id(), python.eos_id(), python.unk_id()
            self._bytes = [self._bytes_of(one) for one in range(self.vocab_size)]
            self._prefix = python.encode("a", out_type=str)[0].startswith(SPACE)  # put before every text
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"Expected the bytes of a SentencePiece model. Received: {type(model).__name__} of another kind, or "
                f"damaged ({str(error).strip().partition(chr(10))[0]})"
            ) from None
        if ids != (PAD, START, END, UNKNOWN):
            raise ValueError(
                f"Expected a model with PAD, START, END, UNKNOWN = {PAD}, {START}, {END}, {UNKNOWN}. Received: {ids}"
            )
        self._keys = tf.constant(self._bytes)
        self._graph = tf_text.SentencepieceTokenizer(model=model, out_type=tf.int32)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 8000, model: str = "unigram") -> "SentencePiece":
        """Learns the pieces; fewer than `vocab_size` where the texts hold no more.

        A text longer than 4,000 characters is cut at spaces into several to learn from. It happens in a process of
        its own, which ends when this one is interrupted.

        Args:
            model: "unigram" (Kudo 2018) or "bpe" (Sennrich et al. 2016).
        """
        if model not in ("unigram", "bpe"):
            raise ValueError(f'Expected "unigram" or "bpe". Received: model={model!r}')
        check_size(vocab_size)
        pieces = _pieces(unicode_texts(texts))
        try:
            return cls(_learnt(pieces, vocab_size, model))
        except RuntimeError as error:
            smallest = re.search(r"smaller than required_chars. \d+ vs (\d+)", str(error))
            wanted = (
                f"vocab_size={smallest[1]} or more, which holds 256 bytes, {SPECIAL} special ids and the characters"
                if smallest
                else "texts to learn subwords from"
            )
            raise ValueError(f"Expected {wanted}. Received: {len(pieces)} texts, {vocab_size=} ({error})") from None

    @property
    def vocab_size(self):
        """Number of ids, the four special ones included."""
        return self._python.vocab_size()

    def settings(self):
        return {}

    def __reduce__(self):
        return SentencePiece, (self.model,)

    def save(self, folder):
        """Writes sentencepiece.model, then tokenizer.json."""
        write_bytes(Path(folder) / "sentencepiece.model", self.model)
        super().save(folder)

    def _encode_batch(self, texts):
        return self._graph.tokenize(texts)

    def _encode(self, text):
        return self._python.encode(text)

    def _decode(self, ids):
        text = b"".join(map(self._bytes.__getitem__, ids)).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self._prefix else text

    def _decode_batch(self, ids):
        joined = tf.strings.reduce_join(tf.gather(self._keys, ids), axis=-1)
        texts = tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8")
        return tf.strings.regex_replace(texts, "^ ", "") if self._prefix else texts

    def _bytes_of(self, one):
        """What an id stands for in UTF-8; a byte alone may be a part of a character."""
        piece = self._python.id_to_piece(one)
        if self._python.is_byte(one):
            return bytes([int(piece[1:-1], 16)])
        if self._python.is_control(one):
            return b""
        return (REPLACEMENT if one == UNKNOWN else piece.replace(SPACE, " ")).encode()


def _pieces(texts):
    """Texts, those that are long cut at spaces; of very many some, always the same."""
    pieces = []
    for text in texts:
        begin = 0
        while len(text) - begin > LONGEST:
            space = text.rfind(" ", begin + 1, begin + LONGEST)
            end = begin + LONGEST if space < 0 else space
            pieces.append(text[begin:end])
            begin = end + (space >= 0)
        pieces.append(text[begin:])
    fitting = len(pieces) * MOST // max(MOST, sum(map(len, pieces)))  # if all were of their mean length
    wanted = min(ENOUGH, fitting)
    return pieces if len(pieces) <= wanted else random.Random(0).sample(pieces, wanted)


def _learnt(texts, vocab_size, model):
    """The bytes of a SentencePiece model.

    Raises:
        RuntimeError: the process that learns it failed; with its last message, or how it ended.
    """
    options = {
        "model_type": model,
        "vocab_size": int(vocab_size),
        "hard_vocab_limit": False,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "input_sentence_size": ENOUGH,
        "shuffle_input_sentence": True,
        "max_sentence_length": max([4192, *(len(text.encode()) for text in texts)]),  # longer ones are left out
        "pad_id": PAD,
        "bos_id": START,
        "eos_id": END,
        "unk_id": UNKNOWN,
        "unk_surface": REPLACEMENT,
        "num_threads": 1,
        "minloglevel": 2,
    }
    alone = "-I" if sys.flags.isolated else "-P"  # nothing beside the program is imported by name
    done = subprocess.run(
        [sys.executable, alone, str(PROGRAM), str(os.getpid())],
        input=json.dumps({"texts": texts, "options": options}, ensure_ascii=False).encode(),
        capture_output=True,
    )
    if done.returncode < 0:
        raise RuntimeError(
            f"the process that learns was ended by signal {-done.returncode}, as happens where memory runs out"
        )
    if done.returncode:
        raise RuntimeError((done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1])
    return done.stdout
