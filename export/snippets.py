"""Code a phone developer can paste: the bundle's file run from Kotlin, Swift, JavaScript and Python.

Numbers in, numbers out, and above them a line for each that says what they are.
"""

from math import prod
from pathlib import Path

from seqkeras.tasks import READS, TASKS
from seqkeras.tokens import END, PAD, START, UNKNOWN

MEANT = {
    "label": "a class's place among the labels in manifest.json, from 0",
    "values": "a row per step{scaled}, zeros after the last",
    "length": "how many steps there are in values",
    "uniform": "random numbers from 0 to just below 1, new ones for each call",
    "temperature": "below 1 likely tokens are favoured, at 0 the likeliest is taken; exported with {temperature}",
}
ANSWERS = {
    "ids": f"ids of a text, END ({END}) after the last, then PAD ({PAD}); tokenizers/{{role}} makes text of them",
    "log_probability": "natural logarithm of the probability that the model gives these ids, END included; that of a "
    "prompt is 1, and temperature does not change it",
    "probabilities": "one for each label, in the order of manifest.json",
    "values": "one for each label, in the order of manifest.json",
    "next": "the values that follow, a row per step{scaled}",
    "tags": "one for each of the tags in manifest.json, in their order, a row per token",
    "label": "one for each label of the whole, in the order of manifest.json",
}
TOKENIZERS = {  # an id of each kind
    "Characters": f"its character's place in the vocabulary of tokenizer.json, from 0, plus {UNKNOWN + 1}",
    "Words": f"its word's place in the vocabulary of tokenizer.json, from 0, plus {UNKNOWN + 1}",
    "WordCharacters": f"its character's place in the vocabulary of tokenizer.json, from 0, plus {UNKNOWN + 1}",
    "Bytes": f"its byte of UTF-8 plus {UNKNOWN + 1}",
    "SentencePiece": "that of sentencepiece.model",
}

KOTLIN = """\
// build.gradle.kts: implementation("com.google.ai.edge.litert:litert:2.1.0"); model.tflite lies in assets.
{notes}
import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
{answer}
class Model(context: Context) : AutoCloseable {{
    private val options =
        CompiledModel.Options(Accelerator.CPU).apply {{ cpuOptions = CompiledModel.CpuOptions(numThreads = {threads}) }}
    private val model = CompiledModel.create(context.assets, "model.tflite", options)
{buffers}

    fun answer({arguments}): {result} {{
{writes}
        model.run(mapOf({ins}), mapOf({outs}), "{task}")
        return {read}
    }}

    override fun close() = listOf<AutoCloseable>({closed}, model).forEach {{ it.close() }}
}}
"""

SWIFT = """\
// Podfile: pod 'TensorFlowLiteSwift'; model.tflite lies in the app's bundle.
{notes}
import Foundation
import TensorFlowLite

final class Model {{
    private let runner: SignatureRunner

    init() throws {{
        let path = Bundle.main.path(forResource: "model", ofType: "tflite")!
        var options = Interpreter.Options()
        options.threadCount = {threads}
        runner = try Interpreter(modelPath: path, options: options).signatureRunner(with: "{task}")
    }}

    func answer({arguments}) throws -> {result} {{
        try runner.invoke(with: [{ins}])
        return {read}
    }}

    private func read<Number>(_ name: String) throws -> [Number] {{
        let output = try runner.output(named: name).data
        return output.withUnsafeBytes {{ Array($0.bindMemory(to: Number.self)) }}
    }}
}}
"""

JAVASCRIPT = """\
// npm install @litertjs/core; serve its folder wasm/ at /wasm/ and model.tflite beside the page.
{notes}
import {{loadLiteRt, loadAndCompile, Tensor}} from '@litertjs/core';

await loadLiteRt('/wasm/');
const model = await loadAndCompile('model.tflite', {{accelerator: 'wasm'}});

export async function answer({names}) {{
  const inputs = {{{ins}}};
  const outputs = await model.run('{task}', inputs);
  const result = {read}; // {result}
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
  return result;
}}
"""

PYTHON = """\
# pip install ai-edge-litert numpy; with seqkeras installed, seqkeras.export.load_bundle(folder) does text as well.
{notes}
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

bundle = Path(__file__).resolve().parents[1]  # this file lies in its folder snippets
interpreter = Interpreter(str(bundle / "model.tflite"), num_threads={threads})
answer = interpreter.get_signature_runner("{task}")
{inputs}
said = answer({names})
{read}
"""

_KOTLIN = {"int32": ("IntArray", "writeInt", "readInt"), "float32": ("FloatArray", "writeFloat", "readFloat")}
_SWIFT = {"int32": "Int32", "float32": "Float32"}
_JAVASCRIPT = {"int32": "Int32Array", "float32": "Float32Array"}


def write(folder, manifest):
    """Writes one file a language into `folder`, for the task of the manifest."""
    folder, task = Path(folder), manifest["task"]
    folder.mkdir(parents=True, exist_ok=True)
    signature = manifest["signatures"][task]
    inputs, outputs, said = signature["inputs"], signature["outputs"], notes(manifest)
    for name, mark, render in (
        ("Model.kt", "//", _kotlin),
        ("Model.swift", "//", _swift),
        ("model.js", "//", _javascript),
        ("model.py", "#", _py),
    ):
        commented = "\n".join(f"{mark} {line}" for line in said)
        text = render(commented, task, inputs, outputs, manifest["num_threads"])
        (folder / name).write_text(text, encoding="utf-8")


def notes(manifest):
    """A line for each input, output and tokenizer of the task: shape, type, and what the numbers stand for."""
    signature, tokenizers, scale = manifest["signatures"][manifest["task"]], manifest["tokenizers"], manifest["scale"]
    before, behind = "", ""
    if scale:
        of = f" of {', '.join(scale['variables'])}" if "variables" in scale else ""
        before = f"{of}, scaled: (value - mean) / deviation, mean {scale['mean']}, deviation {scale['deviation']}"
        behind = ", scaled: value = next * deviation + mean, as above"
    said = []
    for name, one in signature["inputs"].items():
        if name in READS:
            end = f", END ({END}) after them" if tokenizers[READS[name]]["end"] else ""
            each = ", a row per word" if len(one["shape"]) == 3 else ""
            meant = f"ids that tokenizers/{READS[name]} makes of the text{each}{end}, then PAD ({PAD})"
        else:
            meant = MEANT[name].format(scaled=before, temperature=manifest.get("temperature"))
        said.append(f"{name}, {one['dtype']} {one['shape']}: {meant}.")
    for name, one in signature["outputs"].items():
        meant = ANSWERS[name].format(scaled=behind, role=TASKS[manifest["task"]].writes)
        said.append(f"{name} (the answer), {one['dtype']} {one['shape']}: {meant}.")
    for role, one in tokenizers.items():
        said.append(
            f"tokenizers/{role}, {one['kind']}: an id is {TOKENIZERS[one['kind']]}; "
            f"the first are PAD ({PAD}), START ({START}), END ({END}), UNKNOWN ({UNKNOWN})."
        )
    return said


def _kotlin(notes, task, inputs, outputs, threads):
    buffers = [f'    private val {name}Buffer = model.createInputBuffer("{name}", "{task}")' for name in inputs]
    buffers += [f'    private val {name}Output = model.createOutputBuffer("{name}", "{task}")' for name in outputs]
    kinds = {name: _KOTLIN[one["dtype"]] for name, one in outputs.items()}
    reads = [f"{name}Output.{read}()" for name, (_, _, read) in kinds.items()]
    fields = ", ".join(f"val {name}: {kind}" for name, (kind, *_) in kinds.items())
    several = len(outputs) > 1
    return KOTLIN.format(
        notes=notes,
        task=task,
        threads=threads,
        buffers="\n".join(buffers),
        arguments=", ".join(f"{name}: {_KOTLIN[one['dtype']][0]}" for name, one in inputs.items()),
        answer=f"\nclass Answer({fields})\n" if several else "",
        result="Answer" if several else next(iter(kinds.values()))[0],
        writes="\n".join(
            f"        {n}Buffer.{_KOTLIN[one['dtype']][1]}({n}) {_size(one)}" for n, one in inputs.items()
        ),
        ins=", ".join(f'"{name}" to {name}Buffer' for name in inputs),
        outs=", ".join(f'"{name}" to {name}Output' for name in outputs),
        closed=", ".join([f"{name}Buffer" for name in inputs] + [f"{name}Output" for name in outputs]),
        read=f"Answer({', '.join(reads)})" if several else reads[0],
    )


def _swift(notes, task, inputs, outputs, threads):
    kinds = {name: f"[{_SWIFT[one['dtype']]}]" for name, one in outputs.items()}
    several = len(outputs) > 1
    fields, reads = (
        ", ".join(f"{name}: {one}" for name, one in parts)
        for parts in (kinds.items(), ((name, f'read("{name}")') for name in outputs))
    )
    return SWIFT.format(
        notes=notes,
        task=task,
        threads=threads,
        arguments=", ".join(f"{name}: [{_SWIFT[one['dtype']]}]" for name, one in inputs.items()),
        result=f"({fields})" if several else next(iter(kinds.values())),
        ins=", ".join(f'"{name}": {name}.withUnsafeBytes {{ Data($0) }}' for name in inputs),
        read=f"try ({reads})" if several else f'try read("{next(iter(outputs))}")',
    )


def _javascript(notes, task, inputs, outputs, threads):
    reads = {name: f"await outputs.{name}.data()" for name in outputs}
    return JAVASCRIPT.format(
        notes=notes,
        task=task,
        names=", ".join(inputs),
        ins=", ".join(
            f"{name}: new Tensor({_JAVASCRIPT[one['dtype']]}.from({name}), {one['shape']})"
            for name, one in inputs.items()
        ),
        read=f"{{{', '.join(f'{name}: {read}' for name, read in reads.items())}}}"
        if len(reads) > 1
        else next(iter(reads.values())),
        result=", ".join(
            f"{name}: {_JAVASCRIPT[one['dtype']]} of {prod(one['shape'])}" for name, one in outputs.items()
        ),
    )


def _py(notes, task, inputs, outputs, threads):
    return PYTHON.format(
        notes=notes,
        task=task,
        threads=threads,
        inputs="\n".join(
            f'{name} = np.zeros({tuple(one["shape"])}, "{one["dtype"]}")  # yours' for name, one in inputs.items()
        ),
        names=", ".join(f"{name}={name}" for name in inputs),
        read="\n".join(
            f'print(said["{name}"])  # {one["dtype"]} {tuple(one["shape"])}' for name, one in outputs.items()
        ),
    )


def _size(one):
    count = prod(one["shape"])
    return f"// {count} number{'s'[: count != 1]}"
