"""Makes small models with tf_keras (Keras 2), each saved as a SavedModel and as HDF5, with inputs and outputs.

    python make_models.py [FOLDER]

needs tensorflow 2.16 or later and tf_keras. Each model becomes NAME.zip: saved_model/, model.h5, arrays.npz (inputs
``in_NAME``, outputs ``out_NUMBER``). The functions of the recurrent one, a megabyte, are left out.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow.core.protobuf import saved_model_pb2

L = keras.layers
RANDOM = np.random.default_rng(5)


def dense():
    model = keras.Sequential([L.Dense(4, "relu", input_shape=(3,)), L.Dropout(0.5), L.Dense(2, name="out")])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(8, 2)), verbose=0)
    return model


def conv():
    x = keras.Input((8, 8, 2), name="image")
    normalization = L.Normalization()
    normalization.adapt(RANDOM.normal(2.0, 3.0, size=(20, 8, 8, 2)))
    y = L.BatchNormalization()(L.Conv2D(4, 3, use_bias=False, padding="same")(normalization(x)))
    y = L.SeparableConv2D(3, 3, activation="relu")(y)
    frozen = L.DepthwiseConv2D(2, name="frozen")
    frozen.trainable = False
    y = L.GlobalAveragePooling2D()(L.PReLU(shared_axes=[1, 2])(frozen(y)))
    return keras.Model(x, [L.Dense(2, name="a")(y), L.LayerNormalization(name="b")(y)])


def recurrent():
    x = keras.Input((5,), name="tokens", dtype="int32")
    y = L.Embedding(7, 4, mask_zero=True)(x)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(y)
    y = L.TimeDistributed(L.Dense(3, "tanh"))(y)
    y = L.GRU(2, return_sequences=True, name="g")(y)
    return keras.Model(x, L.RNN(L.StackedRNNCells([L.LSTMCell(2), L.SimpleRNNCell(3)]))(y))


def nested():
    tower = keras.Sequential([L.Dense(3, input_shape=(4,), name="inner"), L.BatchNormalization()], name="tower")
    inner = keras.Input((3,))
    block = keras.Model(inner, [L.Dense(2, name="inner")(inner), L.Activation("tanh")(inner)], name="block")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = L.Dense(4, name="shared")
    outputs = [*block(tower(shared(a))), tower(shared(b))]
    return keras.Model([a, b], outputs)


def attention():
    x, mask = keras.Input((4, 6), name="x"), keras.Input((4, 6), name="y")
    y = L.MultiHeadAttention(2, 3, name="mha")(x, mask)
    return keras.Model([x, mask], L.Add()([x, y]))


def deferred():
    model = keras.Sequential([L.Flatten(), L.Dense(2)])
    model(np.zeros((1, 2, 3), np.float32))
    return model


def subclassed():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Net()
    model(np.zeros((1, 3), np.float32))
    return model


def save(make, folder):
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    model = make()
    if not model.optimizer:
        for layer in model.layers:
            if not isinstance(layer, L.Normalization):
                layer.set_weights([RANDOM.uniform(0.2, 0.9, w.shape).astype(w.dtype) for w in layer.get_weights()])
    shapes = [(2, 3)] if make is subclassed else [(3, *x.shape[1:]) for x in model.inputs]
    arrays, feeds = {}, []
    for i, shape in enumerate(shapes):
        integers = make is recurrent
        value = RANDOM.integers(0, 7, shape).astype(np.int32) if integers else RANDOM.normal(size=shape).astype("f4")
        name = f"in_{model.input_names[i] if make is not subclassed else 'x'}"
        arrays[name] = value
        feeds.append(value)
    results = model(feeds[0] if len(feeds) == 1 else feeds, training=False)
    for i, result in enumerate(results if isinstance(results, (list, tuple)) else [results]):
        arrays[f"out_{i}"] = result.numpy()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model.save(work / "saved_model", save_format="tf")
        if make is not subclassed:
            model.save(work / "model.h5")
        if make is recurrent:
            path = work / "saved_model" / "saved_model.pb"
            message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
            message.meta_graphs[0].graph_def.Clear()
            message.meta_graphs[0].object_graph_def.concrete_functions.clear()
            path.write_bytes(message.SerializeToString(deterministic=True))
        np.savez(work / "arrays.npz", **arrays)
        with zipfile.ZipFile(folder / f"{make.__name__}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(work.rglob("*")):
                if path.is_file() and path.name != "fingerprint.pb":
                    entry = zipfile.ZipInfo(str(path.relative_to(work)))
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    print("tensorflow", tf.__version__, "tf_keras", keras.__version__)
    for make in (dense, conv, recurrent, nested, attention, deferred, subclassed):
        save(make, target)
