"""A page about the demonstration, in one file: what was trained, how the training went, what the models do."""

import base64
import io
from html import escape

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seqkeras.pipelines import files
from seqkeras.tokens import PAD, START

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: 0.9rem }
td, th { border-bottom: 1px solid #ccc; padding: 0.4rem 0.6rem; text-align: left; vertical-align: top }
td:not(:last-child) { white-space: nowrap }
img { max-width: 100% } code { background: #f3f3f3; padding: 0.1rem 0.3rem; overflow-wrap: anywhere }
"""


def write(path, rows, trained, curves):
    """Writes the page.

    Args:
        path: of the HTML file.
        rows: of results.json. trained: dict of family -> Run. curves: dict of family -> [(batches, loss)].
    """
    confusion, worst = confusions(trained["languages"])
    attention, date, answer = attended(trained["dates"])
    parts = [
        "<h1>Three sequence models, from text to a verified file</h1>",
        "<p>Trained on the data that comes with the package, measured on examples that training has not seen, exported "
        "to LiteRT and compared with Keras there.</p>",
        *(table(*one) for one in tables(rows)),
        "<h2>Learning</h2><p>Mean loss of ten batches each, cross-entropy in nats a token or label.</p>",
        picture(learning(curves), "learning curves"),
        "<h2>How a date is read</h2>",
        f"<p>“{escape(date)}” becomes “{escape(answer)}”. A row a character written, a column a character read; the "
        "darker, the more attention.</p>",
        picture(attention, "attention weights"),
        "<h2>Which languages are taken for which</h2>",
        f"<p>A row a language, a column what it was taken for, in shares of the row. Most often: {escape(worst)}.</p>",
        picture(confusion, "confusion matrix"),
        "<h2>Again, one at a time</h2>",
        *(f"<p><code>{escape(row['command'])}</code></p>" for row in rows),
    ]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>seqkeras</title><style>{STYLE}</style>"
    files.write_bytes(path, f"{page}<body>{''.join(parts)}</body></html>\n".encode())


def tables(rows):
    """What results.json holds, for people: (title, columns, lines of text) of the figures and of the samples."""

    def line(name, say):
        return name, *map(say, rows)

    qualities = dict.fromkeys(name for row in rows for name in row["quality"])
    figures = [
        line("model", lambda row: row["model"]),
        line("parameters", lambda row: f"{row['parameters']:,}"),
        line("training", lambda row: f"{row['seconds']:.0f} s"),
        line("held-out examples", lambda row: f"{row['examples']:,}"),
        *(line(name, lambda row, name=name: figure(row["quality"].get(name))) for name in qualities),
        line("file", lambda row: f"{row['bytes'] / 1e6:.2f} MB"),
    ]
    for way in rows[0]["tokens"]:
        figures += [
            line(f"{way}, an example", lambda row, way=way: f"{row['milliseconds'][way]:.2f} ms"),
            line(f"{way}, tokens as Keras's", lambda row, way=way: "{equal:,} of {of:,}".format(**row["tokens"][way])),
        ]
    samples = [
        (row["family"], one["input"], one["answer"], one["expected"] or "one of many")
        for row in rows
        for one in row["samples"]
    ]
    return [
        ("On held-out examples", line("", lambda row: row["family"]), figures),
        ("What the files answer", ("family", "input", "the file's answer", "expected"), samples),
    ]


def figure(value):
    """A share in per cent, anything else as it is."""
    return "" if value is None else f"{value:.1%}" if value <= 1 else f"{value:.1f}"


def table(title, columns, lines):
    """A table as HTML."""
    rows = [("th", columns), *(("td", line) for line in lines)]
    cells = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in line) for tag, line in rows)
    return f"<h2>{title}</h2><table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"


def picture(figure, alternative):
    """A matplotlib figure as an image inside the page."""
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    return f'<img alt="{alternative}" src="data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}">'


def learning(curves):
    """A plot per family, side by side: loss over batches."""
    figure = Figure(figsize=(11, 3), layout="constrained", dpi=110)
    for axes, (name, curve) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        axes.plot(*zip(*curve, strict=True))
        axes.set(title=name, xlabel="batches", ylabel="loss", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def attended(run):
    """A heat map of how a date in Latin letters is read. Returns: (figure, date, the model's answer)."""
    dates = [text for text in run.held_out().column(0) if text.isascii() and "," in text]
    text = max(dates, key=lambda text: sum(map(str.isalpha, text)))
    inputs = run.inputs([text])
    ids = np.asarray(run.outputs(inputs))
    shifted = np.concatenate([[[START]], ids[:, :-1]], axis=1)
    length = int(np.sum(ids != PAD))
    weights = np.asarray(run.network.attend({**inputs, "target": shifted}))[0, :length]  # [T, S]
    answer = run.tokenizers["target"].decode(ids)[0]
    figure = Figure(figsize=(11, 4.5), layout="constrained", dpi=110)
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, aspect="auto")
    axes.set_xticks(range(weights.shape[1]), [*text, "end"])
    axes.set_yticks(range(length), [*answer, "end"][:length])
    axes.set(xlabel="read", ylabel="written")
    return figure, text, answer


def confusions(run):
    """Shares of each language's texts taken for each. Returns: (figure, the most frequent confusions in words)."""
    records, names = run.held_out(), run.labels.names
    counts = np.zeros((len(names), len(names)))
    for answer, label in zip(run.answers(records.column(0)), records.column(1), strict=True):
        counts[run.labels.index(label), run.labels.index(next(iter(answer)))] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(9, 8), layout="constrained", dpi=110)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="taken for", ylabel="language")
    figure.colorbar(image, shrink=0.8)
    wrong = counts - np.diag(np.diag(counts))
    worst = [np.unravel_index(index, wrong.shape) for index in np.argsort(-wrong, axis=None)[:5]]
    said = ", ".join(f"{names[is_]} for {names[as_]} ({wrong[is_, as_]:.0f})" for is_, as_ in worst if wrong[is_, as_])
    return figure, said or "none"
