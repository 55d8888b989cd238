"""Which examples a file is tried on: from the shortest to the longest, by the names that the model asks for."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from seqkeras import arguments
from seqkeras.export import given
from seqkeras.export.quality import HeldOut
from seqkeras.signatures import main
from seqkeras.tokens import PAD


def held_out(batches: Any, n: int, model: Any) -> HeldOut:
    """At most `n` examples of batches as the task functions make them, as `parity` takes them for `model`.

    They are taken in even steps from the shortest to the longest. Of a text to be continued the first half is the
    prompt; random numbers, where a search draws with them, are drawn. The targets that the batches hold come along, as
    the attribute `targets`: `write_bundle` puts its figures of them into the manifest.

    Args:
        batches: features -> ..., or (features, ...); read to their end.
        n: how many.
        model: what is to be exported.

    Raises:
        ValueError: no batches, or features without what the model asks for; no model, or no such `n`.
    """
    arguments.positive(n=n)
    if not isinstance(batches, Iterable):
        raise ValueError(f"Expected batches of examples. Received: batches of type {type(batches).__name__}")
    given.check_model(model)
    _, _, specs = main(model, None, None)
    extra = model.extra_inputs(None) if hasattr(model, "extra_inputs") else {}
    wanted = [name for name in specs if name not in extra]
    columns: dict[str, list] = {name: [] for name in wanted}
    targets = []
    for features, *said in batches:
        features = features if isinstance(features, dict) else {wanted[0]: features}
        if not features.keys() >= columns.keys():
            raise ValueError(f"Expected features {sorted(columns)}. Received: {sorted(features)}")
        for name, arrays in columns.items():
            arrays.append(np.asarray(features[name]))
            if arrays[-1].ndim != len(specs[name].shape):
                raise ValueError(
                    f"Expected batches of {name} with {len(specs[name].shape)} axes. Received: {arrays[-1].ndim}"
                )
        targets += said[:1]
    if not columns[wanted[0]]:
        raise ValueError("Expected batches of examples. Received: none")
    inputs = {name: _stacked(arrays) for name, arrays in columns.items()}
    rows = spread(inputs.get("length", _filled(inputs[wanted[0]])), n)
    inputs = {name: array[rows] for name, array in inputs.items()}
    if "prompt" in inputs:
        inputs["prompt"] = _beginnings(inputs["prompt"])
    if extra:
        random = np.random.default_rng(0)
        drawn = model.drawn(len(rows), lambda shape: random.random(shape, "float32"))
        inputs |= {name: np.asarray(x, "float32") for name, x in drawn.items()}
    return HeldOut(inputs, _targets(targets, rows))


def _targets(batches, rows):
    """What batches of targets, arrays or dicts of them, say to some rows; None where there are none."""
    if not batches:
        return None
    if isinstance(batches[0], dict):
        return {name: _targets([one[name] for one in batches], rows) for name in batches[0]}
    return _stacked([np.asarray(one) for one in batches])[rows]


def spread(lengths: np.ndarray, n: int) -> np.ndarray:
    """Indices of at most `n` rows in even steps from the shortest to the longest."""
    order = np.argsort(lengths, kind="stable")
    return order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)]


def _filled(array):
    """How much of each row is not padding, 0 of a single number: [n, ...] -> [n]."""
    return np.any(array.reshape(*array.shape[:2], -1), axis=2).sum(axis=1) if array.ndim > 1 else np.zeros(len(array))


def _stacked(arrays):
    """Batches of several lengths below each other, zeros after the shorter ones."""
    longest = max(array.shape[1] if array.ndim > 1 else 0 for array in arrays)
    pads = [[(0, longest - size if axis == 1 else 0) for axis, size in enumerate(array.shape)] for array in arrays]
    return np.concatenate([np.pad(array, pad) for array, pad in zip(arrays, pads, strict=True)])


def _beginnings(ids):
    """Of each row START, a, b, c, d the beginning a, b."""
    half = (_filled(ids) - 1) // 2
    return np.where(np.arange(half.max()) < half[:, None], ids[:, 1 : 1 + half.max()], PAD)
