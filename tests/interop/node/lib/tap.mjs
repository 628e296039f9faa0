/**
 * A TCP proxy between a client and the server that reads along, and that can cut.
 *
 * What it has read is in `sent` (by the client) and `received` (by the client), over all its connections. When the test
 * is done, everything the server has sent is held against what Kurento's clients need.
 */

import net from 'node:net';
import { FrameReader } from './frames.mjs';
import { Inbox } from './wait.mjs';
import { assertFitForKurento } from './wire.mjs';

/** A tap for one session, for as long as the test of context `t` runs. */
export async function startTap(t, server) {
  const tap = new Tap(new URL(server.url));
  await tap.listen();
  t.after(() => tap.close());
  return tap;
}

class Tap {
  /** The HTTP heads of the clients' handshakes. */
  heads = new Inbox();
  /** JSON messages from client to server. */
  sent = new Inbox();
  /** Text frames from server to client, unparsed. */
  received = new Inbox();
  /** Close frames of the server: `{code, reason}`. */
  closes = new Inbox();
  /** While true, new connections are dropped at once. */
  refusing = false;

  #links = new Set();
  #cleanups = [];
  #broken = [];

  constructor(target) {
    this.target = target;
    this.server = net.createServer((socket) => this.#link(socket));
  }

  listen() {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
  }

  url(path) {
    return `ws://127.0.0.1:${this.server.address().port}${path}`;
  }

  /** Drops every connection without a word, on both sides. */
  cut() {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    this.#links.clear();
  }

  /** Holds back whatever the server sends on the connections there are now. They stay open. */
  stall() {
    for (const { server } of this.#links) {
      server.removeAllListeners('data');
      server.pause();
    }
  }

  /** Runs `close` when the test is done, while the connections still stand. */
  whenDone(close) {
    this.#cleanups.unshift(close);
  }

  async close() {
    for (const close of this.#cleanups) await close();
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
    if (this.#broken.length) throw this.#broken[0];
    assertFitForKurento(this.received.items);
  }

  #link(client) {
    client.on('error', () => {});
    if (this.refusing) return client.destroy();

    const server = net.connect(Number(this.target.port), this.target.hostname);
    server.on('error', () => {});
    const link = { client, server };
    this.#links.add(link);

    const up = new FrameReader({
      onHead: (head) => this.heads.push(head),
      onText: (text) => this.sent.push(JSON.parse(text)),
      onClose: () => {},
    });
    const down = new FrameReader({
      onHead: () => {},
      onText: (text) => this.received.push(text),
      onClose: (code, reason) => this.closes.push({ code, reason }),
    });
    client.on('data', (chunk) => this.#pass(up, chunk, server));
    server.on('data', (chunk) => this.#pass(down, chunk, client));
    client.on('close', () => server.end());
    server.on('close', () => {
      client.end();
      this.#links.delete(link);
    });
  }

  #pass(reader, chunk, to) {
    to.write(chunk);
    try {
      reader.push(chunk);
    } catch (error) {
      this.#broken.push(error);
    }
  }
}
