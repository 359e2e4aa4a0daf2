"""Which output ``node:argument:index`` means, as functions of GraphDefs name the outputs of their nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import AttrValue

# Ops with several output arguments, for files that do not list the ops they use. `*` stands before the
# attribute that says how many outputs an argument has (a number, or a list of dtypes).
_KNOWN = {
    "BatchNormWithGlobalNormalizationGrad": "dx dm dv db dg",
    "BoostedTreesSparseCalculateBestFeatureSplit": "node_ids gains",
    "CombinedNonMaxSuppression": "nmsed_boxes nmsed_scores nmsed_classes valid_detections",
    "CTCBeamSearchDecoder": "decoded_indices*top_paths decoded_values*top_paths decoded_shape*top_paths "
    "log_probability",
    "CTCGreedyDecoder": "decoded_indices decoded_values decoded_shape log_probability",
    "CTCLoss": "loss gradient",
    "CudnnRNN": "output output_h output_c reserve_space",
    "CudnnRNNV2": "output output_h output_c reserve_space host_reserved",
    "CudnnRNNV3": "output output_h output_c reserve_space host_reserved",
    "DenseCountSparseOutput": "output_indices output_values output_dense_shape",
    "FractionalAvgPool": "output row_pooling_sequence col_pooling_sequence",
    "FractionalMaxPool": "output row_pooling_sequence col_pooling_sequence",
    "FusedBatchNorm": "y batch_mean batch_variance reserve_space_1 reserve_space_2",
    "FusedBatchNormV2": "y batch_mean batch_variance reserve_space_1 reserve_space_2",
    "FusedBatchNormV3": "y batch_mean batch_variance reserve_space_1 reserve_space_2 reserve_space_3",
    "GenerateBoundingBoxProposals": "rois roi_probabilities",
    "GRUBlockCell": "r u c h",
    "ListDiff": "out idx",
    "LogMatrixDeterminant": "sign log_abs_determinant",
    "LookupTableExport": "keys values",
    "LookupTableExportV2": "keys values",
    "LSTMBlockCell": "i cs f o ci co h",
    "BlockLSTM": "i cs f o ci co h",
    "BlockLSTMV2": "i cs f o ci co h",
    "Lu": "lu p",
    "MaxPoolWithArgmax": "output argmax",
    "Merge": "output value_index",
    "NonMaxSuppressionV4": "selected_indices valid_outputs",
    "NonMaxSuppressionV5": "selected_indices selected_scores valid_outputs",
    "ParseExample": "sparse_indices*Nsparse sparse_values*sparse_types sparse_shapes*Nsparse dense_values*Tdense",
    "ParseExampleV2": "sparse_indices*num_sparse sparse_values*sparse_types sparse_shapes*num_sparse "
    "dense_values*Tdense ragged_values*ragged_value_types ragged_row_splits*ragged_split_types",
    "ParseSingleExample": "sparse_indices*num_sparse sparse_values*sparse_types sparse_shapes*num_sparse "
    "dense_values*Tdense",
    "Qr": "q r",
    "QuantizedConv2D": "output min_output max_output",
    "QuantizedMatMul": "out min_out max_out",
    "QuantizeV2": "output output_min output_max",
    "RaggedCountSparseOutput": "output_indices output_values output_dense_shape",
    "RaggedGather": "output_nested_splits*OUTPUT_RAGGED_RANK output_dense_values",
    "RaggedRange": "rt_nested_splits rt_dense_values",
    "RaggedTensorFromVariant": "output_nested_splits*output_ragged_rank output_dense_values",
    "RaggedTensorToSparse": "sparse_indices sparse_values sparse_dense_shape",
    "RefMerge": "output value_index",
    "RefSwitch": "output_false output_true",
    "SampleDistortedBoundingBox": "begin size bboxes",
    "SampleDistortedBoundingBoxV2": "begin size bboxes",
    "SelfAdjointEigV2": "e v",
    "SoftmaxCrossEntropyWithLogits": "loss backprop",
    "SparseConcat": "output_indices output_values output_shape",
    "SparseCountSparseOutput": "output_indices output_values output_dense_shape",
    "SparseCross": "output_indices output_values output_shape",
    "SparseCrossHashed": "output_indices output_values output_shape",
    "SparseCrossV2": "output_indices output_values output_shape",
    "SparseFillEmptyRows": "output_indices output_values empty_row_indicator reverse_index_map",
    "SparseReduceSumSparse": "output_indices output_values output_shape",
    "SparseReorder": "output_indices output_values",
    "SparseReshape": "output_indices output_shape",
    "SparseSlice": "output_indices output_values output_shape",
    "SparseSoftmaxCrossEntropyWithLogits": "loss backprop",
    "SparseSplit": "output_indices*num_split output_values*num_split output_shape*num_split",
    "SparseToSparseSetOperation": "result_indices result_values result_shape",
    "DenseToDenseSetOperation": "result_indices result_values result_shape",
    "DenseToSparseSetOperation": "result_indices result_values result_shape",
    "StatelessRandomGetKeyCounter": "key counter",
    "StatelessRandomGetKeyCounterAlg": "key counter alg",
    "StatelessSampleDistortedBoundingBox": "begin size bboxes",
    "StringNGrams": "ngrams ngrams_splits",
    "StringSplit": "indices values shape",
    "StringSplitV2": "indices values shape",
    "Svd": "s u v",
    "Switch": "output_false output_true",
    "TensorArrayConcatV2": "value lengths",
    "TensorArrayConcatV3": "value lengths",
    "TensorArrayGradV3": "grad_handle flow_out",
    "TensorArrayV3": "handle flow",
    "TensorListConcat": "tensor lengths",
    "TensorListConcatV2": "tensor lengths",
    "TensorListPopBack": "output_handle tensor",
    "TopK": "values indices",
    "TopKV2": "values indices",
    "UnicodeDecode": "row_splits char_values",
    "UnicodeDecodeWithOffsets": "row_splits char_values char_to_byte_starts",
    "Unique": "y idx",
    "UniqueV2": "y idx",
    "UniqueWithCounts": "y idx count",
    "UniqueWithCountsV2": "y idx count",
    "WholeFileReaderV2": "key value",
}


class OutputArguments:
    """Positions of output arguments: from the file's own list of ops, else from what is known of TensorFlow's."""

    def __init__(self, op_list: Iterable[Any] = ()) -> None:
        """``op_list``: the OpDef messages that the file brings along."""
        self._ops: dict[str, list[tuple[str, str]]] = {
            op: [(part.partition("*")[0], part.partition("*")[2]) for part in text.split()]
            for op, text in _KNOWN.items()
        }
        for definition in op_list:
            self._ops[definition.name] = [
                (argument.name, argument.number_attr or argument.type_list_attr) for argument in definition.output_arg
            ]
        self._guessed: dict[str, str] = {}

    def position(self, op: str, attrs: Mapping[str, AttrValue], argument: str, index: int, place: str) -> int:
        """The number of the output among all of the node; ModelFormatError when it cannot be told.

        >>> OutputArguments().position("TopKV2", {}, "indices", 0, "node 'top'")
        1
        """
        position = 0
        for name, count in self._ops.get(op, ()):
            if name == argument:
                return position + index
            position += _outputs(attrs.get(count), count, place) if count else 1
        if op in self._ops:
            raise ModelFormatError(f"{place}: op {op} has no output called {argument!r}")
        if not re.fullmatch(r"\w+", argument) or self._guessed.setdefault(op, argument) != argument:
            raise ModelFormatError(f"{place}: op {op} is unknown, so its output {argument!r} cannot be found")
        # An op that nothing tells of and of which one output name is used: most ops have one argument.
        return index


def _outputs(value: AttrValue, attr: str, place: str) -> int:
    if isinstance(value, list):
        return len(value)
    if isinstance(value, int) and value >= 0:
        return value
    raise ModelFormatError(f"{place}: attribute {attr!r} should say how many outputs there are, got {value!r}")
