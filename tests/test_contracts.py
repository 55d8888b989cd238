"""Cells, loops and decoders keep the contracts of docs/architecture.md."""

import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import cells
from seqkeras.cells import STEP_OPS, VariationalDropout, Zoneout
from seqkeras.decoders import AttentionDecoder, RecurrentDecoder, TransformerDecoder
from seqkeras.encoders import BagEncoder, ConvolutionEncoder, RecurrentEncoder, TransformerEncoder, WindowEncoder
from seqkeras.export import fused
from seqkeras.export.loops import STRATEGIES
from seqkeras.models.forecaster import AutoregressiveStack
from seqkeras.rnn import cudnn, handwritten_backward, inference
from seqkeras.rnn.loops import inference_loop, scan
from seqkeras.rnn.recurrence import Recurrence
from tests.unrolled import unrolled

B, T, D, H = 2, 3, 4, 4
LOOPS = {
    "scan": scan,
    "inference_loop": inference_loop,
    "inference": inference.loop,
    "handwritten_backward": handwritten_backward.loop,
    "cudnn": cudnn.loop,
    "fused": fused.loop,
    "unrolled": unrolled,
    **STRATEGIES,
}


def stack():
    return AutoregressiveStack([cells.make("lstm", H), cells.make("gru", H)], D)


CELLS = {
    **{name: lambda name=name: cells.make(name, H) for name in cells.names()},
    "dropout": lambda: VariationalDropout(cells.make("lstm", H), 0.5, 0.5),
    "zoneout": lambda: Zoneout(cells.make("gru", H), 0.5),
    "both": lambda: Zoneout(VariationalDropout(cells.make("gru", H), 0.5, 0.5), 0.5),
    "stack": stack,
}


def built(name):
    cell = CELLS[name]()
    for one in getattr(cell, "stack", ()):
        one.build((None, D))
    cell.build((None, D))
    return cell


def shapes(tensors):
    return [tuple(x.shape) for x in tensors]


@pytest.mark.parametrize("name", CELLS)
def test_cell_contract(name):
    cell = built(name)
    state = cell.initial_state(B)
    assert isinstance(state, tuple) and len(state) == cell.num_states and not any(np.any(x) for x in state)
    assert state[0].shape == (B, cell.units)
    projected = cell.project(tf.ones((T, B, D)))
    assert tuple(projected.shape[:2]) == (T, B)
    new = cell.step(projected[0], state, STEP_OPS)
    assert shapes(new) == shapes(state) and [x.dtype for x in new] == [x.dtype for x in state]
    np.testing.assert_allclose(cell.project(tf.ones((B, D))), projected[0], atol=1e-6)  # each time step by itself


@pytest.mark.parametrize("name", ["dropout", "zoneout", "both"])
def test_noise_contract(name):
    cell = built(name)
    noise = cell.draw(T, B, D)
    assert all(x.shape[0] in (1, T) and x.shape[1] == B for x in noise)
    projected = cell.project(tf.ones((T, B, D)), noise)
    new = cell.step(projected[0], cell.initial_state(B), STEP_OPS)
    assert shapes(new) == shapes(cell.initial_state(B))


@pytest.mark.parametrize("name", LOOPS)
def test_loop_contract(name):
    arguments = inspect.signature(LOOPS[name]).parameters
    assert list(arguments) == ["cell", "inputs", "mask", "state", "reverse", "noise", "pooling"]
    assert [x.default for x in arguments.values()][-3:] == [False, None, None]
    assert {arguments[x].kind for x in ("reverse", "noise", "pooling")} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", sorted(set(LOOPS) - {"fused"}))  # which takes no initial state
def test_loops_are_equal_in_numbers(name, seed):
    cell, random = cells.make("lstm", H), np.random.default_rng(seed)
    cell.build((None, D))
    state = tuple(tf.constant(random.normal(size=(1, H)), "float32") for _ in range(2))
    x, mask = tf.constant(random.normal(size=(1, T, D)), "float32"), tf.constant([[True, True, False]])
    for reverse in (False, True):
        expected = scan(cell, x, mask, state, reverse=reverse)
        got = LOOPS[name](cell, x, mask, state, reverse=reverse)
        for a, b in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


DECODERS = {
    "recurrent": lambda: RecurrentDecoder(9, 4, context="both"),
    "recurrent without memory": lambda: RecurrentDecoder(9, 4, context=None),
    "attention": lambda: AttentionDecoder(9, 4),
    "transformer": lambda: TransformerDecoder(9, 4, num_heads=2, max_length=5),
    "transformer without memory": lambda: TransformerDecoder(9, 4, num_heads=2, max_length=5, cross_attention=False),
}


@pytest.mark.parametrize("name", DECODERS)
def test_decoder_contract(name, seed):
    decoder, ids = DECODERS[name](), np.random.default_rng(seed).integers(1, 9, (B, T))
    vector, many = tf.random.normal((B, 4)), tf.random.normal((B, 5, 4))
    memory = None if "without" in name else vector if name == "recurrent" else many
    decoder.build((None, None), None if memory is None else memory.shape)
    state, said = decoder.start(batch=B) if memory is None else decoder.start(memory), []
    for t in range(T):
        logits, new = decoder.step(keras.ops.convert_to_tensor(ids[:, t]), state)
        assert isinstance(new, tuple) and shapes(new) == shapes(state)
        said.append(logits)
        state = new
    whole = decoder(ids) if memory is None else decoder(ids, memory)
    np.testing.assert_allclose(np.stack(said, axis=1), whole, atol=1e-5)


ENCODERS = {
    "recurrent": lambda: RecurrentEncoder(4),
    "both directions": lambda: RecurrentEncoder(4, bidirectional=True),
    "transformer": lambda: TransformerEncoder(4, num_heads=2),
    "convolution": lambda: ConvolutionEncoder(4),
    "window": lambda: WindowEncoder(4),
    "bag": lambda: BagEncoder(4),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_contract(name):
    encoder, mask = ENCODERS[name](), np.array([[1, 1, 0], [1, 0, 0]], bool)
    encoder.build((None, None, D))
    memory, summary = encoder(tf.random.normal((B, T, D)), mask=mask)
    assert memory.shape == (B, T, encoder.width) and summary.shape == (B, encoder.width)
    assert not np.any(memory[~mask])


@pytest.fixture
def own():
    """Makes a cell of a class of its own with two vectors of state, by its step; the class is gone after the test."""
    made = []

    def make(step):
        made.append(type("Mine", (cells.Cell,), {"step": step, "num_states": 2, "__module__": __name__}))
        return made[-1](H)

    yield make
    made.clear()
    gc.collect()


@pytest.mark.parametrize(
    ("returned", "received"),
    [(lambda h, c: h, "Tensor"), (lambda h, c: (h,), "1 tensors"), (lambda h, c: None, "NoneType")],
)
def test_a_step_that_does_not_return_the_state_is_told(returned, received, own):
    cell = own(lambda self, projected, state, ops: returned(*state))
    with pytest.raises(ValueError, match=f"Mine.step to return the state, a tuple of 2. Received: .*{received}"):
        Recurrence(cell)(tf.ones((B, T, D)))


def test_a_step_of_version_0_1_is_told(own):
    cell = own(lambda self, projected, state: (projected, (projected,)))
    with pytest.raises(ValueError, match=r"Mine.step\(projected, state, ops\). Received: step\(projected, state"):
        Recurrence(cell)


def test_the_name_of_a_cell_is_a_string_and_others_stay_when_one_is_taken():
    with pytest.raises(ValueError, match="Expected cell to be one of .*, by its name. Received: cell=<class"):
        cells.make(cells.LSTM, H)
    twin = type("GRU", (cells.Cell,), {"__module__": "somewhere_else"})
    assert type(cells.make("lstm", H)) is cells.LSTM
    with pytest.raises(ValueError, match="call yours otherwise. Received: gru in"):
        cells.make("gru", H)
    del twin
    gc.collect()
