import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const LIMIT = 1_048_576;
const server = await startServer('--max-message-size', String(LIMIT));

/** Params that make a `log` notification `bytes` long on the wire. */
function paramsFor(bytes) {
  const bare = JSON.stringify({ jsonrpc: '2.0', method: 'log', params: { text: '' } });
  return { text: 'x'.repeat(bytes - bare.length) };
}

test('a megabyte goes there and back', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/echo');
  const text = 'é'.repeat(500_000);
  const answer = await call('echo', { text });
  assert.ok(answer.text === text);
});

test('a megabyte comes as an answer to a small request', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  const { text } = await call('big', { bytes: 1_000_000 });
  assert.ok(text === 'x'.repeat(1_000_000));
});

test('a message of exactly the limit is heard', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  peer.notify('log', paramsFor(LIMIT));
  assert.equal((await peer.call('logged')).count, 1);
  assert.equal(JSON.stringify(tap.sent.items[0]).length, LIMIT);
});

test('a message above the limit closes the transport with 1009, and the session goes on', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('count');
  peer.notify('log', paramsFor(LIMIT + 1));
  const { code } = await within(peer.socket.closed, 'the transport to close');
  assert.equal(code, 1009);

  peer.socket = await peer.attach(tap.url('/demo'));
  await peer.call('connect', { sessionId });
  assert.equal((await peer.call('count')).count, 2);
  assert.equal((await peer.call('logged')).count, 0);
});
