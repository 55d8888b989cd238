// build.gradle.kts: implementation("com.google.ai.edge.litert:litert:2.1.0"); model.tflite lies in assets.
// ids, int32 [1, 5]: ids that tokenizers/text makes of the text, then PAD (0).
// probabilities (the answer), float32 [1, 2]: one for each label, in the order of manifest.json.
// tokenizers/text, Words: an id is its word's place in the vocabulary of tokenizer.json, from 0, plus 4; the first are PAD (0), START (1), END (2), UNKNOWN (3).
import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

class Model(context: Context) : AutoCloseable {
    private val options =
        CompiledModel.Options(Accelerator.CPU).apply { cpuOptions = CompiledModel.CpuOptions(numThreads = 1) }
    private val model = CompiledModel.create(context.assets, "model.tflite", options)
    private val idsBuffer = model.createInputBuffer("ids", "classify")
    private val probabilitiesOutput = model.createOutputBuffer("probabilities", "classify")

    fun answer(ids: IntArray): FloatArray {
        idsBuffer.writeInt(ids) // 5 numbers
        model.run(mapOf("ids" to idsBuffer), mapOf("probabilities" to probabilitiesOutput), "classify")
        return probabilitiesOutput.readFloat()
    }

    override fun close() = listOf<AutoCloseable>(idsBuffer, probabilitiesOutput, model).forEach { it.close() }
}
