import { fileURLToPath } from 'node:url';

import { loadPackageDefinition, type GrpcObject } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';

import type { ProtoGrpcType as InspectionType } from './generated/inspection.js';
import type { ProtoGrpcType as LineType } from './generated/line.js';
import type { ProtoGrpcType as ModelType } from './generated/model.js';
import type { ProtoGrpcType as RecipeType } from './generated/recipe.js';
import type { ProtoGrpcType as ReportType } from './generated/report.js';
import type { ProtoGrpcType as TuningType } from './generated/tuning.js';

type Types = InspectionType & LineType & ModelType & RecipeType & ReportType & TuningType;

const folder = fileURLToPath(new URL('proto/', import.meta.url));
const files = ['inspection', 'line', 'model', 'recipe', 'report', 'tuning'].map((name) => `inspectd/v1/${name}.proto`);

// The options are those of tools/build.mjs, which generates the types.
const definition = loadSync([...files, 'google/rpc/status.proto'], {
  includeDirs: [folder],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});

/** The services of the package `inspectd.v1`. */
export const services = (loadPackageDefinition(definition) as GrpcObject & Types).inspectd.v1;

/** `google.rpc.Status`, in the trailer of a refused call. */
export interface RpcStatus {
  details: { typeUrl: string; value: Buffer }[];
}

/** `google.rpc.ErrorInfo`. */
export interface ErrorInfo {
  reason: string;
  domain: string;
  metadata: Record<string, string>;
}

function decoder<T>(name: string): (bytes: Buffer) => T {
  const message = definition[name] as MessageTypeDefinition<object, object>;
  return (bytes) => message.deserialize(bytes) as T;
}

/** Decodes `google.rpc.Status`. */
export const decodeStatus = decoder<RpcStatus>('google.rpc.Status');
/** Decodes `google.rpc.ErrorInfo`. */
export const decodeErrorInfo = decoder<ErrorInfo>('google.rpc.ErrorInfo');
