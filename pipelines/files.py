"""Small files written in one piece: a reader finds the old content or the new, never half of it."""

import json
import os
import tempfile
from pathlib import Path


def write_bytes(path, content):
    """Writes beside the file, then puts it in its place; makes the folder where it is missing.

    Raises:
        OSError: what went wrong, with the path that was to be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        os.unlink(name)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        os.unlink(name)
        raise


def write_json(path, content):
    write_bytes(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def read_json(path):
    """The object in a JSON file.

    Raises:
        ValueError: a file that is missing, cannot be read, or holds anything else.
    """
    try:
        content = json.loads(read_bytes(path))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"Expected a JSON file. Received: path={str(path)!r} ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"Expected a JSON object. Received: {type(content).__name__} in {path}")
    return content


def read_bytes(path):
    """The content of a file.

    Raises:
        ValueError: one that is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path, error):
    """The ValueError to raise where the operating system refuses a path; it names the path and the reason."""
    reason = getattr(error, "strerror", None) or error
    return ValueError(f"Expected a file that can be read. Received: path={str(path)!r} ({reason})")
