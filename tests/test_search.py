"""Output one position at a time: against the loop written out, row by row."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import seqkeras
from seqkeras import Greedy, Sample
from seqkeras.search.greedy import best
from seqkeras.search.sampling import likeliest
from seqkeras.tokens import END, PAD, START

V, T = 9, 8


class Countdown(keras.Model):
    """From n, says n - 1, n - 2, ... and ends at END: what to expect is plain, and each step is counted."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = tf.Variable(0, trainable=False)

    def start(self, inputs):
        return (inputs["label"],)

    def step(self, ids, state):
        self.steps.assign_add(1)
        (n,) = state
        return ops.one_hot(n, V), (n - 1,)


def test_each_row_ends_by_itself_and_all_stop_behind_the_longest():
    model = Countdown()
    out = Greedy(model, T)({"label": np.array([5, 3, 2])})
    np.testing.assert_array_equal(out[:, :5], [[5, 4, 3, END, PAD], [3, END, PAD, PAD, PAD], [END, PAD, PAD, PAD, PAD]])
    assert not np.any(out[:, 5:])
    assert int(model.steps) == 4, "no step after the last row has ended"


def test_an_output_that_never_ends_is_cut_at_max_length():
    out = Greedy(Countdown(), 3)({"label": np.array([8, 3])})
    np.testing.assert_array_equal(out, [[8, 7, 6], [3, END, PAD]])


def models():
    return {
        "generator": (seqkeras.SequenceGenerator(V, 3, units=6), {"label": np.array([0, 1, 2, 0])}),
        "seq2seq": (seqkeras.Seq2Seq(V, units=6, cell="lstm"), None),
        "attention": (seqkeras.AttentionSeq2Seq(V, units=6), None),
        "transformer": (seqkeras.TransformerSeq2Seq(V, units=8, num_heads=2, max_length=T), None),
    }


def setting(kind):
    model, inputs = models()[kind]
    for v in model.trainable_variables:  # livelier than at the start, so that rows differ and some end
        v.assign(v + 0.5 * keras.random.normal(v.shape))
    if inputs is None:
        source = np.random.randint(4, V, (4, 6))
        inputs = {"source": np.where(np.arange(6) < [[6], [3], [1], [0]], source, PAD)}
    return model, inputs


def written_out(model, inputs):
    """Greedy search through the parallel call, which has no state to keep."""
    (rows,) = {len(x) for x in inputs.values()}
    prefix, out = np.full((rows, 1), START), []
    for _ in range(T):
        ids = np.argmax(model({**inputs, "target": prefix})[:, -1], axis=-1)
        ended = np.isin(prefix[:, -1], [END, PAD])
        out.append(np.where(ended, PAD, ids))
        prefix = np.concatenate([prefix, out[-1][:, None]], axis=1)
    return np.stack(out, 1)


@pytest.mark.parametrize("kind", ["generator", "seq2seq", "attention", "transformer"])
def test_greedy_is_the_likeliest_token_after_its_own_output(kind, seed):
    model, inputs = setting(kind)
    search = Greedy(model, T)
    expected = written_out(model, inputs)
    np.testing.assert_array_equal(search(inputs), expected)
    one = {name: x[1:2] for name, x in inputs.items()}
    np.testing.assert_array_equal(search(one), expected[1:2])
    np.testing.assert_array_equal(search.predict(inputs, batch_size=2, verbose=0), expected)
    compiled = tf.function(search, jit_compile=kind == "attention")
    np.testing.assert_array_equal(compiled({k: tf.constant(v) for k, v in inputs.items()}), expected)


def test_a_model_of_fewer_positions_is_not_searched_for_more():
    model = seqkeras.TransformerSeq2Seq(V, units=8, num_heads=2, max_length=5)
    with pytest.raises(ValueError, match="Expected max_length of at most the model's 5. Received: max_length=6"):
        Greedy(model, 6)
    with pytest.raises(ValueError, match="Received: max_length=0"):
        Greedy(seqkeras.Seq2Seq(V, units=4), 0)


def test_best_is_the_lowest_of_the_largest():
    assert best(ops.convert_to_tensor([[0.0, 2.0, 2.0], [1.0, 0.0, -1.0]])).numpy().tolist() == [1, 0]


def test_samples_follow_the_distribution_and_the_random_numbers_given(seed):
    model, n = seqkeras.SequenceGenerator(V, 3, units=4), 4000
    inputs = {"label": np.zeros(n, "int32"), "uniform": np.random.rand(n, 1).astype("float32")}
    sample = Sample(model, 1, temperature=0.7)
    ids = np.array(sample(inputs))[:, 0]
    logits = np.array(model({"label": np.zeros((1,), "int32"), "target": np.full((1, 1), START)}))[0, 0] / 0.7
    p = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(np.bincount(ids, minlength=V) / n, p, atol=4.5 * 0.5 / np.sqrt(n))
    np.testing.assert_array_equal(np.array(sample(inputs))[:, 0], ids)
    np.testing.assert_array_equal(ids, np.searchsorted(np.cumsum(p), inputs["uniform"][:, 0], side="right"))


def test_cold_sampling_is_greedy(seed):
    model, inputs = setting("attention")
    uniform = np.random.rand(4, T).astype("float32") * 0.999
    cold = Sample(model, T, temperature=1e-4)({**inputs, "uniform": uniform})
    np.testing.assert_array_equal(cold, Greedy(model, T)(inputs))


@pytest.mark.parametrize("kind", ["generator", "seq2seq", "attention", "transformer"])
def test_the_log_probability_is_the_models_own_of_all_that_was_written(kind, seed):
    model, inputs = setting(kind)
    rows = len(next(iter(inputs.values())))
    uniform = np.random.rand(rows, T).astype("float32")
    for search, more in ((Greedy(model, T), {}), (Sample(model, T, 0.5, top_k=3), {"uniform": uniform})):
        said = search.scored({**inputs, **more})
        ids = np.array(said["ids"])
        np.testing.assert_array_equal(ids, search({**inputs, **more}))
        target = np.concatenate([np.full((rows, 1), START), ids[:, :-1]], axis=1)
        logits = np.array(model({**inputs, "target": target}), "float64")
        of_all = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        alive = np.logical_and.accumulate(~np.isin(target, [END, PAD]), axis=1)
        each = np.take_along_axis(of_all, ids[..., None], axis=-1)[..., 0] * alive
        np.testing.assert_allclose(said["log_probability"], each.sum(1), rtol=1e-5, atol=1e-5)


def test_the_log_probability_of_a_prompt_is_0(seed):
    model = seqkeras.LanguageModel(V, 4)
    prompt = np.random.randint(4, V, (2, T)).astype("int32")
    np.testing.assert_allclose(Greedy(model, T).scored({"prompt": prompt})["log_probability"], [0, 0], atol=1e-6)


def kept(p, top_k, top_p):
    """By sorting, a row at a time, where all probabilities differ."""
    out = np.zeros_like(p)
    for row, one in zip(out, p, strict=True):
        order = np.argsort(-one)[:top_k]
        if top_p is not None:
            share = np.cumsum(one[order]) / one[order].sum()
            order = order[: np.searchsorted(share, top_p) + 1]
        row[order] = one[order]
    return out


@pytest.mark.parametrize("top_k", [None, 1, 3, 100])
@pytest.mark.parametrize("top_p", [None, 1e-6, 0.4, 0.95])
def test_only_the_likeliest_tokens_are_drawn_from(top_k, top_p, seed):
    logits = np.random.normal(size=(50, V)) * 2
    p = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("float32")
    np.testing.assert_array_equal(likeliest(ops.convert_to_tensor(p), top_k, top_p), kept(p, top_k, top_p))


def test_tokens_as_likely_as_the_last_one_are_among_them():
    p = ops.convert_to_tensor([[0.1, 0.3, 0.3, 0.3]])
    np.testing.assert_allclose(likeliest(p, top_k=1), [[0, 0.3, 0.3, 0.3]])
    np.testing.assert_allclose(likeliest(p, top_p=1.0), p)


def test_what_is_drawn_is_among_the_likeliest(seed):
    model, n = seqkeras.SequenceGenerator(V, 3, units=4), 3000
    inputs = {"label": np.zeros(n, "int32"), "uniform": np.random.rand(n, 1).astype("float32")}
    logits = np.array(model({"label": np.zeros((1,), "int32"), "target": np.full((1, 1), START)}))[0, 0]
    ids = np.array(Sample(model, 1, top_k=2)(inputs))[:, 0]
    assert set(ids) == set(np.argsort(-logits)[:2])
    p = np.sort(np.exp(logits))[-2:]
    share = np.mean(ids == np.argmax(logits))
    assert abs(share - p[1] / p.sum()) < 4.5 * 0.5 / np.sqrt(n)
    assert set(np.array(Sample(model, 1, top_p=1e-6)(inputs))[:, 0]) == {np.argmax(logits)}


def test_a_temperature_that_comes_with_the_inputs_takes_the_place_of_the_searchs_own(seed):
    model, inputs = setting("attention")
    inputs["uniform"] = np.random.rand(4, T).astype("float32") * 0.999
    for temperature in (0.5, 3.0):
        given = {**inputs, "temperature": np.full(4, temperature, "float32")}
        np.testing.assert_array_equal(Sample(model, T)(given), Sample(model, T, temperature)(inputs))
    mixed = Sample(model, T)({**inputs, "temperature": np.array([0.0, 0.0, 2.0, 2.0], "float32")})
    np.testing.assert_array_equal(mixed[:2], Greedy(model, T)(inputs)[:2])
    np.testing.assert_array_equal(mixed[2:], Sample(model, T, 2.0)(inputs)[2:])
    with pytest.raises(ValueError, match="Expected inputs uniform .*temperature .None. float32. Received: "):
        Sample(model, T)({**inputs, "temperature": np.ones((4, 2), "float32")})


@pytest.mark.parametrize("options", [{"top_k": 0}, {"top_k": 2.5}, {"top_p": 0}, {"top_p": 1.5}, {"top_p": "most"}])
def test_how_many_of_the_likeliest_is_checked(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        Sample(seqkeras.Seq2Seq(V, units=4), 3, **options)


@pytest.mark.parametrize("temperature", [0, -1.0, "hot", float("inf"), True])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="Expected temperature above 0. Received: temperature="):
        Sample(seqkeras.Seq2Seq(V, units=4), 3, temperature)


def test_what_cannot_be_searched_is_refused():
    model = seqkeras.SequenceGenerator(V, 3, units=4)
    for wrong in (seqkeras.SequenceClassifier(V, 3, units=4), seqkeras.SequenceGenerator):
        with pytest.raises(ValueError, match="Expected a model that writes: an object"):
            Greedy(wrong, 5)
    with pytest.raises(
        TypeError, match="Expected Sample.model, max_length, temperature, top_k, top_p.. Received: .*'max_length'"
    ):
        Sample(model)
    with pytest.raises(ValueError, match="Received: max_length=7.5"):
        Greedy(model, 7.5)
    label = np.zeros(2, "int32")
    with pytest.raises(ValueError, match="Expected inputs uniform .None, 5.*Received: inputs label .2."):
        Sample(model, 5)({"label": label})
    with pytest.raises(ValueError, match="Expected inputs uniform .None, 5.*Received: .*uniform .2, 3."):
        Sample(model, 5)({"label": label, "uniform": np.zeros((2, 3), "float32")})
    with pytest.raises(ValueError, match="Expected inputs of one batch. Received: .*uniform .1, 5."):
        Sample(model, 5)({"label": label, "uniform": np.zeros((1, 5), "float32")})


def test_at_temperature_0_the_likeliest_token_is_taken_however_near_the_others():
    logits = ops.convert_to_tensor([[0.0, 5.0, 5.0000005, 5.000004, 5.000004]])
    search = Sample(seqkeras.LanguageModel(5, 4), 1)
    for u in (0.0, 0.5, 0.999):
        inputs = {"uniform": np.full((1, 1), u, "float32"), "temperature": np.zeros(1, "float32")}
        assert np.array(search.choose(logits, 0, inputs)).tolist() == [3]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_prompt_is_certain_however_hot(dtype, seed):
    model = seqkeras.LanguageModel(V, 4, dtype=dtype)
    prompt = {"prompt": np.array([[5, 6]], "int32"), "uniform": np.full((1, 4), 0.999, "float32")}
    for temperature in (1e4, 1e9):
        said = Sample(model, 4).scored({**prompt, "temperature": np.array([temperature], "float32")})
        assert np.array(said["ids"])[0, :2].tolist() == [5, 6] and said["log_probability"][0] > -20


def test_what_is_drawn_is_likely_at_the_limits_of_float32(seed):
    model, inputs = setting("attention")
    greedy = Greedy(model, T)(inputs)
    for top_p in (1e-30, 1e-50):
        drawn = Sample(model, T, top_p=top_p)({**inputs, "uniform": np.full((4, T), 0.5, "float32")})
        np.testing.assert_array_equal(drawn, greedy)
    almost = np.full((4, T), 1 - 2**-24, "float32")
    np.testing.assert_array_equal(Sample(model, T, top_k=1)({**inputs, "uniform": almost}), greedy)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"uniform": np.full((1, 3), 1 - 1e-9)}, "Expected uniform from 0 to 0.99.*Received: 1.0"),
        ({"uniform": np.full((1, 3), -0.1)}, "Expected uniform from 0"),
        ({"temperature": np.array([np.nan], "float32")}, "Expected temperature from 0 to .*Received: nan"),
        ({"temperature": np.array([-1.0], "float32")}, "Expected temperature from 0 to .*Received: -1.0"),
        ({"temperature": np.array([np.inf], "float32")}, "Expected temperature from 0 to .*Received: inf"),
    ],
)
def test_what_cannot_be_drawn_with_is_refused(changed, match):
    model = seqkeras.SequenceGenerator(V, 3, units=4)
    inputs = {"label": np.zeros(1, "int32"), "uniform": np.full((1, 3), 0.5)}
    for call in (Sample(model, 3), lambda inputs: Sample(model, 3).predict(inputs, verbose=0)):
        with pytest.raises(ValueError, match=match):
            call({**inputs, **changed})
    assert Sample(model, 3).predict(inputs, verbose=0).shape == (1, 3)
    whole_numbers = {**inputs, "uniform": np.zeros((1, 3), "int32")}
    np.testing.assert_array_equal(
        Sample(model, 3)(whole_numbers), Sample(model, 3)({**inputs, "uniform": np.zeros((1, 3))})
    )
