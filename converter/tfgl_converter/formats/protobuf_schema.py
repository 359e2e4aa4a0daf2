"""The protobuf messages of TensorFlow's files, as far as the readers use them, in a pool of their own.

TensorFlow registers messages of the same names in the default pool; a private pool lets both live in one
process. Field numbers and types are those of the public .proto files (tensorflow/core/framework and
tensorflow/core/protobuf); fields that are not listed are skipped while parsing.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tensorflow"

# A message per line group: `name number type`, `*` after the type for repeated, `map<K,V>` for maps, and
# `oneof` fields by a trailing `|group`.
_MESSAGES: dict[str, str] = {
    "VersionDef": "producer 1 int32, min_consumer 2 int32, bad_consumers 3 int32*",
    "TensorShapeProto": "dim 2 TensorShapeProto.Dim*, unknown_rank 3 bool",
    "TensorShapeProto.Dim": "size 1 int64, name 2 string",
    "TensorProto": """dtype 1 DataType, tensor_shape 2 TensorShapeProto, version_number 3 int32,
        tensor_content 4 bytes, float_val 5 float*, double_val 6 double*, int_val 7 int32*, string_val 8 bytes*,
        scomplex_val 9 float*, int64_val 10 int64*, bool_val 11 bool*, dcomplex_val 12 double*, half_val 13 int32*,
        uint32_val 16 uint32*, uint64_val 17 uint64*, float8_val 18 bytes""",
    "AttrValue": """list 1 AttrValue.ListValue|value, s 2 bytes|value, i 3 int64|value, f 4 float|value,
        b 5 bool|value, type 6 DataType|value, shape 7 TensorShapeProto|value, tensor 8 TensorProto|value,
        placeholder 9 string|value, func 10 NameAttrList|value""",
    "AttrValue.ListValue": """s 2 bytes*, i 3 int64*, f 4 float*, b 5 bool*, type 6 DataType*,
        shape 7 TensorShapeProto*, tensor 8 TensorProto*, func 9 NameAttrList*""",
    "NameAttrList": "name 1 string, attr 2 map<string,AttrValue>",
    "NodeDef": "name 1 string, op 2 string, input 3 string*, device 4 string, attr 5 map<string,AttrValue>",
    "OpDef": """name 1 string, input_arg 2 OpDef.ArgDef*, output_arg 3 OpDef.ArgDef*, attr 4 OpDef.AttrDef*,
        is_stateful 17 bool, control_output 20 string*""",
    "OpDef.ArgDef": """name 1 string, type 3 DataType, type_attr 4 string, number_attr 5 string,
        type_list_attr 6 string, is_ref 16 bool""",
    "OpDef.AttrDef": "name 1 string, type 2 string, default_value 3 AttrValue",
    "OpList": "op 1 OpDef*",
    "FunctionDef": """signature 1 OpDef, node_def 3 NodeDef*, ret 4 map<string,string>,
        attr 5 map<string,AttrValue>, control_ret 6 map<string,string>, arg_attr 7 map<uint32,FunctionDef.ArgAttrs>""",
    "FunctionDef.ArgAttrs": "attr 1 map<string,AttrValue>",
    "FunctionDefLibrary": "function 1 FunctionDef*",
    "GraphDef": "node 1 NodeDef*, library 2 FunctionDefLibrary, version 3 int32, versions 4 VersionDef",
    "TensorInfo": """name 1 string|encoding, dtype 2 DataType, tensor_shape 3 TensorShapeProto,
        coo_sparse 4 TensorInfo.CooSparse|encoding, composite_tensor 5 TensorInfo.CompositeTensor|encoding""",
    "TensorInfo.CooSparse": """values_tensor_name 1 string, indices_tensor_name 2 string,
        dense_shape_tensor_name 3 string""",
    "TensorInfo.CompositeTensor": "components 2 TensorInfo*",
    "SignatureDef": "inputs 1 map<string,TensorInfo>, outputs 2 map<string,TensorInfo>, method_name 3 string",
    "AssetFileDef": "tensor_info 1 TensorInfo, filename 2 string",
    "SaverDef": """filename_tensor_name 1 string, save_tensor_name 2 string, restore_op_name 3 string,
        sharded 5 bool, version 7 int32""",
    "CollectionDef": """node_list 1 CollectionDef.NodeList|kind, bytes_list 2 CollectionDef.BytesList|kind,
        int64_list 3 CollectionDef.Int64List|kind, float_list 4 CollectionDef.FloatList|kind,
        any_list 5 CollectionDef.AnyList|kind""",
    "CollectionDef.NodeList": "value 1 string*",
    "CollectionDef.BytesList": "value 1 bytes*",
    "CollectionDef.Int64List": "value 1 int64*",
    "CollectionDef.FloatList": "value 1 float*",
    "CollectionDef.AnyList": "value 1 AnyValue*",
    # google.protobuf.Any under a name of this pool.
    "AnyValue": "type_url 1 string, value 2 bytes",
    "VariableDef": """variable_name 1 string, initializer_name 2 string, snapshot_name 3 string,
        save_slice_info_def 4 SaveSliceInfoDef, is_resource 5 bool, initial_value_name 6 string""",
    "SaveSliceInfoDef": "full_name 1 string, full_shape 2 int64*, var_offset 3 int64*, var_shape 4 int64*",
    "MetaGraphDef": """meta_info_def 1 MetaGraphDef.MetaInfoDef, graph_def 2 GraphDef, saver_def 3 SaverDef,
        collection_def 4 map<string,CollectionDef>, signature_def 5 map<string,SignatureDef>,
        asset_file_def 6 AssetFileDef*, object_graph_def 7 SavedObjectGraph""",
    "MetaGraphDef.MetaInfoDef": """meta_graph_version 1 string, stripped_op_list 2 OpList, tags 4 string*,
        tensorflow_version 5 string, tensorflow_git_version 6 string, stripped_default_attrs 7 bool,
        function_aliases 8 map<string,string>""",
    "SavedModel": "saved_model_schema_version 1 int64, meta_graphs 2 MetaGraphDef*",
    "ObjectReference": "node_id 1 int32, local_name 2 string",
    "SavedObjectGraph": "nodes 1 SavedObject*, concrete_functions 2 map<string,SavedConcreteFunction>",
    "SavedObject": """children 1 ObjectReference*, user_object 4 SavedUserObject|kind, asset 5 SavedAsset|kind,
        function 6 SavedFunction|kind, variable 7 SavedVariable|kind,
        bare_concrete_function 8 SavedBareConcreteFunction|kind, constant 9 SavedConstant|kind,
        resource 10 SavedResource|kind, captured_tensor 12 CapturedTensor|kind, registered_name 13 string""",
    "SavedUserObject": "identifier 1 string, version 2 VersionDef, metadata 3 string",
    "SavedAsset": "asset_file_def_index 1 int32",
    "SavedFunction": "concrete_functions 1 string*, function_spec 2 FunctionSpec",
    "FunctionSpec": "fullargspec 1 StructuredValue, is_method 2 bool, input_signature 5 StructuredValue",
    "SavedConcreteFunction": """bound_inputs 2 int32*, canonicalized_input_signature 3 StructuredValue,
        output_signature 4 StructuredValue""",
    "SavedBareConcreteFunction": """concrete_function_name 1 string, argument_keywords 2 string*,
        allowed_positional_arguments 3 int64""",
    "SavedConstant": "operation 1 string",
    "CapturedTensor": "name 1 string, concrete_function 2 string",
    "SavedVariable": """dtype 1 DataType, shape 2 TensorShapeProto, trainable 3 bool, name 6 string, device 7 string,
        experimental_distributed_variable_components 8 SavedVariable*""",
    "SavedResource": "device 1 string",
    "StructuredValue": """none_value 1 NoneValue|kind, float64_value 11 double|kind, int64_value 12 sint64|kind,
        string_value 13 string|kind, bool_value 14 bool|kind, tensor_shape_value 31 TensorShapeProto|kind,
        tensor_dtype_value 32 DataType|kind, tensor_spec_value 33 TensorSpecProto|kind,
        type_spec_value 34 TypeSpecProto|kind, bounded_tensor_spec_value 35 TensorSpecProto|kind,
        list_value 51 ListValue|kind, tuple_value 52 ListValue|kind, dict_value 53 DictValue|kind,
        named_tuple_value 54 NamedTupleValue|kind""",
    "NoneValue": "",
    "ListValue": "values 1 StructuredValue*",
    "DictValue": "fields 1 map<string,StructuredValue>",
    "PairValue": "key 1 string, value 2 StructuredValue",
    "NamedTupleValue": "name 1 string, values 2 PairValue*",
    "TensorSpecProto": "name 1 string, shape 2 TensorShapeProto, dtype 3 DataType",
    "TypeSpecProto": "type_spec_class 1 int32, type_state 2 StructuredValue, type_spec_class_name 3 string",
    "TrackableObjectGraph": "nodes 1 TrackableObjectGraph.TrackableObject*",
    "TrackableObjectGraph.TrackableObject": """children 1 ObjectReference*,
        attributes 2 TrackableObjectGraph.SerializedTensor*""",
    "TrackableObjectGraph.SerializedTensor": """name 1 string, full_name 2 string, checkpoint_key 3 string,
        optional_restore 4 bool""",
    # What Keras calls SavedMetadata and SavedObject; the latter's name is taken.
    "KerasMetadata": "nodes 1 KerasMetadata.Object*",
    "KerasMetadata.Object": """node_id 2 int32, node_path 3 string, identifier 4 string, metadata 5 string,
        version 6 VersionDef""",
    "BundleHeaderProto": "num_shards 1 int32, endianness 2 int32, version 3 VersionDef",
    "BundleEntryProto": """dtype 1 DataType, shape 2 TensorShapeProto, shard_id 3 int32, offset 4 int64,
        size 5 int64, crc32c 6 fixed32, slices 7 TensorSliceProto*""",
    "TensorSliceProto": "extent 1 TensorSliceProto.Extent*",
    "TensorSliceProto.Extent": "start 1 int64, length 2 int64|has_length",
}  # fmt: skip

_DATA_TYPES = re.findall(
    r"\w+",
    "INVALID FLOAT DOUBLE INT32 UINT8 INT16 INT8 STRING COMPLEX64 INT64 BOOL QINT8 QUINT8 QINT32 BFLOAT16 QINT16 "
    "QUINT16 UINT16 COMPLEX128 HALF RESOURCE VARIANT UINT32 UINT64 FLOAT8_E5M2 FLOAT8_E4M3FN FLOAT8_E4M3FNUZ "
    "FLOAT8_E4M3B11FNUZ FLOAT8_E5M2FNUZ INT4 UINT4 INT2 UINT2",
)

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, Any] = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "int32": _Field.TYPE_INT32,
    "fixed32": _Field.TYPE_FIXED32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "uint32": _Field.TYPE_UINT32,
    "sint64": _Field.TYPE_SINT64,
}
_FIELD = re.compile(r"(\w+) (\d+) (map<(\w+),([\w.]+)>|[\w.]+)(\*?)(?:\|(\w+))?")


@cache
def message_class(name: str) -> Any:
    """The class of TensorFlow's message ``name``, such as ``GraphDef`` or ``AttrValue.ListValue``.

    >>> message_class("VersionDef").FromString(bytes([8, 7])).producer
    7
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@lru_cache(maxsize=1)
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="tfgl/tensorflow.proto", package=_PACKAGE, syntax="proto3")
    types = file.enum_type.add(name="DataType")
    for number, name in enumerate(_DATA_TYPES):
        types.value.add(name=f"DT_{name}", number=number)
    for number, name in enumerate(_DATA_TYPES[1:], start=1):
        types.value.add(name=f"DT_{name}_REF", number=number + 100)
    messages: dict[str, descriptor_pb2.DescriptorProto] = {}
    for path in _MESSAGES:
        outer, _, inner = path.rpartition(".")
        messages[path] = messages[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=path)
    for path, fields in _MESSAGES.items():
        for text in filter(None, (part.strip() for part in re.split(r",(?![\w.]+>)", fields))):
            _add_field(messages[path], path, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, path: str, text: str) -> None:
    match = _FIELD.fullmatch(text)
    assert match is not None, f"{path}: {text!r}"
    name, number, kind, map_key, map_value, repeated, oneof = match.groups()
    field = message.field.add(name=name, number=int(number))
    field.label = _Field.LABEL_REPEATED if repeated or map_key else _Field.LABEL_OPTIONAL
    if map_key:
        entry_name = "".join(word.capitalize() for word in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _set_type(entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL), map_key)
        _set_type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), map_value)
        _set_type(field, f"{path}.{entry_name}")
    else:
        _set_type(field, kind)
    if oneof:
        groups = [group.name for group in message.oneof_decl]
        if oneof not in groups:
            message.oneof_decl.add(name=oneof)
            groups.append(oneof)
        field.oneof_index = groups.index(oneof)


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_ENUM if kind == "DataType" else _Field.TYPE_MESSAGE
    field.type_name = f".{_PACKAGE}.{kind}"
