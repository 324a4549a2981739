// Parts of the client without a daemon.

import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Metadata } from '@grpc/grpc-js';
import { Code, Client, InspectdError } from 'inspectd-client';

import { Acknowledger } from '../dist/acknowledger.js';
import { parseAddress } from '../dist/address.js';
import { DEFAULT_BACKOFF, pauseMs } from '../dist/backoff.js';
import { convertError } from '../dist/errors.js';
import { Position } from '../dist/position.js';

const verdict = (sequence) => (position) => position.isNew({ sequence, runId: 'a' });
const heartbeat = (sequence) => (position) => position.heartbeat({ sequence });
const lost = (firstSequence, lastSequence) => (position) =>
  position.gap({ reason: 'GAP_REASON_LOST', firstSequence, lastSequence });

test('complete addresses are accepted and others rejected', () => {
  for (const [text, target, confidential] of [
    ['127.0.0.1:50051', '127.0.0.1:50051', true],
    ['http://[::1]:50051/', '[::1]:50051', true],
    ['http://localhost:1', 'localhost:1', true],
    ['http://localhost.box:1', 'localhost.box:1', false],
    ['http://192.0.2.1:1', '192.0.2.1:1', false],
    ['https://192.0.2.1:1', '192.0.2.1:1', true],
    ['unix:/run/inspectd.sock', 'unix:/run/inspectd.sock', true],
    ['unix:///run/inspectd.sock', 'unix:/run/inspectd.sock', true],
  ]) {
    const address = parseAddress(text);
    assert.deepEqual([address.target, address.confidential], [target, confidential], text);
  }
  for (const text of ['', 'box', 'http://box', 'ftp://box:1', 'unix:run', 'unix:', 'http://:1', 'http://box:1/x',
    'box:port', 'box:0', 'box:65536', 'http://localhost@box:1', '::1:50051']) {
    assert.throws(() => parseAddress(text), TypeError, text);
  }
});

test('pause doubles up to the maximum', () => {
  assert.deepEqual([0, 1, 4, 5, 100].map((failures) => pauseMs(DEFAULT_BACKOFF, failures)), [250, 500, 4000, 5000, 5000]);
});

test('reconnection requests what follows the last verdict', () => {
  const time = new Date(400_250);
  const consumer = { kind: 'consumer', name: 'mes' };
  for (const [start, messages, expected] of [
    [{ kind: 'live' }, [verdict(7)], {}],
    [{ kind: 'sequence', sequence: 0 }, [], { fromSequence: 0 }],
    [{ kind: 'sequence', sequence: 3 }, [verdict(7)], { fromSequence: 8 }],
    [{ kind: 'sequence', sequence: 3 }, [verdict(7), verdict(0)], { fromSequence: 8 }],
    [{ kind: 'sequence', sequence: 3 }, [verdict(7), lost(8, 90)], { fromSequence: 91 }],
    [{ kind: 'sequence', sequence: 3 }, [heartbeat(90)], { fromSequence: 3 }],
    [{ kind: 'sequence', sequence: 3 }, [heartbeat(90), heartbeat(120)], { fromSequence: 91 }],
    [{ kind: 'time', time }, [], { fromTime: { seconds: 400, nanos: 250e6 } }],
    [{ kind: 'time', time }, [verdict(7)], { fromSequence: 8 }],
    [consumer, [verdict(7)], { consumer: 'mes' }],
  ]) {
    const position = new Position(start);
    position.connected();
    messages.forEach((message) => message(position));
    assert.deepEqual(position.request(), expected, JSON.stringify(start));
  }
});

test('no verdict is new twice, except those without a sequence and those of a live stream', () => {
  const received = (kind) => {
    const position = new Position({ kind, name: 'mes', sequence: 1 });
    return [5, 6, 0, 5, 0, 7].filter((sequence) => position.isNew({ sequence, runId: 'a' }));
  };
  assert.deepEqual(received('consumer'), [5, 6, 0, 0, 7]);
  assert.deepEqual(received('sequence'), [5, 6, 0, 0, 7]);
  assert.deepEqual(received('live'), [5, 6, 0, 5, 0, 7]);
});

test('a received sequence of another run is an error', () => {
  const position = new Position({ kind: 'consumer', name: 'mes' });
  const isNew = (runId, sequence) => position.isNew({ sequence, runId });
  for (const [runId, sequence] of [['a', 1], ['a', 2], ['b', 3], ['b', 7], ['c', 8]]) {
    assert.equal(isNew(runId, sequence), true, `${runId} ${sequence}`);
  }
  for (const [runId, sequence] of [['a', 2], ['b', 3], ['b', 7], ['c', 8]]) {
    assert.equal(isNew(runId, sequence), false, `${runId} ${sequence}`);
  }
  for (const [runId, sequence] of [['d', 1], ['a', 3], ['b', 8]]) {
    assert.throws(() => isNew(runId, sequence), { code: Code.DATA_LOSS }, `${runId} ${sequence}`);
  }
});

test('a position before the kept range continues with the oldest verdict and names what is lost', () => {
  const kept = { oldestSequence: 50, newestSequence: 90 };
  for (const [start, messages, expectedLoss, expectedRequest] of [
    [{ kind: 'sequence', sequence: 3 }, [], { first: 3, last: 49 }, { fromSequence: 50 }],
    [{ kind: 'sequence', sequence: 3 }, [verdict(20)], { first: 21, last: 49 }, { fromSequence: 50 }],
    [{ kind: 'consumer', name: 'mes' }, [], { first: 0, last: 49 }, { consumer: 'mes' }],
    [{ kind: 'consumer', name: 'mes' }, [verdict(20)], { first: 21, last: 49 }, { consumer: 'mes' }],
    // Received, but not acknowledged.
    [{ kind: 'consumer', name: 'mes' }, [verdict(60)], undefined, { consumer: 'mes' }],
  ]) {
    const position = new Position(start);
    messages.forEach((message) => message(position));
    assert.deepEqual(position.outOfRange(kept), expectedLoss);
    assert.deepEqual(position.request(), expectedRequest);
  }
  assert.throws(() => new Position({ kind: 'sequence', sequence: 91 }).outOfRange(kept), RangeError);
});

test('the newest acknowledgement is repeated after an error that may pass', async () => {
  const sent = [];
  const failures = [];
  const send = async (sequence) => {
    sent.push(sequence);
    if (sent.length <= 2) throw new InspectdError(Code.UNAVAILABLE, 'stopping');
  };
  const backoff = { initialMs: 20, maxMs: 40 };
  const acknowledger = new Acknowledger(send, backoff, (sequence) => failures.push(sequence));
  acknowledger.acknowledge(3);
  acknowledger.acknowledge(2);
  await assert.rejects(acknowledger.flush(), { code: Code.UNAVAILABLE });
  acknowledger.acknowledge(9);
  await acknowledger.close();
  acknowledger.acknowledge(10);
  assert.deepEqual(failures, [3]);
  assert.deepEqual([sent[0], sent.at(-1)], [3, 9]);
});

test('an acknowledgement that is refused is not repeated', async () => {
  const sent = [];
  const send = async (sequence) => {
    sent.push(sequence);
    throw new InspectdError(Code.PERMISSION_DENIED, 'another client');
  };
  const acknowledger = new Acknowledger(send, { initialMs: 1, maxMs: 1 }, () => {});
  acknowledger.acknowledge(3);
  await assert.rejects(acknowledger.flush(), { code: Code.PERMISSION_DENIED });
  await acknowledger.close();
  assert.deepEqual(sent, [3]);
});

/** A field of a message: its number, and its bytes or text. */
const field = (number, content) => {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
};

test('the details of an error name its reason and the kept range', () => {
  const entry = (key, value) => field(3, Buffer.concat([field(1, key), field(2, value)]));
  const info = Buffer.concat([field(1, 'NOT_KEPT'), entry('oldest_sequence', '50'), entry('newest_sequence', '90')]);
  const detail = Buffer.concat([field(1, 'type.googleapis.com/google.rpc.ErrorInfo'), field(2, info)]);
  const failed = (details) => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', details);
    return convertError(Object.assign(new Error(), { code: Code.OUT_OF_RANGE, details: 'aged out', metadata }));
  };
  const error = failed(field(3, detail));
  assert.deepEqual([error.message, error.reason], ['OUT_OF_RANGE: aged out', 'NOT_KEPT']);
  assert.deepEqual(error.keptRange, { oldestSequence: 50, newestSequence: 90 });
  const unreadable = failed(Buffer.from([0xff]));
  assert.deepEqual([unreadable.code, unreadable.keptRange], [Code.OUT_OF_RANGE, undefined]);
});

test('credentials that do not fit the address are refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'inspectd-'));
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const caFile = file('ca.pem', '-----BEGIN CERTIFICATE-----\n');
  for (const [options, expected] of [
    [{ address: 'http://192.0.2.1:1', token: 'inspectd_abc' }, /a token is not sent over a network without TLS/],
    [{ address: 'https://192.0.2.1:1' }, /requires the CA/],
    [{ address: 'http://127.0.0.1:1', caFile }, /certificates require https/],
    [{ address: 'https://192.0.2.1:1', caFile, certificateFile: caFile }, /belong together/],
    [{ tokenFile: file('token', 'two words') }, /must hold a token/],
    [{ address: 'https://192.0.2.1:1', caFile: file('empty', '') }, /must hold certificates/],
  ]) {
    assert.throws(() => new Client(options), expected);
  }
});

test('starts that exclude each other and names that are not allowed are refused', async () => {
  const client = new Client();
  assert.throws(() => client.stream({ consumer: 'mes', live: true }), /exclude each other/);
  assert.throws(() => client.stream({ consumer: 'MES' }), /consumer's name/);
  await client.close();
});
