"""What is said beside the answers, on the error stream: lines that stay, and what is going on while it lasts.

What is going on is only shown on a terminal.
"""

import contextlib
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def say(message):
    """A line of our own."""
    print(f"seqkeras: {message}", file=sys.stderr)


def tell(message):
    """A line on the standard output while something lasts, where no bar is seen because there is no terminal."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        print(message, flush=True)


@contextlib.contextmanager
def working(what):
    """A line with a turning wheel and the time, while something of unknown length is done."""
    with _lines(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as lines:
        lines.add_task(what, total=None)
        yield


@contextlib.contextmanager
def bar(what, total):
    """A wheel, a bar, the time so far and the time left.

    Gives a function of how much is done, of `total`, and what is being done.
    """
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[said]}")
    with _lines(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as lines:
        job = lines.add_task(what, total=total, said="compiling")
        yield lambda done, said: lines.update(job, completed=done, said=said)


def _lines(*columns):
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
