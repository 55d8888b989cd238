"""Bundles that read: classes, tags and spans of a text or of real values, of the whole or step by step."""

from collections.abc import Iterable

import numpy as np

from seqkeras.export.given import real_numbers
from seqkeras.export.loaded_bundle import Bundle
from seqkeras.pipelines.tokenizers import Characters, Words
from seqkeras.tokens import PAD
from seqkeras.training.spans import in_bio, spans


class Reading(Bundle):
    """What reads a text or real values. Where the model reads in one direction, `stream` asks it step by step."""

    def read(self, given):
        """A text or real values [T, D] as a reading model takes them, and the number of steps."""
        if "ids" in self.inputs:
            inputs = {name: self.ids(given, name) for name in self.inputs}
            return inputs, int(np.sum(inputs["ids"] != PAD))
        values = self.values(given)
        padded = np.pad(values, [(0, self.inputs["values"]["shape"][1] - len(values)), (0, 0)])[None]
        return {"values": padded, "length": np.array([len(values)], "int32")}, len(values)

    def stream(self, steps):
        """An answer for each token or row, as soon as it has come: an iterator.

        Args:
            steps: an iterable of texts, of one token or several each, or of rows of D values.

        Returns:
            Of a classifier the answer to all so far, {label: probability}. Of a tagger (token, tag, probability), or
            (token, {label: probability or value}) where its outputs are not one of the classes; of rows the number of
            the row, from 0, is in the place of the token. Of a joint tagger {"label": as a classifier, "tag": as a
            tagger}.
        """
        if isinstance(steps, str) or not isinstance(steps, Iterable):
            raise ValueError(
                "Expected an iterable of tokens or rows, such as text.split(). "
                f"Received: {type(steps).__name__} {steps!r:.40}"
            )
        if "step" not in self._model.signatures:
            raise ValueError(
                "Expected a model that reads in one direction, made with bidirectional=False. Received: one that "
                f"reads the whole, with {', '.join(self._model.signatures)}"
            )
        return self._stream(steps)

    def _stream(self, steps):
        inputs = self._model.inputs("step")
        state = {name: np.zeros(*spec) for name, spec in inputs.items() if name.startswith("state_")}
        for piece, given in self._pieces(steps):
            outputs = self._ask("step", {**state, **given})
            state = {name: outputs.pop(name) for name in state}
            yield self.answer(piece, {name: one[0] for name, one in outputs.items()})

    def _pieces(self, steps):
        """(token or number of the row, inputs of `step`) for each token or row."""
        for number, step in enumerate(steps):
            if "values" in self.inputs:
                yield number, {"values": self.scaled(real_numbers(step)[None], number)}
                continue
            ids = {name: self.ids(step, name) for name in self.inputs}
            for t, piece in enumerate(self.pieces(step)):
                yield piece, {name: one[:, t] for name, one in ids.items()}

    def answer(self, piece, outputs):
        """The answer to a token or row, or of a classifier to the whole.

        Args:
            outputs: dict of arrays without the axes of batch and time.
        """
        raise NotImplementedError

    def pieces(self, given):
        """The tokens of a text as they were written; of real values the numbers of the steps."""
        tokenizer = self._tokenizers.get("text")
        if tokenizer is None:
            return list(range(len(given)))
        if isinstance(tokenizer, Words):
            return tokenizer.words(given)
        if isinstance(tokenizer, Characters):
            return list(given)
        return [tokenizer.decode([one]) for one in tokenizer.encode(given)]

    def found(self, tagged, names):
        """The spans of [(piece, tag, probability)]: [(type, text, start, end, probability)].

        `start` is the number of a span's first token, `end` that after its last. Its probability is that of all its
        tags together.
        """
        if self.manifest["outputs"] != "class" or not in_bio(names):
            raise ValueError(f"Expected tags O, B-type and I-type. Received: {names[:5]}")
        between = " " if isinstance(self._tokenizers.get("text"), Words) else ""
        return [
            (
                kind,
                between.join(str(piece) for piece, _, _ in tagged[start:end]),
                start,
                end,
                float(np.prod([probability for _, _, probability in tagged[start:end]])),
            )
            for kind, start, end in spans([tag for _, tag, _ in tagged])
        ]


class Classifier(Reading):
    """`classify("text")`, or real values [T, D] -> {label: probability}, the likeliest first."""

    def __call__(self, given):
        inputs, _ = self.read(given)
        return self.answer(None, {"probabilities": self.run(**inputs)["probabilities"][0]})

    def answer(self, piece, outputs):
        return _likeliest_first(self.named(outputs["probabilities"], self.manifest["labels"]))


class Tagger(Reading):
    """`tag("text")` -> [(word, tag, probability)], a triple for each token: a word, or a character, as it was written.

    Of real values [T, D], (step, tag, probability). Of a model whose outputs are not one of the classes, the last two
    are one dict {label: probability or value}.
    """

    def __call__(self, given):
        distributions, pieces = self.probabilities(given), self.pieces(given)
        if self.manifest["outputs"] != "class":
            return list(zip(pieces, distributions, strict=True))
        return _tagged(pieces, distributions)

    def answer(self, piece, outputs):
        (numbers,) = outputs.values()
        one = self.named(numbers, self.manifest["labels"])
        return (piece, one) if self.manifest["outputs"] != "class" else _tagged([piece], [one])[0]

    def spans(self, given):
        """[(type, text, start, end, probability)] where the tags are BIO: see `found`."""
        return self.found(self(given), self.manifest["labels"])

    def probabilities(self, given):
        """[{label: probability or value}], one for each token or step, the labels in their order."""
        inputs, steps = self.read(given)
        (numbers,) = self.run(**inputs).values()
        return [self.named(one, self.manifest["labels"]) for one in numbers[0, :steps]]


class JointTagger(Reading):
    """`understand("text")` -> {"label": {label: probability}, the likeliest first, "tags": [(word, tag, probability)]}.

    Where the tags are BIO, "spans" is beside them: see `found`.
    """

    def __call__(self, given):
        said, names = self.probabilities(given), self.manifest["labels"]["tags"]
        tags = _tagged(self.pieces(given), said["tags"])
        spans = {"spans": self.found(tags, names)} if in_bio(names) else {}
        return {"label": said["label"], "tags": tags, **spans}

    def probabilities(self, given):
        """{"label": {label: probability}, "tags": [{tag: probability}]}, a dict for each token, the tags in order."""
        inputs, steps = self.read(given)
        said, names = self.run(**inputs), self.manifest["labels"]
        tags = [self.named(one, names["tags"]) for one in said["tags"][0, :steps]]
        return {"label": _likeliest_first(self.named(said["label"][0], names["label"])), "tags": tags}

    def answer(self, piece, outputs):
        names = self.manifest["labels"]
        (tag,) = _tagged([piece], [self.named(outputs["tags"], names["tags"])])
        return {"label": _likeliest_first(self.named(outputs["label"], names["label"])), "tag": tag}


def _tagged(pieces, distributions):
    """[(piece, the likeliest tag, its probability)]."""
    likeliest = [max(one.items(), key=lambda pair: pair[1]) for one in distributions]
    return [(piece, *tag) for piece, tag in zip(pieces, likeliest, strict=True)]


def _likeliest_first(named):
    return dict(sorted(named.items(), key=lambda pair: -pair[1]))
