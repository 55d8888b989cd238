"""What leaves the house: one folder with the file, its tokenizers, a manifest that proves it, and code to paste."""

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from seqkeras.export import runtime, snippets
from seqkeras.export.audit import audit
from seqkeras.export.parity import parity
from seqkeras.export.quantize import in_float32
from seqkeras.export.tflite import to_tflite
from seqkeras.tokens import END, PAD, START, UNKNOWN

ROLES = {
    "classify": ("text",),
    "tag": ("text",),
    "translate": ("source", "target"),
    "generate": ("target",),
    "continue": ("text",),
    "forecast": (),
}
LABELLED = ("classify", "tag", "generate")
PACKAGES = ("seqkeras", "keras", "tensorflow", "tensorflow-text", "sentencepiece", "ai-edge-litert")


def write_bundle(
    model,
    folder,
    length,
    inputs,
    tokenizers=None,
    labels=None,
    quantize=None,
    metric=None,
    bound=None,
    quality=None,
):
    """Exports, audits and compares, and writes the bundle in one piece or not at all; an older bundle is replaced.

    Args:
        model: a reading model (`SequenceClassifier`, …), or a search over one that writes.
        folder: where to.
        length: the longest input in tokens, END counted; the file's static shape.
        inputs: held-out examples for `parity`, which also explains `metric` and `bound`.
        tokenizers: dict of role to tokenizer as the task functions give it ("text", or "source" and "target", or
            "target"); none for real values.
        labels: names of the classes, in order.
        quantize: None for float32, "int8" for 8-bit weights; then `metric` and `bound` are needed.
        quality: dict of figures to be kept in the manifest.

    Returns:
        The manifest, a dict.

    Raises:
        ValueError: something the task needs is missing; the audit or the comparison failed; `folder` is no bundle.
        RuntimeError: the converter failed.
    """
    model, folder, tokenizers = in_float32(model), Path(folder), dict(tokenizers or {})
    if folder.exists() and not (folder / "manifest.json").exists():
        raise ValueError(f"Expected a new folder or a bundle to replace. Received: folder={str(folder)!r}")
    if quantize is not None and metric is None:
        raise ValueError(
            f"Expected a metric and a bound for 8-bit weights. Received: quantize={quantize!r}, metric=None"
        )
    names = None if labels is None else list(getattr(labels, "names", labels))
    task, (_, specs) = next(iter(model.signatures(1, length).items()))
    _check_given(task, specs, tokenizers, names)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        described = _save(tokenizers, new)
        to_tflite(model, new / "model.tflite", length, quantize)
        audited = audit(new / "model.tflite")
        _check_widths(task, audited["signatures"], tokenizers, names)
        compared = parity(model, new / "model.tflite", inputs, metric, bound)
        snippets.write(new / "snippets", task, audited["signatures"])
        manifest = {
            "bundle": 1,
            "task": task,
            "weights": quantize or "float32",
            "parameters": int(model.count_params()),
            "special_ids": {"PAD": PAD, "START": START, "END": END, "UNKNOWN": UNKNOWN},
            "tokenizers": described,
            "labels": names,
            "signatures": audited["signatures"],
            "operators": audited["operators"],
            "files": {
                path.relative_to(new).as_posix(): {"sha256": runtime.sha256(path), "bytes": path.stat().st_size}
                for path in sorted(new.rglob("*"))
                if path.is_file()
            },
            "parity": compared,
            "quality": quality or {},
            "versions": {name: version(name) for name in PACKAGES},
        }
        (new / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, Path(temporary) / "old")
        os.replace(new, folder)
    return manifest


def _save(tokenizers, folder):
    """Saves each tokenizer; what the manifest says of it: kind, what is done to text before it, whether END follows."""
    described = {}
    for role, tokenizer in tokenizers.items():
        tokenizer.save(folder / "tokenizers" / role)
        settings = json.loads((folder / "tokenizers" / role / "tokenizer.json").read_bytes())
        normalisation = {key: value for key, value in settings.items() if key not in ("tokenizer", "vocabulary")}
        described[role] = {
            "kind": settings["tokenizer"],
            "vocab_size": tokenizer.vocab_size,
            "normalisation": normalisation,
            "end": role == "source",
        }
    return described


def _check_given(task, inputs, tokenizers, labels):
    """That what the runtime will need is there."""
    if task not in ROLES:
        raise ValueError(f"Expected a task among {', '.join(ROLES)}. Received: task={task!r}")
    roles = () if "values" in inputs else ROLES[task]
    if set(tokenizers) != set(roles):
        raise ValueError(f"Expected tokenizers for {sorted(roles)}. Received: tokenizers={sorted(tokenizers)}")
    if task in LABELLED and labels is None:
        raise ValueError("Expected the names of the classes. Received: labels=None")


def _check_widths(task, signatures, tokenizers, labels):
    """That it fits the model."""
    if task in ("classify", "tag"):
        (output,) = signatures[task]["outputs"].values()
        if len(labels) != output["shape"][-1]:
            raise ValueError(
                f"Expected a name for each of {output['shape'][-1]} classes. Received: {len(labels)} labels"
            )
    if "step" in signatures:
        width, size = signatures["step"]["outputs"]["logits"]["shape"][-1], tokenizers[ROLES[task][-1]].vocab_size
        if size != width:
            raise ValueError(
                f"Expected a {ROLES[task][-1]} tokenizer of the model's {width} ids. Received: vocab_size={size}"
            )
