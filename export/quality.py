"""Figures on held-out data: the answers of a model compared with the targets."""

import numpy as np

from seqkeras.tokens import END, PAD, UNKNOWN
from seqkeras.training.scores import span_f1
from seqkeras.training.spans import in_bio


class HeldOut(dict):
    """Inputs by name, with the `targets` that the data has for them.

    Args:
        inputs: dict of arrays.
        targets: an array or a dict of arrays, or None.
    """

    def __init__(self, inputs, targets=None):
        super().__init__(inputs)
        self._given, self._targets = dict(inputs), targets

    @property
    def targets(self):
        """The targets; None once an input has been replaced, since they may belong to another order of rows."""
        same = self.keys() == self._given.keys() and all(self[name] is array for name, array in self._given.items())
        return self._targets if same else None


def figures(task, inputs, outputs, targets, labels):
    """Figures by name, "examples" first; {} of a task in which there is no one right answer.

    An unknown label, -1, and a text with UNKNOWN are never right.

    Args:
        task: the signature's name.
        inputs, outputs: dict of arrays [n, ...], of that signature.
        targets: as of `HeldOut`.
        labels: as the manifest has them.
    """
    if task == "classify":
        said = {"accuracy": np.mean(outputs["probabilities"].argmax(-1) == targets)}
    elif task == "tag" and "probabilities" in outputs and np.ndim(targets) == 2:
        said = _of_tags(inputs, outputs["probabilities"], targets, labels)
    elif task == "understand":
        said = {f"tag_{k}": v for k, v in _of_tags(inputs, outputs["tags"], targets["tags"], labels["tags"]).items()}
        said |= {"label_accuracy": np.mean(outputs["label"].argmax(-1) == targets["label"])}
    elif task == "translate":
        pairs = zip(outputs["ids"], targets, strict=True)
        said = {
            "exact_match": np.mean([UNKNOWN not in other and _written(one) == _written(other) for one, other in pairs])
        }
    elif task == "forecast" and outputs["next"].shape == np.shape(targets):
        said = {"mean_squared_error_scaled": np.mean((outputs["next"] - targets) ** 2)}
    else:
        return {}
    return {"examples": len(next(iter(outputs.values()))), **{name: float(one) for name, one in said.items()}}


def _of_tags(inputs, distributions, targets, names):
    """The share of right tags over real positions; where they are BIO, F1 of spans as well."""
    said = distributions.argmax(-1)
    lengths = inputs["length"] if "length" in inputs else (inputs["ids"] != PAD).sum(axis=1)
    rows = [(one[:end], other[:end]) for one, other, end in zip(said, targets, lengths, strict=True)]
    found = {"accuracy": np.mean(np.concatenate([one == other for one, other in rows]))}
    if in_bio(names):
        true = [[names[i] if i >= 0 else "I-?" for i in other] for _, other in rows]  # none of the model's types
        found["span_f1"] = span_f1(true, [[names[i] for i in one] for one, _ in rows])
    return found


def _written(ids):
    """The ids before END, without padding."""
    ids = list(ids)
    return [one for one in (ids[: ids.index(END)] if END in ids else ids) if one != PAD]
