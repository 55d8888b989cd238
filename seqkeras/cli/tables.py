"""What a command prints of data and of figures: tables and short lines."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MEANT = {  # words in the tables that do not say it themselves
    "cut": "texts longer than any in training, whose rest is not read",
    "excused": "rows that differ from a token on where Keras finds two equally good",
    "macro F1": "the mean of the F1 of all classes",
    "left out each epoch": "examples that fill no batch of the fixed shapes, others in each epoch",
    "unknown labels": "none of the model's; they count as answered wrongly, and in no loss",
}
WIDEST = 1000  # where no terminal limits a table, nothing is cut or wrapped
MOST = 20  # classes that are named, and that a confusion matrix is printed for


def data(report):
    """What became of the data: a table, the classes found, and two records of training."""
    said = {"samples", "classes"}
    show("data", {split: {name: one for name, one in row.items() if name not in said} for split, row in report.items()})
    found = report["train"].get("classes") or {}
    for column, counts in found.items() if any(isinstance(one, dict) for one in found.values()) else [("", found)]:
        if counts:
            names = sorted(counts, key=lambda name: -counts[name])
            rest = f", and {len(names) - MOST} more" if len(names) > MOST else ""
            listed = ", ".join(f"{name} {counts[name]:,}" for name in names[:MOST])
            print(f"{len(counts)} classes{f' of {column}' if column else ''}: {listed}{rest}")
    for number, row in enumerate(report["train"].get("samples", ()), 1):
        print(f"example {number}: {' | '.join(str(one).replace(chr(10), ' ') for one in row)}")


def evaluation(title, rows):
    """Figures of splits or runs; after them the scores of the classes and who is taken for whom, where there are any.

    Args:
        rows: dict of name -> what `Run.evaluate` gives.
    """
    show(title, {name: figures(row) for name, row in rows.items()})
    for name, row in rows.items():
        for key, scores in row.items():
            if key.endswith("classes") and len(scores) <= MOST:
                show(f"{name}, {key}", scores)
            if key.endswith("confusion") and len(names := _names(scores)) <= MOST:
                rest = {one: {said: scores.get(one, {}).get(said, 0) for said in names} for one in names}
                show(f"{name}: true, and predicted as", rest)


def figures(results):
    """The figures among results, without the scores of each class."""
    return {name: value for name, value in results.items() if not name.endswith(("classes", "confusion"))}


def show(title, rows):
    """A table: a row a split, a column a figure. rows: dict of name -> dict of figure -> value."""
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    meant = "\n".join(f"{name}: {MEANT[name]}" for name in columns if name in MEANT)
    table = Table(escape(title), *map(escape, columns), caption=meant, caption_justify="left")
    for name, row in rows.items():
        table.add_row(escape(name), *(escape(plain(row.get(column, ""))) for column in columns))
    Console(width=None if sys.stdout.isatty() else WIDEST).print(table)


def plain(value):
    """A value as a short text."""
    if isinstance(value, dict):
        shown = [f"{name}: {plain(one)}" for name, one in value.items() if one]
        rest = [f"and {len(shown) - MOST} more"] if len(shown) > MOST else []
        return ", ".join(shown[:MOST] + rest) or "0"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _names(confusion):
    return sorted({*confusion, *(name for row in confusion.values() for name in row)})
