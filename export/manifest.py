"""What a bundle's manifest.json says: read from a stranger, believed in nothing that the runtime relies on."""

import errno
import hashlib
import json
import os
import re
import stat
from numbers import Real
from pathlib import Path

import numpy as np

from seqkeras.search.sampling import HOTTEST
from seqkeras.tasks import TASKS, roles

THREADS = 256  # more than any machine of this kind has a use for
LARGEST, LARGEST_MANIFEST = 2**32, 2**26  # bytes


def unlisted(folder, manifest):
    """Names of the files in a bundle's folder that its manifest does not know."""
    folder, known = Path(folder), {"manifest.json", *manifest["files"]}
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name not in known)


_TENSORS = {str: {"shape": [int], "dtype": str}}
_MANIFEST = {  # what is relied on; there may be more
    "bundle": int,
    "task": str,
    "tokenizers": {str: {"end": bool}},
    "signatures": {str: {"inputs": _TENSORS, "outputs": _TENSORS}},
    "files": {str: {"sha256": str, "bytes": int}},
}
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # of a file, inside the folder on every system


def read(folder):
    """What a bundle's manifest.json holds; all that the runtime relies on is there and of its type.

    Raises:
        ValueError: it is missing, or no manifest.
    """
    try:
        with opened(Path(folder) / "manifest.json") as file:
            text = file.read(LARGEST_MANIFEST + 1)
        if len(text) > LARGEST_MANIFEST:
            raise ValueError(f"a manifest.json of more than {LARGEST_MANIFEST} bytes")
        manifest = json.loads(text)
        _expect(manifest, _MANIFEST, "a bundle's manifest")
        _check(manifest)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"Expected a bundle with a manifest.json. Received: folder={str(folder)!r} ({error})"
        ) from None
    return manifest


def _expect(value, kind, what):
    """Raises ValueError unless `value` is of a kind: a type, [kind], {str: kind}, or at least {name: kind, …}."""
    container = type(kind) if isinstance(kind, (list, dict)) else kind
    if not isinstance(value, container) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"Expected {what} of type {container.__name__}. Received: {str(value)[:60]}")
    if isinstance(kind, list):
        parts = [(part, kind[0], f"each of {what}") for part in value]
    elif isinstance(kind, dict):
        each = dict.fromkeys(value, kind[str]) if str in kind else kind
        parts = [(value.get(name), one, f"{name!r} in {what}") for name, one in each.items()]
    else:
        parts = []
    for part in parts:
        _expect(*part)


def _check(manifest):
    """That the parts of a manifest fit each other."""

    def must(fits, expected, received):
        if not fits:
            raise ValueError(f"Expected {expected}. Received: {str(received)[:60]}")

    task, files, given = manifest["task"], manifest["files"], sorted(manifest["tokenizers"])
    must(manifest["bundle"] == 1, "a bundle of version 1", manifest["bundle"])
    must(task in TASKS, f"a task among {', '.join(TASKS)}", task)
    must(task in manifest["signatures"], f"a signature {task!r}", list(manifest["signatures"]))
    inputs, outputs = (manifest["signatures"][task][side] for side in ("inputs", "outputs"))
    for name in files:
        must(_NAME.fullmatch(name), "plain names of files in the folder", repr(name))
    for name in ("model.tflite", *(f"tokenizers/{role}/tokenizer.json" for role in given)):
        must(name in files, f"{name} among the files", list(files))
    threads = manifest.setdefault("num_threads", 1)
    _expect(threads, int, "num_threads")
    must(0 < threads <= THREADS, f"num_threads from 1 to {THREADS}", threads)
    must(given == roles(task, inputs), f"tokenizers for {roles(task, inputs)}", given)
    if TASKS[task].labels:
        labels, several = manifest.get("labels"), TASKS[task].labels == "each output"
        _expect(labels, {str: [str]} if several else [str], "labels")
        named = labels if several else dict.fromkeys(outputs, labels)
        must(labels and all(named.values()), "one label or more", labels)
        must(all(len(set(names)) == len(names) for names in named.values()), "distinct labels", labels)
        had = {name: [len(names)] for name, names in named.items()}
        sizes = {name: one["shape"][-1:] for name, one in outputs.items()}
        must(TASKS[task].labels == "input" or had == sizes, f"{sizes} labels", had)
    if "temperature" in inputs:
        _expect(manifest.get("temperature"), Real, "temperature")
        must(0 <= manifest["temperature"] <= HOTTEST, f"temperature from 0 to {HOTTEST:g}", manifest["temperature"])
    outputs = manifest.setdefault("outputs", "class")
    must(outputs in ("class", "labels", "values"), "outputs that are class, labels or values", outputs)
    if manifest.setdefault("scale") is not None or TASKS[task].scaled:
        check_scale(manifest["scale"], inputs.get("values", {"shape": []})["shape"][-1:])


def check_scale(scale, widths):
    """Raises ValueError unless it is {"mean": [...], "deviation": [...]}, as many numbers each as [width] says.

    As many names may be beside them, as "variables".
    """
    _expect(scale, {"mean": [Real], "deviation": [Real]}, "scale")
    mean, deviation, names = scale["mean"], scale["deviation"], scale.get("variables")
    if names is not None:
        _expect(names, [str], "variables in scale")
        if [len(names)] != widths:
            raise ValueError(f"Expected names of {widths} variables. Received: scale['variables']={names}")
    finite = all(abs(one) < np.finfo("float32").max for one in mean + deviation)
    if not [len(mean)] == [len(deviation)] == widths or not finite or not all(one > 0 for one in deviation):
        raise ValueError(f"Expected mean, and deviation above 0, of {widths} variables. Received: scale={scale}")


def opened(path):
    """A regular file, opened to be read. A link, a pipe or a device is an OSError, at once: nothing is waited for."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.fdopen(handle, "rb")


def contents(folder, name, known):
    """The bytes of a file that a manifest describes, read once.

    Args:
        folder: of the bundle.
        name: of the file in it.
        known: dict of its "sha256" and "bytes".

    Raises:
        ValueError: it is missing, reached through a link, no regular file, or of another size or checksum.
    """
    path = Path(folder) / name
    try:
        if os.path.realpath(path) != os.path.join(os.path.realpath(folder), name):
            raise OSError(errno.ELOOP, "a link leads elsewhere")
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size == known["bytes"] <= LARGEST else b""
    except OSError as error:
        why = error.strerror
    else:
        if size != known["bytes"] or size > LARGEST:
            why = f"{size} bytes, not {known['bytes']}"
        elif hashlib.sha256(data).hexdigest() == known["sha256"]:
            return data
        else:
            why = "another checksum"
    raise ValueError(f"Expected the file the manifest describes. Received: {path} is missing or was changed ({why})")


def sha256(path):
    """The checksum of a regular file, in hexadecimal digits."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unchanged(path, known):
    """Whether there is a regular file, no link, and its checksum is the one that is known."""
    try:
        return sha256(path) == known
    except OSError:
        return False
