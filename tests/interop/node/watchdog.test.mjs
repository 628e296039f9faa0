import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { Inbox, within } from './lib/wait.mjs';

const server = await startServer('--ping-watchdog');
const INTERVAL = 200;

/** A peer that counts the server's probes and answers them only if told to. */
async function openProbed(tap, { pongs }) {
  const peer = await openPeer(tap, '/demo');
  peer.probes = new Inbox();
  peer.socket.on('ping', () => peer.probes.push(Date.now()));
  if (!pongs) peer.socket.pong = () => {};
  return peer;
}

/** A probed peer that has announced its heartbeat and sends nothing more by itself. */
async function fallSilent(tap, options) {
  const peer = await openProbed(tap, options);
  const { sessionId } = await peer.call('count');
  await peer.call('ping', { interval: INTERVAL });
  return { peer, sessionId, since: Date.now() };
}

test('a client that goes silent is closed with its reason, and may come back', async (t) => {
  const tap = await startTap(t, server);
  const { peer, sessionId, since } = await fallSilent(tap, { pongs: false });
  assert.deepEqual(await within(peer.socket.closed, 'the watchdog'), {
    code: 1000,
    reason: 'Close for not receive ping from client',
  });
  const waited = Date.now() - since;
  assert.ok(waited >= 3 * INTERVAL - 20, `closed after ${waited} ms, which is too early`);

  peer.socket = await peer.attach(tap.url('/demo'));
  await peer.call('connect', { sessionId });
  assert.equal((await peer.call('count')).count, 2);
});

test('a silent client that answers the probes stays connected', async (t) => {
  const { peer } = await fallSilent(await startTap(t, server), { pongs: true });
  await peer.probes.count(3, 'probes');
  assert.equal((await peer.call('count')).count, 2);
});

test('any frame counts, not pings alone', async (t) => {
  const { peer } = await fallSilent(await startTap(t, server), { pongs: false });
  for (let ms = 0; ms < 6 * INTERVAL; ms += INTERVAL) await peer.call('sleep', { ms: INTERVAL });
  assert.equal(peer.probes.items.length, 0);
  assert.equal((await peer.call('count')).count, 2);
});

test('a client that never pings is left alone', async (t) => {
  const peer = await openProbed(await startTap(t, server), { pongs: false });
  const clock = await openPeer(await startTap(t, server), '/demo');
  await peer.call('count');
  await clock.call('sleep', { ms: 6 * INTERVAL });
  assert.equal((await peer.call('count')).count, 2);
});

test('the heartbeat of a JsonRpcClient keeps its connection', async (t) => {
  const tap = await startTap(t, server);
  const { call } = await openClient(tap, '/demo', { heartbeat: INTERVAL });
  await call('sleep', { ms: 6 * INTERVAL });
  assert.deepEqual(tap.closes.items, []);
});
