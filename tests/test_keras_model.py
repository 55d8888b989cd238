"""What Keras's own ways out would do wrong is refused before anything is changed, and names the way."""

import numpy as np
import pytest
import tensorflow as tf

import seqkeras


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("kind", ["model", "search"])
def test_ways_out_of_keras_are_refused_and_name_those_of_seqkeras(kind, called, tmp_path):
    model = seqkeras.LanguageModel(9, 4)
    ids = np.array([[1, 4, 5]])
    before = model(ids).numpy()
    if kind == "search":
        model, ids = seqkeras.Greedy(model, 3), {"prompt": ids}
    if called:
        model.predict(ids, verbose=0)
    for mode in ("int8", "float8"):
        with pytest.raises(ValueError, match=r"seqkeras.export.to_tflite.*quantize='int8'.* Received: quantize\('"):
            model.quantize(mode)
    for form in ("tf_saved_model", "litert", "onnx"):
        with pytest.raises(ValueError, match="Expected seqkeras.export: .* Received: Keras's own export"):
            model.export(tmp_path / "file.tflite", format=form)
    with pytest.raises(ValueError, match="Expected seqkeras.export.to_tflite or write_bundle"):
        tf.lite.TFLiteConverter.from_keras_model(model).convert()
    assert not list(tmp_path.iterdir())
    trained = model.model if kind == "search" else model
    np.testing.assert_array_equal(trained(np.array([[1, 4, 5]])), before)
