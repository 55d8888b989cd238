"""A bundle brought back: each of its files checked against the manifest, before anything is made of it."""

import os
from numbers import Integral
from pathlib import Path

from seqkeras import arguments
from seqkeras.export import answers, given
from seqkeras.export import manifest as manifests
from seqkeras.export.loaded_bundle import Bundle
from seqkeras.export.runtime import RUNTIMES
from seqkeras.pipelines import tokenizers
from seqkeras.tasks import TASKS

MODEL = "model.tflite"


def load(
    folder: str | os.PathLike[str],
    runtime: str = "interpreter",
    num_threads: int | None = None,
    seed: int | None = None,
) -> Bundle:
    """The bundle in `folder`, after each of its files was checked against the manifest.

    Args:
        folder: what `write_bundle` wrote.
        runtime: "interpreter" or "compiled" (LiteRT's CompiledModel).
        num_threads: of the LiteRT runtime; None for as many as the manifest says.
        seed: of what a sampling search draws.

    Returns:
        The `Bundle` of its task: a `Classifier`, `Tagger`, `JointTagger`, `Translator`, `Generator`, `LanguageModel` or
        `Forecaster`.

    Raises:
        ValueError: an unknown runtime; no bundle; a file that is missing, a link, no regular file, differs from the
            manifest or, among the tokenizers', is not in it; one that LiteRT refuses; a tokenizer of another size than
            the model's.
    """
    if num_threads is not None:
        num_threads = given.checked_threads(num_threads)
    arguments.choice(*RUNTIMES, runtime=runtime)
    if seed is not None and (not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0):
        raise ValueError(f"Expected seed to be a whole number from 0 or None. Received: seed={seed!r}")
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
    return answers.of(manifest["task"])(manifest, model, roles, seed)


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
        if role == TASKS[manifest["task"]].writes:
            sizes += logits[-1:]
        for size in sizes:
            if size != tokenizer.vocab_size:
                raise ValueError(
                    f"Expected a {role} tokenizer of the model's {size} ids. Received: one of "
                    f"{tokenizer.vocab_size} in tokenizers/{role}; a tokenizer goes with the model it was trained for"
                )
