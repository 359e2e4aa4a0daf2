"""One tiny draw: when this fails, nothing else can pass."""

import numpy as np

import tfgl


def test_two_numbers_are_added_on_the_device() -> None:
    total = tfgl.run_kernel("Add", {"a": tfgl.tensor([1.5]), "b": tfgl.tensor([2.0])})
    assert isinstance(total, tfgl.Tensor)
    np.testing.assert_array_equal(total.numpy(), np.array([3.5], np.float32))
