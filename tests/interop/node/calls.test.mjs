import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';

const server = await startServer();

test('an object comes back as it was sent, with the session id beside it', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/echo');
  const params = { text: 'Grüße 🚢', list: [1, [2.5, null]], nested: { yes: true, nothing: null } };
  const { sessionId, ...rest } = await call('echo', params);
  assert.deepEqual(rest, params);
  assert.match(sessionId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a scalar or an array comes back as a value beside the session id', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  for (const params of [7, 'seven', [7, 'seven'], []]) {
    const { value, sessionId } = await peer.call('echo', params);
    assert.deepEqual(value, params);
    assert.ok(sessionId);
  }
});

test('the session id that the client adds to its params never reaches the handler', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const { sessionId } = await peer.call('connect');
  const { data } = await peer.call('fail', { here: 1, sessionId }).catch((error) => error);
  assert.deepEqual(data.params, { here: 1 });
  const boxed = await peer.call('fail', { value: [1, 2], sessionId }).catch((error) => error);
  assert.deepEqual(boxed.data.params, [1, 2]);
});

test('a request without params, and a handler without an answer, give the empty answer', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  for (const method of ['echo', 'empty']) {
    const { sessionId, ...rest } = await call(method);
    assert.deepEqual(rest, { value: '' });
    assert.ok(sessionId);
  }
});

test('typed params are added up', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  assert.equal((await call('add', { a: 40, b: 2 })).value, 42);
  assert.equal((await call('add', { a: -40, b: 0 })).value, -40);
});

test('a param of the wrong type is refused by its name', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  await assert.rejects(call('add', { a: 1, b: 'two' }), (error) => error.code === -32602 && /\bb\b/.test(error.message));
  await assert.rejects(call('add', { b: 2 }), (error) => error.code === -32602 && /\ba\b/.test(error.message));
});

test('an unknown method is refused and the next call works', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  await assert.rejects(call('no-such-method', {}), { code: -32601 });
  assert.equal((await call('add', { a: 1, b: 1 })).value, 2);
});

test('a failure carries code, message and data, and its type at the top', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  await assert.rejects(call('fail', { why: 'test' }), {
    code: 1001,
    message: 'demo failure',
    data: { type: 'DEMO_FAILURE', params: { why: 'test' } },
    type: 'DEMO_FAILURE',
  });
});

test('a handler that panics fails its own call only', async (t) => {
  const { call } = await openClient(await startTap(t, server), '/demo');
  const { count } = await call('count');
  await assert.rejects(call('panic'), { code: -32603 });
  assert.equal((await call('count')).count, count + 1);
});

test('a thousand requests at once get each its own answer', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, a) => peer.call('add', { a, b: 1 })));
  answers.forEach(({ value }, a) => assert.equal(value, a + 1));
  assert.equal(new Set(answers.map(({ sessionId }) => sessionId)).size, 1);
});

test('an answer that takes its time lets the next request pass, a busy handler does not', async (t) => {
  const peer = await openPeer(await startTap(t, server), '/demo');
  const finished = [];
  const call = (method, params) => peer.call(method, params).then(() => finished.push(method));

  await Promise.all([call('sleep', { ms: 300 }), call('add', { a: 1, b: 1 })]);
  assert.deepEqual(finished.splice(0), ['add', 'sleep']);
  await Promise.all([call('slow', { ms: 300 }), call('add', { a: 1, b: 1 }), call('ping')]);
  assert.deepEqual(finished, ['ping', 'slow', 'add']);
});
