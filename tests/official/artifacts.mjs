// A written model's files as the IO handler of TensorFlow.js; Node alone has no fetch for file paths.
import fs from 'node:fs';
import path from 'node:path';

export function bytes(file) {
  const buffer = fs.readFileSync(file);
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
}

export function handler(tf, file) {
  const {weightsManifest = [], ...artifacts} = JSON.parse(fs.readFileSync(file, 'utf8'));
  const shards = weightsManifest.flatMap((group) => group.paths);
  const weightData = tf.io.concatenateArrayBuffers(shards.map((shard) => bytes(path.join(path.dirname(file), shard))));
  return {load: async () => ({...artifacts, weightSpecs: weightsManifest.flatMap((group) => group.weights), weightData})};
}

// `execute`, or `executeAsync` where the graph has ops that TensorFlow.js only runs so.
export async function execute(model, inputs, names) {
  try {
    return model.execute(inputs, names);
  } catch (error) {
    if (!/executeAsync/.test(error.message)) throw error;
    return model.executeAsync(inputs, names);
  }
}
