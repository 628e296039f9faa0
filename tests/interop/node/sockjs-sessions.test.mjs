import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChromium } from './lib/chromium.mjs';
import { openPeer, WebSocket } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { node, openSpeaker, sockJs, startProxy, Way, ways } from './lib/sockjs.mjs';
import { within } from './lib/wait.mjs';

const chromium = await startChromium();
const server = await startServer('--sockjs', '--allow-origin', '*', '--sockjs-client', chromium.clientUrl);

const underNode = (transport) => new Way(node, transport);
const indices = (n) => Array.from({ length: n }, (_, i) => i);
const MOVED = { code: 4104, reason: 'Connection closed for reconnection' };

/** Cuts all connections. Resolves when the client knows. */
async function lose(proxy, speaker) {
  proxy.refusing = true;
  proxy.cut();
  // A stream that breaks off in the middle is no event to the package's HTTP driver: only what it cannot send tells.
  speaker.call('ping').catch(() => {});
  const { code } = await within(speaker.socket.closed, 'the client to see the cut');
  assert.equal(code, 1006);
  proxy.refusing = false;
}

/** Asks for the session over a new SockJS object. */
async function comeBack(proxy, speaker, way, sessionId) {
  await speaker.attach(sockJs(proxy, '/demo', way));
  assert.equal((await speaker.call('connect', { sessionId })).value, 'reconnection successful');
}

for (const way of ways(node, chromium)) {
  test(`a message above the limit closes the SockJS object with 1009 over ${way}, and the session goes on`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    const { sessionId } = await speaker.call('count');
    speaker.notify('log', { text: 'x'.repeat(1_048_576) });
    const { code, wasClean } = await within(speaker.socket.closed, 'the SockJS object to close');
    assert.deepEqual([code, wasClean], [1009, true]);

    await comeBack(proxy, speaker, way, sessionId);
    assert.equal((await speaker.call('count')).count, 2);
  });

  test(`a session goes on over a new SockJS object after cuts of ${way}, and loses nothing`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    const { sessionId } = await speaker.resume();
    await speaker.call('notify-later', { n: 400, delay: 0, every: 1 });
    for (const cut of [1, 2, 3]) {
      await speaker.heard.count(cut * 50, 'notifications');
      await lose(proxy, speaker);
      await speaker.attach(sockJs(proxy, '/demo', way));
      const answer = await speaker.resume(sessionId);
      assert.deepEqual([answer.value, answer.sessionId], ['reconnection successful', sessionId]);
    }
    const events = await speaker.heard.count(400, 'notifications');
    assert.deepEqual(events.map(({ params }) => params.i), indices(400));
    assert.deepEqual(await speaker.call('whoami'), { sessionId, path: '/demo', transport: 'sockjs' });
  });

  test(`what a session says while its client is away from ${way} waits for it`, async (t) => {
    const proxy = await startProxy(t, server);
    const speaker = await openSpeaker(proxy, '/demo', way);
    const { sessionId } = await speaker.call('connect');
    const slept = speaker.call('sleep', { ms: 300 });
    await speaker.call('notify-later', { n: 20, delay: 300, every: 1 });
    speaker.close();
    assert.equal((await within(speaker.socket.closed, 'the SockJS object to close')).code, 1000);
    // No page can take back a script that is being loaded: that takes what comes until the page itself is gone.
    if (way.suffix === 'jsonp') proxy.cut();

    const clock = await openSpeaker(proxy, '/demo', underNode('websocket'));
    await clock.call('sleep', { ms: 500 });
    assert.equal(speaker.heard.items.length, 0);
    await comeBack(proxy, speaker, way, sessionId);
    assert.equal((await slept).slept, 300);
    const events = await speaker.heard.count(20, 'notifications');
    assert.deepEqual(events.map(({ params }) => params.i), indices(20));
  });
}

test('a session moves between SockJS and WebSockets while the server speaks, and loses nothing', async (t) => {
  const proxy = await startProxy(t, server);
  const speaker = await openSpeaker(proxy, '/demo', underNode('xhr-polling'));
  const { sessionId } = await speaker.resume();
  await speaker.call('notify-later', { n: 1000, delay: 0, every: 2 });
  const plain = () => new WebSocket(proxy.url('/demo'));
  const stations = ways(node, chromium).flatMap((way) => [plain, () => sockJs(proxy, '/demo', way)]);
  for (const [i, open] of stations.entries()) {
    await speaker.heard.count((i + 1) * 30, 'notifications');
    const old = speaker.socket;
    await speaker.attach(open());
    assert.equal((await speaker.resume(sessionId)).value, 'reconnection successful');
    const { code, reason } = await within(old.closed, 'the old transport to close');
    assert.deepEqual({ code, reason }, MOVED);
    const { transport } = await speaker.call('whoami');
    assert.equal(transport, open === plain ? 'websocket' : 'sockjs');
  }
  const events = await speaker.heard.count(1000, 'notifications');
  assert.deepEqual(events.map(({ params }) => params.i), indices(1000));
});

test("Kurento's client takes a session over from SockJS, and gives it back", async (t) => {
  const proxy = await startProxy(t, server);
  const speaker = await openSpeaker(proxy, '/demo', underNode('xhr-streaming'));
  const { sessionId } = await speaker.call('count');

  const peer = await openPeer(proxy, '/demo');
  assert.equal((await peer.call('connect', { sessionId })).value, 'reconnection successful');
  const left = await within(speaker.socket.closed, 'the SockJS object to close');
  assert.deepEqual(left, { ...MOVED, wasClean: true });
  assert.equal((await peer.call('count')).count, 2);

  await comeBack(proxy, speaker, underNode('xhr-polling'), sessionId);
  assert.deepEqual(await within(peer.socket.closed, 'the WebSocket to close'), MOVED);
  assert.equal((await speaker.call('count')).count, 3);
});

test("Kurento's client speaks over the raw WebSocket below a SockJS path, and its session may move away", async (t) => {
  const proxy = await startProxy(t, server);
  const peer = await openPeer(proxy, '/demo/websocket');
  const { sessionId } = await peer.call('count');
  assert.equal((await peer.call('whoami')).transport, 'websocket');
  await comeBack(proxy, proxy.speaker(), underNode('xhr-streaming'), sessionId);
  assert.deepEqual(await within(peer.socket.closed, 'the WebSocket to close'), MOVED);
});

test('an event source that was cut asks again and learns that its SockJS session is over', async (t) => {
  const proxy = await startProxy(t, server);
  const speaker = await openSpeaker(proxy, '/demo', underNode('eventsource'));
  const { sessionId } = await speaker.call('count');
  proxy.cut();
  const closed = await within(speaker.socket.closed, 'the SockJS object to close');
  assert.deepEqual(closed, { code: 1002, reason: 'Connection interrupted', wasClean: true });
  await comeBack(proxy, speaker, underNode('eventsource'), sessionId);
  assert.equal((await speaker.call('count')).count, 2);
});

test('a session is not found on another path over SockJS either', async (t) => {
  const proxy = await startProxy(t, server);
  const speaker = await openSpeaker(proxy, '/demo', underNode('xhr-polling'));
  const { sessionId } = await speaker.call('connect');
  const other = await openSpeaker(proxy, '/echo', underNode('xhr-polling'));
  await assert.rejects(other.call('connect', { sessionId }), { code: 40007 });
});
