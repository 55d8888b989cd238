"""What leaves the house: one folder with the file, its tokenizers, a manifest that proves it, and code to paste."""

import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from seqkeras import arguments, folders
from seqkeras.export import given, loops, snippets
from seqkeras.export import manifest as manifests
from seqkeras.export import quantize as weights
from seqkeras.export.parity import check_metric, parity, rounding
from seqkeras.export.tflite import checked_length, to_tflite
from seqkeras.pipelines.tokenizers import load as load_tokenizer
from seqkeras.signatures import main
from seqkeras.tasks import TASKS
from seqkeras.tokens import END, PAD, START, UNKNOWN

PACKAGES = ("seqkeras", "keras", "tensorflow", "tensorflow-text", "sentencepiece", "ai-edge-litert")


def write_bundle(
    model: Any,
    folder: str | os.PathLike[str],
    length: int | None = None,
    *,
    inputs: Mapping[str, np.ndarray],
    tokenizers: Mapping[str, Any] | None = None,
    labels: Any = None,
    scale: Mapping[str, Any] | None = None,
    quantize: str | None = None,
    metric: Callable[[dict[str, np.ndarray]], float] | None = None,
    bound: float | None = None,
    quality: Mapping[str, Any] | None = None,
    strategy: str = "loop",
    growth: float = 1.0,
    num_threads: int = 1,
) -> dict[str, Any]:
    """Exports, audits and compares, and writes the bundle in one piece or not at all; an older bundle is replaced.

    Args:
        model: a reading model (`SequenceClassifier`, …), or a search over one that writes.
        folder: where to.
        length: the longest input in tokens, END counted; the file's static shape. None where the model has no such
            input, as to generate from a label or to forecast.
        inputs: held-out examples for `parity`, which also explains `metric` and `bound`.
        tokenizers: dict of role to tokenizer as the task functions give it ("text", with "characters" where words
            are read by them too; "source" and "target"; "target"); none for real values.
        labels: names of the classes, in order; of a `JointTagger` a dict of them, "tags" and "label".
        scale: dict with the "mean" and the "deviation" that the values were scaled by before training, a number each
            variable, and if they have them the names of the "variables": `data.report["train"]` of
            `pipelines.forecasting` holds all. The bundle then takes and
            gives values as they are in the world. A forecast needs it; a mean of 0 and a deviation of 1 change nothing.
        quantize: None for float32; "float16" for weights rounded to 16 bits, with which the file is compared, while
            "rounding" in the manifest's "parity" says how far the rounded model is from the trained one, and `metric`
            and `bound`, if given, say how far it may be; "int8" for 8-bit weights, which need both.
        quality: dict of figures to be kept in the manifest; None for those of the targets that come with `inputs` as
            `held_out` gives them: accuracy, exact match, F1 of spans, squared error, whichever the task has.
        strategy, growth, num_threads: how recurrent layers go over time, how large the file may become for it, and how
            many threads it may take: as in `to_tflite`; "auto" measures with `inputs`. The comparison, `load_bundle`
            and the code to paste take so many threads, with "auto" as many as were the fastest. None is "fused": a
            bundle runs in every runtime.

    Returns:
        The manifest, a dict.

    Raises:
        ValueError: something the task needs is missing or does not fit the model; the audit or the comparison failed;
            `folder` holds anything but a bundle.
        RuntimeError: the converter failed.
    """
    weights.check(quantize)
    model, folder = given.model_in_float32(model), Path(folder)
    _check_folder(folder)
    length, quality = checked_length(model, length), None if quality is None else _figures(quality)
    _check_options(quantize, strategy, metric, bound)
    in_file = {"quantize": quantize, "strategy": strategy, "growth": growth, "num_threads": num_threads}
    task, _, specs = main(model, 1, length)
    contents = Contents(task, specs, model, tokenizers, labels, scale, inputs, quality)
    with folders.written(folder) as new:
        return _write(new, model, length, contents, in_file, metric, bound)


def _check_options(quantize, strategy, metric, bound):
    check_metric(metric, bound)
    arguments.choice(*loops.STRATEGIES, "auto", strategy=strategy)
    if quantize == "int8" and metric is None:
        raise ValueError(
            f"Expected a metric and a bound for 8-bit weights. Received: quantize={quantize!r}, metric=None"
        )


class Contents:
    """What a bundle holds besides the LiteRT file, checked against the model."""

    def __init__(self, task, specs, model, tokenizers, labels, scale, inputs, quality):
        self.task, self.labels, self.inputs, self.quality = task, labels, inputs, quality
        self.tokenizers = given.checked_tokenizers(task, specs, model, tokenizers)
        self.names = given.checked_names(labels, model)
        if self.names is None and TASKS[task].labels:
            raise ValueError("Expected the names of the classes. Received: labels=None")
        self.scale = _checked_scale(task, specs, scale)
        shapes = {name: (tuple(spec.shape), spec.dtype) for name, spec in specs.items()}
        self.examples = given.examples(model, inputs, shapes)


def _write(folder, model, length, contents, in_file, metric, bound):
    """Writes the parts of a bundle and compares the file with the model: its manifest."""
    quantize, exact, of_rounding = in_file["quantize"], model, {}
    if quantize == "float16":  # the file equals the rounded model, and that is compared with the trained one
        exact = weights.in_float16(model)
        of_rounding, metric, bound = {"rounding": rounding(model, exact, contents.examples, metric, bound)}, None, None
    described = _save(contents.tokenizers, folder)
    audited = to_tflite(model, folder / "model.tflite", length, **in_file, inputs=contents.examples)
    compared = parity(
        exact,
        folder / "model.tflite",
        contents.inputs,
        metric,
        bound,
        num_threads=audited["num_threads"],
        tokenizers={role: load_tokenizer(folder / "tokenizers" / role) for role in contents.tokenizers},
        labels=contents.labels,
        targets=getattr(contents.inputs, "targets", None) if contents.quality is None else None,
    )
    manifest = {
        **_of_model(model, contents.task, contents.names, contents.scale),
        **_of_file(audited, quantize, in_file["growth"]),
        "tokenizers": described,
        "quality": compared.pop("quality", {}) if contents.quality is None else contents.quality,
        "parity": compared | of_rounding,
    }
    _finish(folder, manifest)
    return manifest


def _of_model(model, task, names, scale):
    """What a manifest says of the model."""
    outputs = given.made_with(model, "outputs") if task == "tag" else {"forecast": "values"}.get(task, "class")
    return {
        "bundle": 1,
        "task": task,
        "parameters": int(model.count_params()),
        "labels": names,
        "outputs": outputs,
        "scale": scale,
        "temperature": getattr(model, "temperature", None),
        "special_ids": {"PAD": PAD, "START": START, "END": END, "UNKNOWN": UNKNOWN},
        "versions": {name: version(name) for name in PACKAGES},
    }


def _of_file(audited, quantize, growth):
    """What a manifest says of the LiteRT file."""
    return {
        "weights": quantize or "float32",
        "strategy": audited["strategy"],
        "growth": float(growth),
        "num_threads": audited["num_threads"],
        "measured": audited.get("measured"),
        "signatures": audited["signatures"],
        "operators": audited["operators"],
    }


def _finish(folder, manifest):
    """Writes the code to paste, and the manifest with the checksums of all files."""
    snippets.write(folder / "snippets", manifest)
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {"sha256": manifests.sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


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


def _check_folder(folder):
    """That nothing but an older bundle is replaced."""
    if not folder.exists():
        return
    try:
        beside = manifests.unlisted(folder, manifests.read(folder))
    except ValueError as error:
        raise ValueError(
            f"Expected a new folder or a bundle to replace. Received: folder={str(folder)!r} ({error})"
        ) from None
    if beside:
        raise ValueError(
            f"Expected a new folder or a bundle to replace. Received: folder={str(folder)!r}, which also holds {beside}"
        )


def _figures(quality):
    """The figures as plain Python numbers."""
    try:
        text = json.dumps(dict(quality), allow_nan=False, default=lambda figure: np.asarray(figure).tolist())
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected finite figures by name. Received: quality={quality!r} ({error})") from None
    return json.loads(text)


def _checked_scale(task, inputs, scale):
    """The scale as plain lists, a number each variable; None where there is none."""
    if scale is None and not TASKS[task].scaled:
        return None
    if not isinstance(scale, Mapping) or not {"mean", "deviation"} <= set(scale):
        raise ValueError(
            "Expected the mean and the deviation that the values were scaled by, as data.report['train'] holds them. "
            f"Received: scale={scale}"
        )
    widths = list(inputs["values"].shape[-1:]) if "values" in inputs else []
    numbers = {name: np.ravel(np.asarray(scale[name], "float64")).tolist() for name in ("mean", "deviation")}
    if scale.get("variables"):
        numbers["variables"] = list(scale["variables"])
    manifests.check_scale(numbers, widths)
    return numbers
