"""Bundles that write: a text, and how probable it is."""

from numbers import Real

import numpy as np

from seqkeras.export.loaded_bundle import Bundle
from seqkeras.search.sampling import HOTTEST


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


class LanguageModel(Writer):
    """`go_on("text")` -> the text and what follows it; "" begins one from nothing."""

    role = "text"

    def __call__(self, text, temperature=None):
        return self.write(text, temperature)

    def inputs_of(self, text):
        return {"prompt": self.ids(text, "prompt", fewest=0)}
