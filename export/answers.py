"""What a bundle answers: text or numbers in, text, labels or numbers out, without the Keras model."""

import numpy as np

from seqkeras.export import manifest as manifests
from seqkeras.pipelines.tokenizers import Characters, Words
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
        """The task's signature as it is, arrays in, dict of arrays out; random numbers it wants are drawn here."""
        if "uniform" in self.inputs and "uniform" not in inputs:
            inputs["uniform"] = self._random.random(self.inputs["uniform"]["shape"], "float32")
        try:
            return self._model.run(self.manifest["task"], inputs)
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

    def read(self, given):
        """A text or real values [T, D] as a reading model takes them, and the number of steps."""
        if "ids" in self.inputs:
            inputs = {name: self.ids(given, name) for name in self.inputs}
            return inputs, int(np.sum(inputs["ids"] != PAD))
        values = self.values(given)
        padded = np.pad(values, [(0, self.inputs["values"]["shape"][1] - len(values)), (0, 0)])[None]
        return {"values": padded, "length": np.array([len(values)], "int32")}, len(values)

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

    def values(self, given, fewest=1):
        """Real values [T, D] in the scale that the model learnt from."""
        _, length, width = self.inputs["values"]["shape"]
        values = np.asarray(given, "float64")
        if values.ndim != 2 or values.shape[1] != width or not fewest <= len(values) <= length:
            raise ValueError(f"Expected values [T, {width}], T from {fewest} to {length}. Received: {values.shape}")
        with np.errstate(over="ignore"):
            scaled = ((values - self._mean) / self._deviation).astype("float32")
        for step, variable in np.argwhere(~np.isfinite(scaled)):
            named = self._variables[variable] if self._variables else variable
            raise ValueError(
                f"Expected finite values. Received: {values[step, variable]} in step {step}, variable {named}"
            )
        return scaled

    @staticmethod
    def named(numbers, names):
        """{name: number}."""
        return dict(zip(names, numbers.tolist(), strict=True))

    def text(self, ids, role="target"):
        """What the model wrote."""
        return self._tokenizers[role].decode(ids[0])


class Classifier(Bundle):
    """`classify("text")`, or real values [T, D] -> {label: probability}, the likeliest first."""

    def __call__(self, given):
        inputs, _ = self.read(given)
        return _likeliest_first(self.named(self.run(**inputs)["probabilities"][0], self.manifest["labels"]))


class Tagger(Bundle):
    """`tag("text")` -> [(word, tag, probability)], a triple for each token: a word, or a character, as it was written.

    Of real values [T, D], (step, tag, probability). Of a model whose outputs are not one of the classes, the last two
    are one dict {label: probability or value}.
    """

    def __call__(self, given):
        distributions, pieces = self.probabilities(given), self.pieces(given)
        if self.manifest["outputs"] != "class":
            return list(zip(pieces, distributions, strict=True))
        return _tagged(pieces, distributions)

    def spans(self, given):
        """[(type, text, start, end, probability)] where the tags are BIO: see `found`."""
        return self.found(self(given), self.manifest["labels"])

    def probabilities(self, given):
        """[{label: probability or value}], one for each token or step, the labels in their order."""
        inputs, steps = self.read(given)
        (numbers,) = self.run(**inputs).values()
        return [self.named(one, self.manifest["labels"]) for one in numbers[0, :steps]]


class Understander(Bundle):
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


def _tagged(pieces, distributions):
    """[(piece, the likeliest tag, its probability)]."""
    likeliest = [max(one.items(), key=lambda pair: pair[1]) for one in distributions]
    return [(piece, *tag) for piece, tag in zip(pieces, likeliest, strict=True)]


def _likeliest_first(named):
    return dict(sorted(named.items(), key=lambda pair: -pair[1]))


class Translator(Bundle):
    """`translate("text")` -> text."""

    def __call__(self, text):
        return self.text(self.run(source=self.ids(text, "source"))["ids"])


class Generator(Bundle):
    """`generate("label")` -> text."""

    def __call__(self, label):
        names = self.manifest["labels"]
        if label not in names:
            raise ValueError(f"Expected a label among {', '.join(map(repr, names))}. Received: label={label!r}")
        return self.text(self.run(label=np.array([names.index(label)], "int32"))["ids"])


class Continuer(Bundle):
    """`go_on("text")` -> the text and what follows it; "" begins one from nothing."""

    def __call__(self, text):
        return self.text(self.run(prompt=self.ids(text, "prompt", fewest=0))["ids"], "text")


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
