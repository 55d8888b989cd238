"""The same shapes in plain Keras: layers of `keras.layers` at their defaults."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from learning_batches import Rows
from turns import answer

LAYERS = {"gru": layers.GRU, "lstm": layers.LSTM}
HEADS, BLOCKS = 4, 2


def both_ways(cell, units, **options):
    return layers.Bidirectional(LAYERS[cell](units, return_sequences=True, **options))


def real(ids):
    """ids [B, T] -> [B, T, 1], True where there is a token."""
    return ops.expand_dims(ops.not_equal(ids, 0), -1)


def mean(x, mask):
    mask = ops.cast(mask, x.dtype)
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)


def maximum(x, mask):
    return ops.max(ops.where(mask, x, -1e9), axis=1)


def positions(ids, vocab_size, units, length):
    """Embeddings, scaled, and sinusoids: Vaswani et al. 2017, 3.5."""
    angle = np.arange(length)[:, None] / 10000.0 ** (np.arange(0, units, 2) / units)
    table = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, units).astype("float32")
    return layers.Embedding(vocab_size, units)(ids) * units**0.5 + table


def block(x, units, mask=None, causal=False, memory=None, memory_mask=None):
    """A pre-norm block, with attention to `memory` where there is one."""

    def attend(query, value, **options):
        return layers.MultiHeadAttention(HEADS, units // HEADS)(query, value, **options)

    y = layers.LayerNormalization()(x)
    x = x + attend(y, y, attention_mask=mask, use_causal_mask=causal)
    if memory is not None:
        x = x + attend(layers.LayerNormalization()(x), memory, attention_mask=memory_mask)
    y = layers.LayerNormalization()(x)
    return x + layers.Dense(units)(layers.Dense(4 * units, activation="relu")(y))


def read(ids, cell, vocab_size, units, length):
    """ids [B, T] -> a vector a position."""
    if cell != "transformer":
        return both_ways(cell, units)(layers.Embedding(vocab_size, units)(ids), mask=ops.not_equal(ids, 0))
    x = positions(ids, vocab_size, units, length)
    for _ in range(BLOCKS):
        x = block(x, units, mask=ops.expand_dims(ops.not_equal(ids, 0), 1))
    return layers.LayerNormalization()(x)


def initial(summary, cell, units):
    """The initial state of a recurrent layer, from a vector."""
    return [layers.Dense(units, activation="tanh")(summary) for _ in range(1 + (cell == "lstm"))]


def say(ids, vector, cell, vocab_size, units):
    """A recurrent decoder whose state and input a vector [B, M] is."""
    beside = ops.repeat(ops.expand_dims(vector, 1), ids.shape[1], axis=1)
    x = ops.concatenate([layers.Embedding(vocab_size, units)(ids), beside], axis=-1)
    return LAYERS[cell](units, return_sequences=True)(x, initial_state=initial(vector, cell, units))


def say_attending(ids, memory, mask, cell, vocab_size, units):
    """A recurrent decoder that attends to the memory [B, S, M]: Luong et al. 2015, with Bahdanau's score."""
    x = layers.Embedding(vocab_size, units)(ids)
    h = LAYERS[cell](units, return_sequences=True)(x, initial_state=initial(mean(memory, mask), cell, units))
    query, keys = layers.Dense(units, use_bias=False)(h), layers.Dense(units)(memory)
    context = layers.AdditiveAttention()([query, memory, keys], mask=[None, mask[..., 0]])
    return layers.Dense(units, activation="tanh")(ops.concatenate([context, h], axis=-1))


def outputs(family, cell, units, inputs, num_classes=None, vocab_size=None, target_vocab_size=None, length=None):
    """Logits of the named symbolic inputs."""
    target_vocab_size = target_vocab_size or vocab_size
    if family in ("SequenceClassifier", "SequenceTagger"):
        memory, mask = read(inputs["ids"], cell, vocab_size, units, length), real(inputs["ids"])
        return layers.Dense(num_classes)(maximum(memory, mask) if family == "SequenceClassifier" else memory)
    if family == "LanguageModel" and cell == "transformer":
        x = positions(inputs["ids"], vocab_size, units, length)
        for _ in range(BLOCKS):
            x = block(x, units, causal=True)
        return layers.Dense(vocab_size)(layers.LayerNormalization()(x))
    if family == "LanguageModel":
        x = layers.Embedding(vocab_size, units)(inputs["ids"])
        return layers.Dense(vocab_size)(LAYERS[cell](units, return_sequences=True)(x))
    if family == "SequenceGenerator":
        label = layers.Embedding(num_classes, units)(inputs["label"])
        return layers.Dense(vocab_size)(say(inputs["target"], label, cell, vocab_size, units))
    source, target, mask = inputs["source"], inputs["target"], real(inputs["source"])
    memory = read(source, cell, vocab_size, units, length)
    if family == "TransformerSeq2Seq":
        y = positions(target, target_vocab_size, units, length)
        for _ in range(BLOCKS):
            y = block(y, units, causal=True, memory=memory, memory_mask=ops.expand_dims(mask[..., 0], 1))
        y = layers.LayerNormalization()(y)
    elif family == "AttentionSeq2Seq":
        y = say_attending(target, memory, mask, cell, target_vocab_size, units)
    else:
        last = ops.maximum(ops.sum(ops.cast(mask[..., 0], "int32"), axis=1) - 1, 0)
        forward = ops.take_along_axis(memory[..., :units], last[:, None, None], axis=1)[:, 0]
        y = say(target, ops.concatenate([forward, memory[:, 0, units:]], -1), cell, target_vocab_size, units)
    return layers.Dense(target_vocab_size)(y)


def train(data, family, cell, units, steps, batch_size, rate, metric, seed):
    """The figure after so many steps."""
    rows = Rows(data)
    keras.utils.set_random_seed(seed)
    names = [name for name in rows.train if name not in ("y", "weight")]
    arrays = {name: rows.train[name] for name in names}
    inputs = {name: keras.Input(array.shape[1:], dtype="int32", name=name) for name, array in arrays.items()}
    length = max(array.shape[1] for array in arrays.values() if array.ndim == 2)
    model = keras.Model(inputs, outputs(family, cell, units, inputs, **rows.sizes, length=length))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss, jit_compile=False)
    batches = [({name: b[name] for name in names}, b["y"], b["weight"]) for b in rows.batches(seed, steps, batch_size)]
    stacked = keras.tree.map_structure(lambda *arrays: tf.stack(arrays), *batches)
    model.fit(tf.data.Dataset.from_tensor_slices(stacked), verbose=0)

    def predict(rows):
        return model.predict_on_batch({name: rows[name] for name in names})

    return {"value": rows.score(predict, metric), "parameters": model.count_params()}


if __name__ == "__main__":
    answer(train)
