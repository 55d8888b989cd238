"""A training step of one recurrent layer in PyTorch."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from turns import serve

LAYERS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simplernn": torch.nn.RNN}


def make(cell, units, length, batch, train):
    layer = LAYERS[cell](units, units, batch_first=True)
    x, y = torch.randn(batch, length, units), torch.randn(batch, length, units)
    optimizer, loss = torch.optim.Adam(layer.parameters(), 1e-4), torch.nn.MSELoss()

    def train_step():
        optimizer.zero_grad()
        loss(layer(x)[0], y).backward()
        optimizer.step()

    def forward_step():
        with torch.inference_mode():
            layer(x)

    return train_step if train else forward_step, {"parameters": sum(p.numel() for p in layer.parameters())}


if __name__ == "__main__":
    serve(make, torch=torch.__version__)
