/**
 * Client of the inspection daemon inspectd.
 *
 * The messages are those of the package `inspectd.v1`, with the names of their fields in camel case, 64-bit integers as
 * numbers, and enums as strings. A value of an enum that this version does not know is a number.
 */

export { status as Code } from '@grpc/grpc-js';
export type { Backoff } from './backoff.js';
export { Client, type ClientOptions, type VerdictsOptions } from './client.js';
export type { CredentialOptions } from './credentials.js';
export { InspectdError, type KeptRange } from './errors.js';
export { VerdictStream, type StreamEvent, type StreamOptions } from './stream.js';
export type { Trigger } from './trigger.js';
export type { Decision } from './generated/inspectd/v1/Decision.js';
export type { FaultReason } from './generated/inspectd/v1/FaultReason.js';
export type { GetEvidenceResponse } from './generated/inspectd/v1/GetEvidenceResponse.js';
export type { Heartbeat } from './generated/inspectd/v1/Heartbeat.js';
export type { Status } from './generated/inspectd/v1/Status.js';
export type { TriggerInspectionResponse } from './generated/inspectd/v1/TriggerInspectionResponse.js';
export type { Verdict } from './generated/inspectd/v1/Verdict.js';
