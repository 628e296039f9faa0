import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { Inbox } from './lib/wait.mjs';

const server = await startServer();
const indices = (n) => Array.from({ length: n }, (_, i) => i);

test("the client's notifications are heard, in order and without an answer", async (t) => {
  const tap = await startTap(t, server);
  const peer = await openPeer(tap, '/demo');
  for (const line of ['first', 'second', 'third']) peer.notify('log', { line });
  const { count, last } = await peer.call('logged');
  assert.equal(count, 3);
  assert.deepEqual(last, { line: 'third' });
  assert.equal(tap.received.items.length, 1);
});

test('notifications from within a handler arrive before its answer', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const { sent } = await peer.call('notify-me', { n: 50, method: 'tick' });
  assert.equal(sent, 50);
  assert.deepEqual(
    peer.notifications.items,
    indices(50).map((i) => ({ method: 'tick', params: { i } })),
  );
});

test('notifications from outside any handler arrive by themselves', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  assert.equal((await peer.call('notify-later', { n: 3, delay: 50, every: 10 })).ok, true);
  assert.deepEqual(
    (await peer.notifications.count(3, 'notifications')).map(({ params }) => params.i),
    indices(3),
  );
});

test("a JsonRpcClient's handlers get the server's notifications", async (t) => {
  const events = new Inbox();
  const { call } = await openClient(await startTap(t, server), '/demo', {
    handlers: { event: (params) => events.push(params.i) },
  });
  await call('notify-me', { n: 3 });
  assert.deepEqual(events.items, indices(3));
});

test("the client's result of a server request comes back to the server", async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo', {
    handlers: { sum: ({ a, b }, request) => request.reply(null, { sum: a + b }) },
  });
  const { answer } = await call('ask-me', { method: 'sum', params: { a: 2, b: 3 } });
  assert.deepEqual(answer, { sum: 5 });
});

test('scalar results and the null of an empty reply come back as they are', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  for (const result of ['text', 0, false, ['a'], null]) {
    peer.onRequest = (request) => (result === null ? request.reply() : request.reply(null, result));
    const reply = await peer.call('ask-me', { method: 'anything', params: {} });
    assert.deepEqual(reply.answer, result);
  }
});

test("the client's error to a server request comes back to the server", async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo', {
    handlers: {
      refuse: (_, request) => request.reply({ code: 7, message: 'not today', data: { until: 'Monday' } }),
    },
  });
  const { error } = await call('ask-me', { method: 'refuse', params: {} });
  assert.deepEqual(error, { code: 7, message: 'not today', data: { until: 'Monday' } });
});

test('many server requests at once get each its own answer', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  peer.onRequest = (request) => request.reply(null, { n: request.params.n });
  const replies = await Promise.all(
    indices(100).map((n) => peer.call('ask-me', { method: 'number', params: { n } })),
  );
  assert.deepEqual(
    replies.map(({ answer }) => answer.n),
    indices(100),
  );
});
