/** A real browser with the real, unmodified packages in a page of its own. */

import browserify from 'browserify';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { within } from './wait.mjs';

const require = createRequire(import.meta.url);
const PROGRAM = process.env.CHROMIUM;
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync',
];
/** The package's transports there, of a page of another origin, and how their URLs end: what begins with `iframe-` runs in a page of the server's. */
const TRANSPORTS = {
  websocket: 'websocket',
  'xhr-streaming': 'xhr_streaming',
  eventsource: 'eventsource',
  'iframe-eventsource': 'eventsource',
  'iframe-htmlfile': 'htmlfile',
  'xhr-polling': 'xhr',
  'iframe-xhr-polling': 'xhr',
  'jsonp-polling': 'jsonp',
};
const HTML = '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Bowline</title></head><body></body></html>';

/** Starts Chromium with a page that has `SockJS`, and `RpcBuilder` and `kurentoClient` if asked for. It ends when the test file is done. */
export async function startChromium({ kurento = false } = {}) {
  if (!PROGRAM) throw new Error('no browser to test in: install chromium, or set CHROMIUM to the program of one like it');
  const client = await readFile(require.resolve('sockjs-client/dist/sockjs.min.js'));
  const site = createServer((request, response) => {
    const [type, body] = request.url === '/sockjs.js' ? ['text/javascript', client] : ['text/html', HTML];
    response.setHeader('content-type', type).end(body);
  });
  after(() => site.close().closeAllConnections());
  await once(site.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${site.address().port}`;

  const browser = await chromium.launch({ executablePath: PROGRAM, args: FLAGS });
  after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(url);
  await page.addScriptTag({ url: '/sockjs.js' });
  if (kurento) {
    for (const [name, global] of [['kurento-jsonrpc', 'RpcBuilder'], ['kurento-client', 'kurentoClient']]) {
      await page.addScriptTag({ content: await bundle(name, global) });
    }
  }

  const sockets = new Map();
  await page.exposeFunction('tell', (id, kind, event) => {
    const socket = sockets.get(id);
    Object.assign(socket, event.face)[kind]?.(event);
  });
  let lastId = 0;
  return {
    name: 'in Chromium',
    transports: TRANSPORTS,
    page,
    /** Where the page gets the SockJS client. */
    clientUrl: `${url}/sockjs.js`,
    /** A SockJS object of the page, with the face of one. */
    sockJs(url, transports, options) {
      const socket = new PageSocket(page, ++lastId, url);
      sockets.set(lastId, socket);
      socket.order(open, { url, transports, options });
      return socket;
    },
  };
}

/** The package for browsers, as Kurento's own build makes it. */
function bundle(name, standalone) {
  const bundler = browserify(require.resolve(name), { standalone });
  const made = new Promise((resolve, reject) => {
    bundler.bundle((error, bytes) => (error ? reject(error) : resolve(bytes.toString())));
  });
  return within(made, `${name} for a browser`, 30_000);
}

/** A SockJS object that lives in a page. */
class PageSocket {
  transport = null;

  #page;
  #id;

  constructor(page, id, url) {
    this.#page = page;
    this.#id = id;
    this.url = url;
  }

  send(text) {
    this.order(({ id, text }) => sockets[id].send(text), { text });
  }

  close() {
    this.order(({ id }) => sockets[id].close());
  }

  /** Has the page do something. */
  order(task, details) {
    this.#page.evaluate(task, { id: this.#id, ...details }).catch((error) => {
      // After the test there may be no page to do it.
      if (!this.#page.isClosed()) throw error;
    });
  }
}

/** In the page. */
function open({ id, url, transports, options }) {
  globalThis.sockets ??= {};
  const socket = new SockJS(url, null, { transports, ...options });
  sockets[id] = socket;
  socket.onopen = () => tell(id, 'onopen', { face: { transport: socket.transport } });
  socket.onmessage = ({ data }) => tell(id, 'onmessage', { data });
  socket.onclose = ({ code, reason, wasClean }) => tell(id, 'onclose', { code, reason, wasClean });
}
