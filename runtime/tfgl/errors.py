"""Every error that tfgl raises on purpose.

    TfglError
    ├── InvalidArgumentError (ValueError)    a kernel, op or public call got wrong arguments
    ├── ModelFormatError (ValueError)        a model file is damaged, or is not what it says
    │   └── UnsupportedOpError               the graph holds an op that no table row serves
    ├── DownloadError (OSError)              a URL gave no usable answer
    ├── DeviceError (RuntimeError)           the GL driver refused
    │   ├── NoDeviceError                    no context could be created at all
    │   ├── TensorTooLargeError              a tensor exceeds what the device can hold
    │   ├── ShaderError                      a program did not compile or link
    │   ├── ContextLostError                 the context went away underneath us
    │   └── WrongThreadError                 a context was used off its own thread
    └── DisposedError (RuntimeError)         a tensor or model was used after dispose

A message says what was wrong, where (file, node, op, input), what was expected
and what came, and what to do next.
"""

from __future__ import annotations


class TfglError(Exception):
    """Root of the hierarchy: ``except TfglError`` catches whatever tfgl raises on purpose."""


class InvalidArgumentError(TfglError, ValueError):
    """Wrong name, shape, dtype or value of an argument."""


class ModelFormatError(TfglError, ValueError):
    """A model file that is missing, damaged, truncated, or not what it claims to be."""


class UnsupportedOpError(ModelFormatError):
    """A graph op that tfgl cannot run; the message names the op and its first node."""


class DownloadError(TfglError, OSError):
    """An http(s) URL that could not be read in full."""


class DeviceError(TfglError, RuntimeError):
    """The GL driver refused what was asked of it."""


class NoDeviceError(DeviceError):
    """No GL context could be created; the message lists what was tried and what to install."""


class TensorTooLargeError(DeviceError):
    """A tensor that no texture of this device can hold."""


class ShaderError(DeviceError):
    """A program that the driver did not compile or link; carries the driver's log."""


class ContextLostError(DeviceError):
    """The GL context was destroyed while tensors still lived on it."""


class WrongThreadError(DeviceError):
    """A GL context was used from a thread that did not create it."""


class DisposedError(TfglError, RuntimeError):
    """A tensor or a model was used after it had been disposed."""
