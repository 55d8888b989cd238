"""Language models: step equal to the parallel call, prompts, chunks with the state carried, the way to a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import export
from seqkeras.tokens import END, START, UNKNOWN

V = 9
KINDS = {
    "lstm": {"cell": "lstm", "num_layers": 2, "embedding_units": 5},
    "zoneout": {"cell": "gru", "zoneout": 0.3},
    "transformer": {"decoder": "transformer", "num_layers": 2, "max_length": 12},
    "tied": {"decoder": "transformer", "max_length": 12, "norm": "post", "tied_embeddings": True},
}


def make(kind, **changed):
    return seqkeras.LanguageModel(V, 8, **{**KINDS[kind], **changed})


def texts(seed, rows, steps):
    ids = np.random.default_rng(seed).integers(4, V, (rows, steps)).astype("int32")
    ids[:, 0] = START
    return ids


@pytest.mark.parametrize("kind", KINDS)
def test_step_is_the_parallel_call_and_nothing_sees_what_follows(kind, seed):
    model, ids = make(kind), texts(seed, 3, 8)
    logits = model(ids).numpy()
    state = model.start({"prompt": np.zeros((3, 1), "int32")})
    for t in range(8):
        said, state = model.step(ids[:, t], state)
        np.testing.assert_allclose(said, logits[:, t], atol=1e-5)
    changed = ids.copy()
    changed[:, 5:] = 4
    np.testing.assert_allclose(model(changed)[:, :5], logits[:, :5], atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
@pytest.mark.parametrize("search", [seqkeras.Greedy, seqkeras.Sample])
def test_a_search_repeats_the_prompt_and_goes_on_from_it(kind, search, seed):
    model, rng = make(kind), np.random.default_rng(seed)
    prompt = np.array([[5, 6, 7], [8, 0, 0], [0, 0, 0]], "int32")
    inputs = {"prompt": prompt, "uniform": rng.random((3, 10)).astype("float32")}
    if search is seqkeras.Greedy:
        del inputs["uniform"]
    ids = search(model, 10)(inputs).numpy()
    np.testing.assert_array_equal(np.where(prompt != 0, ids[:, :3], 0), prompt)
    before = np.concatenate([np.full((3, 1), START), ids[:, :-1]], axis=1)
    likeliest = model(before).numpy().argmax(-1)
    for row, length in enumerate((3, 1, 0)):
        end = next((t for t in range(length, 10) if ids[row, t] in (0, END)), 9) + 1
        assert not ids[row, end:].any()
        if search is seqkeras.Greedy:
            np.testing.assert_array_equal(ids[row, length:end], likeliest[row, length:end])


def test_a_prompt_of_no_width_is_none_and_an_id_of_no_token_is_unknown(seed):
    search = seqkeras.Greedy(make("lstm"), 5)
    nothing, padding = (search({"prompt": np.zeros((2, width), "int32")}) for width in (0, 1))
    np.testing.assert_array_equal(nothing, padding)
    strange, unknown = (search({"prompt": np.array([[5, id, 6]])}) for id in (V, UNKNOWN))
    np.testing.assert_array_equal(strange, unknown)
    np.testing.assert_array_equal(search({"prompt": np.array([[5, -1, 6]])}), unknown)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_padding_in_front_of_a_prompt_or_inside_it_is_no_part_of_it(kind, seed):
    search = seqkeras.Greedy(make(kind), 8)
    prompts = [[5, 6, 7, 0, 0], [0, 0, 5, 6, 7], [5, 0, 6, 0, 7]]
    first, *others = np.array(search({"prompt": np.array(prompts, "int32")}))
    assert first[:3].tolist() == [5, 6, 7] and all(np.array_equal(first, other) for other in others)


def test_a_prompt_of_more_than_max_length_is_refused_and_cut_where_its_length_is_known_too_late(seed):
    search, prompt = seqkeras.Greedy(make("lstm"), 3), np.array([[5, 6, 7, 8]], "int32")
    with pytest.raises(ValueError, match="Expected a prompt of at most max_length=3. Received: 4 ids"):
        search({"prompt": prompt})
    late = tf.function(lambda prompt: search({"prompt": prompt}), [tf.TensorSpec((None, None), "int32")])
    np.testing.assert_array_equal(late(prompt), prompt[:, :3])


@pytest.mark.parametrize("cell", ["simplernn", "lstm"])
def test_chunks_say_what_the_whole_says_and_a_new_text_begins_from_zeros(cell, seed):
    model = seqkeras.LanguageModel(V, 8, num_layers=2, cell=cell)
    carried, ids = seqkeras.TruncatedBPTT(model, 3), texts(seed, 3, 12)
    for _ in range(2):  # the second time begins with START again
        chunks = np.concatenate([carried(ids[:, a : a + 4]) for a in (0, 4, 8)], axis=1)
        np.testing.assert_allclose(chunks, model(ids), atol=1e-5)
    new = texts(seed + 1, 3, 4)
    mixed = np.concatenate([ids[:1, 4:8], new[1:]])
    carried(ids[:, :4])
    expected = np.concatenate([model(ids[:1])[:, 4:8], model(new[1:])])
    np.testing.assert_allclose(carried(mixed), expected, atol=1e-5)


def test_a_chunk_that_covers_the_text_is_full_backpropagation(seed):
    model, ids = seqkeras.LanguageModel(V, 8), texts(seed, 3, 8)
    following, start, after = np.roll(ids, -1, 1), model.get_weights(), []
    for trained in (model, seqkeras.TruncatedBPTT(model, 3)):
        model.set_weights(start)
        trained.compile(keras.optimizers.SGD(0.5), seqkeras.CrossEntropy())
        trained.fit(ids, following, batch_size=3, epochs=2, shuffle=False, verbose=0)
        after.append(model.get_weights())
    assert np.abs(after[0][-1] - start[-1]).max() > 1e-3
    for whole, chunk in zip(*after, strict=True):
        np.testing.assert_allclose(whole, chunk, atol=1e-6)


def test_the_gradient_ends_where_the_chunk_begins(seed):
    """The state of the chunk before is a constant: a step on the second chunk is one from that constant state."""
    model, ids = seqkeras.LanguageModel(V, 8, cell="simplernn"), texts(seed, 2, 8)
    first, second, start = ids[:, :4], ids[:, 4:], model.get_weights()
    carried = seqkeras.TruncatedBPTT(model, 2)
    carried(first)
    carried.compile(keras.optimizers.SGD(1.0), seqkeras.CrossEntropy())
    carried.train_on_batch(second, second)
    moved = [b - a for a, b in zip(start, model.get_weights(), strict=True)]
    model.set_weights(start)
    state = model.predictor.continue_from(first, model.predictor.start(batch=2))[1]
    with tf.GradientTape() as tape:
        logits = model.predictor.continue_from(second, tuple(tf.constant(s.numpy()) for s in state))[0]
        loss = seqkeras.CrossEntropy()(second, logits)
    expected = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for got, gradient in zip(moved, expected, strict=True):
        np.testing.assert_allclose(got, -tf.convert_to_tensor(gradient), atol=1e-5)


def test_it_learns_a_cycle_and_says_it(seed):
    """4 5 6 7 8 4 5 …, from any beginning."""
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, 5, (128, 1)) + np.arange(9)) % 5 + 4
    ids, following = np.concatenate([np.full((128, 1), START), rows[:, :-1]], 1), rows
    for kind in ("lstm", "transformer"):
        model = seqkeras.LanguageModel(V, 16, **{**KINDS[kind], "num_layers": 1})
        model.compile(keras.optimizers.Adam(0.02), seqkeras.CrossEntropy(), weighted_metrics=[seqkeras.Perplexity()])
        model.fit(ids, following, batch_size=32, epochs=15, verbose=0)
        said = seqkeras.Greedy(model, 9)({"prompt": np.array([[6], [4]])})
        np.testing.assert_array_equal(said, (np.array([[2], [0]]) + np.arange(9)) % 5 + 4)


def test_a_file_keeps_the_chunked_model(tmp_path, seed):
    model, ids = seqkeras.TruncatedBPTT(seqkeras.LanguageModel(V, 8), 2), texts(seed, 2, 5)
    model(ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(ids[:, 1:]), model(ids[:, 1:]))


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_the_file_goes_on_as_the_model_does(kind, tmp_path, seed):
    model = seqkeras.Greedy(make(kind), 8)
    prompt = np.array([[5, 6, 7], [8, 0, 0], [0, 0, 0]], "int32")
    path = tmp_path / "model.tflite"
    export.to_tflite(model, path, 3)
    export.audit(path)
    report = export.parity(model, path, {"prompt": prompt})
    assert report["compiled"]["equal"] + report["compiled"]["excused"] == 3


def test_what_cannot_be_is_refused():
    for wrong, message in (
        ({"decoder": "transformer"}, "max_length to be a positive integer. Received: max_length=None"),
        ({"decoder": "bag"}, "decoder to be one of recurrent, transformer. Received: decoder='bag'"),
        ({"cell": "gr"}, "cell to be one of"),
        ({"zoneout": 1}, "zoneout to be a number"),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            seqkeras.LanguageModel(V, 8, **wrong)
    with pytest.raises(ValueError, match="decoder='recurrent'"):
        seqkeras.TruncatedBPTT(make("transformer"), 2)
    with pytest.raises(ValueError, match=r"Expected 2 rows in every batch. Received: ids of shape \(3, 4\)"):
        seqkeras.TruncatedBPTT(make("lstm"), 2)(texts(0, 3, 4))
    with pytest.raises(ValueError, match="Expected max_length of at most the model's 12"):
        seqkeras.Greedy(make("transformer"), 13)
    with pytest.raises(ValueError, match="Expected a prompt of at most max_length=4. Received: 5 ids"):
        seqkeras.Greedy(make("lstm"), 4)({"prompt": texts(0, 3, 5)})
