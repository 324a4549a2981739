import { randomUUID } from 'node:crypto';

import { status } from '@grpc/grpc-js';

import { pauseMs, type Backoff } from './backoff.js';
import { InspectdError } from './errors.js';
import type { TriggerInspectionRequestInput } from './generated/inspectd/v1/TriggerInspectionRequest.js';
import { sleep } from './sleep.js';

/** A request to inspect the next frame of a camera, or of all cameras of a group, in mode `requested`. */
export interface Trigger {
  /** The id of the camera. Either it or `groupId` must be set. */
  cameraId?: string;
  /** The id of the group. */
  groupId?: string;
  /** The id of the part, copied to the verdict; at most 128 bytes. */
  partId?: string;
  /** Data of the client, copied to the verdict; at most 4096 bytes. */
  clientData?: Uint8Array;
  /**
   * Identifies the request: a request with the key of an earlier one is the same request, also after a restart of this
   * program or of the daemon. At most 128 bytes. A random UUID if unset, which covers repetitions within this call only.
   */
  idempotencyKey?: string;
  /** A prepared recipe that judges the frames of this request. The active recipe if unset. */
  recipeId?: string;
  /** SHA-256 of that recipe. The content that was prepared last if unset. */
  recipeSha256?: string;
  /** Whether to wait for the verdict. True if unset. */
  wait?: boolean;
  /** The time for the whole call with its repetitions, milliseconds. 10 s if unset. */
  deadlineMs?: number;
}

/** Statuses of a lost connection: the daemon may have the request, or not. */
const LOST: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.CANCELLED, status.UNKNOWN, status.INTERNAL]);

/** Returns the message of a trigger. */
export function triggerRequest(trigger: Trigger): TriggerInspectionRequestInput {
  const { deadlineMs, ...fields } = trigger;
  return { ...fields, idempotencyKey: trigger.idempotencyKey ?? randomUUID(), wait: trigger.wait ?? true };
}

/** Calls `attempt` until it answers, the daemon refuses, or `end` (milliseconds since the epoch) has passed. */
export async function repeatUntil<T>(end: number, backoff: Backoff, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const pause = pauseMs(backoff, failures);
      if (!(error instanceof InspectdError) || !LOST.has(error.code) || Date.now() + pause >= end) {
        throw error;
      }
      await sleep(pause);
    }
  }
}
