// Runs one model in TensorFlow.js as the server that gave this page tells it: see browser.py.
const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};

const received = async (url) => (await fetch(url, {cache: 'no-store'})).json();
const reply = (answer) => fetch('/reply', {method: 'POST', body: JSON.stringify(answer)});
const typed = (values, dtype) => values instanceof ARRAYS[dtype] ? values : ARRAYS[dtype].from(values);

// Returns a function that runs the model once: host arrays in, host arrays out.
async function load({url, layers}, inputs) {
  const model = await (layers ? tf.loadLayersModel : tf.loadGraphModel)(url);
  const signature = model.modelSignature?.outputs;
  const names = layers ? model.outputs.map(({sourceLayer}) => sourceLayer.name)
      : signature ? Object.values(signature).map(({name}) => name) : model.outputNodes;
  const keys = signature ? Object.keys(signature) : names;
  // Graphs with control flow or dynamic shapes run asynchronously only; TensorFlow.js says so at the first call.
  let synchronous = true;
  const execute = async (tensors) => {
    if (layers) return model.predict(model.inputNames.map((name) => tensors[name]));
    try {
      if (synchronous) return model.execute(tensors, names);
    } catch (error) {
      if (!/executeAsync/.test(error.message)) throw error;
      synchronous = false;
    }
    return model.executeAsync(tensors, names);
  };
  const run = async () => {
    const tensors = Object.fromEntries(
        inputs.map(({name, values, shape, dtype}) => [name, tf.tensor(values, shape, dtype)]));
    const results = [await execute(tensors)].flat();
    // Reading at once is never slower than `data()`, which waits for a timer to look at a fence.
    const outputs = results.map((result, i) => ({
      key: keys[i], dtype: result.dtype, shape: result.shape, values: result.dataSync(),
    }));
    tf.dispose([tensors, results]);
    return outputs;
  };
  return run;
}

async function serve() {
  const task = await received('/task');
  for (const input of task.inputs) {
    input.values = new ARRAYS[input.dtype](await (await fetch(input.url)).arrayBuffer());
  }
  tf.enableProdMode();
  tf.wasm.setWasmPaths('/packages/tfjs-backend-wasm/dist/');
  if (!await tf.setBackend(task.backend)) throw new Error(`the backend ${task.backend} does not start`);
  await tf.ready();
  const gl = task.backend === 'webgl' ? tf.backend().gpgpu.gl : null;
  gl?.finish();

  const start = performance.now();
  const run = await load(task, task.inputs);
  const loaded = performance.now();
  const outputs = await run();
  const done = performance.now();

  for (const [i, {dtype, values}] of outputs.entries()) {
    await fetch(`/outputs/${i}`, {method: 'POST', body: typed(values, dtype)});
  }
  const renderer = gl?.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL;
  await reply({
    load_ms: loaded - start,
    first_ms: done - loaded,
    programs: gl && linkedPrograms,
    renderer: renderer && gl.getParameter(renderer),
    threads: task.backend === 'wasm' ? tf.wasm.getThreadsCount() : null,
    versions: {'TensorFlow.js': tf.version.tfjs, Chromium: /Chrom\w*\/([\d.]+)/.exec(navigator.userAgent)?.[1]},
    outputs: outputs.map(({key, dtype, shape}) => ({key, dtype, shape})),
  });
  for (;;) {
    const {runs} = await received('/next');
    const elapsed_ms = [];
    for (let i = 0; i < runs; i++) {
      const begun = performance.now();
      await run();
      elapsed_ms.push(performance.now() - begun);
    }
    await reply({elapsed_ms, programs: gl && linkedPrograms});
  }
}

serve().catch((error) => reply({error: String(error?.message ?? error)}));
