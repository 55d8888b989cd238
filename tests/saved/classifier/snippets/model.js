// npm install @litertjs/core; serve its folder wasm/ at /wasm/ and model.tflite beside the page.
// ids, int32 [1, 5]: ids that tokenizers/text makes of the text, then PAD (0).
// probabilities (the answer), float32 [1, 2]: one for each label, in the order of manifest.json.
// tokenizers/text, Words: an id is its word's place in the vocabulary of tokenizer.json, from 0, plus 4; the first are PAD (0), START (1), END (2), UNKNOWN (3).
import {loadLiteRt, loadAndCompile, Tensor} from '@litertjs/core';

await loadLiteRt('/wasm/');
const model = await loadAndCompile('model.tflite', {accelerator: 'wasm'});

export async function answer(ids) {
  const inputs = {ids: new Tensor(Int32Array.from(ids), [1, 5])};
  const outputs = await model.run('classify', inputs);
  const result = await outputs.probabilities.data(); // probabilities: Float32Array of 2
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
  return result;
}
