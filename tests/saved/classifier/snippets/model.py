# pip install ai-edge-litert numpy; with seqkeras installed, seqkeras.export.load_bundle(folder) does text as well.
# ids, int32 [1, 5]: ids that tokenizers/text makes of the text, then PAD (0).
# probabilities (the answer), float32 [1, 2]: one for each label, in the order of manifest.json.
# tokenizers/text, Words: an id is its word's place in the vocabulary of tokenizer.json, from 0, plus 4; the first are PAD (0), START (1), END (2), UNKNOWN (3).
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

bundle = Path(__file__).resolve().parents[1]  # this file lies in its folder snippets
interpreter = Interpreter(str(bundle / "model.tflite"), num_threads=1)
answer = interpreter.get_signature_runner("classify")
ids = np.zeros((1, 5), "int32")  # yours
said = answer(ids=ids)
print(said["probabilities"])  # float32 (1, 2)
