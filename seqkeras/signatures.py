"""What a device may ask of a model: dict of name -> (function of a dict of tensors, dict of their shapes)."""

import keras


def spec(*shape, dtype="int32"):
    return keras.KerasTensor(shape, dtype=dtype)


def stepwise(model, inputs):
    """`encode` (inputs -> state) and `step` (ids and state -> logits and state), for a caller with its own loop."""

    def encode(inputs):
        return _named(model.start(inputs))

    def step(inputs):
        state = tuple(inputs[name] for name in sorted(inputs) if name.startswith("state"))
        logits, state = model.step(inputs["ids"], state)
        return {"logits": logits, **_named(state)}

    return {
        "encode": (encode, inputs),
        "step": (step, {"ids": spec(*next(iter(inputs.values())).shape[:1])}),
    }


def _named(state):
    return {f"state_{i:02d}": tensor for i, tensor in enumerate(state)}
