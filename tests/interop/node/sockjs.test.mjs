import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChromium } from './lib/chromium.mjs';
import { startServer } from './lib/server.mjs';
import { node, openSpeaker, sockJs, startProxy, Way, ways } from './lib/sockjs.mjs';
import { within } from './lib/wait.mjs';

const chromium = await startChromium();
const flags = ['--sockjs', '--allow-origin', '*', '--sockjs-client', chromium.clientUrl];
const server = await startServer(...flags);
const stopped = await startServer(...flags);
const WAYS = ways(node, chromium);

const indices = (n) => Array.from({ length: n }, (_, i) => i);

/** Texts of which browsers, proxies and the frames of the transports are known to make something else. */
const DELICATE = [
  '%41', '%2541', '%', '%E0%A4%A', '%u0041', 'a+b&c=d;e', '#?/\\', "'\"`", '</script>', '<!-- ]]> -->', '&lt;&#65;', '🚢👩‍👩‍👧',
  'Grüße', '\u2028\u2029', '\u0000\u0001\u001f\u007f\u0085\u00a0\u00ad', '\ufeff\ufffe\uffff\ufff0', '\u200b\u200e\u202e\u2066', 'e\u0301\u0958\u2126',
  '\r', '\n\n', '\r\n\r\n', 'data: x\r\n\r\n', 'a["x"]\n', 'o\n', 'c[3000,"Go away!"]\n', '', ' ', '\t',
];

/** Of the responses that bring messages, only those end at 128 KiB that browsers keep in memory whole. */
function assertRenewed(proxy, { suffix }) {
  const times = proxy.times(suffix);
  if (suffix === 'xhr_streaming') assert.ok(times >= 2, `the client has asked for ${times} streams`);
  if (suffix === 'eventsource' || suffix === 'htmlfile') assert.equal(times, 1);
}

for (const way of WAYS) {
  test(`a session begins and calls are answered over ${way}`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    assert.equal(speaker.socket.transport, way.transport);
    const { value, sessionId } = await speaker.call('connect');
    assert.equal(value, 'OK');
    assert.deepEqual(await speaker.call('ping'), { value: 'pong', sessionId });
    assert.deepEqual(await speaker.call('whoami'), { sessionId, path: '/demo', transport: 'sockjs' });
    assert.deepEqual(await speaker.call('add', { a: 40, b: 2 }), { value: 42, sessionId });
    await assert.rejects(speaker.call('no-such-method', {}), { code: -32601 });
    await assert.rejects(speaker.call('fail', { why: 'test' }), { code: 1001, type: 'DEMO_FAILURE' });
    assert.ok(proxy.times(way.suffix) >= 1);
  });

  test(`hundreds of requests at once get each its own answer over ${way}`, async (t) => {
    const speaker = await openSpeaker(await startProxy(t, server), '/demo', way);
    const answers = await Promise.all(indices(500).map((a) => speaker.call('add', { a, b: 1 })));
    answers.forEach(({ value }, a) => assert.equal(value, a + 1));
    assert.equal(new Set(answers.map(({ sessionId }) => sessionId)).size, 1);
  });

  test(`notifications keep their order, both ways, over ${way}`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    for (const line of indices(300)) speaker.notify('log', { line });
    const { count, last } = await speaker.call('logged');
    assert.deepEqual([count, last], [300, { line: 299 }]);

    const { sent } = await speaker.call('notify-me', { n: 5000, method: 'tick' });
    assert.equal(sent, 5000);
    const ticks = speaker.heard.items.map(({ method, params }) => [method, params.i]);
    assert.deepEqual(ticks, indices(5000).map((i) => ['tick', i]));
    assertRenewed(proxy, way);
  });

  test(`hundreds of server requests are answered over ${way}, among notifications`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    const text = 'x'.repeat(1000);
    speaker.onRequest = ({ params }) => ({ n: params.n, text });
    await speaker.call('notify-later', { n: 300, delay: 0, every: 1 });
    const replies = await Promise.all(
      indices(300).map((n) => speaker.call('ask-me', { method: 'number', params: { n, text } })),
    );
    assert.deepEqual(replies.map(({ answer }) => answer), indices(300).map((n) => ({ n, text })));

    const heard = await speaker.heard.count(600, 'requests and notifications');
    const numbers = heard.filter(({ method }) => method === 'number');
    assert.deepEqual(numbers.map(({ params }) => params.n), indices(300));
    assert.ok(numbers.every(({ id }, i) => i === 0 || id > numbers[i - 1].id), 'their ids go up');
    const events = heard.filter(({ method }) => method === 'event');
    assert.deepEqual(events.map(({ params }) => params.i), indices(300));
    assertRenewed(proxy, way);
  });

  test(`texts that browsers mangle come back whole over ${way}`, async (t) => {
    const speaker = await openSpeaker(await startProxy(t, server), '/echo', way);
    speaker.onRequest = ({ params }) => params;
    const echo = async (text) => {
      const { sessionId, ...rest } = await speaker.call('echo', { text, [`key ${text}`]: [text] });
      assert.deepEqual(rest, { text, [`key ${text}`]: [text] });
    };
    // Alone in a frame, and many in one.
    await echo(DELICATE.join(''));
    await Promise.all(DELICATE.map(echo));
    const { answer } = await speaker.call('ask-me', { method: 'mirror', params: { texts: DELICATE } });
    assert.deepEqual(answer, { texts: DELICATE });
  });

  test(`messages of 200 KB go both ways over ${way}`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    speaker.onRequest = ({ params }) => ({ text: params.text });
    const text = 'é🚢%41</'.repeat(20_000);
    assert.ok(Buffer.byteLength(text) > 200_000);
    assert.ok((await speaker.call('echo', { text })).text === text);
    const asked = await speaker.call('ask-me', { method: 'mirror', params: { text } });
    assert.ok(asked.answer.text === text);
    assert.equal((await speaker.call('big', { bytes: 200_000 })).text.length, 200_000);
  });

  test(`the close message is answered and closes the SockJS object with 1000 over ${way}`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    const { sessionId } = await speaker.call('count');
    const bye = await speaker.call('closeSession');
    assert.equal(bye.value ?? bye, 'bye');
    const closed = await within(speaker.socket.closed, 'the SockJS object to close');
    assert.deepEqual(closed, { code: 1000, reason: '', wasClean: true });

    await speaker.attach(sockJs(proxy, '/demo', way));
    await assert.rejects(speaker.call('connect', { sessionId }), { code: 40007 });
  });

  test(`a session that its server closes takes its SockJS object with it over ${way}`, async (t) => {
    const speaker = await openSpeaker(await startProxy(t, server), '/demo', way);
    assert.equal((await speaker.call('close-me', {})).closing, true);
    const { code, wasClean } = await within(speaker.socket.closed, 'the SockJS object to close');
    assert.deepEqual([code, wasClean], [1000, true]);
  });
}

test('results on the strict path are as the handler gives them', async (t) => {
  const speaker = await openSpeaker(await startProxy(t, server), '/strict', new Way(node, 'xhr-polling'));
  assert.equal(await speaker.call('add', { a: 40, b: 2 }), 42);
  assert.deepEqual(await speaker.call('echo', [1, [2]]), [1, [2]]);
});

test('where nothing is said about transports, it is a WebSocket', async (t) => {
  const speaker = await openSpeaker(await startProxy(t, server), '/demo');
  assert.equal(speaker.socket.transport, 'websocket');
  assert.equal((await speaker.call('whoami')).transport, 'sockjs');
});

test('where a proxy refuses upgrades, the client falls back to a stream', async (t) => {
  const proxy = await startProxy(t, server);
  proxy.refused = /^upgrade:/im;
  const speaker = await openSpeaker(proxy, '/demo');
  assert.equal(speaker.socket.transport, 'xhr-streaming');
  assert.equal(proxy.times('websocket'), 1);
  assert.equal((await speaker.call('whoami')).transport, 'sockjs');
});

test('where a proxy withholds streams, the client falls back to polls', async (t) => {
  const proxy = await startProxy(t, server);
  proxy.withheld = /^POST \S+\/xhr_streaming /;
  const speaker = await openSpeaker(proxy, '/demo', new Way(node, ['xhr-streaming', 'xhr-polling']), { timeout: 1_000 });
  assert.equal(speaker.socket.transport, 'xhr-polling');
  assert.equal(proxy.times('xhr_streaming'), 1);
  assert.equal((await speaker.call('notify-me', { n: 300 })).sent, 300);
  assert.deepEqual(speaker.heard.items.map(({ params }) => params.i), indices(300));
});

test('a path that is not served is no SockJS', async (t) => {
  const proxy = await startProxy(t, server);
  await assert.rejects(openSpeaker(proxy, '/nowhere'), /1002 Cannot connect to server/);
});

test('a server that stops closes every SockJS object with 1001', async (t) => {
  const speakers = await Promise.all(WAYS.map(async (way) => {
    // A browser has no more than six connections to a place.
    const proxy = await startProxy(t, stopped);
    return openSpeaker(proxy, '/demo', way);
  }));
  await Promise.all(speakers.map((speaker) => speaker.call('connect')));
  const [, ...closed] = await Promise.all([
    stopped.stop(),
    ...speakers.map(({ socket }) => within(socket.closed, 'the SockJS object to close')),
  ]);
  for (const how of closed) assert.deepEqual(how, { code: 1001, reason: 'Server is shutting down', wasClean: true });
});
