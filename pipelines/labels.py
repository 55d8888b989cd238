"""Class names and their indices."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from seqkeras.arguments import listed
from seqkeras.pipelines.files import read_json, write_json
from seqkeras.pipelines.vocabulary import unicode_text
from seqkeras.tokens import UNKNOWN_LABEL


class Labels:
    """Class names in the order of their indices 0, 1, 2, …"""

    def __init__(self, names):
        listed("a list of names", names=names)
        self.names = list(map(unicode_text, names))
        self._indices = {name: index for index, name in enumerate(self.names)}
        if not self.names or len(self._indices) != len(self.names):
            raise ValueError(f"Expected distinct names, at least one. Received: names={self.names}")

    @classmethod
    def train(cls, labels: Iterable[str]) -> "Labels":
        """The distinct labels, sorted; by their value where all are whole numbers."""
        names = set(labels)
        numbers = all(re.fullmatch("[+-]?[0-9]{1,18}", name) for name in names)
        return cls(sorted(names, key=lambda name: (int(name) if numbers else 0, name)))

    def __len__(self):
        return len(self.names)

    def __iter__(self):
        return iter(self.names)

    def __contains__(self, name):
        return name in self._indices

    def index(self, name: str) -> int:
        """The index of a class.

        Raises:
            ValueError: an unknown name; the message lists the known ones.
        """
        if name not in self._indices:
            known = ", ".join(map(repr, self.names[:20])) + (", …" if len(self.names) > 20 else "")
            raise ValueError(f"Expected a label among {known}. Received: label={name!r}")
        return self._indices[name]

    def indices(self, names: Iterable[str]) -> np.ndarray:
        """The indices of a list of classes, int32 [N]; UNKNOWN_LABEL, -1, for a name that is none of them."""
        return np.array([self._indices.get(name, UNKNOWN_LABEL) for name in names], np.int32)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes labels.json into a folder."""
        write_json(Path(folder) / "labels.json", {"names": self.names})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Labels":
        """The labels that `save` wrote into this folder."""
        path = Path(folder) / "labels.json"
        names = read_json(path).get("names")
        try:
            return cls(names)
        except ValueError as error:
            raise ValueError(f"{error} in {path}") from None
