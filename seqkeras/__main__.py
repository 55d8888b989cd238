"""The command line: from arguments to a command, and how it ended."""

import atexit
import contextlib
import errno
import logging
import os
import re
import signal
import sys
import tempfile
import textwrap
import threading
import traceback
import warnings

from seqkeras.cli import preconditions, progress, usage


def main(arguments=None):
    """Runs a command. Returns the exit status: 0, 1 for an error that one line tells, 2 for wrong usage."""
    try:
        asked = usage.understood(arguments)
    except SystemExit as end:  # argparse has said why
        return end.code
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: nobody is to read it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if arguments is None and not asked.traceback:
        atexit.register(mute)  # LiteRT has last words, after Python's
    with contextlib.nullcontext() if asked.traceback else quiet():
        try:
            with terminable(), preconditions.met(asked):
                with progress.working("starting"):
                    from seqkeras.cli import commands  # TensorFlow: after what can be told without it
                getattr(commands, asked.command)(asked)
                sys.stdout.flush()
            return 0
        except KeyboardInterrupt:
            return failed("stopped; what had been saved is kept")
        except BrokenPipeError:  # whoever read our output has gone, and nothing more can be said
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 1
        except Exception as error:
            if asked.traceback:
                traceback.print_exc()
            said = one_line(error)
            return failed(said + usage.flags(asked, said))


@contextlib.contextmanager
def terminable():
    """SIGTERM ends a command as Ctrl-C does: nothing is left behind, and its child processes end too."""

    def stop(*_):
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # where Python handles no signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def one_line(error):
    """One line about an error, not endless; a file's name first."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if getattr(error, "errno", 0) == errno.ENOSPC or "No space left on device" in str(error):  # TensorFlow has its own
        return f"No space left on device: see to room in the folder of the runs and in {tempfile.gettempdir()}"
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # the latter is TensorFlow's
        shape = re.search(r"shape ?\[[0-9,]+\]", str(error))
        wanted = f" for {shape[0]}" if shape else ""
        return f"Expected less to do at once. Received: no memory left{wanted}; take a smaller model or --batch-size"
    return textwrap.shorten(str(error), 800, placeholder=" …") or type(error).__name__


def failed(message):
    progress.say(message)
    return 1


@contextlib.contextmanager
def quiet():
    """Our own lines and warnings keep the error stream; what TensorFlow's and LiteRT's C++ code says there is lost."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    before, kept = sys.stderr, os.dup(2)
    with open(os.devnull, "w") as nowhere, os.fdopen(os.dup(2), "w", buffering=1) as ours, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module=r"seqkeras\.")
        warnings.showwarning = lambda message, *_: progress.say(message)
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(kept, 2)
            os.close(kept)


def mute():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    sys.exit(main())
