"""The matrix products of a recurrent layer's training step in TensorFlow, nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tensorflow as tf
from turns import serve


def make(length, batch, projections, recurrent):
    rows = length * batch

    @tf.function
    def products(x, slopes, weights, states, steps, kernels):
        seen = []  # a number of each, so that none is left out or kept

        def use(product):
            seen.append(product[0, 0])

        for dz, w in zip(slopes, weights, strict=True):
            use(x @ w)
            use(tf.matmul(x, dz, transpose_a=True))
        for hs, dzs, u in zip(states, steps, kernels, strict=True):
            for t in range(length):
                use(hs[t] @ u)
                use(tf.matmul(dzs[t], u, transpose_b=True))
            h, dz = (tf.reshape(one, (rows, -1)) for one in (hs, dzs))
            use(tf.matmul(h, dz, transpose_a=True))
        return tf.add_n(seen)

    random = tf.random.normal
    given = (
        random((rows, projections[0][0])),
        [random((rows, k)) for _, k in projections],
        [random(shape) for shape in projections],
        [random((length, batch, h)) for h, _ in recurrent],
        [random((length, batch, k)) for _, k in recurrent],
        [random(shape) for shape in recurrent],
    )
    return lambda: products(*given).numpy(), {}


if __name__ == "__main__":
    serve(make)
