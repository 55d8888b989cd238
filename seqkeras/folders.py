"""Folders that are made in one piece or not at all, by one process at a time.

While the folder NAME is made, these stand beside it:

.NAME.seqkeras-lock   locked by the process that makes it, whose number it holds
.NAME.seqkeras-new    what is written so far
.NAME.seqkeras-old    what NAME was before, for the moment of the exchange

The operating system releases the lock of a process that was killed. Whoever works in the same place next removes what
it left, and puts an old folder back that no new one has replaced.
"""

import contextlib
import fcntl
import os
import re
import shutil
from pathlib import Path

_LEFT = re.compile(r"\.(.+)\.seqkeras-(lock|new|old)", re.DOTALL)


def make(folder):
    """Makes a folder, and those it lies in, where they are missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"Expected a path through folders. Received: {error.filename}, a file") from None


@contextlib.contextmanager
def locked(folder):
    """Keeps other processes from making `folder` while the block lasts, and tidies up after killed ones first.

    Raises:
        ValueError: another process makes it (the message has its number), or its parent cannot be written to.
        OSError: its parent cannot be made.
    """
    folder = Path(folder)
    make(folder.parent)
    tidy(folder.parent)
    lock = _lock(folder)
    try:
        _restore(folder)
        yield
    finally:
        _unlock(folder, lock)


@contextlib.contextmanager
def begun(folder):
    """A new folder to write into, beside `folder`, which must be locked. It is removed unless `put` has moved it."""
    new = _beside(folder, "new")
    new.mkdir()
    try:
        yield new
    finally:
        _remove(new)


def put(new, folder):
    """Moves a folder made by `begun` into its place and removes the old one, which is put back after an error."""
    old = _beside(folder, "old")
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    _remove(old)


@contextlib.contextmanager
def written(folder):
    """A new folder to write into. Where the block ends without an error it takes the place of `folder`.

    What stood there before is gone then, and untouched otherwise.
    """
    folder = Path(folder)
    with locked(folder), begun(folder) as new:
        yield new
        put(new, folder)


def tidy(place):
    """Removes from a place what killed processes left there, and puts back the folders they were replacing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        left = {match[1] for match in map(_LEFT.fullmatch, os.listdir(place)) if match}
        for name in sorted(left):
            folder = Path(place) / name
            with contextlib.suppress(ValueError):  # another process is at work on it
                lock = _lock(folder)
                try:
                    _restore(folder)
                finally:
                    _unlock(folder, lock)


def _beside(folder, what):
    return folder.with_name(f".{folder.name}.seqkeras-{what}")


def _lock(folder):
    """The handle of the lock file, locked."""
    path = _beside(folder, "lock")
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ValueError(
                f"Expected a folder that can be written to. Received: {folder.parent} ({error.strerror})"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = os.pread(handle, 20, 0).decode() or "unknown"
            os.close(handle)
            raise ValueError(
                f"Expected a folder that no other process is making. Received: {folder}, at which process {process} "
                "is at work; wait for it, or choose another name"
            ) from None
        if _is(handle, path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            return handle
        os.close(handle)  # of a file that its process removed before it was locked here


def _is(handle, path):
    """Whether the open file is the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _unlock(folder, handle):
    with contextlib.suppress(OSError):
        os.unlink(_beside(folder, "lock"))
    os.close(handle)


def _restore(folder):
    """What a killed process left of a folder that is locked: an old one goes back where no new one took its place."""
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    _remove(new)
    _remove(old)


def _remove(folder):
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
