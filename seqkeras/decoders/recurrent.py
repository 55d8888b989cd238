"""A recurrent decoder that one vector conditions, and what recurrent decoders share."""

import keras
from keras import ops

from seqkeras import arguments, cells
from seqkeras.cells.noise import noisy
from seqkeras.layers import masking
from seqkeras.layers.embeddings import embedding
from seqkeras.layers.masking import Masked
from seqkeras.rnn.recurrence import Recurrence
from seqkeras.saving import saveable


class RecurrentStack(Masked):
    """Embedding, recurrent layers and output layer, which both recurrent decoders are made of.

    The initial state of each layer is tanh(V c), c a vector [B, M] that summarises the memory (Cho et al. 2014, 2.2).

    The output layer W y + b begins with weights of variance 1 / units, so that W y varies as much as y (LeCun, Bottou,
    Orr & Mueller, Efficient BackProp, 1998, section 4.6). Glorot's 2 / (units + vocab_size) is far less for a large
    vocabulary, and so is what the layers below learn at first.
    """

    def __init__(
        self,
        vocab_size,
        units,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        embedding_units=None,
        recurrent_dropout=0.0,
        zoneout=0.0,
        residual=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.positive(vocab_size=vocab_size, units=units, num_layers=num_layers)
        arguments.positive_or_none(embedding_units=embedding_units)
        arguments.choice(True, False, residual=residual)
        arguments.share(dropout=dropout, recurrent_dropout=recurrent_dropout, zoneout=zoneout)
        self.embedding = embedding(vocab_size, embedding_units or units)
        self.recurrences = [
            Recurrence(noisy(cells.make(cell, units), recurrent_dropout, zoneout)) for _ in range(num_layers)
        ]
        self.num_states = self.recurrences[0].cell.num_states
        self.bridge = keras.layers.Dense(num_layers * self.num_states * units, activation="tanh", name="bridge")
        self.logits = keras.layers.Dense(vocab_size, kernel_initializer="lecun_uniform", name="logits")
        self.drop = keras.layers.Dropout(dropout)

    def build_stack(self, summary_width, context_width, output_width):
        self.embedding.build((None, None))
        width = self.embedding.output_dim + context_width
        for recurrence in self.recurrences:
            recurrence.build((None, None, width))
            width = self.units
        if summary_width:
            self.bridge.build((None, summary_width))
        self.logits.build((None, None, output_width))

    def initial_state(self, summary):
        """summary [B, M] -> tuple of num_layers * num_states tensors [B, units]."""
        return tuple(ops.split(self.bridge(summary), self.num_layers * self.num_states, axis=-1))

    def all_steps(self, x, state, training):
        """All steps from `state`: x [B, T, D] -> ([B, T, units], state)."""

        def layer(recurrence, x, state):
            return recurrence(self.drop(x, training=training), initial_state=state, training=training)

        return self.through_layers(layer, x, state)

    def one_step(self, x, state):
        """One step: x [B, D] -> ([B, units], state)."""

        def layer(recurrence, x, state):
            state = recurrence.step(x, state)
            return state[0], state

        return self.through_layers(layer, x, state)

    def through_layers(self, layer, x, state):
        """`layer(recurrence, x, its state) -> (y, its state)` of each layer, from the bottom to the top."""
        new = ()
        for depth, (recurrence, own) in enumerate(zip(self.recurrences, self.by_layer(state), strict=True)):
            y, own = layer(recurrence, x, own)
            x, new = x + y if self.residual and depth else y, (*new, *own)
        return x, new

    def by_layer(self, state):
        n = self.num_states
        return [state[i : i + n] for i in range(0, self.num_layers * n, n)]


@saveable
class RecurrentDecoder(RecurrentStack):
    """A recurrent language model, conditioned on one vector unless `context` is None: memory [B, M], mask None.

    Args:
        vocab_size, units, num_layers, dropout, cell: of the layers.
        context: how the memory enters: "state" (it initialises the state), "input" (it is part of each step's
            input, the state starts at zero) or "both", Goodfellow, Bengio & Courville 2016, section 10.2.4; None for a
            decoder without a memory, whose state starts at zero.
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
        context="both",
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
        arguments.choice("state", "input", "both", None, context=context)

    def build(self, ids_shape, memory_shape=None):
        M = memory_shape[-1] if self.context else 0
        self.build_stack(M * (self.context != "input"), M * (self.context != "state"), self.units)

    def call(self, ids, memory=None, mask=None, training=False):
        state = self.start(memory, mask, batch=ops.shape(ids)[0])
        return self.logits(masking.in_order(lambda ids: self.read(ids, state, training)[0], ids))

    def continue_from(self, ids, state, training=False):
        """All steps from `state`: ids [B, T] -> (logits [B, T, V], state)."""
        x, state = self.read(ids, state, training)
        return self.logits(x), state

    def read(self, ids, state, training=False):
        """What the output layer reads at each step, from `state`: ids [B, T] -> ([B, T, units], state)."""
        x = self.embedding(ids)
        layers, memory = self.parts(state)
        if memory is not None:
            x = ops.concatenate([x, ops.repeat(memory[:, None], ops.shape(x)[1], axis=1)], axis=-1)
        x, layers = self.all_steps(x, layers, training)
        return self.drop(x, training=training), layers if memory is None else (*layers, memory)

    def start(self, memory=None, mask=None, batch=None):
        """The state before the first token, of a memory, or without one of the size of a batch."""
        if (memory is None) != (self.context is None):
            raise ValueError(f"Expected a memory unless context is None. Received: {memory=}, context={self.context!r}")
        if self.context == "state":
            return self.initial_state(memory)
        if self.context == "both":
            return (*self.initial_state(memory), memory)
        batch = batch if memory is None else ops.shape(memory)[0]
        zeros = sum((recurrence.cell.initial_state(batch) for recurrence in self.recurrences), ())
        return zeros if memory is None else (*zeros, memory)

    def step(self, ids, state):
        layers, memory = self.parts(state)
        x = self.embedding(ids)
        if memory is not None:
            x = ops.concatenate([x, memory], axis=-1)
        x, layers = self.one_step(x, layers)
        return self.logits(x), layers if memory is None else (*layers, memory)

    def parts(self, state):
        """The layers' part of a state, and the memory where it is an input."""
        if self.context in ("state", None):
            return tuple(state), None
        return tuple(state[:-1]), state[-1]
