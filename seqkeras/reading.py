"""What the models that read a whole sequence share: ids or real values in, and the encoder a plain string names."""

import keras
from keras import ops

from seqkeras import arguments, masks
from seqkeras.encoders import BagEncoder, ConvolutionEncoder, RecurrentEncoder, TransformerEncoder, WindowEncoder
from seqkeras.signatures import spec
from seqkeras.transformer import Positions


class Reader(keras.Model):
    """Entrance and encoder. A subclass has the constructor arguments that are read here, and calls `build_reader`.

    Inputs are ids [B, T], or `{"values": [B, T, D], "length": [B]}` where `vocab_size` is None.
    """

    def build_reader(self, *encoders):
        """Makes `embedding` and `body`; `encoders` are the names that `encoder=` may have."""
        arguments.choice(*encoders, encoder=self.encoder)
        arguments.positive(units=self.units, num_layers=self.num_layers)
        arguments.share(dropout=self.dropout)
        arguments.positive_or_none(
            vocab_size=self.vocab_size, embedding_units=self.embedding_units, input_units=self.input_units
        )
        if (self.vocab_size is None) == (self.input_units is None):
            raise ValueError(
                "Expected either vocab_size (token ids) or input_units (real-valued input). "
                f"Received: vocab_size={self.vocab_size}, input_units={self.input_units}"
            )
        if self.encoder == "transformer" and (self.vocab_size is None or self.embedding_units):
            raise ValueError(
                "Expected vocab_size, and no embedding_units, with encoder='transformer'. "
                f"Received: vocab_size={self.vocab_size}, embedding_units={self.embedding_units}"
            )
        if self.encoder in ("window", "bag") and self.num_layers != 1:
            raise ValueError(
                f"Expected one layer with encoder={self.encoder!r}. Received: num_layers={self.num_layers}"
            )
        width = self.input_units or self.embedding_units or self.units
        self.body = self._make_body()
        if self.encoder == "transformer":
            self.embedding = Positions(self.vocab_size, self.units, self.max_length)
        elif self.vocab_size is not None:
            self.embedding = keras.layers.Embedding(self.vocab_size, width)
        if self.vocab_size is not None:
            self.embedding.build((None, None))
        self.body.build((None, None, width))

    def _make_body(self):
        size = self.units, self.num_layers
        if self.encoder == "recurrent":
            shape = self.cell, self.bidirectional, self.residual
            return RecurrentEncoder(*size, self.dropout, *shape, self.recurrent_dropout, self.zoneout, name="encoder")
        if self.encoder == "transformer":
            return TransformerEncoder(*size, self.num_heads, dropout=self.dropout, name="encoder")
        if self.encoder == "convolution":
            return ConvolutionEncoder(*size, self.dropout, self.window, name="encoder")
        if self.encoder == "window":
            return WindowEncoder(self.units, self.dropout, self.window, name="encoder")
        return BagEncoder(self.units, self.dropout, name="encoder")

    def read(self, inputs, training=False):
        """inputs -> (memory [B, T, W], summary [B, W], mask [B, T])."""
        arguments.tensors({"ids": inputs} if self.vocab_size else inputs, self.reads(None, None))
        if self.vocab_size is None:
            x = inputs["values"]
            mask = masks.lengths(inputs["length"], ops.shape(x)[1])
        else:
            x, mask = self.embedding(inputs), masks.padding(inputs)
        return *self.body(x, mask=mask, training=training), mask

    def reads(self, batch, length):
        """The shapes of the inputs, by name."""
        if self.vocab_size is not None:
            return {"ids": spec(batch, length)}
        return {"values": spec(batch, length, self.input_units, dtype="float32"), "length": spec(batch)}
