"""The forecaster's equations, losses, strategies, files; windows of series; chunks of documents."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import export, pipelines
from seqkeras.tokens import END, PAD, START

D, L, H = 2, 6, 3
WAYS = {
    "linear": {"encoder": "linear"},
    "recurrent": {"cell": "lstm", "num_layers": 2},
    "convolution": {"encoder": "convolution", "quantiles": [0.1, 0.5, 0.9]},
    "recursive": {"strategy": "recursive", "cell": "lstm", "num_layers": 2},
}


def make(way):
    return seqkeras.Forecaster(D, L, H, 8, **WAYS[way])


def stirred(model, seed):
    """Its weights off zero."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def values(seed):
    return np.random.default_rng(seed).normal(size=(4, L, D)).astype("float32")


@pytest.mark.parametrize("way", WAYS)
def test_untrained_it_repeats_the_last_value_and_a_shift_goes_through(way, values, seed):
    model = make(way)
    quantiles = WAYS[way].get("quantiles")
    last = np.repeat(values[:, -1:], H, axis=1)
    expected = last if quantiles is None else np.repeat(last[..., None], 3, axis=-1)
    np.testing.assert_array_equal(model(values), expected)
    stirred(model, seed)
    assert np.abs(model(values) - expected).max() > 0.1
    np.testing.assert_allclose(model(values + 5.0), model(values) + 5.0, atol=1e-4)


def test_direct_is_a_linear_map_of_the_window_and_of_the_encoders_summary(values, seed):
    model = stirred(make("recurrent"), seed)
    x = values - values[:, -1:]
    linear, bias = (w.numpy() for w in model.linear.weights)
    rest, rest_bias = (w.numpy() for w in model.rest.weights)
    said = np.einsum("bld,lh->bdh", x, linear) + bias
    said += (model.body(x)[1].numpy() @ rest + rest_bias).reshape(-1, D, H)
    np.testing.assert_allclose(model(values), said.transpose(0, 2, 1) + values[:, -1:], atol=1e-5)


def test_recursive_feeds_each_output_back(values, seed):
    model = stirred(make("recursive"), seed)
    cells = [one.cell for one in model.recurrences]
    change = model.feedback.cell.change
    states = [cell.initial_state(4) for cell in cells]

    def advance(x):
        for i, cell in enumerate(cells):
            x, states[i] = cell(x, states[i])
        return x

    for t in range(L - 1):
        advance(values[:, t] - values[:, -1])
    y, said = np.zeros((4, D), "float32"), []
    for _ in range(H):
        y = y + change(advance(y)).numpy()
        said.append(y + values[:, -1])
    np.testing.assert_allclose(model(values), np.stack(said, 1), atol=1e-5)


def test_the_quantile_loss_is_least_at_the_quantile(seed):
    drawn = np.random.default_rng(seed).exponential(size=(2001, 1, 1)).astype("float32")
    loss = seqkeras.QuantileLoss([0.2, 0.9])
    best = np.quantile(drawn, [0.2, 0.9])
    said = np.broadcast_to(best.astype("float32"), (2001, 1, 1, 2))
    for change in (-0.1, 0.1):
        assert loss(drawn, said) < loss(drawn, said + np.array([change, 0], "float32"))
        assert loss(drawn, said) < loss(drawn, said + np.array([0, change], "float32"))
    e = drawn[..., None] - said
    q = np.array([0.2, 0.9])
    np.testing.assert_allclose(loss(drawn, said), np.where(e > 0, q * e, (q - 1) * e).mean(), rtol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_it_learns_an_oscillation_better_than_repeating_the_last_value(loss, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(600)[:, None]
    series = np.sin(t / np.array([3.0, 5.0]) + rng.uniform(0, 6, 2)) + 0.01 * rng.normal(size=(600, 2))
    data = pipelines.forecasting(series[:500], test=series[500:], window=L, horizon=H, seed=seed % 1000)
    for way in ("linear", "recursive"):
        model = make(way)
        model.compile(keras.optimizers.Adam(0.03), loss)
        before = model.evaluate(data.test, verbose=0)
        model.fit(data.train, epochs=20, verbose=0)
        assert model.evaluate(data.test, verbose=0) < 0.5 * before


@pytest.mark.parametrize("way", WAYS)
def test_a_file_keeps_it(way, values, seed, tmp_path):
    model = stirred(make(way), seed)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), model(values))
    assert loaded.strategy == model.strategy


@pytest.mark.parametrize("way", ["convolution", "recursive"])
def test_the_litert_file_says_what_the_model_says(way, values, seed, tmp_path):
    model = stirred(make(way), seed)
    export.to_tflite(model, tmp_path / "model.tflite", L)
    export.audit(tmp_path / "model.tflite")
    assert export.parity(model, tmp_path / "model.tflite", {"values": values})["compiled"]["compared"] == 4


def test_what_cannot_be_is_refused(values):
    for wrong, message in (
        ({"encoder": "bag"}, "encoder to be one of recurrent, convolution, linear"),
        ({"horizon": 0}, "horizon to be a positive integer"),
        ({"quantiles": [0.9, 0.1]}, r"ascending numbers between 0 and 1. Received: quantiles=\[0.9, 0.1\]"),
        ({"quantiles": []}, r"Received: quantiles=\[\]"),
        ({"quantiles": 0.5}, "quantiles to be a list of .* Received: quantiles=0.5"),
        ({"strategy": "recursive", "quantiles": [0.5]}, "no quantiles with strategy='recursive'"),
        ({"strategy": "recursive", "encoder": "linear"}, "encoder='recurrent'"),
    ):
        with pytest.raises(ValueError, match=f"Expected .*{message}"):
            seqkeras.Forecaster(**{"input_units": D, "window": L, "horizon": H, **wrong})
    with pytest.raises(
        ValueError, match=r"Expected inputs values \[None, 6, 2\] .* Received: inputs values \[4, 5, 2\]"
    ):
        make("linear")(values[:, 1:])


def test_every_window_is_there_once_and_scaled_by_training(seed):
    rng = np.random.default_rng(seed)
    series = [rng.normal(3, 2, (20, D)), rng.normal(3, 2, (15, D)), rng.normal(size=(4, D))]
    data = pipelines.forecasting(series, series[0], window=L, horizon=H, batch_size=5)
    rows = np.concatenate(series)
    mean, deviation = rows.mean(0), rows.std(0)
    expected = {
        tuple(np.round(((one[t : t + L + H] - mean) / deviation).ravel(), 3))
        for one in series[:2]
        for t in range(len(one) - L - H + 1)
    }
    batches = [np.concatenate([x, y], axis=1) for x, y in data.train.as_numpy_iterator()]
    seen = [tuple(np.round(window.ravel().astype("float64"), 3)) for window in np.concatenate(batches)]
    assert len(seen) == len(expected) == 12 + 7 and len(batches) == data.steps["train"]
    np.testing.assert_allclose(sorted(seen), sorted(expected), atol=2e-3)
    assert data.report["train"]["too short"] == 1 and data.report["validation"]["windows"] == 12
    (first, _) = next(iter(data.validation))
    np.testing.assert_allclose(first[0], ((series[0] - mean) / deviation)[:L], rtol=1e-4)
    for wrong in ({"train": np.array([1.0, np.nan])}, {"train": np.zeros((8, 2))}, {"train": series, "window": 0}, {}):
        with pytest.raises(ValueError, match="Expected"):
            pipelines.forecasting(**{"window": L, "horizon": H, **wrong})


def test_documents_go_on_row_by_row_and_nothing_is_lost(seed):
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abc"), size)) for size in (40, 3, 11, 1, 90)]
    data = pipelines.documents([(text,) for text in texts], length=8, batch_size=3)
    tokenizer = data.tokenizers["text"]
    rows = [
        list(row) for row in zip(*[zip(*batch, strict=True) for batch in data.train.as_numpy_iterator()], strict=True)
    ]
    assert len(rows) == 3 and data.steps["train"] == len(rows[0])
    parts, said = [], 0
    for row in rows:
        for now, following, weight in row:
            np.testing.assert_array_equal(weight, following != PAD)
            said += int(weight.sum())
            if now[0] == START:
                parts.append([])
            if not weight.any():
                continue
            before = [START] if now[0] == START else parts[-1][-1:]
            np.testing.assert_array_equal(now[weight > 0], [*before, *following[weight > 0][:-1]])
            parts[-1] += following[weight > 0].tolist()
    assert said == sum(len(text) + 1 for text in texts)
    together = sorted(tokenizer.decode([one for one in part if one != END]) for part in parts)
    assert len(parts) == data.report["train"]["parts"]
    assert sorted("".join(together)) == sorted("".join(texts))
    assert {"".join(text) for text in texts if len(text) < 20} <= set(together)
    assert sum(part[-1] == END for part in parts) == len(texts)
