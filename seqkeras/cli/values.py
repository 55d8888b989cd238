"""How values of options are read from the command line."""

import argparse
import re


def number(kind, least, most):
    """Reads a number of a kind, in its bounds."""

    def read(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected a number from {least} to {most}. Received: {text}")
        return value

    read.__name__ = kind.__name__  # in argparse's words, where it is none at all
    return read


COUNT = number(int, 1, 2**31 - 1)
SEED = number(int, 0, 2**32 - 1)
SHARE = number(float, 0, 1)


def divides(text):
    """Whether a text can stand between the columns of a table."""
    return isinstance(text, str) and len(text) == 1 and text not in '\r\n"'


def delimiter(text):
    """Reads one character; \\t is a tab."""
    one = "\t" if text == "\\t" else text
    if not divides(one):
        raise argparse.ArgumentTypeError(f"expected one character, such as ';'. Received: {text!r}")
    return one


def columns(count):
    """Reads so many names or numbers of columns."""

    def read(text):
        columns = tuple(int(one) if re.fullmatch("-?[0-9]+", one) else one for one in text.split(","))
        if len(columns) != count:
            words = {1: "one name or number", 2: "two, with a comma between", 3: "three, with commas between"}
            raise argparse.ArgumentTypeError(f"expected {words[count]}. Received: {text!r}")
        if len(set(columns)) != count:
            raise argparse.ArgumentTypeError(f"expected {count} different columns. Received: {text!r}")
        return columns

    return read
