"""Lines that hold several values: by a regular expression, or as JSON."""

import json
import os
import re
from collections.abc import Sequence

from seqkeras.arguments import listed, shown
from seqkeras.pipelines.records import Records, parsed
from seqkeras.pipelines.text_files import lines_of


def pattern(path: str | os.PathLike[str], regex: str, encoding: str = "utf-8") -> Records:
    r"""One record a line, its columns the groups of a regular expression that must match the whole line.

    `pattern(path, r"(?P<label>\S+) (?P<text>.+)").select("text", "label")` reads lines of a label and a text.
    """
    try:
        compiled = re.compile(regex)
        compiled.fullmatch("")  # one of bytes does not take text
    except (re.error, TypeError) as error:
        raise ValueError(f"Expected a regular expression. Received: regex={regex!r} ({error})") from None
    if not compiled.groups:
        raise ValueError(f"Expected at least one group. Received: regex={regex!r}")

    def groups(line):
        match = compiled.fullmatch(line)
        if not match:
            raise ValueError(f"Expected a line like {regex!r}. Received: {line[:80]!r}")
        return match.groups("")

    names = tuple(compiled.groupindex) if len(compiled.groupindex) == compiled.groups else ()
    return parsed(path, groups, enumerate(lines_of(path, encoding), 1), names)


def json_lines(path: str | os.PathLike[str], fields: Sequence[str], encoding: str = "utf-8") -> Records:
    """One JSON object a line: a record of the values of `fields`.

    A text, a number or a list stays as JSON has it. A record with null is skipped and counted as blank.

    Args:
        fields: the names wanted, in order; "meta.label" is the field "label" of the object in "meta".

    Raises:
        ValueError: a line that is no object, lacks a field, or has an object in its place; names file, line, field.
    """
    fields = field_names(fields)

    def values(line):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"Expected one JSON object a line, whole on its line. Received: {line[:60]!r} ({error})"
            ) from None
        if not isinstance(record, dict):
            raise ValueError(f"Expected one JSON object a line. Received: {line[:60]!r}, a {type(record).__name__}")
        found = tuple(_value(record, name) for name in fields)
        return () if None in found else found

    return parsed(path, values, enumerate(lines_of(path, encoding), 1), fields)


def field_names(fields):
    """A name or several, none twice, as a tuple."""
    fields = (fields,) if isinstance(fields, str) else fields
    listed("names of fields", fields=fields)
    fields = tuple(fields)
    if not fields or not all(isinstance(name, str) for name in fields) or len(set(fields)) < len(fields):
        raise ValueError(f"Expected names of fields, none of them twice. Received: fields={fields}")
    return fields


def _value(record, name):
    """The value of a field, found by its name or through the objects that the dots in its name lead into."""
    value = record
    for key in [name] if name in record else name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ValueError(f"Expected an object with {name!r}. Received: fields {shown(record)}")
        value = value[key]
    inner = next((one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)), None)
    if inner is not None:
        names = "" if inner is not value else f"; choose one of {shown(f'{name}.{key}' for key in inner)}"
        raise ValueError(
            f"Expected text, a number or a list of them in field {name!r}. Received: "
            f"{'an object' if inner is value else 'a list of objects'}{names}"
        )
    return value
