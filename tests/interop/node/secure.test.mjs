import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startRelay } from './lib/relay.mjs';
import { startServer } from './lib/server.mjs';
import { within } from './lib/wait.mjs';

// The server makes its certificate up, and the package gives its WebSocket no options: this process, which is this file's own, takes any.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

const server = await startServer('--tls-self-signed');

test('the address says that it is TLS', () => {
  assert.match(server.url, /^wss:/);
});

test('calls and notifications go both ways over wss', async (t) => {
  const peer = await openPeer(await startRelay(t, server), '/demo');
  assert.equal((await peer.call('add', { a: 40, b: 2 })).value, 42);
  assert.equal((await peer.call('notify-me', { n: 3, method: 'tick' })).sent, 3);
  const events = await peer.notifications.count(3, 'notifications');
  assert.deepEqual(events.map(({ method, params }) => [method, params.i]), [['tick', 0], ['tick', 1], ['tick', 2]]);
});

test('a long message goes both ways over wss', async (t) => {
  const peer = await openPeer(await startRelay(t, server), '/demo');
  const text = 'x'.repeat(1_000_000);
  assert.equal((await peer.call('echo', { text })).text, text);
});

test('a JsonRpcClient keeps its session over a cut of its TLS connection', async (t) => {
  const relay = await startRelay(t, server);
  const { call, changes } = await openClient(relay, '/demo');
  const { sessionId } = await call('count');
  relay.cut();
  await changes.until((items) => items.includes('reconnected'), 'the reconnection');
  assert.equal((await call('connect', { sessionId })).value, 'reconnection successful');
  assert.equal((await call('count')).count, 2);
});

test('what was produced while the client was away arrives over the next TLS connection', async (t) => {
  const relay = await startRelay(t, server);
  const peer = await openPeer(relay, '/demo');
  const { sessionId } = await peer.call('connect');
  const cut = peer.call('close-transport');
  await within(peer.socket.closed, 'the server to drop the connection');
  peer.socket = await peer.attach(relay.url('/demo'));
  await peer.call('connect', { sessionId });
  assert.equal((await cut).cut, true);
});
