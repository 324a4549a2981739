// Requests the inspection of one part and prints its verdict: node examples/trigger.mjs CAMERA PART KEY

import { Client, InspectdError } from 'inspectd-client';

const [cameraId, partId, idempotencyKey] = process.argv.slice(2);
if (idempotencyKey === undefined) {
  console.error('usage: trigger.mjs CAMERA PART KEY');
  process.exit(64);
}
const client = Client.fromEnvironment();
try {
  const { triggerId, repeated, verdict } = await client.trigger({ cameraId, partId, idempotencyKey });
  console.log(`${triggerId} ${repeated} ${verdict?.sequence ?? '-'} ${verdict?.decision ?? '-'}`);
} catch (error) {
  if (!(error instanceof InspectdError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await client.close();
}
