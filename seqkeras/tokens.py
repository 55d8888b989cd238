"""The four ids every tokenizer, model and search agree on."""

PAD = 0
START = 1
END = 2
UNKNOWN = 3
