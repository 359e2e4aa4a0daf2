"""Preprocessing layers: crops and sizes of images, bins, codes and vocabularies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keras_layers import close, normal, run_layer
from tfgl.errors import UnsupportedOpError


def test_image_preprocessing() -> None:
    x = normal(2, 6, 8, 3)
    close(run_layer("CenterCrop", {"height": 3, "width": 4}, x), x[:, 1:4, 2:6])
    close(
        run_layer("Resizing", {"height": 12, "width": 16, "interpolation": "nearest"}, x), x.repeat(2, 1).repeat(2, 2)
    )
    crop = {"height": 6, "width": 6, "interpolation": "nearest", "crop_to_aspect_ratio": True}
    close(run_layer("Resizing", crop, x), x[:, :, 1:7])
    with pytest.raises(UnsupportedOpError, match=r"layer' \(Resizing\).*'lanczos3' is not supported"):
        run_layer("Resizing", {"height": 3, "width": 3, "interpolation": "lanczos3"}, x)


def test_category_encoding_and_discretization() -> None:
    x = np.array([[0, 2, 2], [1, 0, 3]], np.int32)
    hot = np.eye(4)[x]
    close(run_layer("CategoryEncoding", {"num_tokens": 4, "output_mode": "multi_hot"}, x), hot.max(1))
    close(run_layer("CategoryEncoding", {"num_tokens": 4, "output_mode": "count"}, x), hot.sum(1))
    close(run_layer("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, x[:, :1]), hot[:, 0])
    values = np.array([[-1.5, 0.0, 3.4, 0.5]])
    bins = run_layer("Discretization", {"bin_boundaries": [0.0, 1.0, 2.0]}, values)
    assert bins.tolist() == np.digitize(values, [0.0, 1.0, 2.0]).tolist()


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization_in_every_mode(mode: str) -> None:
    x, bounds = normal(3, 4), [-1.0, 0.0, 0.5]
    bins = np.digitize(x, bounds)
    hot = np.eye(4)[bins]
    expected = {"int": bins, "one_hot": hot, "multi_hot": hot.max(1), "count": hot.sum(1)}[mode]
    close(run_layer("Discretization", {"bin_boundaries": bounds, "output_mode": mode}, x), expected)


LOOKUPS: dict[str, tuple[dict[str, Any], list[list[float]]]] = {
    "int": ({}, [[1, 0, 3]]),
    "no place for others": ({"num_oov_indices": 0}, [[0, -1, 2]]),
    "a mask": ({"mask_token": 4}, [[2, 0, 4]]),
    "three places for others": ({"num_oov_indices": 3}, [[3, 1, 5]]),
    "multi_hot": ({"output_mode": "multi_hot"}, [[1, 1, 0, 1]]),
    "count": ({"output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True}, [[1, 1, 0, 1, 0, 0]]),
    "tf_idf": ({"output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 6.0]}, [[3, 1, 0, 6]]),
}


@pytest.mark.parametrize("row", LOOKUPS)
def test_places_in_a_vocabulary_of_integers(row: str) -> None:
    config, expected = LOOKUPS[row]
    result = run_layer("IntegerLookup", {"vocabulary": [3, 5, 7], **config}, np.array([[3, 4, 7]], np.int32))
    assert result.tolist() == expected


def test_a_vocabulary_the_other_way() -> None:
    config = {"vocabulary": [3, 5, 7], "invert": True, "mask_token": 9}
    result = run_layer("IntegerLookup", config, np.array([[0, 1, 2, 4, 5, -3]], np.int32))
    assert result.tolist() == [[9, -1, 3, 7, -1, -1]]


def test_a_vocabulary_that_is_not_in_the_file() -> None:
    with pytest.raises(UnsupportedOpError, match=r"layer' \(IntegerLookup\): its configuration holds no vocabulary"):
        run_layer("IntegerLookup", {"vocabulary": None}, np.array([[1]], np.int32))


WORDS = np.array([[b"a", b"bb", b"zz"], [b"ccc", b"", b"e2"]], object)
# What tf_keras 2.19 and Keras 3.15 return for these words.
TEXTS: dict[str, tuple[str, dict[str, Any], list[list[float]]]] = {
    "int": ("StringLookup", {"vocabulary": ["a", "bb", "ccc"]}, [[1, 2, 0], [3, 0, 0]]),
    "others by their hashes": (
        "StringLookup", {"vocabulary": ["a", "bb"], "num_oov_indices": 3, "mask_token": ""}, [[4, 5, 2], [1, 0, 2]],
    ),
    "multi_hot": ("StringLookup", {"vocabulary": ["a", "bb"], "output_mode": "multi_hot"}, [[1, 1, 1], [1, 0, 0]]),
    "count": (
        "StringLookup", {"vocabulary": ["a", "bb"], "output_mode": "count", "num_oov_indices": 2},
        [[1, 0, 1, 1], [0, 3, 0, 0]],
    ),
    "bins": ("Hashing", {"num_bins": 7}, [[5, 1, 1], [3, 6, 0]]),
    "bins behind a mask": ("Hashing", {"num_bins": 5, "mask_value": ""}, [[4, 3, 3], [2, 0, 4]]),
}  # fmt: skip


@pytest.mark.parametrize("row", TEXTS)
def test_places_and_bins_of_strings(row: str) -> None:
    class_name, config, expected = TEXTS[row]
    assert run_layer(class_name, config, WORDS).tolist() == expected


def test_bins_of_numbers_and_strings_of_places() -> None:
    numbers = np.array([[3, -5, 100000]], np.int32)
    assert run_layer("Hashing", {"num_bins": 9}, numbers).tolist() == [[3, 0, 4]]
    one_hot = run_layer("Hashing", {"num_bins": 4, "output_mode": "one_hot"}, WORDS[:, :1])
    assert one_hot.tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]
    config = {"vocabulary": ["a", "bb"], "invert": True}
    found = run_layer("StringLookup", config, np.array([[0, 1, 2], [3, -2, 1]], np.int32))
    assert found.tolist() == [[b"[UNK]", b"a", b"bb"], [b"[UNK]", b"[UNK]", b"a"]]


def test_hashes_that_cannot_be_taken() -> None:
    with pytest.raises(UnsupportedOpError, match="salt"):
        run_layer("Hashing", {"num_bins": 4, "salt": 3}, WORDS)
    with pytest.raises(UnsupportedOpError, match="looks up strings"):
        run_layer("StringLookup", {"vocabulary": ["a"]}, np.array([[1]], np.int32))


SENTENCES = np.array([[b"The cat, the DOG!"], [b"  a   dog.. runs\tfar away "], [b""]], object)
# What tf_keras 2.19 and Keras 3.15 return for these sentences and the vocabulary the, dog, cat, runs.
VECTORS: dict[str, tuple[dict[str, Any], list[list[float]]]] = {
    "int": ({}, [[2, 4, 2, 3, 0], [1, 3, 5, 1, 1], [0, 0, 0, 0, 0]]),
    "cut": ({"output_sequence_length": 3}, [[2, 4, 2], [1, 3, 5], [0, 0, 0]]),
    "filled up": (
        {"output_sequence_length": 9, "standardize": "lower"},
        [[2, 1, 2, 1, 0, 0, 0, 0, 0], [1, 1, 5, 1, 1, 0, 0, 0, 0], [0] * 9],
    ),
    "multi_hot": ({"output_mode": "multi_hot"}, [[0, 1, 1, 1, 0], [1, 0, 1, 0, 1], [0] * 5]),
    "count": (
        {"output_mode": "count", "max_tokens": 8, "pad_to_max_tokens": True},
        [[0, 2, 1, 1, 0, 0, 0, 0], [3, 0, 1, 0, 1, 0, 0, 0], [0] * 8],
    ),
    "tf_idf": (
        {"output_mode": "tf_idf", "idf_weights": [0.5, 1.0, 2.0, 0.25]},
        [[0, 1, 1, 2, 0], [2.8125, 0, 1, 0, 0.25], [0] * 5],
    ),
}


@pytest.mark.parametrize("row", VECTORS)
def test_texts_as_vectors(row: str) -> None:
    config, expected = VECTORS[row]
    standard = {"standardize": "lower_and_strip_punctuation", "split": "whitespace"}
    given = {"vocabulary": ["the", "dog", "cat", "runs"], **standard, **config}
    assert run_layer("TextVectorization", given, SENTENCES).tolist() == expected


def test_texts_that_are_not_split() -> None:
    config = {"vocabulary": ["dog", "cat"], "standardize": "strip_punctuation", "split": None}
    words = np.array([[b"dog!"], [b"cat"], [b"x"]], object)
    assert run_layer("TextVectorization", config, words).tolist() == [[2], [3], [1]]
    for refused in ({"ngrams": 2}, {"ragged": True}, {"split": "character"}):
        with pytest.raises(UnsupportedOpError, match="not supported"):
            run_layer("TextVectorization", {"vocabulary": ["a"], "standardize": None, **refused}, words)
