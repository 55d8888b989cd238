"""A model as a SavedModel: batch and length free, on ids and, with its tokenizers inside, on strings.

Loads with plain `tf.saved_model.load`; a string signature also wants `import tensorflow_text`, for its operators.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqkeras import folders
from seqkeras.export import given
from seqkeras.rnn import loops, recurrence
from seqkeras.signatures import main
from seqkeras.tasks import READS, TASKS
from seqkeras.tokens import END

PARTS = {"saved_model.pb", "fingerprint.pb", "assets", "variables"}  # of a SavedModel


def to_saved_model(
    model: Any, folder: str | os.PathLike[str], tokenizers: Mapping[str, Any] | None = None, labels: Any = None
) -> None:
    """Writes `model` as a SavedModel, in one piece or not at all; a SavedModel already there is replaced.

    Args:
        model: anything with `signatures(batch, length)`: a `SequenceClassifier`, a search over a decoder.
        folder: where to.
        tokenizers: dict of role to tokenizer as the task functions give it: "text", with "characters" where words are
            read by them too; "target"; "source" and "target".
            With them there is a signature on strings too: `classify_text` (text -> label, probabilities), `tag_text`
            (text -> probabilities), `understand_text` (text -> tags, label), `translate_text`, `continue_text` (text ->
            text, log_probability), `generate_text` (label -> text, log_probability).
        labels: as of `write_bundle`.

    Raises:
        ValueError: no model that can be exported; tokenizers or labels that the task needs are missing, or do not fit
            the model; `folder` holds something else.
    """
    model, folder = given.model_in_float32(model), Path(folder)
    strangers = {path.name for path in folder.glob("*")} - PARTS
    if folder.exists() and (strangers or not (folder / "saved_model.pb").exists()):
        with_them = f", which also holds {', '.join(sorted(strangers)[:3])}" if strangers else ""
        raise ValueError(
            f"Expected a new folder or a SavedModel to replace. Received: folder={str(folder)!r}{with_them}"
        )
    names = given.checked_names(labels, model)
    if tokenizers:
        task, _, specs = main(model, None, None)
        tokenizers = given.checked_tokenizers(task, specs, model, tokenizers)
    with recurrence.looping(loops.inference_loop):
        functions = traced(model)
    if tokenizers:
        functions |= _on_text(model, functions, tokenizers, names)
    module = tf.Module()
    module.weights = [v.value for v in model.variables]
    module.tokenizers = dict(tokenizers or {})
    with folders.written(folder) as new:
        save(module, new, functions)


def save(module, folder, functions):
    """`tf.saved_model.save`, without a word about having done so."""
    with _at_level(tf.get_logger(), tf.compat.v1.logging.WARN):
        tf.saved_model.save(module, str(folder), signatures=functions)


@contextlib.contextmanager
def _at_level(logger, level):
    before = logger.level
    logger.setLevel(max(before, level))
    try:
        yield
    finally:
        logger.setLevel(before)


def traced(model):
    """What may be asked of a model as graphs, batch and length free: dict of name -> concrete function."""
    functions, state = {}, {}
    for name, (function, inputs) in model.signatures(None, None).items():
        specs = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in inputs.items()}
        specs |= state if name == "step" else {}
        functions[name] = _by_name(function).get_concrete_function(**specs)
        if name == "encode":
            outputs = functions[name].structured_outputs
            state = {key: tf.TensorSpec(x.shape, x.dtype, key) for key, x in outputs.items()}
    return functions


def _by_name(function):
    return tf.function(lambda **inputs: function(inputs), autograph=False)


def _on_text(model, functions, tokenizers, names):
    """The signature on strings, of which `OnText` has one per task: dict of its name -> concrete function."""
    task, _, _ = main(model, None, None)
    if task not in TASKS or not TASKS[task].strings:
        tasks = ", ".join(name for name, one in TASKS.items() if one.strings)
        raise ValueError(f"Expected a task among {tasks} for strings. Received: task={task!r}")
    function = getattr(OnText(model, functions, tokenizers, names), f"{task}_text")
    spec = tf.TensorSpec([None], tf.string, TASKS[task].strings)
    return {f"{task}_text": tf.function(function, autograph=False).get_concrete_function(spec)}


class OnText:
    """What may be asked of a model in strings: a method TASK_text per task, text or label [B] -> dict of tensors."""

    def __init__(self, model, functions, tokenizers, names):
        self.model, self.functions, self.tokenizers, self.names = model, functions, tokenizers, names

    def classify_text(self, text):
        probabilities = self.run("classify", **self.read("classify", text))["probabilities"]
        return {"label": tf.gather(self.named(), tf.argmax(probabilities, axis=-1)), "probabilities": probabilities}

    def tag_text(self, text):
        return self.run("tag", **self.read("tag", text))

    def understand_text(self, text):
        return self.run("understand", **self.read("understand", text))

    def translate_text(self, text):
        return self.written("target", self.run("translate", **self.read("translate", text)))

    def generate_text(self, label):
        same = label[:, None] == self.named()
        unknown = f"Expected a label among {', '.join(map(repr, self.names))}."
        with tf.control_dependencies([tf.debugging.assert_equal(tf.reduce_any(same, -1), True, unknown)]):
            index = tf.argmax(same, axis=-1, output_type=tf.int32)
        return self.written("target", self.run("generate", label=index))

    def continue_text(self, text):
        return self.written("text", self.run("continue", **self.read("continue", text)))

    def named(self):
        if self.names is None:
            raise ValueError("Expected the names of the classes. Received: labels=None")
        return tf.constant(self.names)

    def run(self, task, **inputs):
        if hasattr(self.model, "drawn"):
            inputs |= self.model.drawn(tf.shape(next(iter(inputs.values())))[0], tf.random.uniform)
        return self.functions[task](**inputs)

    def read(self, task, text):
        """Texts [B] as the inputs of a task."""
        inputs = {}
        for name, spec in self.functions[task].structured_input_signature[1].items():
            if name in READS:
                ids = self.tokenizers[READS[name]].encode_batch(text)
                if name == "source":
                    ids = tf.concat([ids, tf.fill([tf.shape(text)[0], 1], END)], axis=1)
                inputs[name] = tf.cast(ids.to_tensor(shape=spec.shape), tf.int32)
        return inputs

    def written(self, role, outputs):
        """The outputs of a search with its ids as text."""
        text = self.tokenizers[role].decode_batch(outputs["ids"])
        return {"text": text, "log_probability": outputs["log_probability"]}
