"""What the sides of the learning benchmark share: the same rows in the same order, and the figure they are judged by.

It needs NumPy only, as each side runs with a Python of its own.
"""

import json

import numpy as np


class Rows:
    """The arrays that `learning_data.write` puts into a file.

    `train` and `validation` are dicts of arrays: the inputs of the task, "y" the targets [N] or [N, T], "weight" 1
    where a target is real; `sizes` are those of the model.
    """

    def __init__(self, path):
        with np.load(path) as file:
            self.sizes = json.loads(str(file["sizes"]))
            self.train, self.validation = (
                {name.partition("/")[2]: file[name] for name in file.files if name.startswith(f"{split}/")}
                for split in ("train", "validation")
            )

    def batches(self, seed, steps, batch_size):
        """So many batches, each epoch in another order: the same ones for the same seed."""
        random, order = np.random.default_rng(seed), np.zeros(0, int)
        for _ in range(steps):
            while len(order) < batch_size:
                order = np.concatenate([order, random.permutation(len(self.train["y"]))])
            rows, order = order[:batch_size], order[batch_size:]
            yield {name: array[rows] for name, array in self.train.items()}

    def score(self, predict, metric, batch_size=128):
        """Perplexity, or accuracy in %, over the validation's real targets; predict(rows) -> logits as an array."""
        total, count = 0.0, 0.0
        for first in range(0, len(self.validation["y"]), batch_size):
            rows = {name: array[first : first + batch_size] for name, array in self.validation.items()}
            logits = np.asarray(predict(rows), "float64")
            if metric == "perplexity":
                logits -= logits.max(axis=-1, keepdims=True)
                chosen = np.take_along_axis(logits, rows["y"][..., None].astype(int), axis=-1)[..., 0]
                values = np.log(np.exp(logits).sum(axis=-1)) - chosen
            else:
                values = 100.0 * (logits.argmax(axis=-1) == rows["y"])
            total, count = total + (values * rows["weight"]).sum(), count + rows["weight"].sum()
        return float(np.exp(total / count) if metric == "perplexity" else total / count)
