"""The four ids every tokenizer, model and search agree on."""

PAD = 0
START = 1
END = 2
UNKNOWN = 3
UNKNOWN_LABEL = -1  # of a label or tag that is none of the model's: no weight in a loss, wrong in a metric
