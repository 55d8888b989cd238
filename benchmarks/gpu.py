"""Training on a GPU: this package on Keras's JAX backend, keras.layers on the same, PyTorch (cuDNN) beside them.

    KERAS_BACKEND=jax python benchmarks/gpu.py [--rounds 10]

Needs jax with CUDA, torch with CUDA and keras; not TensorFlow. One step is forward, backward and Adam's update of
embedding, recurrent layer and softmax over 2,000 tokens at every position, float32. The sides take turns, in one
process; the times are medians, and the ratio is the median of the rounds' ratios. Writes
benchmarks/results/gpu.json.
"""

import argparse
import json
import os
import statistics
import time
from datetime import date
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import keras
import numpy as np
import torch

from seqkeras import cells
from seqkeras.rnn.recurrence import Recurrence
from seqkeras.training.losses import CrossEntropy

V, STEPS = 2000, 5


class Ours(keras.Model):
    def __init__(self, cell, units):
        super().__init__()
        self.embedding = keras.layers.Embedding(V, units)
        self.recurrence = Recurrence(cells.make(cell, units))
        self.logits = keras.layers.Dense(V)

    def call(self, ids):
        return self.logits(self.recurrence(self.embedding(ids))[0])


class Layers(keras.Model):
    def __init__(self, cell, units):
        super().__init__()
        self.embedding = keras.layers.Embedding(V, units)
        self.recurrence = getattr(keras.layers, {"simplernn": "SimpleRNN"}.get(cell, cell.upper()))(
            units, return_sequences=True
        )
        self.logits = keras.layers.Dense(V)

    def call(self, ids):
        return self.logits(self.recurrence(self.embedding(ids)))


class Torch(torch.nn.Module):
    def __init__(self, cell, units):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, units)
        self.recurrence = getattr(torch.nn, {"simplernn": "RNN"}.get(cell, cell.upper()))(
            units, units, batch_first=True
        )
        self.logits = torch.nn.Linear(units, V)

    def forward(self, ids):
        return self.logits(self.recurrence(self.embedding(ids))[0])


def keras_side(model, ids):
    """A function that takes STEPS training steps and waits for them."""
    model(ids)
    optimizer, loss = keras.optimizers.Adam(1e-3), CrossEntropy()
    optimizer.build(model.trainable_variables)

    def value(trainable, fixed, ids):
        logits, fixed = model.stateless_call(trainable, fixed, ids)
        return loss(ids, logits), fixed

    @jax.jit
    def step(trainable, fixed, slots, ids):
        (_, fixed), gradients = jax.value_and_grad(value, has_aux=True)(trainable, fixed, ids)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, fixed, slots

    state = [[v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
    state.append([v.value for v in optimizer.variables])
    ids = jax.numpy.asarray(ids)

    def run():
        nonlocal state
        for _ in range(STEPS):
            state = step(*state, ids)
        jax.block_until_ready(state)

    return run


def torch_side(model, ids):
    model, ids = model.cuda(), torch.as_tensor(ids, dtype=torch.long).cuda()
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-3), torch.nn.CrossEntropyLoss()

    def run():
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss(model(ids).flatten(0, 1), ids.flatten()).backward()
            optimizer.step()
        torch.cuda.synchronize()

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cells", nargs="*", default=["lstm", "gru", "simplernn"])
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "gpu.json"))
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    jax.config.update("jax_default_matmul_precision", "float32")
    rows = []
    for cell in arguments.cells:
        for units, length, batch in ((256, 64, 64), (512, 64, 64), (1024, 64, 64), (512, 256, 64)):
            ids = np.random.default_rng(0).integers(0, V, (batch, length)).astype("int32")
            sides = {
                "seqkeras": keras_side(Ours(cell, units), ids),
                "keras.layers": keras_side(Layers(cell, units), ids),
                "torch": torch_side(Torch(cell, units), ids),
            }
            times = {name: [] for name in sides}
            for _ in range(2):
                for run in sides.values():
                    run()
            for _ in range(arguments.rounds):
                for name, run in sides.items():
                    begin = time.perf_counter()
                    run()
                    times[name].append((time.perf_counter() - begin) / STEPS * 1e3)
            ours = statistics.median(times["seqkeras"])
            for peer in ("keras.layers", "torch"):
                row = {
                    "case": f"{cell} training, width {units}, length {length}, batch {batch}",
                    "ours_ms": round(ours, 3),
                    "ours_tokens_per_second": round(batch * length / ours * 1e3),
                    "peer": peer,
                    "peer_ms": round(statistics.median(times[peer]), 3),
                    "ratio": round(
                        statistics.median(p / o for p, o in zip(times[peer], times["seqkeras"], strict=True)), 3
                    ),
                    "rounds": arguments.rounds,
                }
                rows.append(row)
                print(row, flush=True)
    content = {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(),
        "versions": {"keras": keras.__version__, "jax": jax.__version__, "torch": torch.__version__},
        "rows": rows,
    }
    temporary = arguments.output + ".part"
    Path(temporary).write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
