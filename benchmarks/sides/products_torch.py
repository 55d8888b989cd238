"""The matrix products of a recurrent layer's training step in PyTorch, nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from turns import serve


def make(length, batch, projections, recurrent):
    rows, random = length * batch, torch.randn
    x = random(rows, projections[0][0])
    inputs = [(random(rows, k), random(d, k)) for d, k in projections]
    loops = [(random(length, batch, h), random(length, batch, k), random(h, k)) for h, k in recurrent]

    @torch.inference_mode()
    def products():
        for dz, w in inputs:
            torch.mm(x, w)
            torch.mm(x.t(), dz)
        for hs, dzs, u in loops:
            for t in range(length):
                torch.mm(hs[t], u)
                torch.mm(dzs[t], u.t())
            torch.mm(hs.reshape(rows, -1).t(), dzs.reshape(rows, -1))

    return products, {}


if __name__ == "__main__":
    serve(make, torch=torch.__version__)
