// Makes models with TensorFlow.js' own layers, saves each with its own save(), and notes inputs and outputs (cpu
// backend) beside it.
//
//   node make_models.mjs WORK_FOLDER [NAME...]
//
// WORK_FOLDER holds node_modules with @tensorflow/tfjs 4.22. Each model becomes NAME/model.json, NAME/weights.bin and
// NAME/case.json, the latter with little-endian arrays in base64.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const [work, ...wanted] = process.argv.slice(2);
const tf = createRequire(path.resolve(work, 'package.json'))('@tensorflow/tfjs');
const here = path.dirname(fileURLToPath(import.meta.url));
const L = tf.layers;

// The same numbers each time: mulberry32.
let state = 7;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function randomTensor(shape, low = -1, high = 1, dtype = 'float32') {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({length: size}, () => low + (high - low) * random());
  return tf.tensor(dtype === 'int32' ? values.map(Math.floor) : values, shape, dtype);
}

function withRandomWeights(model) {
  model.setWeights(model.weights.map((weight) => {
    const positive = /variance|gamma/.test(weight.originalName);
    return randomTensor(weight.shape, positive ? 0.5 : -0.6, positive ? 1.5 : 0.6);
  }));
  return model;
}

const input = (...shape) => tf.input({shape});
const F = (shape) => ['float32', shape];
const I = (shape, high) => ['int32', shape, high];

const MODELS = {
  cnn: async () => {
    const model = tf.sequential({name: 'digits'});
    model.add(L.conv2d({inputShape: [12, 12, 3], filters: 4, kernelSize: 3, padding: 'same', activation: 'relu'}));
    model.add(L.batchNormalization({epsilon: 0.01}));
    model.add(L.maxPooling2d({poolSize: 2}));
    model.add(L.depthwiseConv2d({kernelSize: 3, depthMultiplier: 2, activation: 'elu', padding: 'same'}));
    model.add(L.separableConv2d({filters: 5, kernelSize: 3, activation: 'hardSigmoid', strides: 2}));
    model.add(L.dropout({rate: 0.4, seed: 3}));
    model.add(L.activation({activation: 'relu6'}));
    model.add(L.globalAveragePooling2d({}));
    model.add(L.dense({units: 3, activation: 'softmax', kernelRegularizer: tf.regularizers.l2({l2: 0.01})}));
    model.compile({optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy', metrics: ['accuracy']});
    withRandomWeights(model);
    await model.trainOnBatch(randomTensor([2, 12, 12, 3]), tf.tensor([[1, 0, 0], [0, 0, 1]]));
    model.setUserDefinedMetadata({labels: ['a', 'b', 'c'], version: 3});
    return [model, [F([3, 12, 12, 3])], {includeOptimizer: true}];
  },
  merging: () => {
    const [a, b] = [tf.input({shape: [4], name: 'left'}), tf.input({shape: [4], name: 'right_Side'})];
    const shared = L.dense({units: 4, activation: 'tanh', name: 'sharedDense'});
    const [x, y] = [shared.apply(a), shared.apply(b)];
    const merged = [
      L.add().apply([x, y]), L.multiply().apply([x, y]), L.average().apply([x, y]), L.maximum().apply([x, y]),
      L.minimum().apply([x, y, a]),
    ];
    const all = L.concatenate({axis: -1}).apply([
      L.leakyReLU({alpha: 0.2}).apply(merged[0]), L.prelu({}).apply(merged[1]), L.elu({}).apply(merged[2]),
      L.thresholdedReLU({theta: 0.1}).apply(merged[3]), L.reLU({maxValue: 0.3}).apply(merged[4]),
      L.softmax({axis: -1}).apply(x),
    ]);
    const dot = L.dot({axes: 1, normalize: true, name: 'cosine'}).apply([x, y]);
    return [tf.model({inputs: [a, b], outputs: [all, dot, x]}), [F([5, 4]), F([5, 4])]];
  },
  recurrent: () => {
    const model = tf.sequential();
    model.add(L.embedding({inputDim: 10, outputDim: 4, maskZero: true, inputLength: 6}));
    model.add(L.bidirectional({layer: L.lstm({units: 3, returnSequences: true}), mergeMode: 'concat'}));
    model.add(L.gru({units: 4, returnSequences: true, recurrentActivation: 'sigmoid', resetAfter: false}));
    model.add(L.timeDistributed({layer: L.dense({units: 3, activation: 'softsign'})}));
    model.add(L.rnn({cell: [L.lstmCell({units: 2}), L.gruCell({units: 3})], returnSequences: true}));
    model.add(L.simpleRNN({units: 2, goBackwards: true}));
    return [model, [I([3, 6], 10)]];
  },
  states: () => {
    const [x, other] = [input(5, 3), input(5, 3)];
    const masked = L.masking({maskValue: 0}).apply(x);
    const [sequence, h, c] = L.lstm({units: 2, returnSequences: true, returnState: true}).apply(masked);
    const next = L.lstm({units: 2, unitForgetBias: true, activation: 'relu'}).apply(sequence);
    const both = L.bidirectional({layer: L.simpleRNN({units: 2}), mergeMode: 'sum'}).apply(other);
    return [tf.model({inputs: [x, other], outputs: [next, both, h, c]}), [F([4, 5, 3]), F([4, 5, 3])]];
  },
  open_length: () => {
    const x = tf.input({shape: [null, 3]});
    const y = L.bidirectional({layer: L.lstm({units: 2, returnSequences: true}), mergeMode: 'concat'}).apply(x);
    const z = L.gru({units: 3, resetAfter: false}).apply(L.masking({maskValue: 0}).apply(y));
    return [tf.model({inputs: x, outputs: [y, z]}), [F([2, 7, 3])]];
  },
  nested: () => {
    const tower = tf.sequential({name: 'tower'});
    tower.add(L.dense({units: 3, inputShape: [4], activation: 'swish'}));
    tower.add(L.layerNormalization({}));
    const inner = input(3);
    const block = tf.model({
      inputs: inner, outputs: [L.dense({units: 2}).apply(inner), L.activation({activation: 'mish'}).apply(inner)],
      name: 'block',
    });
    const [a, b] = [input(4), input(4)];
    const outputs = [...block.apply(tower.apply(a)), tower.apply(b)];
    return [tf.model({inputs: [a, b], outputs}), [F([2, 4]), F([2, 4])]];
  },
  shaping: () => {
    const x = input(8, 6, 2);
    let y = L.zeroPadding2d({padding: [[1, 0], [2, 1]]}).apply(x);
    y = L.conv2dTranspose({filters: 3, kernelSize: 3, strides: 2, padding: 'same', activation: 'gelu'}).apply(y);
    y = L.cropping2D({cropping: [[1, 2], [0, 3]]}).apply(y);
    y = L.upSampling2d({size: [1, 2], interpolation: 'bilinear'}).apply(y);
    y = L.averagePooling2d({poolSize: [3, 2], strides: 2, padding: 'same'}).apply(y);
    const z = L.globalMaxPooling2d({}).apply(y);
    y = L.reshape({targetShape: [60, -1]}).apply(y);
    y = L.permute({dims: [2, 1]}).apply(y);
    y = L.conv1d({filters: 4, kernelSize: 3, dilationRate: 2, activation: 'gelu'}).apply(y);
    y = L.maxPooling1d({poolSize: 2}).apply(L.averagePooling1d({poolSize: 1}).apply(y));
    const repeated = L.globalMaxPooling1d().apply(L.repeatVector({n: 3}).apply(z));
    const noisy = L.gaussianNoise({stddev: 1}).apply(L.gaussianDropout({rate: 0.3}).apply(repeated));
    const quiet = L.alphaDropout({rate: 0.2}).apply(noisy);
    return [tf.model({inputs: x, outputs: [y, quiet]}), [F([2, 8, 6, 2])]];
  },
  volumes: () => {
    const x = input(4, 4, 4, 2);
    let y = L.conv3d({filters: 3, kernelSize: 2, padding: 'same', activation: 'logSoftmax'}).apply(x);
    y = L.maxPooling3d({poolSize: 2}).apply(L.averagePooling3d({poolSize: 1}).apply(y));
    const up = L.conv3dTranspose({filters: 2, kernelSize: 2, strides: 2}).apply(y);
    const clip = L.convLstm2d({filters: 2, kernelSize: 2, returnSequences: false, padding: 'same'}).apply(x);
    return [tf.model({inputs: x, outputs: [up, clip]}), [F([2, 4, 4, 4, 2])]];
  },
  steps: () => {
    const x = input(6, 4);
    const y = L.spatialDropout1d({rate: 0.5}).apply(x);
    const back = L.simpleRNN({units: 2, returnSequences: true, goBackwards: true}).apply(y);
    const gru = (units, useBias) => L.gru({units, useBias, resetAfter: false, returnSequences: true});
    const product = L.bidirectional({layer: gru(3, true), mergeMode: 'mul'}).apply(gru(2, false).apply(back));
    const mean = L.bidirectional({layer: L.lstm({units: 3}), mergeMode: 'ave'}).apply(product);
    const convolved = L.timeDistributed({layer: L.conv1d({filters: 2, kernelSize: 2, padding: 'same'})})
      .apply(L.reshape({targetShape: [3, 2, 4]}).apply(x));
    const pooled = L.globalAveragePooling1d({}).apply(product);
    const outer = L.dot({axes: [2, 2]}).apply([product, product]);
    return [tf.model({inputs: x, outputs: [mean, pooled, L.flatten().apply(convolved), outer]}), [F([3, 6, 4])]];
  },
  channels_first: () => {
    // Without batch normalization, which TensorFlow.js' cpu backend computes along the last axis whatever is said.
    const dataFormat = 'channelsFirst';
    const x = input(3, 5, 6);
    let y = L.maxPooling2d({poolSize: 2, padding: 'same', dataFormat}).apply(x);
    y = L.upSampling2d({size: [2, 3], dataFormat}).apply(y);
    y = L.zeroPadding2d({padding: 1, dataFormat}).apply(y);
    y = L.cropping2D({cropping: [[1, 0], [0, 1]], dataFormat}).apply(y);
    const ends = [
      L.flatten({dataFormat}), L.globalAveragePooling2d({dataFormat}), L.conv2d({filters: 2, kernelSize: 3, dataFormat}),
    ];
    return [tf.model({inputs: x, outputs: ends.map((layer) => layer.apply(y))}), [F([2, 3, 5, 6])]];
  },
  cropping: () => {
    const model = tf.sequential();
    // CenterCrop changes the shape of its input in place, which may not be that of the model.
    model.add(L.conv2d({filters: 2, kernelSize: 1, inputShape: [6, 6, 3]}));
    model.add(L.centerCrop({height: 3, width: 4}));
    return [model, [F([2, 6, 6, 3])]];
  },
  activations: () => {
    const x = input(7);
    const names = [
      'elu', 'selu', 'relu', 'relu6', 'linear', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'tanh', 'softmax',
      'logSoftmax', 'gelu', 'gelu_new', 'mish', 'swish',
    ];
    const wide = L.rescaling({scale: 4}).apply(x);
    return [tf.model({inputs: x, outputs: names.map((n) => L.activation({activation: n}).apply(wide))}), [F([3, 7])]];
  },
};

function base64(values) {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

async function described(name, tensor) {
  return {name, dtype: tensor.dtype, shape: tensor.shape, data: base64(await tensor.data())};
}

await tf.setBackend('cpu');
for (const [name, make] of Object.entries(MODELS)) {
  state = [...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) | 0;
  if (wanted.length && !wanted.includes(name)) continue;
  const [model, inputs, saving = {}] = await make();
  if (!model.optimizer) withRandomWeights(model);
  const folder = path.join(here, name);
  fs.mkdirSync(folder, {recursive: true});
  await model.save(tf.io.withSaveHandler(async ({weightData, weightSpecs, ...artifacts}) => {
    const document = {...artifacts, weightsManifest: [{paths: ['weights.bin'], weights: weightSpecs}]};
    fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify(document) + '\n');
    fs.writeFileSync(path.join(folder, 'weights.bin'), Buffer.from(tf.io.CompositeArrayBuffer.join(weightData)));
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }), saving);
  const tensors = inputs.map(([dtype, shape, high]) => randomTensor(shape, dtype === 'int32' ? 0 : -1, high ?? 1, dtype));
  const results = [model.predict(tensors.length === 1 ? tensors[0] : tensors)].flat();
  const document = {
    tfjs: tf.version.tfjs,
    inputs: await Promise.all(tensors.map((tensor, i) => described(model.inputNames[i], tensor))),
    outputs: await Promise.all(results.map((tensor, i) => described(model.outputNames[i], tensor))),
  };
  fs.writeFileSync(path.join(folder, 'case.json'), JSON.stringify(document) + '\n');
  console.log(`${name}: ${results.length} outputs, ${model.countParams()} parameters`);
}
