"""The lines of a text file, gzip or not: one way for all readers, with the line that cannot be read in each message."""

import codecs
import gzip
import os
import zlib
from io import BufferedReader, BytesIO, TextIOWrapper
from pathlib import Path

from seqkeras.pipelines.files import unreadable

BEGINNINGS = {  # of files that are no text, or text in another encoding
    b"\x1f\x8b": "is gzip: give it a name that ends in .gz",
    b"PK\x03\x04": "is a zip archive, as Excel tables are: unpack it, or save the table as CSV",
    b"PAR1": "is a Parquet file: save it as CSV or as JSON lines",
    b"\xff\xfe": "is UTF-16: give its encoding, 'utf-16'",
    b"\xfe\xff": "is UTF-16: give its encoding, 'utf-16'",
}


def ended_lines(path, encoding):
    """The lines of a file, gzip or not, without its byte order mark, each with "\\n" at its end, the last as it is.

    Only "\\n" and "\\r\\n" end a line: str.splitlines knows eight more.

    Raises:
        ValueError: a file that cannot be read, or is no text in this encoding; names its line.
    """
    number = 0
    _check_encoding(encoding)
    with opened(path) as file:
        try:
            content = BufferedReader(file, 1 << 20)
            _check_beginning(content.peek(4096)[:4096], encoding, path)
            with TextIOWrapper(content, encoding, newline="\n") as lines:
                for line in lines:
                    if not number:
                        line = line.removeprefix("\ufeff")
                        _check_ends(line, path)
                    number += 1
                    yield line[:-2] + "\n" if line.endswith("\r\n") else line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"Expected a gzip file. Received: path={str(path)!r} ({error})") from None
        except UnicodeDecodeError as error:  # whose bytes begin in the line after the last one that was read
            number += error.object.count(b"\n", 0, error.start) + 1
            raise ValueError(
                f"Expected text in {encoding}. Received: byte 0x{error.object[error.start]:02x} in {path}:{number}; "
                "give the file's encoding, or mend that line"
            ) from None
        except UnicodeError as error:  # of UTF-16 and UTF-32
            raise ValueError(f"Expected text in {encoding}. Received: {error} in {path}:{number + 1}") from None
        except OSError as error:
            raise unreadable(path, error) from None


def _check_ends(line, path):
    """Raises ValueError for a file that has only carriage returns, which end no line here."""
    if "\r" in line.rstrip("\r\n") and not line.endswith("\n"):
        raise ValueError(
            f"Expected lines that end with \\n or \\r\\n. Received: {path}, which has \\r alone, as files of old "
            "Macintoshes do; save it with \\n"
        )


def lines_of(path, encoding):
    """Lines without their ends, one of them at least not blank."""
    blank = True
    for line in ended_lines(path, encoding):
        blank = blank and not line.strip()
        yield line.removesuffix("\n")
    if blank:
        raise empty(path)


def opened(path):
    """A file opened to read its bytes, unzipped where its name ends in `.gz`.

    Raises:
        ValueError: what is no path, does not exist, is a folder, or may not be read.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"Expected the path of a file. Received: path={path!r}")
    try:
        return open(path, "rb") if unzipped(path) == Path(path) else gzip.open(path)
    except FileNotFoundError:
        raise ValueError(
            f"Expected a file. Received: path={str(path)!r}, which does not exist (looked for {Path(path).absolute()})"
        ) from None
    except IsADirectoryError:
        raise ValueError(f"Expected a file. Received: path={str(path)!r}, a folder; name the file in it") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def empty(path):
    """What to raise where a file holds no text."""
    return ValueError(f"Expected text. Received: path={str(path)!r}, which is empty")


def unzipped(path):
    """A path without its `.gz`, in small or capital letters."""
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _check_encoding(encoding):
    try:
        TextIOWrapper(BytesIO(), encoding or "none")
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            f"Expected the name of an encoding, such as 'utf-8' or 'latin-1'. Received: encoding={encoding!r}"
        ) from None


def _check_beginning(begin, encoding, path):
    """Raises ValueError where the first bytes show that a file is no text, or UTF-16 that is not read as such."""
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return
    sign = next((one for one in BEGINNINGS if begin.startswith(one)), None)
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if sign is None and len(begin) >= 16 and min(even, odd) * 8 < len(begin) < max(even, odd) * 3:
        sign = b"\xff\xfe" if odd > even else b"\xfe\xff"  # of UTF-16 without its mark, every other byte is 0
    if sign is not None:
        raise ValueError(f"Expected text in {encoding}. Received: {path}:1, which {BEGINNINGS[sign]}")
