"""The classifier's baselines against a few lines of NumPy, its activation map, and noise in the recurrence."""

import numpy as np
import pytest

import seqkeras
from seqkeras import encoders

B, S, D, W = 3, 7, 4, 5


@pytest.fixture
def sequences(seed):
    """(values [B, S, D], mask [B, S]) with one row full and one row without a real position."""
    rng = np.random.default_rng(seed)
    mask = np.arange(S) < np.array([S, 4, 0])[:, None]
    return rng.normal(size=(B, S, D)).astype("float32"), mask


def weights_of(layer, *shape):
    """`layer` built, its biases off zero."""
    layer.build(shape)
    rng = np.random.default_rng(5)
    layer.set_weights([w + rng.normal(scale=0.3, size=w.shape) for w in layer.get_weights()])
    return layer.get_weights()


def test_a_residual_stack_with_a_bidirectional_first_layer_is_its_layers_one_by_one(sequences):
    """The encoder of Wu et al. 2016: from the third layer on, what goes in is added to what comes out."""
    x, mask = sequences
    layer = encoders.RecurrentEncoder(W, num_layers=4, cell="lstm", bidirectional="first", residual=True)
    weights_of(layer, None, None, D)
    assert [len(directions) for directions in layer.recurrences] == [2, 1, 1, 1]
    (forward, backward), (second,), (third,), (fourth,) = layer.recurrences
    h = np.concatenate([forward(x, mask=mask)[0], backward(x, mask=mask)[0]], axis=-1)
    h = np.asarray(second(h, mask=mask)[0])
    for one in (third, fourth):
        h = h + np.asarray(one(h, mask=mask)[0])
    memory, summary = layer(x, mask=mask)
    np.testing.assert_allclose(memory, h, atol=1e-5)
    np.testing.assert_allclose(summary[:2], [h[0, -1], h[1, 3]], atol=1e-5)
    assert layer.width == memory.shape[-1] == W


@pytest.mark.parametrize("window", [2, 3, 5])
def test_convolution_is_a_sum_over_the_window_and_its_summary_the_maximum(sequences, window):
    x, mask = sequences
    layer = encoders.ConvolutionEncoder(W, num_layers=2, window=window)
    kernels = weights_of(layer, None, None, D)
    h = x
    for kernel, bias in zip(kernels[::2], kernels[1::2], strict=True):
        left = (window - 1) // 2
        padded = np.pad(np.where(mask[..., None], h, 0), ((0, 0), (left, window - 1 - left), (0, 0)))
        z = [np.einsum("bkd,kdw->bw", padded[:, t : t + window], kernel) + bias for t in range(S)]
        h = np.where(mask[..., None], np.maximum(np.stack(z, 1), 0), 0)
    memory, summary = layer(x, mask=mask)
    np.testing.assert_allclose(memory, h, atol=1e-5)
    np.testing.assert_allclose(summary[:2], [h[0].max(0), h[1, :4].max(0)], atol=1e-5)
    np.testing.assert_array_equal(summary[2], np.zeros(W))


@pytest.mark.parametrize("window", [3, 9])
def test_a_window_has_weights_for_each_position_and_sees_nothing_behind(sequences, window):
    x, mask = sequences
    layer = encoders.WindowEncoder(W, window=window)
    kernel, bias = weights_of(layer, None, None, D)
    seen = min(window, S)
    z = np.einsum("btd,tdw->btw", np.where(mask[..., None], x, 0)[:, :seen], kernel[:seen])
    memory, summary = layer(x, mask=mask)
    np.testing.assert_allclose(summary, np.tanh(z.sum(1) + bias), atol=1e-5)
    np.testing.assert_allclose(memory[:, :seen], np.where(mask[:, :seen, None], np.tanh(z + bias), 0), atol=1e-5)
    changed = x.copy()
    changed[:, seen:] += 1
    np.testing.assert_array_equal(layer(changed, mask=mask)[1], summary)


def test_a_bag_forgets_the_order(sequences):
    x, mask = sequences
    layer = encoders.BagEncoder(W)
    kernel, bias = weights_of(layer, None, None, D)
    memory, summary = layer(x, mask=mask)
    np.testing.assert_allclose(memory[0], np.tanh(x[0] @ kernel + bias), atol=1e-5)
    np.testing.assert_allclose(summary[1], np.tanh(x[1, :4] @ kernel + bias).mean(0), atol=1e-5)
    shuffled = x[:, np.random.default_rng(1).permutation(4)]
    np.testing.assert_allclose(layer(shuffled, mask=mask[:, :4])[1][1], summary[1], atol=1e-6)
    np.testing.assert_array_equal(summary[2], np.zeros(W))


@pytest.mark.parametrize("kind", ["recurrent", "transformer", "convolution", "window", "bag"])
@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_padding_changes_nothing(kind, pooling, seed):
    model = seqkeras.SequenceClassifier(9, 3, 8, encoder=kind, pooling=pooling)
    ids = np.random.default_rng(seed).integers(4, 9, (2, 5))
    padded = np.pad(ids, ((0, 0), (0, 3)))
    np.testing.assert_allclose(model(padded), model(ids), atol=1e-5)
    np.testing.assert_allclose(model.classify({"ids": padded})["probabilities"].numpy().sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["recurrent", "transformer", "convolution", "window", "bag"])
def test_the_logits_are_the_mean_of_the_activation_map(kind, seed):
    model = seqkeras.SequenceClassifier(9, 3, 8, encoder=kind, pooling="mean")
    ids = np.random.default_rng(seed).integers(4, 9, (2, 6))
    ids[1, 4:] = 0
    activation = model.activation_map(ids).numpy()
    means = np.stack([activation[0].mean(0), activation[1, :4].mean(0)])
    np.testing.assert_allclose(model(ids), means + model.logits.bias.numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="Expected a model with pooling='mean'. Received: pooling='max'"):
        seqkeras.SequenceClassifier(9, 3, 8).activation_map(ids)


def test_encoders_that_cannot_be_are_refused():
    for wrong, message in (
        ({"encoder": "mlp"}, "encoder to be one of recurrent, transformer, convolution, window, bag.* encoder='mlp'"),
        ({"encoder": "bag", "num_layers": 2}, "no num_layers with encoder='bag'. Received: num_layers=2"),
        ({"window": 3, "num_heads": 2}, "no num_heads, window with encoder='recurrent'. Rec.*: num_heads=2, window=3"),
        ({"word_length": 9}, "no word_length with character_vocab_size=None. Received: word_length=9"),
        (
            {"encoder": "transformer", "embedding_units": 4},
            "no embedding_units with encoder='transformer'. Received: embedding_units=4",
        ),
        ({"encoder": "convolution", "window": 0}, "window to be a positive integer. Received: window=0"),
        ({"zoneout": 1.0}, "zoneout to be a number"),
        ({"recurrent_dropout": -1}, "recurrent_dropout to be a number"),
    ):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            seqkeras.SequenceClassifier(9, 3, 8, **wrong)


@pytest.mark.parametrize(
    "noise", [{"recurrent_dropout": 0.5}, {"zoneout": 0.5}, {"recurrent_dropout": 0.3, "zoneout": 0.3}]
)
def test_noise_is_drawn_in_training_only(noise, seed):
    ids = np.random.default_rng(seed).integers(4, 9, (4, 6))
    inputs = {"source": ids, "target": ids}
    classifier = seqkeras.SequenceClassifier(9, 3, 8, cell="lstm", **noise)
    decoder = seqkeras.AttentionSeq2Seq(9, units=8, **noise)
    for model, x in ((classifier, ids), (decoder, inputs)):
        np.testing.assert_array_equal(model(x), model(x))
        assert np.abs(model(x, training=True) - model(x)).max() > 1e-4
        assert np.abs(model(x, training=True) - model(x, training=True)).max() > 1e-4
