"""What a device may ask of a model: dict of name -> (function of a dict of tensors, dict of their shapes)."""

import keras


def spec(*shape, dtype="int32"):
    return keras.KerasTensor(shape, dtype=dtype)


def main(model, batch, length):
    """What a model does for a caller: (its `task`, the function, the shapes of its inputs).

    The task of a model that writes and has no search around it is "encode": its file has no more than the steps.
    """
    signatures = model.signatures(batch, length)
    task = getattr(model, "task", None)
    if task not in signatures:
        task = "encode" if "encode" in signatures else next(iter(signatures)) if len(signatures) == 1 else None
    if task is None:
        raise ValueError(f"Expected a model whose `task` is among its signatures. Received: {', '.join(signatures)}")
    return task, *signatures[task]


def stepwise(model, inputs):
    """`encode` (inputs -> state) and `step` (ids and state -> logits and state), for a caller with its own loop."""

    def encode(inputs):
        return named(model.start(inputs))

    def step(inputs):
        state = tuple(inputs[name] for name in sorted(inputs) if name.startswith("state"))
        logits, state = model.step(inputs["ids"], state)
        return {"logits": logits, **named(state)}

    return {
        "encode": (encode, inputs),
        "step": (step, {"ids": spec(*next(iter(inputs.values())).shape[:1])}),
    }


def streaming(model, batch):
    """`step` (what comes in at one step, and state -> answer and state), for a model that reads step by step.

    The state that it asks for begins at zero.
    """
    inputs, state = of_a_step(model, batch)

    def step(given):
        answer, new = model.step({name: given[name] for name in inputs}, tuple(given[name] for name in sorted(state)))
        return {**answer, **named(new)}

    return {"step": (step, {**inputs, **state})}


def of_a_step(model, batch):
    """What `step` of a model that reads step by step takes: (inputs, state), dicts of shapes by name."""
    reads = {name: one for name, one in model.reads(batch, None).items() if name != "length"}
    inputs = {name: spec(batch, *one.shape[2:], dtype=one.dtype) for name, one in reads.items()}
    state = named(model.start(1)).items()
    return inputs, {name: spec(batch, *one.shape[1:], dtype=one.dtype) for name, one in state}


def named(state):
    """A tuple of tensors as a dict, in their order."""
    return {f"state_{i:02d}": tensor for i, tensor in enumerate(state)}
