"""A bundle that runs: what goes into its task's signature and what comes out, without the Keras model."""

import numpy as np

from seqkeras.export.given import real_numbers
from seqkeras.tasks import READS
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
            several = "; ask one by one" if isinstance(text, (list, tuple)) else ""
            raise ValueError(f"Expected a text. Received: {type(text).__name__}{several}")
        role = READS[name]
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
        values = real_numbers(given).astype("float64")
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
