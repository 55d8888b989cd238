"""A recurrent decoder that attends to the memory."""

import keras
from keras import ops

from seqkeras.decoders.recurrent import RecurrentStack
from seqkeras.layers import masking
from seqkeras.layers.attention import Attention
from seqkeras.layers.pooling import mean
from seqkeras.saving import saveable


@saveable
class AttentionDecoder(RecurrentStack):
    """A recurrent decoder that attends to memory [B, S, M] with its top layer's output as the query.

        h_t = RNN(y_{t-1}, h_{t-1})     c_t = attention(h_t, memory)     logits = W tanh(W_c [c_t, h_t])

    The recurrence does not wait for the attention, so training runs in parallel over time.

    Reference: Luong, Pham & Manning 2015, section 3 (global attention); the MLP score: Bahdanau et al. 2015.

    Args:
        vocab_size, units, num_layers, dropout, cell: of the layers.
        score: "mlp", "dot" or "scaled_dot".
        embedding_units: width of the token embedding, `units` if None.
        recurrent_dropout, zoneout: rates of the noise in the recurrence, see `cells.noise`.
        residual: from the second layer on, a layer's input is added to its output (Wu et al. 2016, section 3.1).
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        score="mlp",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        **kwargs,
    ):
        super().__init__(
            vocab_size=vocab_size,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            cell=cell,
            embedding_units=embedding_units,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            residual=residual,
            **kwargs,
        )
        self.attention = Attention(units, score, name="attention")
        self.combine = keras.layers.Dense(units, activation="tanh", name="combine")

    def build(self, ids_shape, memory_shape):
        M = memory_shape[-1]
        self.build_stack(M, 0, self.units)
        self.attention.build((None, None, self.units), memory_shape)
        self.combine.build((None, None, M + self.units))

    def call(self, ids, memory, mask=None, training=False):
        h = self.read(ids, memory, mask, training)
        return self.attended(h, self.attention.keys(memory), memory, mask, training)[0]

    def attend(self, ids, memory, mask=None):
        """The attention weights [B, T, S] for a given output, for looking at."""
        return self.attended(self.read(ids, memory, mask), self.attention.keys(memory), memory, mask)[1]

    def read(self, ids, memory, mask, training=False):
        """The states h [B, T, units] over the tokens of an output."""
        state = self.initial_state(mean(memory, mask))

        def states(ids):
            return self.drop(self.all_steps(self.embedding(ids), state, training)[0], training=training)

        return masking.in_order(states, ids)

    def attended(self, h, keys, memory, mask, training=False):
        """States h [B, T, units] -> (logits [B, T, V], attention weights [B, T, S])."""
        context, weights = self.attention(h, keys, memory, mask=mask)
        combined = self.combine(ops.concatenate([context, h], axis=-1))
        return self.logits(self.drop(combined, training=training)), weights

    def start(self, memory, mask=None):
        mask = masking.everywhere(memory) if mask is None else mask
        return (*self.initial_state(mean(memory, mask)), self.attention.keys(memory), memory, mask)

    def step(self, ids, state):
        *layers, keys, memory, mask = state
        h, layers = self.one_step(self.embedding(ids), tuple(layers))
        logits, _ = self.attended(h[:, None], keys, memory, mask)
        return logits[:, 0], (*layers, keys, memory, mask)
