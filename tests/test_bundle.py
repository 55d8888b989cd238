"""A bundle proves itself: what its manifest says is so, its code runs, and a failed one leaves nothing behind."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from exported import CHARACTERS, LABELS, LENGTH, WORDS, V, family, unexported

import seqkeras
from seqkeras import export, folders, pipelines


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
            inputs=small.inputs,
            labels=LABELS,
            quantize="int8",
            metric=lambda outputs: next(apart),
            bound=0.5,
        )
    assert (folder / "manifest.json").read_bytes() == before and os.listdir(tmp_path) == ["bundle"]


def test_an_older_bundle_is_replaced_and_what_numpy_measures_is_kept(tmp_path):
    folder = shutil.copytree(family("values").folder, tmp_path / "bundle")
    words = pipelines.Words.train(["a b c"], lower=True, punctuation="drop")
    model = seqkeras.SequenceClassifier(words.vocab_size, 2, units=4, encoder="bag")
    manifest = export.write_bundle(
        model,
        folder,
        np.int64(5),
        inputs={"ids": np.array([[4, 5], [6, 0]])},
        tokenizers={"text": words},
        labels=["yes", "no"],
        quality={"accuracy": np.float32(0.9), "examples": np.int64(7), "recall": [np.float32(0.5), 1]},
    )
    assert os.listdir(tmp_path) == ["bundle"] and export.load_bundle(folder)("A, b!").keys() == {"yes", "no"}
    assert json.loads((folder / "manifest.json").read_bytes()) == manifest
    assert manifest["quality"] == {"accuracy": float(np.float32(0.9)), "examples": 7, "recall": [0.5, 1]}
    assert manifest["signatures"]["classify"]["inputs"]["ids"]["shape"] == [1, 5]
    assert manifest["tokenizers"]["text"]["normalisation"] == {"lower": True, "punctuation": "drop"}


def test_figures_of_the_held_out_data_are_in_the_manifest_unless_others_are_given(tmp_path):
    words, labels = pipelines.Words.train(["a b c"]), pipelines.Labels(["yes", "no"])
    records = [("a b", "yes"), ("b c c", "no"), ("c", "no")]
    data = pipelines.classification(test=records, tokenizer=words, labels=labels)
    model = seqkeras.SequenceClassifier(words.vocab_size, 2, units=4, encoder="bag")
    inputs = export.held_out(data.test, 3, model)
    given = {"inputs": inputs, "tokenizers": {"text": words}, "labels": labels}
    quality = export.write_bundle(model, tmp_path / "x", 3, **given)["quality"]
    bundle = export.load_bundle(tmp_path / "x")
    right = sum(next(iter(bundle(text))) == label for text, label in records)
    assert quality == {"examples": 3, "accuracy": right / 3}
    assert export.write_bundle(model, tmp_path / "x", 3, **given, quality={})["quality"] == {}


def beside(folder):
    (folder / "thesis").write_text("years of work")


def another_version(folder):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "bundle": 2}))


def of_a_web_page(folder):
    (folder / "manifest.json").write_text(json.dumps({"name": "A page", "icons": [], "start_url": "."}))


def without_a_manifest(folder):
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("change", [beside, another_version, of_a_web_page, without_a_manifest])
def test_anything_but_a_bundle_is_left_alone(tmp_path, change):
    small, folder = family("values"), shutil.copytree(family("values").folder, tmp_path / "folder")
    change(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="Expected a new folder or a bundle to replace"):
        export.write_bundle(small.model, folder, LENGTH, inputs=small.inputs, labels=LABELS)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_put_in_place_leaves_the_older_one_there(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    replace = os.replace

    def full(source, target):
        if source.name.endswith("new"):
            raise OSError(errno.ENOSPC, "no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"), folders.written(tmp_path / "folder") as new:
        (new / "new").touch()
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == ["old"]


def test_a_folder_that_would_lie_in_a_file_is_refused(tmp_path):
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(ValueError, match="Expected a path through folders. Received: .*letter.*, a file"):
        folders.written(tmp_path / "letter" / "bundle").__enter__()
    assert (tmp_path / "letter").read_text() == "mine"


WITHOUT_TENSORFLOW = """
import keras, numpy, seqkeras
from seqkeras import export
model = seqkeras.SequenceClassifier(9, 2, units=4, encoder="bag")
for write in (export.to_saved_model, export.to_tflite):
    try:
        write(model, "nowhere")
    except ValueError as error:
        print(error)
"""


def test_another_backend_is_told_apart_at_once(tmp_path):
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.count("Received: KERAS_BACKEND=jax") == 2, done.stderr
    assert list(tmp_path.iterdir()) == []


def spelling(punctuation, word_length):
    """The characters of WORDS, other words or more of each word."""
    return pipelines.WordCharacters(WORDS["characters"].vocabulary.pieces, word_length, punctuation)


TWICE = pipelines.Characters.train(["abc"])
SCALE = {"mean": [0.0, 1.0], "deviation": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("name", "changed", "match"),
    [
        ("classify", {"model": keras.Sequential([])}, "a model of seqkeras, .*Received: model=Sequential"),
        ("classify", {"model": None}, "a model of seqkeras, .*Received: model=NoneType"),
        ("classify", {"model": seqkeras.SequenceClassifier}, "Received: model=the class SequenceClassifier"),
        ("classify", {"tokenizers": None}, r"tokenizers for \['text'\]"),
        ("classify", {"tokenizers": CHARACTERS}, r"a dict of tokenizers for \['text'\]. .*=Characters"),
        ("classify", {"tokenizers": {"text": "words"}}, "a text tokenizer of seqkeras.pipelines. Received: 'words'"),
        ("classify", {"labels": 5}, "names of type str. Received: labels=5"),
        ("classify", {"labels": "abc"}, "names of type str. Received: labels='abc'"),
        ("classify", {"inputs": None}, "a dict of arrays by name, .* type NoneType"),
        ("classify", {"inputs": ["a b"]}, "a dict of arrays by name, .* type list"),
        ("classify", {"inputs": {"ids": ["a b"]}}, "ids as an array of int32. Received: .'a b'."),
        ("classify", {"inputs": {"ids": [[4, 5], [4]]}}, "ids as an array of int32"),
        ("classify", {"inputs": {"ids": 5}}, "one or more rows"),
        ("classify", {"inputs": {"ids": [[4, V]]}}, f"numbers from 0, below {V}, as ids. Received: {V} in inputs"),
        ("classify", {"inputs": {"ids": [[4, -1]]}}, "as ids. Received: -1 in inputs..ids...0."),
        ("spelt", {"inputs": {**unexported("spelt").inputs, "ids": [[99] * 16] * 12}}, "as ids. Received: 99"),
        ("classify", {"inputs": {"ids": [[2**31]]}}, "ids as whole numbers of int32"),
        ("classify", {"inputs": {"ids": [[2**70]]}}, "ids as"),
        ("classify", {"inputs": {"ids": np.zeros((2, 0), int)}}, r"ids of at most .*Received: ids of .0,."),
        ("classify", {"inputs": {"ids": [[4]], 1: [[4]]}}, "Received: ..1., .ids.."),
        ("classify", {"tokenizers": {None: 1, "text": CHARACTERS}}, "Received: tokenizers=..None., .text.."),
        ("classify", {"labels": {"one", "two", "three"}}, "distinct names of type str"),
        ("classify", {"metric": len, "bound": float("inf")}, "bound=inf"),
        ("forecast", {"inputs": {"values": np.zeros((2, 5, 2))}}, r"values of \(10, 2\). Received: values of \(5, 2\)"),
        ("forecast", {"inputs": {"values": np.full((1, 10, 2), np.nan)}}, "finite numbers as values. Received: nan"),
        (
            "values",
            {"inputs": {"values": np.zeros((1, 4, 5)), "length": [5]}, "metric": len, "bound": 1},
            "below 5, as length",
        ),
        (
            "continue",
            {"inputs": {"prompt": [[4]], "uniform": np.full((1, 12), 1.0)}},
            "below 1, as uniform. Received: 1.0",
        ),
        ("continue", {"inputs": {"prompt": [[4]], "uniform": np.zeros((1, 5))}}, r"uniform of \(12,\)"),
        (
            "spelt",
            {"inputs": {"ids": [[4] * 4], "characters": np.full((1, 3, 3), 4)}},
            "of one length. Received: .*'ids': 4",
        ),
        ("classify", {"num_threads": 257}, "num_threads of at most 256"),
        ("classify", {"inputs": {"ids": [[4.7]]}}, "ids as whole numbers of int32. Received: ..4.7.."),
        ("generate", {"inputs": {"label": [0, 3]}}, "below 3, as label. Received: 3"),
        ("classify", {"scale": 5}, "the mean and the deviation .*Received: scale=5"),
        ("classify", {"labels": None}, "labels=None"),
        ("classify", {"labels": ["one", "two"]}, "a name for each of 3 classes. Received: 2 labels"),
        ("classify", {"labels": ["one", "two", "two"]}, "distinct names"),
        ("classify", {"tokenizers": {"text": pipelines.Bytes()}}, f"a text tokenizer of the model's {V} ids. .*=260"),
        ("classify", {"inputs": {"source": np.ones((1, 3), int)}}, r"Expected inputs \['ids'\]"),
        ("classify", {"length": None}, "length to be a positive integer, such as .* Received: length=None"),
        ("classify", {"quality": {"accuracy": float("nan")}}, "Expected finite figures"),
        ("classify", {"quality": {"model": object}}, "Expected finite figures"),
        ("classify", {"quality": 0.5}, "Expected finite figures"),
        ("classify", {"metric": len}, "metric and bound together"),
        ("classify", {"scale": SCALE}, r"of \[\] variables"),
        ("understand", {"labels": None}, "labels=None"),
        ("understand", {"labels": LABELS}, "a dict with names of the tags and of the label. Received: labels="),
        ("understand", {"labels": {"tags": LABELS}}, "a dict with names of the tags and of the label"),
        ("understand", {"labels": {"tags": LABELS, "label": LABELS}}, "a name for each of 2 classes. Received: 3"),
        ("classify", {"labels": {"tags": LABELS, "label": LABELS}}, "distinct names of type str"),
        ("generate", {"labels": None}, "labels=None"),
        ("generate", {"labels": LABELS[:2]}, "a name for each of 3 classes. Received: 2 labels"),
        ("generate", {"tokenizers": {"target": TWICE}}, f"a target tokenizer of the model's {V} ids. .*=7"),
        ("attention", {"tokenizers": {"source": CHARACTERS}}, r"Received: tokenizers=\['source'\]"),
        ("attention", {"tokenizers": {"source": TWICE, "target": CHARACTERS}}, "a source tokenizer"),
        ("attention", {"tokenizers": {"source": CHARACTERS, "target": TWICE}}, "a target tokenizer"),
        ("attention", {"quantize": "int8"}, "a metric and a bound"),
        ("attention", {"quantize": "float64"}, """"float16" for half the size, .*Received: quantize='float64'"""),
        ("attention", {"quantize": ["int8"]}, "Received: quantize=..int8.."),
        (
            "attention",
            {"model": seqkeras.AttentionSeq2Seq(V, units=4)},
            "wrap it in seqkeras.Greedy or seqkeras.Sample",
        ),
        ("continue", {"tokenizers": {"text": TWICE}}, "a text tokenizer"),
        ("spelt", {"tokenizers": {"text": WORDS["text"]}}, r"tokenizers for \['characters', 'text'\]. .*=\['text'\]"),
        ("spelt", {"tokenizers": {**WORDS, "characters": spelling("keep", 3)}}, "the same punctuation .*'keep'"),
        ("spelt", {"tokenizers": {**WORDS, "characters": spelling("split", 4)}}, "word_length=3. .*'word_length': 4"),
        ("spelt", {"tokenizers": {**WORDS, "characters": TWICE}}, "a characters tokenizer of the model's"),
        ("forecast", {"scale": None}, r"as data.report\['train'\] holds them. Received: scale=None"),
        ("forecast", {"scale": {"mean": [1.0]}}, "Expected the mean and the deviation"),
        ("forecast", {"scale": {**SCALE, "mean": [1.0]}}, r"of \[2\] variables"),
        ("forecast", {"scale": {**SCALE, "deviation": [1.0, 0.0]}}, "deviation above 0"),
        ("forecast", {"scale": {**SCALE, "mean": [1.0, np.nan]}}, r"of \[2\] variables"),
        ("forecast", {"scale": {**SCALE, "variables": ["load"]}}, r"names of \[2\] variables. Received: .*'load'"),
        ("forecast", {"scale": {**SCALE, "variables": ["load", 5]}}, "variables in scale of type str. Received: 5"),
    ],
)
def test_what_the_task_needs_is_asked_for_before_any_work(tmp_path, name, changed, match):
    made = unexported(name)
    given = {key: getattr(made, key) for key in ("model", "length", "inputs", "tokenizers", "labels", "scale")}
    with pytest.raises(ValueError, match=match):
        export.write_bundle(folder=tmp_path / "bundle", **(given | changed))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_a_model_that_keras_has_quantized_is_refused(tmp_path, mode):
    model = seqkeras.SequenceClassifier(20, 3, units=8)
    for layer in (model.logits, model.embedding) if mode == "int8" else (model.logits,):
        layer.quantize(mode)
    for write in (export.to_tflite, export.to_saved_model):
        with pytest.raises(
            ValueError, match="a model with float weights. Received: .*model.quantize has rounded .*before"
        ):
            write(model, tmp_path / "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["classify", "attention", "spelt", "understand"])
def test_the_python_snippet_runs_from_anywhere(name, tmp_path):
    snippet = family(name).folder / "snippets" / "model.py"
    done = subprocess.run([sys.executable, snippet], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("[["), done.stderr


@pytest.mark.parametrize("name", ["values", "understand"])
@pytest.mark.skipif(shutil.which("node") is None, reason="node, which reads JavaScript, is not installed")
def test_the_javascript_snippet_is_javascript(name, tmp_path):
    shutil.copy(family(name).folder / "snippets" / "model.js", tmp_path / "model.mjs")
    done = subprocess.run(["node", "--check", tmp_path / "model.mjs"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_names_of_a_series_variables_are_in_the_manifest_its_messages_and_the_code_to_paste(tmp_path):
    made = unexported("forecast")
    scale = {**made.scale, "variables": ["load", "oil"], "rows": 5}
    manifest = export.write_bundle(made.model, tmp_path / "x", inputs=made.inputs, scale=scale)
    assert manifest["scale"] == {**made.scale, "variables": ["load", "oil"]}
    assert "a row per step of load, oil, scaled" in (tmp_path / "x" / "snippets" / "Model.kt").read_text()
    values = np.zeros((10, 2))
    values[3, 1] = np.nan
    with pytest.raises(ValueError, match="nan in step 3, variable oil"):
        export.load_bundle(tmp_path / "x")(values)


def test_snippets_name_signature_inputs_and_shapes():
    texts = {path.suffix: path.read_text() for path in (family("values").folder / "snippets").iterdir()}
    assert set(texts) == {".kt", ".swift", ".js", ".py"}
    assert all(word in text for text in texts.values() for word in ("classify", "values", "length", "probabilities"))
    assert "[1, 16, 5]" in texts[".js"] and 'createInputBuffer("values", "classify")' in texts[".kt"]
    assert (
        "listOf<AutoCloseable>(lengthBuffer, valuesBuffer, probabilitiesOutput, model).forEach { it.close() }"
        in texts[".kt"]
    )
    texts = {path.suffix: path.read_text() for path in (family("understand").folder / "snippets").iterdir()}
    assert "class Answer(val label: FloatArray, val tags: FloatArray)" in texts[".kt"]
    assert "return Answer(labelOutput.readFloat(), tagsOutput.readFloat())" in texts[".kt"]
    assert "throws -> (label: [Float32], tags: [Float32])" in texts[".swift"]
    assert 'return try (label: read("label"), tags: read("tags"))' in texts[".swift"]
    assert "{label: await outputs.label.data(), tags: await outputs.tags.data()}" in texts[".js"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "attention",
            [
                "source, int32 [1, 16]: ids that tokenizers/source makes of the text, END (2) after them, "
                "then PAD (0).",
                "ids (the answer), int32 [1, 12]: ids of a text, END (2) after the last, then PAD (0); "
                "tokenizers/target makes text of them.",
            ],
        ),
        (
            "classify",
            [
                "ids, int32 [1, 256]: ids that tokenizers/text makes of the text, then PAD (0).",
                "tokenizers/text, Characters: an id is its character's place in the vocabulary of tokenizer.json, "
                "from 0, plus 4; the first are PAD (0), START (1), END (2), UNKNOWN (3).",
            ],
        ),
        (
            "spelt",
            [
                "characters, int32 [1, 16, 3]: ids that tokenizers/characters makes of the text, a row per word, "
                "then PAD (0).",
                "ids, int32 [1, 16]: ids that tokenizers/text makes of the text, then PAD (0).",
            ],
        ),
        (
            "understand",
            [
                "label (the answer), float32 [1, 3]: one for each label of the whole, in the order of manifest.json.",
                "tags (the answer), float32 [1, 16, 2]: one for each of the tags in manifest.json, in their order, "
                "a row per token.",
            ],
        ),
        ("values", ["length, int32 [1]: how many steps there are in values."]),
        ("generate", ["label, int32 [1]: a class's place among the labels in manifest.json, from 0."]),
        (
            "continue",
            [
                "uniform, float32 [1, 12]: random numbers from 0 to just below 1, new ones for each call.",
                "temperature, float32 [1]: below 1 likely tokens are favoured, at 0 the likeliest is taken; "
                "exported with 1.0.",
                "log_probability (the answer), float32 [1]: natural logarithm of the probability that the model gives "
                "these ids, END included; that of a prompt is 1, and temperature does not change it.",
            ],
        ),
        (
            "forecast",
            [
                "values, float32 [1, 10, 2]: a row per step, scaled: (value - mean) / deviation, "
                "mean [20.0, -3.0], deviation [5.0, 0.5], zeros after the last.",
                "next (the answer), float32 [1, 3, 2]: the values that follow, a row per step, "
                "scaled: value = next * deviation + mean, as above.",
            ],
        ),
    ],
)
def test_every_snippet_says_what_the_numbers_stand_for(name, said):
    for path in (family(name).folder / "snippets").iterdir():
        lines = [line.lstrip("/# ") for line in path.read_text().splitlines()]
        assert set(said) <= set(lines)
