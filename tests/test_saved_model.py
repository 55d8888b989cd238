"""A SavedModel is the model: batch and length free, ids or strings, without this package."""

import logging
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from exported import CHARACTERS, LABELS, unexported

from seqkeras import pipelines
from seqkeras.export import to_saved_model
from seqkeras.tokens import END

WITHOUT_US = """
import sys
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
print(loaded.signatures["classify_text"](tf.constant(["hello", "the cat"]))["label"].numpy().tolist())
assert not [name for name in sys.modules if name.startswith("seqkeras")]
"""


@pytest.mark.parametrize("name", ["classify", "values", "generate", "attention", "transformer"])
def test_any_batch_and_length_gives_the_models_own_answers(name, tmp_path):
    made = unexported(name)
    to_saved_model(made.model, tmp_path / "model")
    task, (function, _) = next(iter(made.model.signatures(None, None).items()))
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures[task]
    for rows, length in ((1, 3), (12, 16), (5, 9)):
        inputs = {k: v[:rows, :length] if v.ndim > 1 else np.minimum(v[:rows], length) for k, v in made.inputs.items()}
        inputs = {k: tf.constant(v) for k, v in inputs.items()}
        for key, expected in function(inputs).items():
            assert np.allclose(signature(**inputs)[key], expected, atol=1e-6)


def test_strings_are_read_by_words_and_characters(tmp_path):
    made = unexported("spelt")
    to_saved_model(made.model, tmp_path / "model", made.tokenizers)
    tag = tf.saved_model.load(str(tmp_path / "model")).signatures["tag_text"]
    got = tag(tf.constant(["the cat sat", "thy"]))["probabilities"]
    for row, text in enumerate(["the cat sat", "thy"]):
        characters = [one + [0] * (3 - len(one)) for one in made.tokenizers["characters"].encode(text)]
        ids = np.array([made.tokenizers["text"].encode(text)])
        expected = made.model.tag({"ids": ids, "characters": np.array([characters])})["probabilities"][0]
        assert np.allclose(got[row, : ids.shape[1]], expected, atol=1e-5)
    assert not np.any(got[1, 1:])


def test_strings_get_tags_and_a_label(tmp_path):
    made = unexported("understand")
    to_saved_model(made.model, tmp_path / "model", made.tokenizers, made.labels)
    understand = tf.saved_model.load(str(tmp_path / "model")).signatures["understand_text"]
    got = understand(tf.constant(["hello"]))
    expected = made.model.understand({"ids": np.array([CHARACTERS.encode("hello")])})
    for name in ("tags", "label"):
        assert np.allclose(got[name], expected[name], atol=1e-5)


def test_a_sampled_text_goes_on_from_its_prompt(tmp_path):
    made = unexported("continue")
    to_saved_model(made.model, tmp_path / "model", made.tokenizers)
    go_on = tf.saved_model.load(str(tmp_path / "model")).signatures["continue_text"]
    texts = [text.decode() for text in go_on(tf.constant(["hel"] * 20))["text"].numpy()]
    assert all(text.startswith("hel") for text in texts) and len(set(texts)) > 10


def test_nothing_is_said_about_it(tmp_path, caplog):
    caplog.set_level("INFO", "tensorflow")
    to_saved_model(unexported("generate").model, tmp_path / "model")
    assert not caplog.records and tf.get_logger().level == logging.INFO


def test_encode_and_step_are_there_too(tmp_path):
    made = unexported("attention")
    to_saved_model(made.model, tmp_path / "model")
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    source = tf.constant(made.inputs["source"][:2])
    state = signatures["encode"](source=source)
    logits = signatures["step"](ids=tf.constant([1, 1]), **state)["logits"]
    expected, _ = made.model.model.step(np.array([1, 1]), made.model.model.start({"source": source}))
    assert np.allclose(logits, expected, atol=1e-5)


def test_strings_go_in_where_only_tensorflow_is_installed(tmp_path):
    made = unexported("classify")
    tokenizer = pipelines.SentencePiece.train(["hello the cat sat on the mat"] * 20, vocab_size=290)
    made.model = type(made.model)(tokenizer.vocab_size, 3, units=8)
    to_saved_model(made.model, tmp_path / "model", {"text": tokenizer}, LABELS)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_US, tmp_path / "model"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for text in ("hello", "the cat"):
        probabilities = made.model.classify({"ids": np.array([tokenizer.encode(text)])})["probabilities"][0]
        expected.append(LABELS[int(np.argmax(probabilities))].encode())
    assert done.stdout.strip() == str(expected)


def test_strings_of_several_lengths_are_translated_as_one_by_one(tmp_path):
    made = unexported("attention")
    to_saved_model(made.model, tmp_path / "model", made.tokenizers)
    translate = tf.saved_model.load(str(tmp_path / "model")).signatures["translate_text"]
    texts = ["a", "the cat sat on the mat", "hello"]
    got = [text.decode() for text in translate(tf.constant(texts))["text"].numpy()]
    for text, one in zip(texts, got, strict=True):
        ids = made.model({"source": np.array([[*CHARACTERS.encode(text), END]])})
        assert one == CHARACTERS.decode(keras.ops.convert_to_numpy(ids)[0])


def test_labels_are_written_from_and_unknown_ones_refused(tmp_path):
    made = unexported("generate")
    to_saved_model(made.model, tmp_path / "model", made.tokenizers, pipelines.Labels(LABELS))
    generate = tf.saved_model.load(str(tmp_path / "model")).signatures["generate_text"]
    expected = CHARACTERS.decode(keras.ops.convert_to_numpy(made.model({"label": np.array([2, 0])})))
    assert [text.decode() for text in generate(tf.constant(["third", "first"]))["text"].numpy()] == expected
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected a label among .*first"):
        generate(tf.constant(["fourth"]))


@pytest.mark.parametrize(
    ("name", "given", "match"),
    [
        ("classify", {"tokenizers": {"text": CHARACTERS}}, "Received: labels=None"),
        ("attention", {"tokenizers": {"source": CHARACTERS}}, r"tokenizers for \['source', 'target'\]. .*\['source'\]"),
        ("classify", {"tokenizers": {"text": pipelines.Bytes()}, "labels": LABELS}, "a text tokenizer of the model's"),
        ("classify", {"tokenizers": CHARACTERS, "labels": LABELS}, "a dict of tokenizers"),
        ("classify", {"tokenizers": {"text": CHARACTERS}, "labels": ["a"]}, "each of 3 classes. Received: 1 labels"),
        ("classify", {"labels": [0, 1, 2]}, "distinct names"),
        ("classify", {"model": keras.Sequential([])}, "a model of seqkeras, .*Received: model=Sequential"),
    ],
)
def test_what_strings_need_is_asked_for_and_nothing_is_left(name, given, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        to_saved_model(**{"model": unexported(name).model, "folder": tmp_path / "model", **given})
    assert list(tmp_path.iterdir()) == []


def test_only_a_saved_model_is_replaced(tmp_path):
    made = unexported("generate")
    (tmp_path / "thesis").mkdir()
    with pytest.raises(ValueError, match="a new folder or a SavedModel to replace"):
        to_saved_model(made.model, tmp_path / "thesis")
    to_saved_model(made.model, tmp_path / "model")
    (tmp_path / "model" / "assets" / "stale").touch()
    to_saved_model(made.model, tmp_path / "model")
    assert not (tmp_path / "model" / "assets" / "stale").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "thesis"]


def test_a_folder_that_holds_more_than_a_saved_model_is_left_alone(tmp_path):
    (tmp_path / "saved_model.pb").write_text("x")
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="which also holds precious.txt"):
        to_saved_model(unexported("classify").model, tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"
