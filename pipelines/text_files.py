"""The lines of a text file, gzip or not: one way for all readers, with the line that cannot be read in each message."""

import gzip
import zlib
from io import BufferedReader, TextIOWrapper
from pathlib import Path


def ended_lines(path, encoding):
    """The lines of a file, gzip or not, without its byte order mark, each with "\\n" at its end, the last as it is.

    Only "\\n" and "\\r\\n" end a line: str.splitlines knows eight more.
    """
    number = 0
    with open(path, "rb") if unzipped(path) == Path(path) else gzip.open(path) as file:
        try:
            for line in TextIOWrapper(BufferedReader(file, 1 << 20), encoding, newline="\n"):
                if not number:
                    line = line.removeprefix("\ufeff")
                number += 1
                yield line[:-2] + "\n" if line.endswith("\r\n") else line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"Expected a gzip file. Received: path={str(path)!r} ({error})") from None
        except LookupError:
            raise ValueError(f"Expected the name of an encoding. Received: encoding={encoding!r}") from None
        except UnicodeDecodeError as error:  # whose bytes begin in the line after the last one that was read
            number += error.object.count(b"\n", 0, error.start) + 1
            raise ValueError(
                f"Expected text in {encoding}. Received: byte 0x{error.object[error.start]:02x} in {path}:{number}; "
                "give the file's encoding, or mend that line"
            ) from None


def lines_of(path, encoding):
    """Lines without their ends, one of them at least not blank."""
    blank = True
    for line in ended_lines(path, encoding):
        blank = blank and not line.strip()
        yield line.removesuffix("\n")
    if blank:
        raise empty(path)


def empty(path):
    """What to raise where a file holds no text."""
    return ValueError(f"Expected text. Received: path={str(path)!r}, which is empty")


def unzipped(path):
    """A path without its `.gz`, in small or capital letters."""
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path
