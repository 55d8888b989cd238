"""What is going on, on the terminal's error stream; nothing where that is not a terminal."""

import contextlib

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextlib.contextmanager
def working(what):
    """A line with a turning wheel and the time, while something of unknown length is done."""
    with _lines(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as lines:
        lines.add_task(what, total=None)
        yield


@contextlib.contextmanager
def bar(what, total):
    """A bar and the time left. Gives a function of how much is done, of `total`, and a word beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with _lines(*columns) as lines:
        job = lines.add_task(what, total=total, said="compiling")
        yield lambda done, said: lines.update(job, completed=done, said=said)


def _lines(*columns):
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
