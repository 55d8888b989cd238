"""The demonstration: in small, that everything is made; in full, that what it promises is reached."""

import json
import re

import numpy as np
import pytest

from seqkeras.cli import demo, report, runs, settings, usage
from seqkeras.pipelines import readers

SMALL = {
    "languages": "classify samples:languages:600 --tokenizer characters --epochs 1 --units 8",
    "territories": "generate samples:territories:300 --max-length 40 --epochs 1 --units 8",
    "dates": "translate samples:dates:600 --tokenizer characters --epochs 1 --units 8",
}


@pytest.mark.parametrize("commands", [demo.COMMANDS, demo.THOROUGH])
def test_each_family_is_a_command_that_can_be_typed(commands):
    for name, command in commands.items():
        wanted = settings.of(usage.understood(f"train {command} --name {name}".split()))
        assert wanted["data"][0].startswith(f"samples:{name}")


def test_examples_are_spread_from_the_shortest_to_the_longest_each_text_once():
    records = readers.lists(["a" * n for n in (5, 1, 9, 3, 7, 1, 9)], list("abcdefg"))
    assert [len(text) for text in runs.spread(records, 3).column(0)] == [1, 5, 9]
    assert [len(text) for text in runs.spread(records, 100).column(0)] == [1, 3, 5, 7, 9]


def test_rows_are_padded_to_the_shape_of_the_file():
    ids = np.array([[4, 5], [6, 0]], "int32")
    first, second = demo.rows_of({"source": ids, "label": np.array([1, 2])}, {"source": (1, 4), "label": (1,)})
    assert first["source"].tolist() == [[4, 5, 0, 0]] and second["source"].tolist() == [[6, 0, 0, 0]]
    assert first["label"].tolist() == [1] and second["label"].tolist() == [2]


QUALITY = {
    "languages": {"accuracy": 0.9},
    "territories": {"drawn names recognised": 0.5},
    "dates": {"exact match": 1.0},
}
MODELS = {"languages": "SequenceClassifier", "territories": "SequenceGenerator", "dates": "AttentionSeq2Seq"}


def made_up(expected):
    """Rows as results.json has them."""
    numbers = {"parameters": 123456, "seconds": 2.0, "examples": 3, "bytes": 4, "milliseconds": {"compiled": 1.0}}
    numbers |= {"tokens": {"compiled": {"equal": 12345, "of": 12345}}}
    said = {"samples": [{"input": "<b>& and a text of more than one line", "answer": "ok", "expected": expected}]}
    return [{"family": name, "model": MODELS[name], "quality": QUALITY[name], **numbers, **said} for name in MODELS]


def test_eighty_columns_are_enough_for_the_tables(capsys):
    demo.show(made_up("yes"))
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 and "…" not in said
    words = said.split()
    assert all(word in words for word in (*MODELS, *MODELS.values(), "123,456", "90.0%", "12,345", "expected", "yes"))


def test_where_many_answers_are_right_none_is_expected():
    (_, _, figures), (_, columns, samples) = report.tables(made_up(None))
    assert columns[-1] == "expected" and [line[-1] for line in samples] == ["one of many"] * 3
    assert {name: cells for name, *cells in figures}["exact match"] == ["", "", "100.0%"]


def test_the_page_shows_text_as_text_and_curves_as_a_picture():
    page = "".join(report.table(*one) for one in report.tables(made_up("<i>")))
    assert "&lt;b&gt;&amp; and" in page and "&lt;i&gt;" in page and "<b>" not in page
    figure = report.learning({"one": [(10, 2.0), (20, 1.0)], "two": [(10, 3.0)]})
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[10, 2], [20, 1]]
    assert report.picture(figure, "curves").startswith('<img alt="curves" src="data:image/png;base64,iVBOR')


def checked(root):
    """The table of a demonstration, after what must be true of any."""
    rows = json.loads((root / "results.json").read_text(encoding="utf-8"))["rows"]
    assert [row["family"] for row in rows] == ["languages", "territories", "dates"]
    for row in rows:
        bundle = root / row["family"] / "bundle"
        assert row["bytes"] == (bundle / "model.tflite").stat().st_size
        for way in ("interpreter", "compiled"):
            assert row["tokens"][way]["equal"] == row["tokens"][way]["of"] > 0
            assert row["milliseconds"][way] > 0
        assert [one["expected"] is None for one in row["samples"]] == 3 * [row["family"] == "territories"]
    page = (root / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img alt="[a-z ]+" src="data:image/png;base64,', page)) == 3
    assert "http" not in page  # one file, that needs no other
    assert all(sample["input"] in page for row in rows for sample in row["samples"])
    return {row["family"]: row for row in rows}


@pytest.mark.slow
def test_a_small_demonstration_makes_bundles_table_and_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "COMMANDS", SMALL)
    demo.run(tmp_path / "demo", seed=3)
    rows = checked(tmp_path / "demo")
    said = capsys.readouterr().out
    for family, row in rows.items():
        assert family in said and row["model"] in said
        assert f"--seed 3 --name {family}" in row["command"]
    texts = [sample["input"] for sample in rows["dates"]["samples"]]
    answers = [sample["answer"] for sample in rows["dates"]["samples"]]
    assert runs.load(tmp_path / "demo" / "dates").answers(texts) == answers


@pytest.mark.slow
def test_the_demonstration_reaches_its_quality(tmp_path, seed):
    demo.run(tmp_path / "demo", seed=seed)
    rows = checked(tmp_path / "demo")
    assert rows["languages"]["quality"]["accuracy"] >= 0.88
    assert rows["dates"]["quality"]["exact match"] >= 0.98
    assert rows["territories"]["quality"]["perplexity"] <= 16
    assert rows["territories"]["quality"]["drawn names recognised"] >= 0.4
