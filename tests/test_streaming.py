"""A model that reads in one direction, a step at a time with the state handed over: what it says of the whole."""

import numpy as np
import pytest

import seqkeras
from seqkeras import export, pipelines
from seqkeras.export import load_bundle

T, D = 7, 3
LENGTH = np.array([7, 3, 1, 5], "int32")
RUNTIMES = pytest.mark.parametrize("runtime", ["interpreter", "compiled"])


def livelier(model, rng):
    for v in model.trainable_variables:
        v.assign(v + 0.5 * rng.normal(size=v.shape))
    return model


def ids(rng):
    """Rows of several lengths, one with padding inside."""
    rows = np.where(np.arange(T) < LENGTH[:, None], rng.integers(4, 20, (4, T)), 0).astype("int32")
    rows[3, 1] = 0
    return {"ids": rows}


def values(rng):
    return {"values": rng.normal(size=(4, T, D)).astype("float32"), "length": LENGTH}


def by_steps(model, inputs):
    """The answers after each step: name -> [T, B, ...]."""
    state, said = model.start(4), []
    for t in range(T):
        answer, state = model.step({name: x[:, t] for name, x in inputs.items() if x.ndim > 1}, state)
        said.append(answer)
    return {name: np.stack([np.array(one[name]) for one in said]) for name in said[0]}


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
@pytest.mark.parametrize(
    "shape", [{}, {"cell": "lstm", "num_layers": 2}, {"cell": "mut1", "num_layers": 2, "residual": True}]
)
def test_the_last_step_of_a_classifier_is_the_answer_to_the_whole(pooling, shape, seed):
    rng = np.random.default_rng(seed)
    options = {"units": 5, "bidirectional": False, "pooling": pooling, **shape}
    model, inputs = livelier(seqkeras.SequenceClassifier(20, 3, **options), rng), ids(rng)
    said = by_steps(model, inputs)["probabilities"]
    np.testing.assert_allclose(said[-1], model.classify(inputs)["probabilities"], atol=1e-5)
    model, inputs = livelier(seqkeras.SequenceClassifier(None, 3, input_units=D, **options), rng), values(rng)
    said = by_steps(model, inputs)["probabilities"]
    whole = model.classify(inputs)["probabilities"]
    np.testing.assert_allclose(said[LENGTH - 1, np.arange(4)], whole, atol=1e-5)


def test_a_mean_over_many_steps_is_exact_in_half_precision(seed):
    model = seqkeras.SequenceClassifier(
        None, 3, 4, bidirectional=False, pooling="mean", input_units=1, dtype="mixed_bfloat16"
    )
    inputs, state = {"values": np.ones((1, 600, 1), "float32"), "length": np.array([600])}, model.start(1)
    for _ in range(600):
        said, state = model.step({"values": np.ones((1, 1), "float32")}, state)
    np.testing.assert_allclose(said["probabilities"], model.classify(inputs)["probabilities"], atol=0.01)


@pytest.mark.parametrize("outputs", ["class", "labels", "values"])
def test_each_step_of_a_tagger_is_the_answer_at_its_place(outputs, seed):
    rng = np.random.default_rng(seed)
    model = seqkeras.SequenceTagger(20, 3, 5, cell="lstm", bidirectional=False, outputs=outputs)
    model, inputs = livelier(model, rng), ids(rng)
    (said,), (whole,) = by_steps(model, inputs).values(), model.tag(inputs).values()
    np.testing.assert_allclose(said.transpose(1, 0, 2), whole, atol=1e-5)


def test_words_are_read_by_their_characters_too(seed):
    rng = np.random.default_rng(seed)
    spelt = {"character_vocab_size": 12, "character_units": 4, "word_length": 4}
    model = livelier(seqkeras.JointTagger(20, 3, 2, 5, bidirectional=False, **spelt), rng)
    inputs = ids(rng)
    inputs["characters"] = (rng.integers(4, 12, (4, T, 4)) * (inputs["ids"] != 0)[..., None]).astype("int32")
    said, whole = by_steps(model, inputs), model.understand(inputs)
    np.testing.assert_allclose(said["label"][-1], whole["label"], atol=1e-5)
    np.testing.assert_allclose(said["tags"].transpose(1, 0, 2), whole["tags"], atol=1e-5)


@RUNTIMES
def test_a_sensors_stream_of_any_length_is_answered_step_by_step(runtime, tmp_path, seed):
    rng = np.random.default_rng(seed)
    model = livelier(seqkeras.SequenceTagger(None, 2, 5, input_units=D, bidirectional=False), rng)
    scale = {"mean": [1.0, 2.0, 3.0], "deviation": [1.0, 2.0, 4.0]}
    manifest = export.write_bundle(model, tmp_path / "x", T, inputs=values(rng), labels=["a", "b"], scale=scale)
    assert manifest["parity"]["compiled_step"]["equal"] == 4
    tag, rows = load_bundle(tmp_path / "x", runtime), rng.normal(size=(3 * T, D))
    scaled = ((rows - scale["mean"]) / scale["deviation"]).astype("float32")[None]
    whole = np.array(model.tag({"values": scaled, "length": np.array([3 * T])})["probabilities"])[0]
    said = list(tag.stream(iter(rows)))
    assert [(step, label) for step, label, _ in said] == [(t, "ab"[one]) for t, one in enumerate(whole.argmax(-1))]
    np.testing.assert_allclose([share for _, _, share in said], whole.max(-1), atol=1e-5)
    stream = tag.stream([rows[0], np.full(D, np.nan)])
    next(stream)
    with pytest.raises(ValueError, match="Expected finite values. Received: nan in step 1"):
        next(stream)
    with pytest.raises(ValueError, match=r"Expected a row \[3\]. Received: \[2\]"):
        list(tag.stream(rows[:, :2]))


@RUNTIMES
def test_words_are_answered_as_they_come(runtime, tmp_path, seed):
    rng = np.random.default_rng(seed)
    words = pipelines.Words.train(["the cat sat on the mat"])
    V = words.vocab_size
    inputs, labels = {"ids": rng.integers(4, V, (3, T)).astype("int32")}, {"tags": ["O", "X"], "label": ["p", "q"]}
    model = livelier(seqkeras.JointTagger(V, 2, 2, 5, bidirectional=False), rng)
    export.write_bundle(model, tmp_path / "x", T, inputs=inputs, labels=labels, tokenizers={"text": words})
    understand = load_bundle(tmp_path / "x", runtime)
    said, whole = list(understand.stream(["the", "cat", "sat"])), understand("the cat sat")
    assert [one["tag"][:2] for one in said] == [one[:2] for one in whole["tags"]]
    assert said[-1]["label"] == pytest.approx(whole["label"], abs=1e-5)
    assert list(understand.stream(["the cat", "sat"])) == said


@pytest.mark.parametrize("options", [{"encoder": "convolution"}, {"bidirectional": True}, {"bidirectional": "first"}])
def test_a_model_that_needs_the_whole_says_so(options):
    model = seqkeras.SequenceTagger(20, 2, 4, **options)
    assert list(model.signatures(1, 5)) == ["tag"]
    with pytest.raises(ValueError, match="Expected encoder='recurrent' and bidirectional=False, to read step by step"):
        model.start(1)


def test_a_bundle_of_one_that_needs_the_whole_says_so_at_once(tmp_path, seed):
    model, inputs = seqkeras.SequenceClassifier(None, 2, units=4, input_units=D), values(np.random.default_rng(seed))
    export.write_bundle(model, tmp_path / "x", T, inputs=inputs, labels=["a", "b"])
    with pytest.raises(ValueError, match="reads in one direction, made with bidirectional=False. Received: .*classify"):
        load_bundle(tmp_path / "x").stream([[0.0] * D])


class Otherwise(seqkeras.SequenceClassifier):
    """A model whose `step`, and nothing else, says something else."""

    def step(self, inputs, state):
        answer, state = super().step(inputs, state)
        return {"probabilities": answer["probabilities"][:, ::-1]}, state


def test_a_step_that_says_something_else_is_not_shipped(tmp_path, seed):
    rng = np.random.default_rng(seed)
    options = {"units": 4, "input_units": D, "bidirectional": False}
    model, same = Otherwise(None, 2, **options), seqkeras.SequenceClassifier(None, 2, **options)
    livelier(same, rng)
    model.set_weights(same.get_weights())
    export.to_tflite(model, tmp_path / "x", T)
    with pytest.raises(ValueError, match="interpreter_step: 4 of 4 rows differ") as error:
        export.parity(same, tmp_path / "x", values(rng))
    assert "compiled_step: 4" in str(error.value) and "interpreter: " not in str(error.value)


def test_steps_that_do_not_fit_are_refused():
    model = seqkeras.SequenceTagger(20, 2, 4, bidirectional=False)
    state, ids = model.start(2), np.array([4, 5], "int32")
    for inputs, wrong in (({"ids": ids[:1]}, state), ({"ids": ids}, ()), (ids, state), ({"ids": ids[:, None]}, state)):
        with pytest.raises(ValueError, match="Expected inputs .*Received: "):
            model.step(inputs, wrong)
    for batch in (-1, 2.5, "a", None):
        with pytest.raises(ValueError, match="Expected batch to be a positive integer. Received: batch="):
            model.start(batch)


def test_values_that_are_none_are_refused_by_a_bundle(tmp_path, seed):
    rng = np.random.default_rng(seed)
    model = livelier(seqkeras.SequenceClassifier(None, 2, units=4, input_units=D, bidirectional=False), rng)
    export.write_bundle(model, tmp_path / "x", T, inputs=values(rng), labels=["a", "b"])
    classify, rows = load_bundle(tmp_path / "x"), np.ma.array(np.zeros((2, D)))
    rows[1, 1] = np.ma.masked
    with pytest.raises(ValueError, match="Expected values without masked ones. Received: 1 masked"):
        classify(rows)
    assert list(classify.stream(np.zeros((2, D))))[-1] == classify(np.zeros((2, D)))
    for wrong, match in ((["abc"], "text"), ([[1j] * D], "complex"), ([[1.0], [1.0, 2.0]], "different lengths")):
        with pytest.raises(ValueError, match=f"Expected numbers. Received: .*{match}"):
            classify(wrong)
    for wrong in ("aa", None):
        with pytest.raises(ValueError, match=r"Expected an iterable of tokens or rows, such as text.split"):
            classify.stream(wrong)
