import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openKurento, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';

const server = await startServer('--fake-media-server', '--reconnection-timeout', '200ms');

test('a media client that stays away too long is told so and starts again in a new session', async (t) => {
  const tap = await startTap(t, server);
  const { client, reconnections } = await openKurento(tap, '/kurento');
  const pipeline = await client.create('MediaPipeline');
  const { sessionId } = client;
  tap.refusing = true;
  tap.cut();
  const clock = await openPeer(await startTap(t, server), '/demo');
  await clock.call('sleep', { ms: 600 });
  tap.refusing = false;

  const [{ sameSession }] = await reconnections.count(1, 'reconnections');
  assert.equal(sameSession, false);
  const lost = new Promise((resolve) => pipeline.getName(resolve));
  assert.deepEqual([(await lost).name, (await lost).code], ['ReferenceError', 40101]);

  const next = await client.create('MediaPipeline');
  assert.notEqual(client.sessionId, sessionId);
  const manager = await client.getServerManager();
  assert.deepEqual((await manager.getPipelines()).map(({ id }) => id), [next.id]);
});
