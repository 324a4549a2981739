// Builds dist/: the types of the messages from proto/, the library, and a copy of proto/ that it loads when it runs.

import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = join(root, 'src/generated');
const files = ['inspection', 'line', 'model', 'recipe', 'report', 'tuning'];

function run(program, args) {
  execFileSync(join(root, 'node_modules/.bin', program), args, { cwd: root, stdio: 'inherit' });
}

/** Removes the first line of each file: it has the path of the proto on this machine. */
function removeOrigin(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      removeOrigin(path);
    } else {
      writeFileSync(path, readFileSync(path, 'utf8').replace(/^\/\/ Original file: .*\n/, ''));
    }
  }
}

rmSync(generated, { recursive: true, force: true });
rmSync(join(root, 'dist'), { recursive: true, force: true });
// The options are those of loadSync in src/services.ts.
run('proto-loader-gen-types', [
  '--longs=Number', '--enums=String', '--defaults', '--oneofs', '--includeComments', '--grpcLib=@grpc/grpc-js',
  '--inputTemplate=%sInput', '--outputTemplate=%s', '--importFileExtension=.js',
  '-I', join(root, 'proto'), '-O', generated, ...files.map((name) => `inspectd/v1/${name}.proto`),
]);
removeOrigin(generated);
run('tsc', ['--project', root]);
cpSync(join(root, 'proto'), join(root, 'dist/proto'), {
  recursive: true,
  dereference: true,
  filter: (path) => !/(\.ya?ml|\/lookout)$/.test(path),
});
cpSync(join(root, 'src/status.proto'), join(root, 'dist/proto/google/rpc/status.proto'), { recursive: true });
