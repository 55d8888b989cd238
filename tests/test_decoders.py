"""Teacher forcing and one step at a time are the same function, and the future never leaks into the past."""

import keras
import numpy as np
import pytest

from seqkeras import cells
from seqkeras.decoders import AttentionDecoder, RecurrentDecoder, TransformerDecoder

B, S, T, V, M = 3, 5, 6, 9, 8
MASK = np.arange(S) < np.array([[5], [2], [0]])

KINDS = {
    **{
        f"recurrent-{cell}-{context}": lambda cell=cell, context=context: RecurrentDecoder(
            V, 4, num_layers=2, cell=cell, context=context, embedding_units=3
        )
        for cell, context in [("simplernn", "state"), ("gru", "input"), ("lstm", "both")]
    },
    **{
        f"attention-{cell}-{score}": lambda cell=cell, score=score: AttentionDecoder(
            V, 4, num_layers=2, cell=cell, score=score
        )
        for cell, score in [("simplernn", "dot"), ("gru", "mlp"), ("lstm", "scaled_dot")]
    },
    **{
        f"transformer-{norm}-{positions}-{tied}": lambda norm=norm, positions=positions, tied=tied: TransformerDecoder(
            V, M, num_layers=2, num_heads=2, max_length=7, norm=norm, positions=positions, tied_embeddings=tied
        )
        for norm, positions, tied in [("pre", "sinusoid", False), ("post", "learned", True)]
    },
}


def setting(kind):
    """(decoder with weights away from zero, ids, memory, mask)."""
    decoder = KINDS[kind]()
    recurrent = kind.startswith("recurrent")
    memory = np.random.normal(size=(B, M) if recurrent else (B, S, M)).astype("float32")
    decoder.build((None, None), memory.shape)
    for v in decoder.trainable_variables:
        v.assign(v + 0.3 * keras.random.normal(v.shape))
    return decoder, np.random.randint(1, V, (B, T)), memory, None if recurrent else MASK


def steps(decoder, ids, memory, mask):
    state, logits = decoder.start(memory, mask), []
    for t in range(ids.shape[1]):
        now, new = decoder.step(keras.ops.convert_to_tensor(ids[:, t]), state)
        assert [s.shape for s in new] == [s.shape for s in state], "a search needs a state of fixed shapes"
        assert [s.dtype for s in new] == [s.dtype for s in state]
        state = new
        logits.append(now)
    return np.stack(logits, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_equals_the_parallel_call(kind, seed):
    decoder, ids, memory, mask = setting(kind)
    np.testing.assert_allclose(steps(decoder, ids, memory, mask), decoder(ids, memory, mask=mask), atol=1e-4)


@pytest.mark.parametrize("cell", sorted(cells.names()))
def test_step_by_step_equals_the_parallel_call_for_every_cell(cell, seed):
    KINDS["any"] = lambda: RecurrentDecoder(V, 4, cell=cell)
    try:
        decoder, ids, _, _ = setting("any")
    finally:
        del KINDS["any"]
    memory = np.random.normal(size=(B, M)).astype("float32")
    np.testing.assert_allclose(steps(decoder, ids, memory, None), decoder(ids, memory), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_never_leaks(kind, seed):
    decoder, ids, memory, mask = setting(kind)
    before = np.array(decoder(ids, memory, mask=mask))
    for t in range(1, T):
        changed = ids.copy()
        changed[:, t:] = np.random.randint(1, V, (B, T - t))
        np.testing.assert_allclose(decoder(changed, memory, mask=mask)[:, :t], before[:, :t], atol=1e-6)
    changed = ids % (V - 1) + 1
    assert np.abs(decoder(changed, memory, mask=mask) - before).max() > 1e-2, "what was given must matter"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("recurrent")])
def test_masked_memory_is_not_looked_at(kind, seed):
    decoder, ids, memory, mask = setting(kind)
    other = np.where(mask[..., None], memory, 7.0).astype("float32")
    rows = [0, 1]  # the last row has nothing else to look at
    received, expected = decoder(ids, other, mask=mask), decoder(ids, memory, mask=mask)
    np.testing.assert_allclose(np.array(received)[rows], np.array(expected)[rows], atol=1e-5)
    assert np.all(np.isfinite(received))
    every = decoder(ids, memory, mask=np.ones_like(MASK))
    np.testing.assert_allclose(decoder(ids, memory), every, atol=1e-6)


def test_attention_weights_can_be_looked_at(seed):
    decoder, ids, memory, mask = setting("attention-gru-mlp")
    weights = np.array(decoder.attend(ids, memory, mask))
    assert weights.shape == (B, T, S)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert not np.any(weights[1, :, 2:])


def test_a_memory_and_a_context_come_together():
    memory = keras.ops.ones((B, M))
    for context, given in ((None, memory), ("both", None)):
        with pytest.raises(ValueError, match="Expected a memory unless context is None"):
            RecurrentDecoder(V, 4, context=context).start(given)
