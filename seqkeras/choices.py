"""Which arguments of models have a use only with some choices of another. Nothing is imported here."""

ENCODERS = {  # `encoder=` of models that read
    "recurrent": {"num_layers", "cell", "bidirectional", "residual", "embedding_units", "recurrent_dropout", "zoneout"},
    "transformer": {"num_layers", "num_heads", "max_length"},
    "convolution": {"num_layers", "window", "embedding_units"},
    "window": {"window", "embedding_units"},
    "bag": {"embedding_units"},
}
FORECASTERS = {  # `encoder=` of a forecaster
    "recurrent": {"units", "num_layers", "dropout", "cell"},
    "convolution": {"units", "num_layers", "dropout"},
    "linear": set(),
}
DECODERS = {  # `decoder=` of a language model
    "recurrent": {"cell", "embedding_units", "recurrent_dropout", "zoneout", "residual"},
    "transformer": {"num_heads", "ff_units", "max_length", "norm", "positions", "tied_embeddings"},
}


SPELLING = {"character_encoder", "character_units", "word_length"}
CHARACTERS = {"a number": SPELLING}  # `character_vocab_size=`; None has no use for them


def without_use(choice, table, names):
    """Those of `names` that other choices of a table have a use for, and `choice` has not; sorted."""
    return sorted((set().union(*table.values()) - table.get(choice, set())) & set(names))
