// Podfile: pod 'TensorFlowLiteSwift'; model.tflite lies in the app's bundle.
// ids, int32 [1, 5]: ids that tokenizers/text makes of the text, then PAD (0).
// probabilities (the answer), float32 [1, 2]: one for each label, in the order of manifest.json.
// tokenizers/text, Words: an id is its word's place in the vocabulary of tokenizer.json, from 0, plus 4; the first are PAD (0), START (1), END (2), UNKNOWN (3).
import Foundation
import TensorFlowLite

final class Model {
    private let runner: SignatureRunner

    init() throws {
        let path = Bundle.main.path(forResource: "model", ofType: "tflite")!
        var options = Interpreter.Options()
        options.threadCount = 1
        runner = try Interpreter(modelPath: path, options: options).signatureRunner(with: "classify")
    }

    func answer(ids: [Int32]) throws -> [Float32] {
        try runner.invoke(with: ["ids": ids.withUnsafeBytes { Data($0) }])
        return try read("probabilities")
    }

    private func read<Number>(_ name: String) throws -> [Number] {
        let output = try runner.output(named: name).data
        return output.withUnsafeBytes { Array($0.bindMemory(to: Number.self)) }
    }
}
