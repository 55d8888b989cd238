"""A model's options, read from its constructor without importing it, for `--help` should not wait for TensorFlow."""

import ast
import inspect
import re
from pathlib import Path
from typing import NamedTuple

NOT_ASKED = (
    *("vocab_size", "target_vocab_size", "num_classes", "num_tags", "input_units", "max_length"),  # known from the data
    "outputs",  # the command tags by classes
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
    found = _class(model)
    constructor = next(node for node in found.body if getattr(node, "name", "") == "__init__")
    arguments = constructor.args.args[len(constructor.args.args) - len(constructor.args.defaults) :]
    said = _help(found)
    return [
        Option(argument.arg, ast.literal_eval(default), said.get(argument.arg, ""))
        for argument, default in zip(arguments, constructor.args.defaults, strict=True)
        if argument.arg not in NOT_ASKED
    ]


def _class(model):
    """The syntax tree of a class, a public one or MODULE.CLASS."""
    module, _, model = model.rpartition(".")
    if not module:
        public = (node for node in _parsed("public").body if isinstance(node, ast.ImportFrom))
        module = next(node.module for node in public if model in [name.name for name in node.names]).split(".")[1]
    return next(node for node in _parsed(module).body if isinstance(node, ast.ClassDef) and node.name == model)


def _help(found):
    """Name -> what the docstring of a class says of an argument, or that of the class it points to."""
    docstring = ast.get_docstring(found)
    said = _arguments(docstring)
    others = re.search(r"all others as of `(\w+)`", docstring)
    said = {**(_help(_class(others[1])) if others else {}), **said}
    for name, text in said.items():
        pointer = re.match(r"as of `([\w.]+)`", text)
        said[name] = _help(_class(pointer[1])).get(name, text) if pointer else text
    return said


def _parsed(module):
    """The syntax tree of a module seqkeras.NAME."""
    return ast.parse((Path(__file__).parents[1] / f"{module}.py").read_text(encoding="utf-8"))


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
