"""What models that read a whole sequence share: ids or real values, and the encoder that `encoder=` names."""

import keras
from keras import ops

from seqkeras import arguments
from seqkeras.choices import CHARACTERS, ENCODERS, SPELLING
from seqkeras.encoders.bag import BagEncoder
from seqkeras.encoders.convolution import ConvolutionEncoder
from seqkeras.encoders.recurrent import RecurrentEncoder
from seqkeras.encoders.transformer import TransformerEncoder
from seqkeras.encoders.window import WindowEncoder
from seqkeras.layers import masking
from seqkeras.layers.embeddings import Embedding, TokenAndPositionEmbedding, embedding
from seqkeras.layers.pooling import POOLINGS
from seqkeras.models.sequence_model import SequenceModel
from seqkeras.saving import with_config
from seqkeras.signatures import named, of_a_step, spec, streaming
from seqkeras.tokens import UNKNOWN

SMALL_VOCABULARY = 256  # as many as there are bytes


@with_config
class Reader(SequenceModel):
    """Ids or real values, and an encoder: what the models that read share, the arguments of their constructors too.

        x_t = E w_t, or [E w_t ; spelling(c_t1 .. c_tC)] with characters       h = encoder(x_1 .. x_T)

    Embeddings of a vocabulary of words or subwords begin small, U(-0.05, 0.05), so that a word seen only a few times
    has little influence, and frequent words decide the class. From N(0, 1), as decoders begin (`embeddings.embedding`),
    fewer questions of TREC (73 instead of 81 %) and words of EWT (76 instead of 83 %) were right after 120 steps; of a
    Transformer, from scaled embeddings of N(0, 1), 77 instead of 81 % of TREC by words, 73 instead of 78 % by subwords.
    Up to `SMALL_VOCABULARY` ids, characters or bytes, of which each is seen often, they begin at N(0, 1): 65, 68 and 64
    instead of 60, 60 and 63 % of TREC by characters (GRU, LSTM, Transformer; three seeds).

    References: a recurrence over the characters of each word: Ling et al. 2015, section 3; a convolution with maximum:
    Ma & Hovy 2016, section 2.1; with the word's own vector: Chiu & Nichols 2016, section 2; words dropped in
    training: Iyyer et al. 2015, section 3.2.

    Args:
        vocab_size: number of token ids; None for real-valued input of width `input_units`.
        units, num_layers, dropout: of the encoder.
        cell, bidirectional, residual: of a recurrent encoder; in one direction, no position knows what follows it.
        embedding_units: width of the token embedding, `units` if None.
        input_units: width D of real-valued input.
        encoder: one of `encoders`; "window" sees the first `window` positions, "bag" is a bag of words.
        window: positions that a convolution or a window sees.
        num_heads, max_length: of a Transformer.
        recurrent_dropout, zoneout: rates of the noise in the recurrence.
        character_vocab_size: number of character ids, for words that are read by their characters too; None for ids
            alone.
        character_encoder: what reads the characters, "convolution" with its maximum or "recurrent", in both directions.
        character_units: width of that, and of the embedding of a character.
        word_length: characters C of a word that are seen.
        word_dropout: share of the words that are read as UNKNOWN in training, their characters as they are: so words
            never seen are learnt.

    An argument is refused if the chosen encoder, or reading by words alone, has no use for it.

    Call arguments: ids [B, T]; with `character_vocab_size` `{"ids": [B, T], "characters": [B, T, C]}`; where
    `vocab_size` is None `{"values": [B, T, D], "length": [B]}`.
    """

    shares_arguments = True
    uses = {"encoder": ENCODERS, "character_vocab_size": CHARACTERS}
    encoders = ("recurrent", "transformer", "convolution")

    def __init__(
        self,
        vocab_size,
        units=128,
        num_layers=1,
        dropout=0.0,
        cell="gru",
        bidirectional=True,
        residual=False,
        embedding_units=None,
        input_units=None,
        encoder="recurrent",
        window=5,
        num_heads=4,
        max_length=128,
        recurrent_dropout=0.0,
        zoneout=0.0,
        character_vocab_size=None,
        character_encoder="convolution",
        character_units=32,
        word_length=16,
        word_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        arguments.choice(*self.encoders, encoder=encoder)
        arguments.choice("recurrent", "convolution", character_encoder=character_encoder)
        arguments.positive(
            units=units, num_layers=num_layers, word_length=word_length, character_units=character_units, window=window
        )
        arguments.share(dropout=dropout, word_dropout=word_dropout)
        arguments.positive_or_none(
            vocab_size=vocab_size,
            embedding_units=embedding_units,
            input_units=input_units,
            character_vocab_size=character_vocab_size,
        )
        self._check_input()
        arguments.used(self)
        self._build_parts()

    @classmethod
    def idle(cls, config):
        idle = super().idle(config)
        if config.get("character_vocab_size") is None:
            return idle
        return idle - SPELLING - ({"cell"} if config.get("character_encoder") == "recurrent" else set())

    def _check_input(self):
        if (self.vocab_size is None) == (self.input_units is None):
            raise ValueError(
                "Expected either vocab_size (token ids) or input_units (real-valued input). "
                f"Received: vocab_size={self.vocab_size}, input_units={self.input_units}"
            )
        if self.word_dropout and self.vocab_size is not None and self.vocab_size <= UNKNOWN:
            raise ValueError(f"Expected vocab_size above {UNKNOWN} with word_dropout. Received: {self.vocab_size}")
        if self.vocab_size is None and (self.character_vocab_size or self.word_dropout):
            raise ValueError(
                "Expected vocab_size with character_vocab_size or word_dropout. Received: vocab_size=None, "
                f"character_vocab_size={self.character_vocab_size}, word_dropout={self.word_dropout}"
            )
        if self.encoder == "transformer" and (self.vocab_size is None or self.character_vocab_size):
            raise ValueError(
                "Expected vocab_size, and no character_vocab_size, with encoder='transformer'. "
                f"Received: vocab_size={self.vocab_size}, character_vocab_size={self.character_vocab_size}"
            )

    def _build_parts(self):
        """Makes `embedding`, `spelling` and `body`."""
        width = self.input_units or self.embedding_units or self.units
        self.word_drop = keras.layers.Dropout(self.word_dropout)
        self.body = self._make_body()
        if self.encoder == "transformer":
            begin = None if self.vocab_size <= SMALL_VOCABULARY else "uniform"
            self.embedding = TokenAndPositionEmbedding(
                self.vocab_size, self.units, self.max_length, embeddings_initializer=begin
            )
        elif self.vocab_size is not None:
            table = embedding if self.vocab_size <= SMALL_VOCABULARY else Embedding
            self.embedding = table(self.vocab_size, width)
        if self.vocab_size is not None:
            self.embedding.build((None, None))
        if self.character_vocab_size is not None:
            self.character_embedding = Embedding(self.character_vocab_size, self.character_units)
            self.character_embedding.build((None, None))
            self.spelling = self._make_spelling()
            self.spelling.build((None, None, self.character_units))
            width += self.spelling.width
        self.body.build((None, None, width))

    def _make_body(self):
        size = {"units": self.units, "dropout": self.dropout, "name": "encoder"}
        if self.encoder == "recurrent":
            return RecurrentEncoder(
                num_layers=self.num_layers,
                cell=self.cell,
                bidirectional=self.bidirectional,
                residual=self.residual,
                recurrent_dropout=self.recurrent_dropout,
                zoneout=self.zoneout,
                **size,
            )
        if self.encoder == "transformer":
            return TransformerEncoder(num_layers=self.num_layers, num_heads=self.num_heads, **size)
        if self.encoder == "convolution":
            return ConvolutionEncoder(num_layers=self.num_layers, window=self.window, **size)
        if self.encoder == "window":
            return WindowEncoder(window=self.window, **size)
        return BagEncoder(**size)

    def _make_spelling(self):
        if self.character_encoder == "recurrent":
            return RecurrentEncoder(self.character_units, cell=self.cell, bidirectional=True, name="spelling")
        return ConvolutionEncoder(self.character_units, window=3, name="spelling")

    def read(self, inputs, training=False):
        """inputs -> (memory [B, T, W], summary [B, W], mask [B, T])."""
        x, mask, given = self._enter(inputs, training)
        memory, summary = self.body(x, mask=mask, training=training)
        return (memory if given is mask else masking.back(memory, given)), summary, given

    def summarize(self, inputs, pooling, training=False):
        """inputs -> one vector per sequence [B, W], by the name of the pooling."""
        x, mask, _ = self._enter(inputs, training)
        return self.body.summarize(x, pooling, mask, training)

    @property
    def streams(self):
        """Whether the model can be asked step by step: it has a recurrent encoder in one direction."""
        return self.encoder == "recurrent" and not self.bidirectional

    def start(self, batch):
        """The state before the first step, zeros: a tuple of [B, ...].

        Raises:
            ValueError: a model that does not read step by step.
        """
        if not self.streams:
            raise ValueError(
                "Expected encoder='recurrent' and bidirectional=False, to read step by step. "
                f"Received: encoder={self.encoder!r}, bidirectional={self.bidirectional}"
            )
        if not hasattr(batch, "dtype"):  # of a graph it may be a tensor
            arguments.positive(batch=batch)
        layers = self.body.start(batch)
        so_far = ops.zeros((batch, self.body.width), dtype="float32")  # in which a mean over many steps is exact
        return (*layers, *(so_far, so_far[:, :1])[: self._kept()])

    def _kept(self):
        """How many tensors besides the layers' states a pooling needs: the vector so far, the number of steps."""
        pooling = getattr(self, "pooling", None)  # a tagger has none, and says nothing of the whole
        if pooling in ("max", "mean"):
            return 2
        in_the_state = not (self.residual and self.num_layers > 1)  # the last vector is that of the top layer
        return 0 if pooling is None or in_the_state else 1

    def one_step(self, inputs, state):
        """One step: -> (its vector [B, W], the vector for all steps so far [B, W], its mask [B, 1], state).

        Args:
            inputs: as of a call, without the axis of time and without "length".
            state: as of `start`.
        """
        expected, states = of_a_step(self, None)
        given = inputs if isinstance(inputs, dict) else {"inputs": inputs}
        arguments.tensors({**given, **named(state)}, {**expected, **states})
        inputs = {name: inputs[name][:, None] for name in expected}
        if self.vocab_size is None:
            inputs["length"] = ops.ones_like(inputs["values"][:, 0, 0], dtype="int32")
        x, mask, _ = self._enter(inputs, training=False)
        kept = len(state) - self._kept()
        layers, pooled = state[:kept], state[kept:]
        y, new = self.body.step(x[:, 0], layers)
        new = tuple(ops.where(mask, one, old) for one, old in zip(new, layers, strict=True))
        whole, pooled = self._pool(ops.cast(y, "float32"), mask, new, pooled)
        return y, ops.cast(whole, y.dtype), mask, (*new, *pooled)

    def _pool(self, y, mask, layers, pooled):
        """(the vector for all steps so far, what is kept of them)."""
        if not pooled:
            top = len(layers) - self.body.recurrences[-1][0].cell.num_states
            return layers[top], ()
        so_far = pooled[0]
        if len(pooled) == 1:
            so_far = ops.where(mask, y, so_far)
            return so_far, (so_far,)
        pooling, count = POOLINGS[self.pooling], pooled[1]
        begun = ops.where(count > 0, so_far, pooling.start(y))
        so_far = ops.where(mask, pooling.add(begun, y), so_far)
        count = count + ops.cast(mask, count.dtype)
        return pooling.end(so_far, count, None), (so_far, count)

    def streaming(self, batch):
        """The signature `step`, of a model that reads step by step; else {}."""
        return streaming(self, batch) if self.streams else {}

    def real_positions(self, inputs):
        """bool [B, T], True where inputs, as in `call`, are no padding."""
        if self.vocab_size is None:
            return masking.lengths(inputs["length"], ops.shape(inputs["values"])[1])
        return masking.padding(inputs["ids"] if isinstance(inputs, dict) else inputs)

    def _enter(self, inputs, training):
        """inputs -> (what the encoder reads [B, T, D], its mask [B, T], the mask of the inputs [B, T]).

        An encoder that looks at neighbours or at places reads the real positions of a row side by side, from the first
        place on: padding in front of a row or inside it changes nothing.
        """
        if self.vocab_size is not None and not isinstance(inputs, dict):
            inputs = {"ids": inputs}
        arguments.tensors(inputs, self.reads(None, None))
        mask = given = self.real_positions(inputs)
        if self.vocab_size is None:
            x = inputs["values"]
        else:
            if self.encoder in ("transformer", "convolution", "window"):
                inputs = {name: masking.to_front(inputs[name], given) for name in self.reads(None, None)}
                mask = masking.padding(inputs["ids"])
            x = self.embedding(self._some_unknown(inputs["ids"], mask, training))
        if self.character_vocab_size is not None:
            ids, characters = inputs["ids"].shape, inputs["characters"].shape
            if not arguments.fits(characters, (*ids, None)):
                raise ValueError(f"Expected characters for each of ids {tuple(ids)}. Received: {tuple(characters)}")
            x = ops.concatenate([x, self._spelt(inputs["characters"], training)], axis=-1)
        return x, mask, given

    def _some_unknown(self, ids, mask, training):
        """In training, each word is UNKNOWN now and then: such words are learnt by their characters and place."""
        if not (training and self.word_dropout):
            return ids
        kept = self.word_drop(ops.ones(ops.shape(ids)), training=True) > 0
        return ops.where(kept | ~mask, ids, UNKNOWN)

    def _spelt(self, characters, training):
        """characters [B, T, C] -> what the characters of each word say [B, T, W]."""
        batch, length = ops.shape(characters)[:2]
        characters = ops.reshape(characters, (-1, self.word_length))  # [B T, C]
        if self.character_encoder == "convolution":
            characters = masking.to_front(characters, masking.padding(characters))
        x, mask = self.character_embedding(characters), masking.padding(characters)
        summary = self.spelling.summarize(x, mask=mask, training=training)
        return ops.reshape(summary, (batch, length, self.spelling.width))

    def inputs_read(self):
        if self.vocab_size is None:
            return {}
        ids = {"ids": (self.vocab_size, self.max_length if self.encoder == "transformer" else None)}
        return ids if self.character_vocab_size is None else {**ids, "characters": (self.character_vocab_size, None)}

    def reads(self, batch, length):
        """The shapes of the inputs, by name."""
        if self.vocab_size is None:
            return {"values": spec(batch, length, self.input_units, dtype="float32"), "length": spec(batch)}
        if self.character_vocab_size is None:
            return {"ids": spec(batch, length)}
        return {"ids": spec(batch, length), "characters": spec(batch, length, self.word_length)}
