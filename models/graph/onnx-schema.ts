import protobuf from 'protobufjs';

/**
 * The part of ONNX's own schema (onnx.proto) that a graph of ours uses, with its field numbers. Proto3 syntax: on
 * the wire it is the same, and protobufjs writes every property that is set, zeros included.
 */
const ONNX_FIELDS = `
syntax = "proto3";
package onnx;

message AttributeProto {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 5; GraphProto g = 6;
  repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9; int32 type = 20;
}
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated AttributeProto attribute = 5; string domain = 7;
}
message ModelProto {
  int64 ir_version = 1; string producer_name = 2; string producer_version = 3; GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; string doc_string = 10;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; repeated ValueInfoProto value_info = 13;
}
message TensorProto {
  repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9;
  repeated StringStringEntryProto external_data = 13; int32 data_location = 14;
}
message TensorShapeProto {
  message Dimension { int64 dim_value = 1; string dim_param = 2; }
  repeated Dimension dim = 1;
}
message TypeProto {
  message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; }
  Tensor tensor_type = 1;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
`;

export interface OnnxAttribute {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  floats?: number[];
  ints?: number[];
}

export interface OnnxNode {
  input: string[];
  output: string[];
  name: string;
  op_type: string;
  attribute: OnnxAttribute[];
  domain: string;
}

export interface OnnxTensor {
  dims: number[];
  data_type: number;
  name: string;
  raw_data?: Uint8Array;
  external_data?: { key: string; value: string }[];
  data_location?: number;
}

export interface OnnxValueInfo {
  name: string;
  type: {
    tensor_type: { elem_type: number; shape: { dim: ({ dim_value: number } | { dim_param: string })[] } };
  };
}

export interface OnnxModel {
  ir_version: number;
  producer_name: string;
  graph: {
    name: string;
    node: OnnxNode[];
    initializer: OnnxTensor[];
    input: OnnxValueInfo[];
    output: OnnxValueInfo[];
    value_info: OnnxValueInfo[];
  };
  opset_import: { domain: string; version: number }[];
}

let parsedType: protobuf.Type | undefined;

function modelType(): protobuf.Type {
  parsedType ??= protobuf.parse(ONNX_FIELDS, { keepCase: true }).root.lookupType('onnx.ModelProto');
  return parsedType;
}

/** Bytes of an ONNX ModelProto. */
export function encodeModel(model: OnnxModel): Uint8Array {
  // The interfaces above say the same as the schema, so the object needs no conversion.
  return modelType()
    .encode(model as unknown as protobuf.Message)
    .finish();
}

/** Names of the files beside a graph that its weights lie in, from the bytes of its ModelProto. */
export function weightFilesOf(model: Uint8Array): string[] {
  // A message that was read has every repeated field, empty where nothing was written; a message in it may be absent.
  const { graph } = modelType().decode(model) as unknown as {
    graph: Pick<OnnxModel['graph'], 'initializer'> | null;
  };
  const entries = (graph?.initializer ?? []).flatMap((tensor) => tensor.external_data ?? []);
  return [...new Set(entries.filter((entry) => entry.key === 'location').map((entry) => entry.value))];
}
