"""A bundle proves itself: what its manifest says is so, its code runs, and a failed one leaves nothing behind."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import keras
import pytest
from exported import CHARACTERS, LABELS, LENGTH, V, family, unexported

from seqkeras import export, pipelines
from seqkeras.export import bundle


@pytest.mark.parametrize("name", ["classify", "generate", "attention", "transformer", "values"])
def test_the_manifest_describes_each_file(name):
    folder, manifest = family(name).folder, family(name).manifest
    assert json.loads((folder / "manifest.json").read_bytes()) == json.loads(json.dumps(manifest))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"manifest.json"} == set(manifest["files"])
    for file, known in manifest["files"].items():
        content = (folder / file).read_bytes()
        assert known == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert manifest["special_ids"] == {"PAD": 0, "START": 1, "END": 2, "UNKNOWN": 3}
    assert manifest["quality"] == {"accuracy": 0.5} and manifest["parity"]["examples"] >= 3
    assert manifest["parameters"] == family(name).model.count_params()
    assert manifest["versions"]["keras"] == keras.version()


def test_only_what_is_read_gets_end_behind_it():
    described = family("attention").manifest["tokenizers"]
    assert described["source"]["end"] and not described["target"]["end"]
    assert not family("classify").manifest["tokenizers"]["text"]["end"]
    assert described["source"]["vocab_size"] == V and described["source"]["kind"] == "Characters"


def test_normalisation_is_what_is_done_to_text_before_the_tokenizer(tmp_path):
    words = pipelines.Words.train(["a b c"], lower=True, punctuation="drop")
    described = bundle._save({"text": words}, tmp_path)
    assert described["text"]["normalisation"] == {"lower": True, "punctuation": "drop"}


def test_eight_bit_weights_report_the_metric_and_the_bound():
    compared = family("values").manifest["parity"]
    assert family("values").manifest["weights"] == "int8" and compared["bound"] == 0.01
    for run in ("saved_model", "interpreter", "compiled"):
        assert abs(compared[run]["metric"] - compared["keras"]) <= 0.01


def test_a_comparison_that_fails_leaves_the_older_bundle_alone(tmp_path):
    small, folder = family("values"), tmp_path / "bundle"
    shutil.copytree(small.folder, folder)
    before = (folder / "manifest.json").read_bytes()
    apart = iter(range(9))
    with pytest.raises(ValueError, match="saved_model: metric 1, Keras's 0"):
        export.write_bundle(
            small.model,
            folder,
            LENGTH,
            small.inputs,
            labels=LABELS,
            quantize="int8",
            metric=lambda outputs: next(apart),
            bound=0.5,
        )
    assert (folder / "manifest.json").read_bytes() == before and os.listdir(tmp_path) == ["bundle"]


def test_an_older_bundle_is_replaced_and_anything_else_is_not(tmp_path):
    small, foreign = family("values"), tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter").write_text("years of work")
    with pytest.raises(ValueError, match="Expected a new folder or a bundle to replace"):
        export.write_bundle(small.model, foreign, LENGTH, small.inputs, labels=LABELS)
    assert (foreign / "chapter").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "changed", "match"),
    [
        ("classify", {"tokenizers": None}, r"tokenizers for \['text'\]"),
        ("classify", {"labels": None}, "labels=None"),
        ("generate", {"labels": None}, "labels=None"),
        ("attention", {"tokenizers": {"source": CHARACTERS}}, r"Received: tokenizers=\['source'\]"),
        ("attention", {"quantize": "int8"}, "a metric and a bound"),
    ],
)
def test_what_the_task_needs_is_asked_for_before_any_work(tmp_path, name, changed, match):
    made = unexported(name)
    given = {"tokenizers": made.tokenizers, "labels": made.labels, **changed}
    with pytest.raises(ValueError, match=match):
        export.write_bundle(made.model, tmp_path / "bundle", made.length, made.inputs, **given)
    assert os.listdir(tmp_path) == []


def test_names_and_tokenizers_must_fit_the_model():
    classes, tokens = family("classify").manifest["signatures"], family("attention").manifest["signatures"]
    with pytest.raises(ValueError, match="a name for each of 3 classes. Received: 2 labels"):
        bundle._check_widths("classify", classes, {"text": CHARACTERS}, ["one", "two"])
    with pytest.raises(ValueError, match=f"the model's {V} ids. Received: vocab_size=260"):
        bundle._check_widths("translate", tokens, {"source": CHARACTERS, "target": pipelines.Bytes()}, None)


@pytest.mark.parametrize("name", ["classify", "attention"])
def test_the_python_snippet_runs_as_pasted(name):
    snippet = (family(name).folder / "snippets" / "model.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=family(name).folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout.startswith("[["), done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which reads JavaScript, is not installed")
def test_the_javascript_snippet_is_javascript(tmp_path):
    shutil.copy(family("values").folder / "snippets" / "model.js", tmp_path / "model.mjs")
    done = subprocess.run(["node", "--check", tmp_path / "model.mjs"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_snippets_name_signature_inputs_and_shapes():
    texts = {path.suffix: path.read_text() for path in (family("values").folder / "snippets").iterdir()}
    assert set(texts) == {".kt", ".swift", ".js", ".py"}
    assert all(word in text for text in texts.values() for word in ("classify", "values", "length", "probabilities"))
    assert "[1, 16, 5]" in texts[".js"] and 'createInputBuffer("values", "classify")' in texts[".kt"]
