"""A model's options, read from its constructor without importing it, for `--help` should not wait for TensorFlow."""

import ast
import inspect
import re
from pathlib import Path
from typing import NamedTuple

NOT_ASKED = (
    *("vocab_size", "target_vocab_size", "num_classes", "input_units", "max_length"),  # known from the data
    *("character_vocab_size", "character_encoder", "character_units", "word_length"),  # the command reads ids alone
)


class Option(NamedTuple):
    name: str
    default: object
    help: str

    @property
    def type(self):
        """Of a value other than the default: options without one are numbers of units."""
        return int if self.default is None else type(self.default)


def of(model):
    """The options of a public class of models that do not follow from the data.

    Returns: list of `Option`.
    """
    public = (node for node in _parsed("seqkeras.public").body if isinstance(node, ast.ImportFrom))
    module = next(node.module for node in public if model in [name.name for name in node.names])
    tree = _parsed(module)
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model)
    constructor = next(node for node in found.body if getattr(node, "name", "") == "__init__")
    arguments = constructor.args.args[len(constructor.args.args) - len(constructor.args.defaults) :]
    said = _arguments(ast.get_docstring(found))
    return [
        Option(argument.arg, ast.literal_eval(default), said.get(argument.arg, ""))
        for argument, default in zip(arguments, constructor.args.defaults, strict=True)
        if argument.arg not in NOT_ASKED
    ]


def _parsed(module):
    """The syntax tree of a module seqkeras.NAME."""
    return ast.parse((Path(__file__).parents[1] / f"{module.split('.')[1]}.py").read_text(encoding="utf-8"))


def _arguments(docstring):
    """Name -> what the docstring's `Args:` section says of it."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?)+)", docstring, re.MULTILINE)
    said, names = {}, []
    for line in inspect.cleandoc(section[1]).splitlines() if section else ():
        for piece in re.split(r"(?<=\.) (?=[a-z_]+(?:, [a-z_]+)*: )", line.strip()):
            entry = re.match(r"([a-z_]+(?:, [a-z_]+)*): (.*)", piece)
            if entry:
                names, piece = entry[1].split(", "), entry[2]
            for name in names:
                said[name] = f"{said.get(name, '')} {piece}".strip()
    return {name: text.removesuffix(".") for name, text in said.items()}
