"""A gradient that is computed by hand, differentiable once more by TensorFlow."""

import tensorflow as tf


def differentiable(by_hand, automatic, mask, given):
    """A function of slopes that gives `by_hand(*slopes)`, the gradients of `given`, and can be differentiated.

    Args:
        by_hand: slopes -> gradients of `given`.
        automatic: (mask, given, slopes) -> the same gradients as TensorFlow makes them, which it can differentiate.
        mask, given: what the forward pass was given.
    """

    def gradients_of_given(*slopes):
        # The graph of the second derivative reaches this one, and not the one that `given` is from.
        mask_here, *here = (x if x is None else tf.identity(x) for x in (mask, *given))

        @tf.custom_gradient
        def gradients(*both):  # of `given` and the slopes; what is not read, the optimiser of a graph drops
            def again(*d_gradients):
                with tf.GradientTape() as tape:
                    tape.watch(both)
                    found = automatic(mask_here, both[: len(given)], both[len(given) :])
                return tape.gradient(found, both, d_gradients, unconnected_gradients="zero")

            return by_hand(*both[len(given) :]), again

        return gradients(*here, *slopes)

    return gradients_of_given
