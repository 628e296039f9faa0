import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChromium } from './lib/chromium.mjs';
import { startServer } from './lib/server.mjs';
import { startProxy } from './lib/sockjs.mjs';

const { page } = await startChromium({ kurento: true });
const server = await startServer('--sockjs', '--allow-origin', '*', '--fake-media-server');
const stranger = await startServer();

const indices = (n) => Array.from({ length: n }, (_, i) => i);

await page.evaluate(() => {
  globalThis.openClient = (uri, useSockJS) => {
    const events = [];
    let reconnected;
    const opened = {
      events,
      call: (method, params) => new Promise((resolve, reject) => {
        opened.client.send(method, params, (error, result) => (error ? reject(new Error(error.message)) : resolve(result)));
      }),
      reconnection: new Promise((resolve) => (reconnected = resolve)),
    };
    return new Promise((resolve) => {
      opened.client = new RpcBuilder.clients.JsonRpcClient({
        ws: { uri, useSockJS, onconnected: () => resolve(opened), onreconnecting: () => {}, onreconnected: reconnected },
        rpc: {
          requestTimeout: 10_000,
          event: ({ i }) => events.push(i),
          mirror: (params, request) => request.reply(null, params),
        },
      });
    });
  };
});

for (const useSockJS of [false, true]) {
  const over = useSockJS ? 'SockJS' : 'a WebSocket';
  const address = (proxy) => (useSockJS ? proxy.httpUrl('/demo') : proxy.url('/demo'));

  test(`kurento-jsonrpc in a page calls and is called over ${over}`, async (t) => {
    const proxy = await startProxy(t, server);
    const told = await page.evaluate(async ([uri, useSockJS]) => {
      const { client, call, events } = await openClient(uri, useSockJS);
      const sum = await call('add', { a: 40, b: 2 });
      const failure = await call('no-such-method', {}).catch((error) => error.message);
      const { answer } = await call('ask-me', { method: 'mirror', params: { text: 'Grüße 🚢' } });
      await call('notify-me', { n: 300 });
      const { transport } = await call('whoami');
      client.close();
      return { sum: sum.value, failure, answer, events, transport };
    }, [address(proxy), useSockJS]);
    assert.match(told.failure, /method/i);
    assert.deepEqual({ ...told, failure: undefined }, {
      sum: 42,
      failure: undefined,
      answer: { text: 'Grüße 🚢' },
      events: indices(300),
      transport: useSockJS ? 'sockjs' : 'websocket',
    });
  });

  test(`kurento-jsonrpc in a page keeps its session over a cut of ${over}`, async (t) => {
    const proxy = await startProxy(t, server);
    const { sessionId } = await page.evaluate(async ([uri, useSockJS]) => {
      globalThis.client = await openClient(uri, useSockJS);
      return client.call('count');
    }, [address(proxy), useSockJS]);
    proxy.cut();
    const after = await page.evaluate(async (sessionId) => {
      await client.reconnection;
      await client.call('connect', { sessionId });
      const counted = await client.call('count');
      client.client.close();
      return counted;
    }, sessionId);
    assert.deepEqual([after.count, after.sessionId], [2, sessionId]);
  });
}

test('kurento-client in a page makes a pipeline, hears of its events, and goes on over a cut', async (t) => {
  const proxy = await startProxy(t, server);
  const before = await page.evaluate(async (url) => {
    let media;
    await new Promise((resolve, reject) => {
      media = kurentoClient(url, {}, (error) => (error ? reject(error) : resolve()));
    });
    media._re.on('error', () => {});
    const reconnection = new Promise((resolve) => media.once('reconnected', resolve));
    const pipeline = await media.create('MediaPipeline');
    const endpoint = await pipeline.create('WebRtcEndpoint');
    const events = [];
    endpoint.on('ElementConnected', ({ mediaType }) => events.push(mediaType));
    await endpoint.setName('camera');
    globalThis.kept = { media, reconnection, pipeline, endpoint, events };
    return { sessionId: media.sessionId, answer: await endpoint.processOffer('v=0\r\n') };
  }, proxy.url('/kurento'));
  assert.match(before.answer, /^v=0\r\n/);
  proxy.cut();
  const after = await page.evaluate(async () => {
    const { media, reconnection, pipeline, endpoint, events } = kept;
    const isSame = await reconnection;
    const sink = await pipeline.create('PassThrough');
    await endpoint.connect(sink);
    const name = await endpoint.getName();
    const { sessionId } = media;
    await pipeline.release();
    media.close();
    return { isSame, name, sessionId, events };
  });
  assert.deepEqual(after, { isSame: true, name: 'camera', sessionId: before.sessionId, events: ['AUDIO', 'VIDEO', 'DATA'] });
});

test('a page of an origin that is not allowed gets neither a WebSocket nor an answer', async (t) => {
  const proxy = await startProxy(t, stranger);
  const told = await page.evaluate(async ([socketUrl, httpUrl]) => {
    const closed = new Promise((resolve) => (new WebSocket(socketUrl).onclose = ({ code }) => resolve(code)));
    const read = fetch(`${httpUrl}/info`).then(() => 'an answer', ({ name }) => name);
    return [await closed, await read];
  }, [proxy.url('/demo'), proxy.httpUrl('/demo')]);
  assert.deepEqual(told, [1006, 'TypeError']);
  assert.equal(proxy.requests.items.length, 2);
});
