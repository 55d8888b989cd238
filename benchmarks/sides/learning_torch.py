"""The same shapes in PyTorch: modules of `torch.nn` at their defaults."""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from learning_batches import Rows
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from turns import answer

LAYERS = {"gru": nn.GRU, "lstm": nn.LSTM}
HEADS, BLOCKS = 4, 2


class Recurrent(nn.Module):
    """ids [B, T] -> a vector a position [B, T, 2 units], and the last states of both directions [B, 2 units]."""

    def __init__(self, cell, vocab_size, units):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, units)
        self.layer = LAYERS[cell](units, units, batch_first=True, bidirectional=True)

    def forward(self, ids):
        lengths = (ids != 0).sum(1).clamp(min=1)
        packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        memory, state = self.layer(packed)
        memory = pad_packed_sequence(memory, batch_first=True, total_length=ids.shape[1])[0]
        state = state[0] if isinstance(state, tuple) else state
        return memory, torch.cat([state[0], state[1]], -1)


class Positions(nn.Module):
    """Embeddings and sinusoids."""

    def __init__(self, vocab_size, units, length):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, units)
        angle = torch.arange(length)[:, None] / 10000.0 ** (torch.arange(0, units, 2) / units)
        self.register_buffer("table", torch.stack([angle.sin(), angle.cos()], -1).reshape(length, units))

    def forward(self, ids):
        return self.embedding(ids) + self.table[: ids.shape[1]]


class Encoder(nn.Module):
    def __init__(self, vocab_size, units, length):
        super().__init__()
        self.positions = Positions(vocab_size, units, length)
        layer = nn.TransformerEncoderLayer(units, HEADS, 4 * units, 0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, BLOCKS, nn.LayerNorm(units), enable_nested_tensor=False)

    def forward(self, ids, causal=False):
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1]) if causal else None
        padding = None if causal else ids == 0
        memory = self.blocks(self.positions(ids), mask=mask, src_key_padding_mask=padding, is_causal=causal)
        return memory, memory.mean(1)


class Reader(nn.Module):
    """Classifier, tagger and language model."""

    def __init__(self, family, cell, units, length, vocab_size, num_classes=None):
        super().__init__()
        self.family = family
        if cell == "transformer":
            self.body, width = Encoder(vocab_size, units, length), units
        elif family == "LanguageModel":
            self.embedding, width = nn.Embedding(vocab_size, units), units
            self.body = LAYERS[cell](units, units, batch_first=True)
        else:
            self.body, width = Recurrent(cell, vocab_size, units), 2 * units
        self.cell, self.logits = cell, nn.Linear(width, num_classes or vocab_size)

    def forward(self, rows):
        ids = rows["ids"]
        if self.family == "LanguageModel":
            causal = self.cell == "transformer"
            return self.logits(self.body(ids, causal=True)[0] if causal else self.body(self.embedding(ids))[0])
        memory = self.body(ids)[0]
        if self.family == "SequenceClassifier":
            memory = memory.masked_fill((ids == 0)[..., None], -1e9).amax(1)
        return self.logits(memory)


class Writer(nn.Module):
    """Generator and encoder-decoders."""

    def __init__(self, family, cell, units, length, vocab_size, target_vocab_size=None, num_classes=None):
        super().__init__()
        size = target_vocab_size or vocab_size
        self.family, self.cell = family, cell
        self.logits = nn.Linear(units, size)
        if family == "TransformerSeq2Seq":
            self.body, self.positions = Encoder(vocab_size, units, length), Positions(size, units, length)
            layer = nn.TransformerDecoderLayer(units, HEADS, 4 * units, 0.0, batch_first=True, norm_first=True)
            self.blocks = nn.TransformerDecoder(layer, BLOCKS, nn.LayerNorm(units))
            return
        generator, attention = family == "SequenceGenerator", family == "AttentionSeq2Seq"
        width = units if generator else 2 * units
        self.body = nn.Embedding(num_classes, units) if generator else Recurrent(cell, vocab_size, units)
        self.embedding = nn.Embedding(size, units)
        self.layer = LAYERS[cell](units + (0 if attention else width), units, batch_first=True)
        self.bridges = nn.ModuleList(nn.Linear(width, units) for _ in range(1 + (cell == "lstm")))
        if attention:
            self.query, self.key = nn.Linear(units, units, bias=False), nn.Linear(width, units)
            self.score = nn.Linear(units, 1, bias=False)
            self.combine = nn.Linear(width + units, units)

    def forward(self, rows):
        target = rows["target"]
        if self.family == "TransformerSeq2Seq":
            memory = self.body(rows["source"])[0]
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            y = self.positions(target)
            return self.logits(self.blocks(y, memory, mask, memory_key_padding_mask=rows["source"] == 0))
        if self.family == "SequenceGenerator":
            vector = self.body(rows["label"])
        else:
            memory, vector = self.body(rows["source"])
            mask = rows["source"] != 0
        x = self.embedding(target)
        if self.family == "AttentionSeq2Seq":
            vector = memory.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        else:
            x = torch.cat([x, vector[:, None].expand(-1, x.shape[1], -1)], -1)
        state = tuple(torch.tanh(bridge(vector))[None] for bridge in self.bridges)
        h = self.layer(x, state if self.cell == "lstm" else state[0])[0]
        if self.family == "AttentionSeq2Seq":
            scores = self.score(torch.tanh(self.query(h)[:, :, None] + self.key(memory)[:, None]))[..., 0]
            weights = scores.masked_fill(~mask[:, None], -1e9).softmax(-1)
            h = torch.tanh(self.combine(torch.cat([weights @ memory, h], -1)))
        return self.logits(h)


def train(data, family, cell, units, steps, batch_size, rate, metric, seed):
    """The figure after so many steps."""
    rows = Rows(data)
    torch.manual_seed(seed)
    length = max(array.shape[1] for array in rows.train.values() if array.ndim == 2)
    reads = family in ("SequenceClassifier", "SequenceTagger", "LanguageModel")
    model = (Reader if reads else Writer)(family, cell, units, length, **rows.sizes)
    optimizer = torch.optim.Adam(model.parameters(), rate, eps=1e-7)  # Keras's epsilon
    for batch in rows.batches(seed, steps, batch_size):
        batch = {name: torch.as_tensor(array) for name, array in batch.items()}
        logits, weight = model(batch), batch["weight"].flatten()
        losses = nn.functional.cross_entropy(logits.flatten(0, -2), batch["y"].long().flatten(), reduction="none")
        optimizer.zero_grad()
        ((losses * weight).sum() / weight.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()

    def predict(rows):
        with torch.inference_mode():
            return model({name: torch.as_tensor(array) for name, array in rows.items()}).numpy()

    parameters = sum(one.numel() for one in model.parameters())
    value = rows.score(predict, metric)
    return {"value": value if math.isfinite(value) else None, "parameters": parameters}


if __name__ == "__main__":
    answer(train, torch=torch.__version__)
