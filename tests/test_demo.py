"""The demonstration: in small, that everything is made; in full, that what it promises is reached."""

import json
import re

import pytest

from seqkeras import demo, runs

SMALL = {
    "languages": "classify samples:languages:600 --tokenizer characters --epochs 1 --units 8",
    "territories": "generate samples:territories:300 --max-length 40 --epochs 1 --units 8",
    "dates": "translate samples:dates:600 --tokenizer characters --epochs 1 --units 8",
}


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
        assert len(row["samples"]) == 3
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
