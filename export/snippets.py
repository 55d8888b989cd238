"""Code a phone developer can paste: the bundle's file run from Kotlin, Swift, JavaScript and Python.

Ids in, ids out: the rows are as long as the file's static shape, PAD (0) behind the last token.
"""

from math import prod
from pathlib import Path

KOTLIN = """\
// build.gradle.kts: implementation("com.google.ai.edge.litert:litert:2.1.0"); model.tflite lies in assets.
import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

class Model(context: Context) : AutoCloseable {{
    private val model =
        CompiledModel.create(context.assets, "model.tflite", CompiledModel.Options(Accelerator.CPU))
{buffers}

    fun answer({arguments}): {result} {{
{writes}
        model.run(mapOf({ins}), mapOf("{output}" to output), "{task}")
        return output.{read}()
    }}

    override fun close() = model.close()
}}
"""

SWIFT = """\
// Podfile: pod 'TensorFlowLiteSwift'; model.tflite lies in the app's bundle.
import Foundation
import TensorFlowLite

final class Model {{
    private let runner: SignatureRunner

    init() throws {{
        let path = Bundle.main.path(forResource: "model", ofType: "tflite")!
        runner = try Interpreter(modelPath: path).signatureRunner(with: "{task}")
    }}

    func answer({arguments}) throws -> [{result}] {{
        try runner.invoke(with: [{ins}])
        let output = try runner.output(named: "{output}").data
        return output.withUnsafeBytes {{ Array($0.bindMemory(to: {result}.self)) }}
    }}
}}
"""

JAVASCRIPT = """\
// npm install @litertjs/core; serve its folder wasm/ at /wasm/ and model.tflite beside the page.
import {{loadLiteRt, loadAndCompile, Tensor}} from '@litertjs/core';

await loadLiteRt('/wasm/');
const model = await loadAndCompile('model.tflite', {{accelerator: 'wasm'}});

export async function answer({names}) {{
  const inputs = {{{ins}}};
  const outputs = await model.run('{task}', inputs);
  const result = await outputs.{output}.data(); // {result}, {count}
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
  return result;
}}
"""

PYTHON = """\
# pip install ai-edge-litert numpy; with seqkeras installed, seqkeras.export.load_bundle(folder) does text as well.
import numpy as np
from ai_edge_litert.interpreter import Interpreter

answer = Interpreter("model.tflite").get_signature_runner("{task}")
{inputs}
print(answer({names})["{output}"])  # {result} {shape}
"""

_KOTLIN = {"int32": ("IntArray", "writeInt", "readInt"), "float32": ("FloatArray", "writeFloat", "readFloat")}
_SWIFT = {"int32": "Int32", "float32": "Float32"}
_JAVASCRIPT = {"int32": "Int32Array", "float32": "Float32Array"}


def write(folder, task, signatures):
    """Writes one file a language into `folder`, for the signature `task`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    inputs, ((output, result),) = signatures[task]["inputs"], signatures[task]["outputs"].items()
    for name, render in (("Model.kt", _kotlin), ("Model.swift", _swift), ("model.js", _javascript), ("model.py", _py)):
        (folder / name).write_text(render(task, inputs, output, result), encoding="utf-8")


def _kotlin(task, inputs, output, result):
    buffers = [f'    private val {name}Buffer = model.createInputBuffer("{name}", "{task}")' for name in inputs]
    buffers.append(f'    private val output = model.createOutputBuffer("{output}", "{task}")')
    kind, _, read = _KOTLIN[result["dtype"]]
    return KOTLIN.format(
        task=task,
        buffers="\n".join(buffers),
        arguments=", ".join(f"{name}: {_KOTLIN[one['dtype']][0]}" for name, one in inputs.items()),
        result=kind,
        writes="\n".join(
            f"        {n}Buffer.{_KOTLIN[one['dtype']][1]}({n}) {_size(one)}" for n, one in inputs.items()
        ),
        ins=", ".join(f'"{name}" to {name}Buffer' for name in inputs),
        output=output,
        read=read,
    )


def _swift(task, inputs, output, result):
    return SWIFT.format(
        task=task,
        arguments=", ".join(f"{name}: [{_SWIFT[one['dtype']]}]" for name, one in inputs.items()),
        result=_SWIFT[result["dtype"]],
        ins=", ".join(f'"{name}": {name}.withUnsafeBytes {{ Data($0) }}' for name in inputs),
        output=output,
    )


def _javascript(task, inputs, output, result):
    return JAVASCRIPT.format(
        task=task,
        names=", ".join(inputs),
        ins=", ".join(
            f"{name}: new Tensor({_JAVASCRIPT[one['dtype']]}.from({name}), {one['shape']})"
            for name, one in inputs.items()
        ),
        output=output,
        result=_JAVASCRIPT[result["dtype"]],
        count=prod(result["shape"]),
    )


def _py(task, inputs, output, result):
    return PYTHON.format(
        task=task,
        inputs="\n".join(
            f'{name} = np.zeros({tuple(one["shape"])}, "{one["dtype"]}")  # yours' for name, one in inputs.items()
        ),
        names=", ".join(f"{name}={name}" for name in inputs),
        output=output,
        result=result["dtype"],
        shape=tuple(result["shape"]),
    )


def _size(one):
    return f"// {prod(one['shape'])} numbers"
