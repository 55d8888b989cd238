"""A bundle in use: text in, text out, checked against its manifest, without the Keras model.

Also LiteRT's two ways to run a file behind one face: `run(signature, inputs) -> outputs`, NumPy arrays by name. Both
run one call at a time, whatever thread it comes from: LiteRT's buffers are the file's, not the call's.
"""

import threading
from pathlib import Path

import numpy as np
from ai_edge_litert import interpreter as litert
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.options import Options

from seqkeras import arguments
from seqkeras.export import given
from seqkeras.export import manifest as manifests
from seqkeras.pipelines import tokenizers
from seqkeras.tokens import END, PAD

MODEL = "model.tflite"


class Interpreter:
    """The LiteRT interpreter.

    Args:
        file: a path, or the file's bytes: what happens to the path later does not matter to them.
        num_threads: that it takes.

    Raises:
        ValueError: LiteRT's verifier finds the file damaged.
    """

    def __init__(self, file, num_threads=1):
        self._interpreter = _interpreter(file, num_threads)
        self.signatures = sorted(self._interpreter.get_signature_list())
        self._runners = {}
        self._lock = threading.Lock()

    def _runner(self, signature):
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        return _specs(self._runner(signature).get_input_details())

    def outputs(self, signature):
        """The outputs' (shape, dtype) by name."""
        return _specs(self._runner(signature).get_output_details())

    def run(self, signature, inputs):
        with self._lock:
            return self._runner(signature)(**_checked(inputs, self.inputs(signature)))


class Compiled:
    """LiteRT's CompiledModel, after the interpreter's verifier: by itself it dies of a damaged file, with the process.

    Arguments and errors as of `Interpreter`.
    """

    def __init__(self, file, num_threads=1):
        _interpreter(file, 1)
        options = Options()
        options.cpu_options.num_threads = num_threads
        if isinstance(file, bytes):
            self._file = file  # whose memory the model reads
            self._model = CompiledModel.from_buffer(file, options=options)
        else:
            self._model = CompiledModel.from_file(str(file), options=options)
        self.signatures = sorted(self._model.get_signature_list())
        self._buffers = {}
        self._lock = threading.Lock()

    def inputs(self, signature):
        """The inputs' (shape, dtype) by name."""
        return _specs(self._model.get_input_tensor_details(signature))

    def outputs(self, signature):
        """The outputs' (shape, dtype) by name."""
        return _specs(self._model.get_output_tensor_details(signature))

    def run(self, signature, inputs):
        model, outputs = self._model, self.outputs(signature)
        inputs = _checked(inputs, self.inputs(signature))
        with self._lock:
            if signature not in self._buffers:
                self._buffers[signature] = (
                    {name: model.create_input_buffer_by_name(signature, name) for name in inputs},
                    {name: model.create_output_buffer_by_name(signature, name) for name in outputs},
                )
            ins, outs = self._buffers[signature]
            for name, array in inputs.items():
                ins[name].write(array)
            model.run_by_name(signature, ins, outs)
            return {
                name: outs[name].read(int(np.prod(shape)), dtype).reshape(shape)
                for name, (shape, dtype) in outputs.items()
            }


def _interpreter(file, num_threads):
    what = {"model_content": file} if isinstance(file, bytes) else {"model_path": str(file)}
    return litert.Interpreter(**what, num_threads=num_threads)


RUNTIMES = {"interpreter": Interpreter, "compiled": Compiled}


def _specs(details):
    return {name: (tuple(d["shape"]), np.dtype(d["dtype"])) for name, d in details.items()}


def _checked(inputs, specs):
    received = {name: (np.shape(array), np.asarray(array).dtype) for name, array in inputs.items()}
    if received != specs:
        raise ValueError(f"Expected inputs {specs}. Received: {received}")
    return {name: np.asarray(array) for name, array in inputs.items()}


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
        self._mean, self._deviation = np.array(scale["mean"]), np.array(scale["deviation"])

    def run(self, **inputs):
        """The task's signature as it is, arrays in, dict of arrays out; random numbers it wants are drawn here."""
        if "uniform" in self.inputs and "uniform" not in inputs:
            inputs["uniform"] = self._random.random(self.inputs["uniform"]["shape"], "float32")
        try:
            return self._model.run(self.manifest["task"], inputs)
        except RuntimeError as error:
            raise ValueError(f"Expected a {MODEL} that runs. Received: one that does not ({error})") from None

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

    def values(self, given, fewest=1):
        """Real values [T, D] in the scale that the model learnt from."""
        _, length, width = self.inputs["values"]["shape"]
        values = np.asarray(given, "float64")
        if values.ndim != 2 or values.shape[1] != width or not fewest <= len(values) <= length:
            raise ValueError(f"Expected values [T, {width}], T from {fewest} to {length}. Received: {values.shape}")
        with np.errstate(over="ignore"):
            scaled = ((values - self._mean) / self._deviation).astype("float32")
        for step, variable in np.argwhere(~np.isfinite(scaled)):
            raise ValueError(
                f"Expected finite values. Received: {values[step, variable]} in step {step}, variable {variable}"
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
    """`tag("text")`, or real values [T, D] -> [{label: probability or value}], one for each token or step.

    The labels stand in their order: `max(one, key=one.get)` is the likeliest.
    """

    def __call__(self, given):
        inputs, steps = self.read(given)
        (numbers,) = self.run(**inputs).values()
        return [self.named(one, self.manifest["labels"]) for one in numbers[0, :steps]]


class Understander(Bundle):
    """`understand("text")` -> {"tags": [{tag: probability}], one for each token, "label": {label: probability}}.

    The tags stand in their order, of the labels the likeliest is first.
    """

    def __call__(self, given):
        inputs, steps = self.read(given)
        said, names = self.run(**inputs), self.manifest["labels"]
        tags = [self.named(one, names["tags"]) for one in said["tags"][0, :steps]]
        return {"tags": tags, "label": _likeliest_first(self.named(said["label"][0], names["label"]))}


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


def load(folder, runtime="interpreter", num_threads=None, seed=None):
    """The bundle in `folder`, after each of its files was checked against the manifest.

    Args:
        folder: what `write_bundle` wrote.
        runtime: "interpreter" or "compiled" (LiteRT's CompiledModel).
        num_threads: of the LiteRT runtime; None for as many as the manifest says.
        seed: of what a sampling search draws.

    Returns:
        The `Bundle` of its task: a `Classifier`, `Tagger`, `Understander`, `Translator`, `Generator`, `Continuer` or
        `Forecaster`.

    Raises:
        ValueError: an unknown runtime; no bundle; a file that is missing, a link, no regular file, differs from the
            manifest or, among the tokenizers', is not in it; one that LiteRT refuses; a tokenizer of another size than
            the model's.
    """
    if num_threads is not None:
        num_threads = given.checked_threads(num_threads)
    arguments.choice(*RUNTIMES, runtime=runtime)
    folder = Path(folder)
    manifest = manifests.read(folder)
    files = {name: manifests.contents(folder, name, known) for name, known in manifest["files"].items()}
    strays = [name for name in manifests.unlisted(folder, manifest) if name.startswith("tokenizers/")]
    if strays:
        raise ValueError(f"Expected the files the manifest lists. Received: {strays[0]} beside them in {folder}")
    model = _running(folder / MODEL, files[MODEL], runtime, num_threads or manifest["num_threads"], manifest)
    roles = {role: tokenizers.load(folder / "tokenizers" / role) for role in manifest["tokenizers"]}
    _check_sizes(roles, manifest)
    given.check_characters(roles, model.inputs(manifest["task"]))
    return TASKS[manifest["task"]](manifest, model, roles, seed)


def _running(path, data, runtime, num_threads, manifest):
    """The model of a file's bytes, with the signature that the manifest tells."""
    try:
        model = RUNTIMES[runtime](data, num_threads)
        task, signatures = manifest["task"], model.signatures
        said = [model.inputs(task), model.outputs(task)] if task in signatures else None
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ValueError(f"Expected a whole LiteRT file. Received: {path}, which LiteRT refuses ({error})") from None
    told = [
        {name: (tuple(x["shape"]), x["dtype"]) for name, x in manifest["signatures"][task][side].items()}
        for side in ("inputs", "outputs")
    ]
    if said != told:
        raise ValueError(f"Expected the signature {task!r} of the manifest. Received: {path} with {said}")
    return model


def _check_sizes(roles, manifest):
    """That each tokenizer has as many ids as the model."""
    logits = manifest["signatures"].get("step", {}).get("outputs", {}).get("logits", {"shape": []})["shape"]
    for role, tokenizer in roles.items():
        sizes = [manifest["tokenizers"][role].get("vocab_size", tokenizer.vocab_size)]
        if role == manifests.WRITTEN.get(manifest["task"]):
            sizes += logits[-1:]
        for size in sizes:
            if size != tokenizer.vocab_size:
                raise ValueError(
                    f"Expected a {role} tokenizer of the model's {size} ids. Received: one of "
                    f"{tokenizer.vocab_size} in tokenizers/{role}; a tokenizer goes with the model it was trained for"
                )
