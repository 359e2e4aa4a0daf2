// Runs models in the official TensorFlow.js: one request a line on stdin, one reply a line on stdout, both JSON.
//
//   node serve.mjs WORK_FOLDER
//
// WORK_FOLDER holds node_modules. Request: {model, backend, inputs: [{name, dtype, shape, data}]}; reply:
// {outputs: {key: {dtype, shape, data}}} or {error}. `data` is base64 of little-endian values, for strings a list
// with the base64 of each.
import {createRequire} from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

import {execute, handler} from './artifacts.mjs';

const require = createRequire(path.resolve(process.argv[2], 'package.json'));
const tf = require('@tensorflow/tfjs');
// Replies only: what TensorFlow.js has to say goes to the other stream.
for (const level of ['log', 'info', 'warn']) console[level] = (...text) => console.error(...text);
tf.enableProdMode();

const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array, complex64: Float32Array};

function tensor({dtype, shape, data}) {
  if (dtype === 'string') return tf.tensor(data.map((text) => new Uint8Array(Buffer.from(text, 'base64'))), shape, dtype);
  const raw = Uint8Array.from(Buffer.from(data, 'base64'));
  const values = new ARRAYS[dtype](raw.buffer);
  if (dtype !== 'complex64') return tf.tensor(values, shape, dtype);
  const part = (at) => tf.tensor(values.filter((_, i) => i % 2 === at), shape, 'float32');
  return tf.complex(part(0), part(1));
}

const base64 = ({buffer, byteOffset, byteLength}) => Buffer.from(buffer, byteOffset, byteLength).toString('base64');

async function described(result) {
  const {dtype, shape} = result;
  if (dtype === 'string') return {dtype, shape, data: (await result.bytes()).map(base64)};
  // Some kernels hold int32 values in a Float32Array or the other way round; JavaScript sees numbers.
  const values = await result.data();
  return {dtype, shape, data: base64(values instanceof ARRAYS[dtype] ? values : ARRAYS[dtype].from(values))};
}

async function graphOutputs(model, inputs) {
  const infos = model.modelSignature?.outputs;
  const names = infos ? Object.values(infos).map(({name}) => name) : model.outputNodes;
  const keys = infos ? Object.keys(infos) : names;
  const results = [await execute(model, inputs, names)].flat();
  return Object.fromEntries(await Promise.all(results.map(async (result, i) => [keys[i], await described(result)])));
}

async function layersOutputs(model, inputs) {
  // A Sequential has no names of its own; it has one input.
  const fed = model.inputNames.length ? model.inputNames.map((name) => inputs[name]) : Object.values(inputs);
  const results = [model.predict(fed)].flat();
  const names = model.outputs.map(({sourceLayer}) => sourceLayer.name);
  const key = (i) => {
    const earlier = names.slice(0, i).filter((name) => name === names[i]).length;
    return earlier ? `${names[i]}_${earlier}` : names[i];
  };
  return Object.fromEntries(await Promise.all(results.map(async (result, i) => [key(i), await described(result)])));
}

async function reply({model: file, backend, inputs: fed}) {
  if (backend === 'wasm') require('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend(backend);
  const artifacts = await handler(tf, file).load();
  const layers = artifacts.format !== 'graph-model';
  const model = await (layers ? tf.loadLayersModel : tf.loadGraphModel)({load: async () => artifacts});
  const inputs = Object.fromEntries(fed.map((input) => [input.name, tensor(input)]));
  try {
    return {outputs: await (layers ? layersOutputs : graphOutputs)(model, inputs)};
  } finally {
    model.dispose();
    tf.dispose(inputs);
  }
}

for await (const line of readline.createInterface({input: process.stdin})) {
  let answer;
  try {
    answer = await reply(JSON.parse(line));
  } catch (error) {
    answer = {error: String(error?.message ?? error)};
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
