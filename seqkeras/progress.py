"""What is going on, on the terminal's error stream; nothing where that is not a terminal."""

import contextlib
import time

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 10  # batches
console = Console(stderr=True)


@contextlib.contextmanager
def working(what):
    """A line with a turning wheel and the time, while something of unknown length is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield


class Training(keras.callbacks.Callback):
    """A bar over all epochs of `fit`: batches, loss, time left.

    Afterwards `seconds` says how long it took, and `curve` holds (batches so far, mean loss of the last few).
    """

    def __init__(self, what):
        super().__init__()
        self.what = what
        self.curve = []
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()
        total = self.params["epochs"] * self.params["steps"]
        self.job = self.bar.add_task(self.what, total=total, said="compiling")
        self.bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self.before, self.total = epoch * self.params["steps"], 0.0

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % EVERY == 0:
            total = float(logs["loss"]) * (batch + 1)  # Keras gives the mean since the epoch began
            loss, self.total = (total - self.total) / EVERY, total
            self.curve.append((self.before + batch + 1, loss))
            self.bar.update(self.job, completed=self.before + batch + 1, said=f"loss {loss:.3f}")

    def on_train_end(self, logs=None):
        self.seconds = time.monotonic() - self.began
        self.bar.stop()
