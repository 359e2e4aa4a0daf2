// Runs the cases that make_goldens.py wrote in the official TensorFlow.js, on its cpu backend, and writes the outputs.
//
//   node golden.mjs WORK_FOLDER CASE_FOLDER...
//
// WORK_FOLDER holds node_modules. A case folder holds case.json and raw little-endian tensors; outputs.json and the
// outputs, likewise raw, are added to it.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

import {bytes, execute, handler} from '../official/artifacts.mjs';

const [work, ...folders] = process.argv.slice(2);
const tf = createRequire(path.resolve(work, 'package.json'))('@tensorflow/tfjs');
const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};

await tf.setBackend('cpu');
for (const folder of folders) {
  const description = JSON.parse(fs.readFileSync(path.join(folder, 'case.json'), 'utf8'));
  const layers = !('node' in JSON.parse(fs.readFileSync(description.model, 'utf8')).modelTopology);
  const model = await (layers ? tf.loadLayersModel : tf.loadGraphModel)(handler(tf, description.model));
  const inputs = {};
  for (const {name, dtype, shape, file} of description.inputs) {
    inputs[name] = tf.tensor(new ARRAYS[dtype](bytes(path.join(folder, file))), shape, dtype);
  }
  const names = layers ? model.outputNames : model.outputNodes;
  const start = performance.now();
  const tensors = [layers ? model.predict(Object.values(inputs)) : await execute(model, inputs, names)].flat();
  const values = await Promise.all(tensors.map((tensor) => tensor.data()));
  const elapsed_ms = performance.now() - start;
  const outputs = tensors.map(({dtype, shape}, i) => {
    if (!(dtype in ARRAYS)) throw new Error(`${folder}: output ${names[i]} is ${dtype}, which has no raw form here`);
    const {buffer, byteOffset, byteLength} = values[i];
    fs.writeFileSync(path.join(folder, `output${i}.bin`), new Uint8Array(buffer, byteOffset, byteLength));
    return {name: names[i], dtype, shape, file: `output${i}.bin`};
  });
  const document = {tfjs: tf.version.tfjs, backend: tf.getBackend(), elapsed_ms, outputs};
  fs.writeFileSync(path.join(folder, 'outputs.json'), JSON.stringify(document, null, 1) + '\n');
  model.dispose();
  console.log(`${folder}: ${names.length} outputs in ${elapsed_ms.toFixed(0)} ms`);
}
