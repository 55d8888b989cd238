"""Compares a SavedModel that takes strings with the tokenizers in Python, which a bundle runs."""

import numpy as np
import tensorflow as tf

from seqkeras.export.dependence import CHOOSING
from seqkeras.tasks import READS, TASKS
from seqkeras.tokens import END, PAD

CLOSE = 1e-5  # how far two probabilities may lie apart, or two logarithms of their size
MOST = 64  # texts that are compared


def compared(signatures, task, inputs, tokenizers, labels):
    """Compares strings from a SavedModel with Python's, for the texts that the inputs stand for.

    Args:
        signatures: of the loaded SavedModel: the task's on ids, and on strings, whose names end with "_text".
        task: its name.
        inputs: dict of arrays [n, ...]; ids are decoded to texts.
        tokenizers: dict of role to tokenizer.
        labels: the names of the classes where one of them is the input, or the answer.

    Returns:
        (the number of texts, what differed as a list of messages).
    """
    rows = np.unique(np.linspace(0, len(next(iter(inputs.values()))) - 1, MOST).astype(int))
    inputs = {name: array[rows] for name, array in inputs.items()}
    if "label" in inputs:
        texts, ids = [labels[one] for one in inputs["label"]], {"label": inputs["label"]}
    else:
        (name,) = (name for name in inputs if name in READS and name != "characters")
        tokenizer = tokenizers[READS[name]]
        texts = [text for text in tokenizer.decode(inputs[name]) if tokenizer.encode(text)]
        ids, faults = _read(texts, inputs, tokenizers)
        if faults or not texts:
            return len(texts), faults
    if "uniform" in inputs:  # the signature on strings draws numbers of its own
        drawn = {name: inputs[name][: len(texts)] for name in CHOOSING}
        written = _run(signatures[task], {**ids, **drawn})
        said = _run(signatures[f"{task}_text"], {"label" if "label" in ids else "text": texts})
        if said["text"].shape != (len(texts),) or not (said["log_probability"] <= CLOSE).all():
            return len(texts), [f"the signature on strings gives {said}"]
        strings = {**written, "text": tokenizers[TASKS[task].writes].decode_batch(written["ids"]).numpy()}
    else:
        written = _run(signatures[task], ids)
        strings = _run(signatures[f"{task}_text"], {"label" if "label" in ids else "text": texts})
    return len(texts), _differences(texts, _as_text(task, written, tokenizers, labels), strings)


def _run(signature, inputs):
    return {name: x.numpy() for name, x in signature(**{k: tf.constant(v) for k, v in inputs.items()}).items()}


def _read(texts, inputs, tokenizers):
    """(dict of ids as the model takes them, messages about texts that Python and the graph read differently)."""
    read, faults = {}, []
    for name, array in inputs.items():
        if name not in READS:
            continue
        tokenizer = tokenizers[READS[name]]
        rows = tokenizer.encode(texts)
        graph = tokenizer.encode_batch(tf.constant(texts, tf.string)).to_list() if texts else []
        faults += [
            f"{text!r} is read as {one} in the graph, as {row} in Python"
            for text, row, one in zip(texts, rows, graph, strict=True)
            if row != one
        ]
        rows = tf.ragged.constant([[*row, END] for row in rows] if name == "source" else rows, tf.int32)
        read[name] = rows.to_tensor(PAD, shape=[None, None, *array.shape[2:]]).numpy()
    return read, faults


def _as_text(task, written, tokenizers, labels):
    """What the signature on strings should say where that on ids says `written`."""
    if TASKS[task].writes:
        texts = np.array([text.encode() for text in tokenizers[TASKS[task].writes].decode(written["ids"])], object)
        return {"text": texts, "log_probability": written["log_probability"]}
    if task == "classify":
        return {**written, "label": np.array([labels[one].encode() for one in written["probabilities"].argmax(-1)])}
    return written


def _differences(texts, wanted, strings):
    """A message for each text whose answers differ."""
    faults = []
    for name, python in wanted.items():
        for text, one, other in zip(texts, python, strings[name], strict=True):
            number = not isinstance(one, bytes)
            if not (np.allclose(one, other, rtol=CLOSE, atol=CLOSE) if number else bytes(one) == other):
                said = "" if number else f": {other.decode('utf-8', 'replace')!r}, in Python {one.decode()!r}"
                faults.append(f"to {text!r} the signature on strings gives another {name} than ids do{said}")
    return faults
