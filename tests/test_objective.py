"""The reported loss is the mean over all real tokens, whatever the batches; nothing of training is in validation's."""

import keras
import numpy as np
import pytest

import seqkeras
from seqkeras import CrossEntropy
from seqkeras.training.objective import by_output

B, T, V, C = 7, 6, 9, 3


def draw(seed):
    """ids [B, T], tags, weight: rows of very different lengths, the third of none at all."""
    rng = np.random.default_rng(seed)
    weight = (np.arange(T) < np.array([[1], [6], [0], [2], [1], [5], [1]])).astype("float32")
    return rng.integers(4, V, (B, T)) * weight.astype("int32"), rng.integers(0, C, (B, T)), weight


def tagger(seed, **options):
    keras.utils.set_random_seed(seed)
    model = seqkeras.SequenceTagger(V, C, units=4, encoder="convolution", window=1, output_bias="zeros")
    model.logits.kernel.assign(3 * np.random.default_rng(seed).normal(size=model.logits.kernel.shape))
    model.compile(keras.optimizers.SGD(0.0), **options)
    return model


def log_softmax(z):
    z = np.asarray(z, "float64")
    return z - z.max(-1, keepdims=True) - np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True))


def surprise(tags, z, smoothing=0.0):
    target = (1 - smoothing) * np.eye(C)[tags] + smoothing / C
    return -(target * log_softmax(z)).sum(-1)


def squares(y, z):
    return ((np.asarray(z) - y) ** 2).mean(-1)


SPARSE = keras.losses.SparseCategoricalCrossentropy
LOSSES = {
    "ours": (CrossEntropy(), surprise),
    "ours, smoothed": (CrossEntropy(0.3), surprise),
    "Keras's": (SPARSE(from_logits=True), surprise),
    "Keras's, weighted mean": (SPARSE(from_logits=True, reduction="mean_with_sample_weight"), surprise),
    "Keras's, summed": (SPARSE(from_logits=True, reduction="sum"), surprise),
    "function": (lambda y, z: keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True), surprise),
    "mse": ("mse", squares),
    "smoothed one-hot": (keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2), surprise),
}


@pytest.mark.parametrize(
    "name, how", [*((name, "eager") for name in LOSSES), ("ours, smoothed", "graph"), ("Keras's", "xla")]
)
def test_loss_is_the_mean_over_real_tokens_whatever_the_batches(name, how, seed):
    loss, by_hand = LOSSES[name]
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=loss, run_eagerly=how == "eager", jit_compile=how == "xla")
    targets = np.eye(C, dtype="float32")[tags] if by_hand is squares or "one-hot" in name else tags
    each = by_hand(targets if by_hand is squares else tags, model(ids))
    mean = (each * weight).sum() / weight.sum()
    for size in (3, B):
        said = model.evaluate(ids, targets, batch_size=size, sample_weight=weight, verbose=0)
        assert said == pytest.approx(mean, rel=1e-5), size
    assert model.evaluate(ids, targets, verbose=0) == pytest.approx(each[ids != 0].mean(), rel=1e-5)


@pytest.mark.parametrize("size", [3, B])
def test_loss_of_fit_is_what_is_minimised_and_that_of_validation_has_no_smoothing(size, seed):
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=CrossEntropy(0.3))
    progress = []
    history = model.fit(
        ids,
        tags,
        sample_weight=weight,
        batch_size=size,
        shuffle=False,
        verbose=0,
        validation_data=(ids, tags, weight),
        validation_batch_size=size,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: progress.append(logs["loss"]))
        ],
    ).history
    z = model(ids)
    smoothed, plain = surprise(tags, z, 0.3), surprise(tags, z)
    assert history["loss"] == [pytest.approx((smoothed * weight).sum() / weight.sum(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx((plain * weight).sum() / weight.sum(), rel=1e-5)]
    so_far = [(smoothed * weight)[:n].sum() / weight[:n].sum() for n in (*range(size, B, size), B)]
    np.testing.assert_allclose(progress, so_far, rtol=1e-5)


def test_loss_of_a_batch_without_weight_adds_nothing(seed):
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=CrossEntropy())
    once = model.evaluate(ids, tags, sample_weight=weight, batch_size=1, verbose=0)
    more = [np.concatenate([x, x]) for x in (ids, tags)]
    assert model.evaluate(
        *more, sample_weight=np.concatenate([weight, 0 * weight]), batch_size=1, verbose=0
    ) == pytest.approx(once, rel=1e-6)
    assert model.evaluate(ids, tags, sample_weight=0 * weight, verbose=0) == 0


def test_training_minimises_the_mean_over_the_tokens_of_a_batch_with_losses_of_keras_too(seed):
    ids, tags, weight = draw(seed)
    changed = []
    for loss in (CrossEntropy(), SPARSE(from_logits=True)):
        model = tagger(seed, loss=loss)
        model.optimizer.learning_rate.assign(1.0)
        before = model.logits.bias.numpy()
        model.train_on_batch(ids, tags, sample_weight=weight)
        changed.append(model.logits.bias.numpy() - before)
    np.testing.assert_allclose(*changed, atol=1e-6)
    assert np.abs(changed[0]).max() > 1e-3


@pytest.mark.parametrize("loss_weights", [None, {"tags": 0.3, "label": 2.0}, [0.3, 2.0]])
def test_losses_of_several_outputs_are_each_a_mean_over_all(loss_weights, seed):
    ids, tags, weight = draw(seed)
    label = np.random.default_rng(seed).integers(0, 4, B)
    model = seqkeras.JointTagger(V, C, 4, units=4, encoder="convolution", window=1, output_bias="zeros")
    model.compile("sgd", {"tags": CrossEntropy(0.3), "label": CrossEntropy(0.3)}, loss_weights=loss_weights)
    z = model(ids)
    of_tags = (surprise(tags, z["tags"]) * weight).sum() / weight.sum()
    of_label = -log_softmax(z["label"])[np.arange(B), label].mean()
    total = of_tags + of_label if loss_weights is None else 0.3 * of_tags + 2 * of_label
    weights = {"tags": weight, "label": np.ones(B, "float32")}
    for size in (3, B):
        said = model.evaluate(
            ids, {"tags": tags, "label": label}, size, sample_weight=weights, verbose=0, return_dict=True
        )
        assert said == pytest.approx({"loss": total, "tags_loss": of_tags, "label_loss": of_label}, rel=1e-5)
    history = model.fit(
        ids, {"tags": tags, "label": label}, sample_weight=weights, verbose=0, validation_split=0.5
    ).history
    assert set(history) == {"loss", "tags_loss", "label_loss", "val_loss", "val_tags_loss", "val_label_loss"}


def test_penalties_are_of_training_only(seed):
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=CrossEntropy())
    model.logits.kernel.regularizer = keras.regularizers.L2(0.1)
    penalty = 0.1 * (model.logits.kernel.numpy() ** 2).sum()
    plain = model.evaluate(ids, tags, sample_weight=weight, verbose=0)
    history = model.fit(ids, tags, 3, sample_weight=weight, validation_data=(ids, tags, weight), verbose=0).history
    assert history["loss"] == [pytest.approx(plain + penalty, rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(plain, rel=1e-5)]
    before = model.logits.kernel.numpy()
    model.optimizer.learning_rate.assign(1.0)
    model.train_on_batch(ids, tags, sample_weight=0 * weight)
    np.testing.assert_allclose(model.logits.kernel, before - 0.2 * before, rtol=1e-5)


def test_compiled_again_reports_the_last_loss_alone(seed):
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=CrossEntropy(), weighted_metrics=[seqkeras.Perplexity()])
    first = model.evaluate(ids, tags, sample_weight=weight, verbose=0)
    model.compile("sgd", CrossEntropy(), weighted_metrics=[seqkeras.Perplexity()])
    assert [metric.name for metric in model.metrics][:1] == ["loss"] and len(model.metrics) == 2
    assert model.evaluate(ids, tags, sample_weight=weight, verbose=0) == pytest.approx(first)
    assert first == [pytest.approx(np.log(first[1]), rel=1e-5), first[1]]


def test_compiled_model_comes_back_compiled(seed, tmp_path):
    ids, tags, weight = draw(seed)
    model = tagger(seed, loss=CrossEntropy(0.3), loss_weights=0.5, weighted_metrics=["accuracy"])
    model.fit(ids, tags, sample_weight=weight, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.label_smoothing == 0.3
    said = [one.evaluate(ids, tags, sample_weight=weight, verbose=0) for one in (model, again)]
    np.testing.assert_allclose(*said, rtol=1e-6)
    assert again.optimizer.iterations == 1


def test_what_is_compiled_for_no_output_is_refused():
    model = seqkeras.SequenceTagger(V, C, units=4)
    with pytest.raises(ValueError, match=r"Expected one for each of 1 outputs. Received: 2"):
        model.compile("sgd", ["mse", "mae"])
    with pytest.raises(ValueError, match=r"Expected outputs \['tags', 'label'\]. Received: \['intent'\]"):
        by_output({"tags": "mse", "intent": "mse"}, ("tags", "label"))
    model.compile("sgd")
    with pytest.raises(ValueError, match="No loss"):
        model.evaluate(*draw(0)[:2], verbose=0)


@pytest.mark.parametrize("kind", ["metrics", "weighted_metrics"])
def test_a_metric_called_loss_is_refused(kind):
    model = seqkeras.SequenceClassifier(9, 2, units=4)
    with pytest.raises(ValueError, match="Expected metrics of another name than 'loss'.*Received: <Mean"):
        model.compile("adam", seqkeras.CrossEntropy(), **{kind: [keras.metrics.MeanSquaredError(name="loss")]})

    def loss(y, p):
        return keras.ops.mean(p)

    with pytest.raises(ValueError, match="Expected metrics of another name than 'loss'"):
        model.compile("adam", seqkeras.CrossEntropy(), **{kind: [loss]})
