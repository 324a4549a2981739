// The client with a real daemon. INSPECTD_TEST_PROGRAM is the daemon, INSPECTD_TEST_CONFIG its configuration: a journal, a
// camera `belt` whose frames are PASS, REJECT and REVIEW in turn, a log in JSON, a free port. `make test` sets them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { Client, Code } from 'inspectd-client';

const { INSPECTD_TEST_PROGRAM: program, INSPECTD_TEST_CONFIG: config } = process.env;
assert.ok(program && config, 'INSPECTD_TEST_PROGRAM and INSPECTD_TEST_CONFIG must be set');

/** Starts the daemon and waits until it is ready. */
async function start(listen = '127.0.0.1:0') {
  const env = { ...process.env, INSPECTD__SERVER__LISTEN: listen };
  const child = spawn(program, ['--config', config], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let address;
  for await (const line of createInterface({ input: child.stderr })) {
    const { message, address: bound } = JSON.parse(line);
    if (message === 'server.listen') address = bound;
    if (message === 'ready') break;
  }
  assert.ok(address, 'the daemon exited');
  child.stderr.resume();
  return { child, address };
}

async function stop({ child }, signal) {
  child.kill(signal);
  await once(child, 'exit');
}

let daemon;
let client;

before(async () => {
  daemon = await start();
  client = new Client({ address: daemon.address });
});

after(async () => {
  await client?.close();
  if (daemon) await stop(daemon, 'SIGTERM');
});

/** Takes this number of items, and leaves the loop. */
async function take(items, count) {
  const taken = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

const sequences = (verdicts) => verdicts.map((verdict) => verdict.sequence);

test('a loop that is left is continued with the verdict that it did not finish', async () => {
  const first = await take(client.verdicts({ consumer: 'loop' }), 5);
  assert.deepEqual(sequences(first), [1, 2, 3, 4, 5]);
  const [pass, reject] = ['DECISION_PASS', 'DECISION_REJECT'].map((wanted) =>
    first.find(({ decision }) => decision === wanted),
  );
  assert.ok(pass.score.value < reject.score.value && reject.score.value > reject.score.threshold);
  assert.ok(reject.regions.length === 1 && reject.model.sha256.length === 64);
  const second = await take(client.verdicts({ consumer: 'loop' }), 2);
  assert.deepEqual(sequences(second), [5, 6]);
});

test('filtered verdicts and those from a time are the ones of the journal', async () => {
  const rejects = await take(client.verdicts({ fromSequence: 0, decisions: ['DECISION_REJECT'] }), 3);
  assert.ok(rejects.every(({ decision }) => decision === 'DECISION_REJECT'));
  const { verdicts } = await client.call((...call) =>
    client.inspection.ListVerdicts({ decisions: ['DECISION_REJECT'], order: 'SORT_ORDER_OLDEST_FIRST', pageSize: 3 }, ...call),
  );
  assert.deepEqual(sequences(rejects), sequences(verdicts));
  const { seconds, nanos } = rejects[1].recordTime;
  const fromTime = new Date(seconds * 1000 + Math.ceil(nanos / 1e6) + 1);
  const [later] = await take(client.verdicts({ fromTime }), 1);
  assert.ok(later.sequence > rejects[1].sequence);
});

test('an aborted signal ends the loop', async () => {
  const abort = new AbortController();
  let count = 0;
  for await (const verdict of client.verdicts({ signal: abort.signal, cameraIds: ['belt'] })) {
    assert.equal(verdict.cameraId, 'belt');
    count += 1;
    if (count === 3) abort.abort();
  }
  assert.ok(count >= 3);
});

test('an unknown camera ends the loop with NOT_FOUND', async () => {
  await assert.rejects(take(client.verdicts({ cameraIds: ['absent'] }), 1), (error) => {
    assert.deepEqual([error.code, error.codeName, error.transient], [Code.NOT_FOUND, 'NOT_FOUND', false]);
    return true;
  });
});

test('a sequence that was never assigned ends the loop with the range that is kept', async () => {
  await assert.rejects(take(client.verdicts({ fromSequence: 1e9 }), 1), (error) => {
    assert.equal(error.code, Code.OUT_OF_RANGE);
    assert.equal(error.keptRange.oldestSequence, 1);
    assert.ok(error.keptRange.newestSequence > 5);
    return true;
  });
});

test('a frame and its anomaly map are PNG files', async () => {
  const [reject] = await take(client.verdicts({ decisions: ['DECISION_REJECT'] }), 1);
  const { verdict, frame, heatmap } = await client.evidence({ sequence: reject.sequence });
  assert.equal(verdict.sequence, reject.sequence);
  for (const picture of [frame, heatmap]) assert.equal(picture.subarray(1, 4).toString(), 'PNG');
});

test('a stream outlives a killed daemon, in the order of the journal', async () => {
  const stream = client.stream({ consumer: 'kill' });
  const seen = [];
  const kinds = new Set();
  let restarted;
  for await (const event of stream) {
    kinds.add(event.type);
    if (event.type !== 'verdict') continue;
    seen.push(event.verdict.sequence);
    assert.equal(event.epoch, 1);
    stream.acknowledge(event.verdict.sequence);
    if (seen.length === 20) {
      await stop(daemon, 'SIGKILL');
      restarted = start(daemon.address).then((started) => (daemon = started));
    }
    if (seen.length === 60) break;
  }
  await restarted;
  assert.deepEqual(seen, Array.from({ length: 60 }, (_, index) => index + 1));
  assert.ok(kinds.has('disconnected') && kinds.has('reconnected') && kinds.has('heartbeat'), [...kinds].join());
  const { consumers } = await client.call((...call) => client.inspection.ListConsumers({}, ...call));
  assert.equal(consumers.find(({ name }) => name === 'kill').acknowledged, 60);
});
