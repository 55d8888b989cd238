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
    "recurrent": {"units": 8, "cell": "lstm", "num_layers": 2},
    "convolution": {"units": 8, "encoder": "convolution", "quantiles": [0.1, 0.5, 0.9]},
    "recursive": {"units": 8, "strategy": "recursive", "cell": "lstm", "num_layers": 2},
}


def make(way):
    return seqkeras.Forecaster(D, L, H, **WAYS[way])


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
            states[i] = cell(x, states[i])
            x = states[i][0]
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


def rows_of(data, split="train"):
    """All scaled rows that windows of stride 1 hold."""
    windows = [np.concatenate(batch, axis=1) for batch in getattr(data, split).as_numpy_iterator()]
    first, *others = np.concatenate(windows)
    return np.concatenate([first, *(window[-1:] for window in others)])


def weather(seed, rows=200):
    return np.random.default_rng(seed).normal([10.0, 1000.0], [3.0, 0.1], (rows, 2))


@pytest.mark.parametrize(
    "kind", ["scalars", "arrays of one value", "tuples", "rows that are arrays", "lists of scalars"]
)
def test_a_series_may_be_a_list_of_what_numpy_has(kind, seed):
    values = weather(seed, 30)
    series = {
        "scalars": list(values[:, 0]),
        "arrays of one value": [np.array(one) for one in values[:, 0]],
        "tuples": [tuple(row) for row in values],
        "rows that are arrays": list(values),
        "lists of scalars": [list(row) for row in values],
    }[kind]
    wanted = values if np.ndim(series) == 2 else values[:, :1]
    data = pipelines.forecasting(series, window=L, horizon=H, shuffle=False)
    assert data.report["train"]["series"] == 1
    np.testing.assert_allclose(rows_of(data), (wanted - wanted.mean(0)) / wanted.std(0), atol=1e-5)


def test_arrays_long_enough_for_a_window_each_are_a_series_each():
    assert pipelines.forecasting([np.arange(9.0)] * 12, window=L, horizon=H).report["train"]["series"] == 12


class Frame:
    """A table with named columns, as pandas has it."""

    def __init__(self, **columns):
        self.columns, self.data = list(columns), columns

    def __getitem__(self, name):
        return self.data[name]

    def __array__(self, dtype=None, copy=None):
        return np.array([list(row) for row in zip(*self.data.values(), strict=True)], dtype or object)


def test_the_names_of_variables_are_in_the_report(seed):
    values = weather(seed)
    frame = Frame(warmth=values[:, 0], pressure=values[:, 1])
    for given in (frame, [frame, frame], pipelines.readers.numeric.Series(values, ("warmth", "pressure"))):
        report = pipelines.forecasting(given, values, window=L, horizon=H).report["train"]
        assert report["variables"] == ["warmth", "pressure"]
        np.testing.assert_allclose(report["mean"], values.mean(0))
    assert "variables" not in pipelines.forecasting(values, window=L, horizon=H).report["train"]
    with pytest.raises(
        ValueError, match=r"same variables.*'warmth', 'pressure'\) in train.*'pressure', 'warmth'\) in test"
    ):
        turned = Frame(pressure=values[:, 1], warmth=values[:, 0])
        pipelines.forecasting(frame, test=turned, window=L, horizon=H)
    for wrong in (np.array(["a"] * 200), np.datetime64("2020-01-01") + np.arange(200)):
        with pytest.raises(ValueError, match="(text|dates), such as .* in column 'when'.*in series 1 of train"):
            pipelines.forecasting(Frame(when=wrong, warmth=values[:, 0]), window=L, horizon=H)


@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e7 / 3, 0.0, 1e-300])
def test_a_variable_that_does_not_vary_is_left_as_it_is(value, seed):
    values = weather(seed)
    values[:, 1] = value * (1 + 1e-15 * np.random.default_rng(seed).normal(size=200))
    later = values.copy()
    later[:, 1] += 0.5
    data = pipelines.forecasting(values, later, window=L, horizon=H)
    assert data.report["train"]["constant"] == ["1"] and data.report["train"]["deviation"][1] == 1
    assert np.abs(rows_of(data)[:, 1]).max() < 1e-6
    np.testing.assert_allclose(rows_of(data, "validation")[:, 1], 0.5, atol=1e-6)


def test_a_variable_that_varies_little_beside_its_size_is_none_that_does_not(seed):
    pressure = 1e6 + np.random.default_rng(seed).normal(size=300)
    assert pipelines.forecasting(pressure, window=L, horizon=H).report["train"]["constant"] == []


@pytest.mark.parametrize("value", [1e200, -1e300, 9.969209968386869e36, 1e20, -1e20])
@pytest.mark.parametrize("mostly", ["varied", "nothing", "two values"])
def test_a_value_beside_which_nothing_is_left_is_refused_with_its_place(value, mostly, seed):
    values = weather(seed)
    if mostly == "nothing":  # as rain is
        values[:150, 1] = 0
    if mostly == "two values":
        values[:, 1] = 0
    clean = values.copy()
    values[[17, 60, 61], 1] = value
    text = f"{value:g}".replace("+", r"\+")
    with pytest.raises(ValueError, match=f"Received: {text} in row 17, column 1 of train.*missing value"):
        pipelines.forecasting(values, window=L, horizon=H)
    with pytest.raises(ValueError, match=f"Received: {text} in row 17, column 'rain', series 2 of train"):
        frame = Frame(warmth=values[:, 0], rain=values[:, 1])
        pipelines.forecasting([clean, frame], window=L, horizon=H)
    with pytest.raises(ValueError, match=f"Received: {text} in row 17, column 1 of validation"):
        pipelines.forecasting(clean, values, window=L, horizon=H)


def test_values_that_float32_does_not_hold_are_refused_where_nothing_is_scaled():
    with pytest.raises(ValueError, match=r"float32 holds.*Received: 1e\+39 in row 3, column 0 of test"):
        pipelines.forecasting(test=[1.0, 2.0, 3.0, 1e39, 4.0], window=2, horizon=1)


def test_a_value_far_from_the_others_is_told(seed):
    values = weather(seed)
    values[17, 0] = -9999
    with pytest.warns(UserWarning, match="far from the others.*'0': -9999"):
        report = pipelines.forecasting(values, window=L, horizon=H).report["train"]
    assert report["far out"] == {"0": -9999.0}


@pytest.mark.filterwarnings("error")
def test_long_tails_are_no_values_far_out(seed):
    rng = np.random.default_rng(seed)
    usual = np.stack([rng.lognormal(0, 1, 1000), rng.exponential(size=1000) * (rng.random(1000) < 0.2)], axis=1)
    assert pipelines.forecasting(usual, window=L, horizon=H).report["train"]["far out"] == {}


WRONG_VALUES = {
    "complex": ([1 + 2j, 3], "complex numbers, such as"),
    "dates": (np.datetime64("2020-01-01") + np.arange(9), "dates, such as"),
    "spans": (np.arange(9).astype("timedelta64[h]"), "spans of time"),
    "text": (["1", "2"], "text, such as"),
    "text among numbers": (np.array([1.0, "2"], object), "str '2' at row 1"),
    "nothing among numbers": ([1.0, None], "numbers"),
    "bytes": (np.array([b"1"]), "bytes"),
    "fields": (np.zeros(3, [("a", float)]), "records"),
    "masked": (np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), "1 masked, the first at row 1; fill them in"),
    "masked rows": ([np.ma.array([1.0, 2.0]), np.ma.array([3.0, 4.0], mask=[0, 1])], "1 masked, the first at row 1"),
    "a masked value": ([1.0, np.ma.masked, 2.0], "1 masked, the first at row 1"),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_values_that_are_no_real_numbers_are_refused(name):
    values, message = WRONG_VALUES[name]
    with pytest.raises(ValueError, match=f"{message}.* in train record 2"):
        pipelines.series([([1.0, 2.0], "a"), (values, "b")])
    with pytest.raises(ValueError, match=f"{message}.* in series [12] of train"):
        pipelines.forecasting(values, window=1, horizon=1)


def test_values_with_an_empty_mask_and_truths_are_numbers():
    masked = np.ma.array([1.0, 2.0], mask=[0, 0])
    data = pipelines.series([(masked, "a"), (np.array([True, False]), "b")], shuffle=False)
    assert next(data.train.as_numpy_iterator())[0]["values"][..., 0].tolist() == [[1, 2], [1, 0]]


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
