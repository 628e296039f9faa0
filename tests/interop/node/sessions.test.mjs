import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const server = await startServer();
const pings = (messages) => messages.filter(({ method }) => method === 'ping');

test('connect gives a session, and every answer names the same one', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const { value, sessionId } = await peer.call('connect');
  assert.equal(value, 'OK');
  assert.equal((await peer.call('connect')).sessionId, sessionId);
  assert.deepEqual(await peer.call('whoami'), { sessionId, path: '/demo', transport: 'websocket' });
});

test('a request without connect gets a session too, new for the first request only', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const first = await peer.call('count');
  const second = await peer.call('count');
  assert.deepEqual([first.count, first.isNew], [1, true]);
  assert.deepEqual([second.count, second.isNew], [2, false]);
  assert.equal(second.sessionId, first.sessionId);
});

test('a ping before connect is answered and creates no session', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  assert.deepEqual(await peer.call('ping', { interval: 5000 }), { value: 'pong' });
  const { isNew, sessionId } = await peer.call('count');
  assert.equal(isNew, true);
  assert.deepEqual(await peer.call('ping'), { value: 'pong', sessionId });
});

test('the heartbeat of a JsonRpcClient names its interval once and is answered each time', async (t) => {
  const tap = await startTap(t, server);
  const { client } = await openClient(tap, '/demo', { heartbeat: 100 });
  const sent = await tap.sent.until((all) => pings(all).length >= 4, 'four pings');
  assert.deepEqual(
    pings(sent).slice(0, 4).map(({ params }) => params),
    [{ interval: 100 }, undefined, undefined, undefined],
  );
  const answers = (await tap.received.count(4, 'pongs')).map((frame) => JSON.parse(frame));
  assert.deepEqual(answers.slice(0, 4).map(({ result }) => result.value), Array(4).fill('pong'));
  client.close();
});

test('the close message is answered, closes the transport and ends the session', async (t) => {
  const tap = await startTap(t, server);
  const { client, call } = await openClient(tap, '/demo', { sendCloseMessage: true });
  const { sessionId } = await call('count');
  client.close();
  const [close] = await tap.closes.count(1, 'close frames of the server');
  assert.equal(close.code, 1000);
  const bye = JSON.parse(tap.received.items.at(-1)).result;
  assert.equal(bye.value ?? bye, 'bye');

  const peer = await openPeer(await startTap(t, server), '/demo');
  await assert.rejects(peer.call('connect', { sessionId }), { code: 40007 });
});

test('an unknown session is refused and the transport stays usable', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const sessionId = '00000000-0000-4000-8000-000000000000';
  await assert.rejects(peer.call('connect', { sessionId }), { code: 40007, message: 'reconnection error' });
  const { isNew, sessionId: fresh } = await peer.call('count', { sessionId });
  assert.equal(isNew, true);
  assert.notEqual(fresh, sessionId);
});

test('a session is not found on another path', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const { sessionId } = await peer.call('connect');
  const other = await openPeer(await startTap(t, server), '/echo');
  await assert.rejects(other.call('connect', { sessionId }), { code: 40007 });
  assert.equal((await peer.call('count')).count, 1);
});

test('a session that moves to a new transport closes the old one with 4104', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { sessionId } = await peer.call('count');
  const old = peer.socket;
  peer.socket = await peer.attach(tap.url('/demo'));
  assert.equal((await peer.call('connect', { sessionId })).value, 'reconnection successful');
  assert.deepEqual(await within(old.closed, 'the old transport to close'), {
    code: 4104,
    reason: 'Connection closed for reconnection',
  });
  assert.equal((await peer.call('count')).count, 2);
});

test('a session that the server closes takes its transport with it', async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  const { closing, sessionId } = await peer.call('close-me', {});
  assert.equal(closing, true);
  await within(peer.socket.closed, 'the transport to close');
  peer.socket = await peer.attach(tap.url('/demo'));
  await assert.rejects(peer.call('connect', { sessionId }), { code: 40007 });
});
