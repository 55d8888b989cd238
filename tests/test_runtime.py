"""A bundle in use gives the model's own answers, and clear errors for what it cannot read."""

import json
import shutil

import keras
import numpy as np
import pytest
from exported import CHARACTERS, LABELS, LENGTH, LONG, family

from seqkeras.export import load_bundle
from seqkeras.export.runtime import Compiled, Interpreter
from seqkeras.tokens import END

TEXTS = ["a", "hello", "the cat sat on"]
RUNTIMES = pytest.mark.parametrize("runtime", ["interpreter", "compiled"])


@RUNTIMES
def test_text_goes_in_and_labels_come_out(runtime):
    classify, made = load_bundle(family("classify").folder, runtime), family("classify")
    for text in TEXTS:
        expected = made.model.classify({"ids": np.array([CHARACTERS.encode(text)], "int32")})["probabilities"][0]
        got = classify(text)
        assert set(got) == set(LABELS) and list(got.values()) == sorted(got.values(), reverse=True)
        assert np.allclose([got[label] for label in LABELS], expected, atol=1e-5)


@RUNTIMES
@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_text_goes_in_and_text_comes_out(runtime, name):
    translate, made = load_bundle(family(name).folder, runtime), family(name)
    for text in TEXTS:
        ids = made.model({"source": np.array([[*CHARACTERS.encode(text), END]], "int32")})
        assert translate(text) == CHARACTERS.decode(keras.ops.convert_to_numpy(ids)[0])


@RUNTIMES
def test_a_label_goes_in_and_text_comes_out(runtime):
    generate, made = load_bundle(family("generate").folder, runtime), family("generate")
    written = CHARACTERS.decode(keras.ops.convert_to_numpy(made.model({"label": np.arange(3)})))
    assert [generate(label) for label in LABELS] == written


@RUNTIMES
def test_real_values_go_in_and_labels_come_out(runtime):
    made = family("values")
    classify, values = load_bundle(made.folder, runtime), made.inputs["values"][0, :9]
    expected = made.model.classify({"values": values[None], "length": np.array([9])})["probabilities"][0]
    got = classify(values)
    assert np.allclose([got[label] for label in LABELS], expected, atol=0.01)
    for wrong in (values[0], values[:, :4], values[:0], np.zeros((LENGTH + 1, 5))):
        with pytest.raises(ValueError, match=r"Expected values \[T, 5\], T from 1 to 16"):
            classify(wrong)


@RUNTIMES
def test_a_sampled_continuation_follows_from_its_seed(runtime):
    made = family("continue")
    writers = [load_bundle(made.folder, runtime, seed=seed) for seed in (1, 1, 2)]
    texts = [[go_on(text) for text in ("", "hel", "hel")] for go_on in writers]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][1] != texts[0][2] and texts[0][1].startswith("hel") and texts[0][2].startswith("hel")
    prompt, uniform = np.array([CHARACTERS.encode("hel")], "int32"), np.full((1, 12), 0.7, "float32")
    expected = keras.ops.convert_to_numpy(made.model({"prompt": prompt, "uniform": uniform}))
    got = load_bundle(made.folder, runtime).run(prompt=np.pad(prompt, [(0, 0), (0, 5)]), uniform=uniform)
    assert np.array_equal(got["ids"], expected)


@pytest.mark.slow
@RUNTIMES
def test_each_token_gets_its_labels(runtime):
    made = family("tag")
    got = load_bundle(made.folder, runtime)("hello")
    expected = made.model.tag({"ids": np.array([CHARACTERS.encode("hello")], "int32")})["probabilities"][0]
    assert len(got) == 5 and np.allclose([list(one.values()) for one in got], expected, atol=1e-5)
    assert all(list(one) == LABELS for one in got)


@pytest.mark.slow
@RUNTIMES
def test_values_are_forecast(runtime):
    made = family("forecast")
    values = made.inputs["values"][3]
    assert np.allclose(load_bundle(made.folder, runtime)(values), made.model(values[None])[0], atol=1e-5)


def test_what_cannot_be_read_is_a_clear_error():
    classify, translate = load_bundle(family("classify").folder), load_bundle(family("attention").folder)
    with pytest.raises(ValueError, match="at least one token. Received: text=''"):
        translate("")
    with pytest.raises(ValueError, match=f"at most {LENGTH} tokens. Received: {LENGTH + 1} in text='aaaa"):
        translate("a" * LENGTH)
    assert isinstance(translate("a" * (LENGTH - 1)), str)
    assert isinstance(classify("a" * LONG), dict)
    with pytest.raises(ValueError, match=f"Received: {LONG + 1}"):
        classify("a" * (LONG + 1))
    with pytest.raises(ValueError, match="Expected a text. Received: int"):
        classify(5)
    with pytest.raises(ValueError, match="Expected a label among 'first', 'second', 'third'. Received: label='fourth'"):
        load_bundle(family("generate").folder)("fourth")


def test_an_unknown_character_is_read_as_unknown():
    made = family("classify")
    ids = np.array([[*CHARACTERS.encode("a"), 3]], "int32")
    expected = made.model.classify({"ids": ids})["probabilities"][0]
    got = load_bundle(made.folder)("a\N{SNOWMAN}")
    assert np.allclose([got[label] for label in LABELS], expected, atol=1e-5)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(family("generate").folder, tmp_path / "copy")


@pytest.mark.parametrize("file", ["model.tflite", "tokenizers/target/tokenizer.json", "snippets/Model.kt"])
def test_a_changed_or_missing_file_is_found(copy, file):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(ValueError, match="is missing or was changed"):
        load_bundle(copy)
    (copy / file).unlink()
    with pytest.raises(ValueError, match="is missing or was changed"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest["files"].pop("model.tflite"),
        lambda manifest: manifest.update(task="conquer"),
        lambda manifest: manifest["files"].update({"../../etc/passwd": {"sha256": ""}}),
        lambda manifest: manifest["files"].update({"/etc/passwd": {"sha256": ""}}),
        lambda manifest: manifest["tokenizers"].update({"../..": {}}),
    ],
)
def test_a_manifest_that_is_none_is_refused(copy, change):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="Expected a (bundle|task)"):
        load_bundle(copy)


def test_no_bundle_and_no_runtime_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected a bundle with a manifest.json"):
        load_bundle(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="Expected a bundle with a manifest.json"):
        load_bundle(tmp_path)
    with pytest.raises(ValueError, match="Received: runtime=\"?'?abacus"):
        load_bundle(tmp_path, "abacus")


@pytest.mark.parametrize("runtime", [Interpreter, Compiled])
def test_inputs_of_another_shape_or_type_are_refused(runtime):
    model = runtime(family("generate").path, num_threads=2)
    for wrong in (np.zeros((2,), "int32"), np.zeros((1,), "int64"), np.zeros((1, 1), "int32")):
        with pytest.raises(ValueError, match="Expected inputs"):
            model.run("generate", {"label": wrong})
    with pytest.raises(ValueError, match="Expected inputs"):
        model.run("generate", {})
