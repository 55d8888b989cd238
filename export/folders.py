"""A folder that appears in one piece or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def make(folder):
    """Makes a folder, and those it lies in, where they are missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"Expected a path through folders. Received: {error.filename}, a file") from None


@contextlib.contextmanager
def written(folder):
    """A new folder to write into. Where the block ends without an error it takes the place of `folder`.

    What stood there before is gone then, and untouched otherwise.
    """
    folder = Path(folder)
    make(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        new.mkdir()
        yield new
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(new, folder)
        except BaseException:
            if old.exists():
                os.replace(old, folder)
            raise
