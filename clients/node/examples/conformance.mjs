// The program that `inspectctl conformance` tests; docs/conformance.md describes its lines.
//
//   inspectctl conformance -- node clients/node/examples/conformance.mjs {address}
//
// The address may have a scheme. The environment names the files of a daemon with access control, as for inspectctl.

import { createInterface } from 'node:readline';

import { Client, InspectdError } from 'inspectd-client';

const DECISIONS = new Map(['PASS', 'REJECT', 'REVIEW', 'FAULT'].map((name) => [`DECISION_${name}`, name]));
const decision = (verdict) => DECISIONS.get(verdict.decision) ?? 'UNKNOWN';

const [address, task, ...args] = process.argv.slice(2);
const client = Client.fromEnvironment({ address });
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function follow(options, silenceMs) {
  const stream = client.stream({ ...options, silenceMs: Number(silenceMs) });
  for await (const event of stream) {
    if (event.type === 'verdict') {
      console.log(`verdict ${event.epoch} ${event.verdict.sequence} ${decision(event.verdict)}`);
      if ((await input.next()).done) return;
      if (options.consumer !== undefined) stream.acknowledge(event.verdict.sequence);
    } else if (event.type === 'lost') {
      console.log(`loss ${event.first} ${event.last}`);
    } else if (event.type === 'missed') {
      console.log(`missed ${event.count}`);
    } else {
      console.error(event.type, event.error?.message ?? '');
    }
  }
}

async function trigger(cameraId, partId, deadlineMs) {
  const { verdict } = await client.trigger({ cameraId, partId, deadlineMs: Number(deadlineMs) });
  console.log(`triggered ${verdict.sequence} ${decision(verdict)}`);
}

const tasks = {
  consume: (consumer, silenceMs) => follow({ consumer }, silenceMs),
  follow: (sequence, silenceMs) => follow({ fromSequence: Number(sequence) }, silenceMs),
  live: (silenceMs) => follow({ live: true }, silenceMs),
  trigger,
};
try {
  await tasks[task](...args);
} catch (error) {
  if (!(error instanceof InspectdError)) throw error;
  console.error(error.message);
  console.log(`failed ${error.codeName}`);
} finally {
  await client.close();
  process.stdin.destroy();
}
