import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const server = await startServer();

/** Cuts the peer's connection and waits until the peer knows. */
async function lose(tap, peer) {
  tap.cut();
  await within(peer.socket.closed, 'the client to see the cut');
}

/** Opens a new connection and asks for the session. */
async function comeBack(tap, peer, sessionId) {
  peer.socket = await peer.attach(tap.url('/demo'));
  assert.equal((await peer.call('connect', { sessionId })).value, 'reconnection successful');
}

/** Resolves when the server's clock has gone on by `ms`, whatever happens to other sessions. */
async function serverTime(t, ms) {
  const clock = await openPeer(await startTap(t, server), '/demo');
  await clock.call('sleep', { ms });
}

/** Waits for the nth reconnection of a JsonRpcClient, which sends no connect by itself. */
async function reconnected({ changes, call }, n, sessionId) {
  const times = (items) => items.filter((change) => change === 'reconnected').length;
  await changes.until((items) => times(items) >= n, `reconnection ${n}`);
  assert.equal((await call('connect', { sessionId })).value, 'reconnection successful');
}

test('after a cut, connect with the session id finds the same session', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('count');
  for (const expected of [2, 3, 4]) {
    await lose(tap, peer);
    await comeBack(tap, peer, sessionId);
    const { count, isNew, ...rest } = await peer.call('count');
    assert.deepEqual([count, isNew, rest.sessionId], [expected, false, sessionId]);
  }
});

test('calls sent right behind connect, before its answer, belong to the session', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('count');
  await lose(tap, peer);
  peer.socket = await peer.attach(tap.url('/demo'));
  const [, second, third] = await Promise.all([
    peer.call('connect', { sessionId }),
    peer.call('count'),
    peer.call('count'),
  ]);
  assert.deepEqual([second.count, third.count], [2, 3]);
});

test('a request that names its session attaches it without connect', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('count');
  await lose(tap, peer);
  peer.socket = await peer.attach(tap.url('/demo'));
  assert.equal((await peer.call('count', { sessionId })).count, 2);
});

test('a JsonRpcClient keeps its session over a cut', async (t) => {
  const tap = await startTap(t, server);
  const client = await openClient(tap, '/demo');
  const { sessionId } = await client.call('count');
  tap.cut();
  await reconnected(client, 1, sessionId);
  assert.equal((await client.call('count')).count, 2);
});

test('a JsonRpcClient that closes its socket without the close message keeps its session', async (t) => {
  const client = await openClient(await startTap(t, server), '/demo');
  const { sessionId } = await client.call('count');
  client.client.forceClose();
  await reconnected(client, 1, sessionId);
  client.client.reconnect();
  await reconnected(client, 2, sessionId);
  assert.equal((await client.call('count')).count, 2);
});

test('a JsonRpcClient that hears no pong any more reconnects and keeps its session', async (t) => {
  const tap = await startTap(t, server);
  const client = await openClient(tap, '/demo', { heartbeat: 100, rpc: { heartbeatRequestTimeout: 200 } });
  const { sessionId } = await client.call('count');
  tap.stall();
  await reconnected(client, 1, sessionId);
  assert.equal((await client.call('count')).count, 2);
  const announced = (all) => all.filter(({ method, params }) => method === 'ping' && params?.interval === 100);
  await tap.sent.until((all) => announced(all).length >= 2, 'the interval announced to the new transport');
});

test('answers and notifications produced while the client is away arrive after connect, in order', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('notify-later', { n: 20, delay: 150, every: 5 });
  const slept = peer.call('sleep', { ms: 300 });
  await tap.sent.count(2, 'requests');
  await lose(tap, peer);
  await serverTime(t, 500);
  assert.equal(peer.notifications.items.length, 0);

  await comeBack(tap, peer, sessionId);
  assert.equal((await slept).slept, 300);
  const events = await peer.notifications.count(20, 'notifications');
  assert.deepEqual(events.map(({ params }) => params.i), Array.from({ length: 20 }, (_, i) => i));
});

test('an answer to a request that itself cut the connection arrives after connect', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('connect');
  const cut = peer.call('close-transport');
  await within(peer.socket.closed, 'the server to drop the connection');
  await comeBack(tap, peer, sessionId);
  assert.equal((await cut).cut, true);
});

test('a server request made before a cut is answered after it', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('connect');
  const asked = new Promise((resolve) => (peer.onRequest = resolve));
  const outcome = peer.call('ask-me', { method: 'later', params: {} });
  const request = await within(asked, "the server's request");
  await lose(tap, peer);
  await comeBack(tap, peer, sessionId);
  request.reply(null, 'here it is', peer.socket);
  assert.equal((await outcome).answer, 'here it is');
});

test('a request that is repeated while it runs is answered once', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo', { request_timeout: 200, max_retries: 3 });
  assert.equal((await peer.call('sleep', { ms: 500 })).slept, 500);
  await serverTime(t, 700); // a second run would be over by now
  const asked = tap.sent.items.filter(({ method }) => method === 'sleep');
  assert.ok(asked.length >= 2, 'the client has repeated its request');
  const answered = tap.received.items.map((frame) => JSON.parse(frame)).filter(({ id }) => id === asked[0].id);
  assert.equal(answered.length, 1);
});

test('a request that is repeated on the next connection is not executed twice', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo', { request_timeout: 500, max_retries: 4 });
  const { sessionId } = await peer.call('count');
  tap.stall();
  const second = peer.call('count');
  await tap.sent.count(2, 'requests');
  await serverTime(t, 50);
  await lose(tap, peer);
  await comeBack(tap, peer, sessionId);

  assert.equal((await second).count, 2);
  const ids = tap.sent.items.filter(({ method }) => method === 'count').map(({ id }) => id);
  assert.ok(ids.length >= 3 && ids.at(-1) === ids[1], 'the client has repeated its request');
  assert.equal((await peer.call('count')).count, 3);
});

test('a session is gone when its client stays away longer than the reconnection timeout', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('set-grace', { ms: 200 });
  await lose(tap, peer);
  await serverTime(t, 600);
  peer.socket = await peer.attach(tap.url('/demo'));
  await assert.rejects(peer.call('connect', { sessionId }), { code: 40007 });
});
