"""What a bundle answers: text or numbers in, text, labels or numbers out, without the Keras model."""

from collections.abc import Iterable
from numbers import Real

import numpy as np

from seqkeras.export import manifest as manifests
from seqkeras.pipelines.tokenizers import Characters, Words
from seqkeras.pipelines.values import numbers
from seqkeras.search import HOTTEST
from seqkeras.spans import in_bio, spans
from seqkeras.tokens import END, PAD


class Bundle:
    """A task that runs from a bundle folder. Call it: what goes in and what comes out is the task's.

    Args:
        manifest: what manifest.json holds.
        model: `Interpreter` or `Compiled`.
        tokenizers: dict of role to tokenizer.
        seed: of what a sampling search draws.
    """

    def __init__(self, manifest, model, tokenizers, seed=None):
        self.manifest = manifest
        self.inputs = manifest["signatures"][manifest["task"]]["inputs"]
        self._model = model
        self._tokenizers = tokenizers
        self._random = np.random.default_rng(seed)
        scale = manifest["scale"] or {"mean": 0.0, "deviation": 1.0}
        self._variables = scale.get("variables")
        self._mean, self._deviation = np.array(scale["mean"]), np.array(scale["deviation"])

    def run(self, **inputs):
        """The task's signature as it is, arrays in, dict of arrays out.

        Random numbers it wants are drawn here; temperature is the search's own where it is not given.
        """
        if "uniform" in self.inputs and "uniform" not in inputs:
            inputs["uniform"] = self._random.random(self.inputs["uniform"]["shape"], "float32")
        if "temperature" in self.inputs and "temperature" not in inputs:
            inputs["temperature"] = np.array([self.manifest["temperature"]], "float32")
        return self._ask(self.manifest["task"], inputs)

    def _ask(self, signature, inputs):
        try:
            return self._model.run(signature, inputs)
        except RuntimeError as error:
            raise ValueError(f"Expected a model.tflite that runs. Received: one that does not ({error})") from None

    def ids(self, text, name, fewest=1):
        """A text as the input `name`, [1, length], or [1, length, C] where each token is a row of C."""
        if not isinstance(text, str):
            raise ValueError(f"Expected a text. Received: {type(text).__name__}")
        role = manifests.READ[name]
        ids = self._tokenizers[role].encode(text)
        if len(ids) < fewest:
            raise ValueError(f"Expected a text of at least one token. Received: text={text!r}")
        if self.manifest["tokenizers"][role]["end"]:
            ids.append(END)
        shape = self.inputs[name]["shape"]
        if len(ids) > shape[1]:
            raise ValueError(
                f"Expected at most {shape[1]} tokens. Received: {len(ids)} in text={text[:60]!r}; shorten the text or "
                "export with a larger length"
            )
        if len(shape) == 3:
            ids = [row + [PAD] * (shape[2] - len(row)) for row in ids]
        padded = np.full(shape, PAD, "int32")
        padded[0, : len(ids)] = ids
        return padded

    def values(self, given, fewest=1):
        """Real values [T, D] in the scale that the model learnt from."""
        _, length, width = self.inputs["values"]["shape"]
        values = numbers(given).astype("float64")
        if values.ndim != 2 or values.shape[1] != width or not fewest <= len(values) <= length:
            raise ValueError(f"Expected values [T, {width}], T from {fewest} to {length}. Received: {values.shape}")
        return self.scaled(values)

    def scaled(self, values, first=0):
        """Values [T, D] in the scale that the model learnt from; `first` is the number of the first row."""
        width = self.inputs["values"]["shape"][2]
        if values.ndim != 2 or values.shape[1] != width:
            raise ValueError(f"Expected a row [{width}]. Received: {list(values.shape[1:])}")
        with np.errstate(over="ignore"):
            scaled = ((values.astype("float64") - self._mean) / self._deviation).astype("float32")
        for step, variable in np.argwhere(~np.isfinite(scaled)):
            named = self._variables[variable] if self._variables else variable
            raise ValueError(
                f"Expected finite values. Received: {values[step, variable]} in step {first + step}, variable {named}"
            )
        return scaled

    @staticmethod
    def named(numbers, names):
        """{name: number}."""
        return dict(zip(names, numbers.tolist(), strict=True))


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
            raise ValueError(f"Expected an iterable of tokens or rows. Received: {type(steps).__name__} {steps!r:.40}")
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
                yield number, {"values": self.scaled(numbers(step)[None], number)}
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

        `start` is the number of a span's first token, `end` that behind its last. Its probability is that of all its
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


class Understander(Reading):
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


class Writer(Bundle):
    """What writes a text: a call gives the text, `scored` its log-probability too.

    Both take `temperature`, a number from 0, for a sampling search in the place of its own.
    """

    role = "target"  # of the tokenizer that makes text of ids

    def scored(self, given, temperature=None):
        """(text, natural logarithm of the probability of all its tokens together, END included, a prompt not).

        It is the model's own probability, without a temperature.
        """
        outputs = self._written(given, temperature)
        if "log_probability" not in outputs:
            raise ValueError("Expected a bundle with log-probabilities: export the model again. Received: an older one")
        return self._text(outputs["ids"]), float(outputs["log_probability"][0])

    def inputs_of(self, given):
        """The task's inputs, dict of arrays, of what a call was given."""
        raise NotImplementedError

    def write(self, given, temperature):
        """The text."""
        return self._text(self._written(given, temperature)["ids"])

    def _text(self, ids):
        return self._tokenizers[self.role].decode(ids[0])

    def _written(self, given, temperature):
        return self.run(**self.inputs_of(given), **self._chosen(temperature))

    def _chosen(self, temperature):
        if temperature is None:
            return {}
        if "temperature" not in self.inputs:
            raise ValueError(
                "Expected a bundle of seqkeras.Sample, to be given a temperature. Received: one that takes "
                f"{', '.join(self.inputs)}"
            )
        number = isinstance(temperature, Real) and not isinstance(temperature, bool)
        if not number or not 0 <= temperature <= HOTTEST:
            raise ValueError(
                f"Expected temperature to be a number from 0 to {HOTTEST:g}. Received: temperature={temperature!r:.40}"
            )
        return {"temperature": np.array([temperature], "float32")}


class Translator(Writer):
    """`translate("text")` -> text."""

    def __call__(self, text, temperature=None):
        return self.write(text, temperature)

    def inputs_of(self, text):
        return {"source": self.ids(text, "source")}


class Generator(Writer):
    """`generate("label")` -> text."""

    def __call__(self, label, temperature=None):
        return self.write(label, temperature)

    def inputs_of(self, label):
        names = self.manifest["labels"]
        if label not in names:
            raise ValueError(f"Expected a label among {', '.join(map(repr, names))}. Received: label={label!r}")
        return {"label": np.array([names.index(label)], "int32")}


class Continuer(Writer):
    """`go_on("text")` -> the text and what follows it; "" begins one from nothing."""

    role = "text"

    def __call__(self, text, temperature=None):
        return self.write(text, temperature)

    def inputs_of(self, text):
        return {"prompt": self.ids(text, "prompt", fewest=0)}


class Forecaster(Bundle):
    """`forecast(values)` [window, D] -> the values that follow [horizon, D], with quantiles [horizon, D, Q]."""

    def __call__(self, values):
        window = self.inputs["values"]["shape"][1]
        said = self.run(values=self.values(values, fewest=window)[None])["next"][0]
        mean, deviation = (
            np.reshape(one, (-1, *[1] * (said.ndim - 2))).astype("float32") for one in (self._mean, self._deviation)
        )
        return said * deviation + mean


TASKS = {
    "classify": Classifier,
    "tag": Tagger,
    "understand": Understander,
    "translate": Translator,
    "generate": Generator,
    "continue": Continuer,
    "forecast": Forecaster,
}
