"""LiteRT's converter, in a process of its own: one that crashes costs an error message, not the training session.

The process is started by the first conversion and kept for those that follow: its imports take seconds, most models
less than one. It holds several hundred megabytes meanwhile, no GPU, and the environment of the first. See `converter`.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PROGRAM = Path(__file__).with_name("converter.py")
IDLE = 30  # seconds without a job after which it ends
LINES, BYTES = 20, 2**16  # of what the converter said, in a message
NEEDS = 10  # times the bytes of the weights: what a conversion takes, measured
OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory")  # as the converter says it

_lock = threading.Lock()
_running = None


class _Process:
    """The converter's process, and the file that holds what it says."""

    def __init__(self):
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.heard = 0
        end, pipe = os.pipe()
        self.answers = os.fdopen(end)
        try:
            alone = "-I" if sys.flags.isolated else "-P"  # nothing beside the program is imported by name
            self.child = subprocess.Popen(
                [sys.executable, alone, str(PROGRAM), str(IDLE), str(pipe)],
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
                stdin=subprocess.PIPE,
                stdout=self.log,
                stderr=self.log,
                pass_fds=[pipe],
                text=True,
            )
        finally:
            os.close(pipe)

    def answer(self, job):
        """("done", "failed", or "" of a process that has ended; what was said meanwhile)."""
        try:
            self.child.stdin.write(json.dumps(job) + "\n")
            self.child.stdin.flush()
            word = self.answers.readline().strip()
        except BrokenPipeError:
            word = ""
        if not word:
            self.child.wait()
        begin, self.heard = self.heard, os.fstat(self.log.fileno()).st_size
        begin = max(begin, self.heard - BYTES)
        said = os.pread(self.log.fileno(), self.heard - begin, begin).decode("utf-8", "replace")
        return word, "\n".join(said.strip().splitlines()[-LINES:])

    def stop(self):
        self.child.kill()
        self.child.wait()
        for file in (self.child.stdin, self.answers, self.log):
            with contextlib.suppress(OSError):  # stdin, where a job has not been read
                file.close()


def convert(folder, path, quantize):
    """Writes the SavedModel in `folder` as a LiteRT file.

    Args:
        folder: of a SavedModel.
        path: of the file.
        quantize: None for float32, "int8" for 8-bit weights (dynamic range).

    Raises:
        RuntimeError: the converter failed, or its process ended; the message says whether memory was short, and holds
            what it said last.
    """
    job = os.path.abspath(folder), os.path.abspath(path), quantize or "float32"
    with _lock:
        word, said, status = _answer(job)
    if (not word and status == -signal.SIGKILL) or any(sign in said for sign in OUT_OF_MEMORY):
        raise RuntimeError(_out_of_memory(folder, said))
    if not word:
        raise RuntimeError(f"The LiteRT converter ended with status {status}. It said last:\n{said}")
    if word != "done" or not os.path.exists(path):
        raise RuntimeError(f"The LiteRT converter failed. It said last:\n{said}")


def _out_of_memory(folder, said):
    """The message for a converter that was killed, or failed, for lack of memory."""
    weights = sum(path.stat().st_size for path in Path(folder, "variables").glob("*"))
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"The LiteRT converter was ended for lack of memory. The weights take {weights / 1e9:.2f} GB, a conversion "
        f"about {NEEDS} times as much plus half a GB; this machine has {machine / 1e9:.1f} GB. End other programs, "
        f"export where there is more memory, or make the model smaller. It said last:\n{said}"
    )


def _answer(job):
    """What the process that is kept answers, or, where that has ended of itself or was ended, a new one."""
    global _running
    process = _running
    try:
        word, said = process.answer(job) if process else ("", "")
        if not word:
            stop()
            process = _running = _Process()
            word, said = process.answer(job)
    except BaseException:  # an answer that nobody waited for would be taken for the next job's
        stop()
        raise
    return word, said, process.child.returncode


@atexit.register
def stop():
    """Ends the process; the next conversion starts another."""
    global _running
    process, _running = _running, None
    if process is not None:
        process.stop()


def _forget():
    """In a fork of this process: its conversions have a process of their own."""
    global _lock, _running
    _lock, _running = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
