/** The server under test, as a process of its own. */

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { within } from './wait.mjs';

const DEFAULT = fileURLToPath(new URL('../../../../target/release/bowline', import.meta.url));
const PROGRAM = process.env.BOWLINE || DEFAULT;

/** Starts `bowline serve` on a free port and stops it when the test file is done, or when a test does it with `stop`. */
export async function startServer(...flags) {
  try {
    accessSync(PROGRAM, constants.X_OK);
  } catch {
    throw new Error(`no server to test: ${PROGRAM} is missing; run \`cargo build --release\` or set BOWLINE`);
  }

  const child = spawn(PROGRAM, ['serve', '--listen', '127.0.0.1:0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);

  let output = '';
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const listening = new Promise((resolve, reject) => {
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      const line = /^listening on (wss?:\/\/\S+)$/m.exec((stdout += chunk));
      if (line) resolve(line[1]);
    });
    child.stderr.on('data', (chunk) => (output += chunk));
    exited.then((how) => reject(new Error(`the server ended at once: ${JSON.stringify(how)}\n${output}`)));
  });

  const stop = async () => {
    child.kill('SIGTERM');
    const how = await within(exited, 'the server to stop on SIGTERM').finally(kill);
    process.removeListener('exit', kill);
    if (how.code !== 0) throw new Error(`the server did not stop cleanly: ${JSON.stringify(how)}\n${output}`);
  };
  after(stop);

  return { url: await within(listening, 'the server to listen'), stop };
}
