import { Client } from 'inspectd-client';

// The daemon at INSPECTD_SERVER, or else at http://127.0.0.1:50051.
const client = Client.fromEnvironment();
process.once('SIGINT', () => client.close());

// Reconnects and resumes by itself. A verdict is acknowledged when the loop requests the next one; after a restart of this
// program, the stream continues after the last acknowledged verdict.
for await (const verdict of client.verdicts({ consumer: 'mes' })) {
  const score = verdict.score?.value.toFixed(3) ?? '-';
  console.log(`${verdict.sequence} ${verdict.cameraId} ${verdict.decision} ${score}`);
}
