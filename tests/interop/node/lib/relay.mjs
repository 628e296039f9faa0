/** A TCP proxy that can cut, and that reads nothing: for connections with TLS, which a `Tap` cannot read. */

import net from 'node:net';

/** A relay for as long as the test of context `t` runs. It stands where the helpers of `kurento.mjs` want a tap. */
export function startRelay(t, server) {
  return start(t, new Relay(new URL(server.url)));
}

/** Lets `relay` run as long as the test of context `t` runs. */
export async function start(t, relay) {
  await relay.listen();
  t.after(() => relay.close());
  return relay;
}

export class Relay {
  /** While true, new connections are dropped at once. */
  refusing = false;
  /** The connections there are: `{client, server}`. */
  links = new Set();

  #cleanups = [];

  constructor(target) {
    this.target = target;
    this.server = net.createServer((client) => this.#link(client));
  }

  listen() {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
  }

  url(path) {
    return `${this.target.protocol}//127.0.0.1:${this.server.address().port}${path}`;
  }

  /** Drops every connection without a word, on both sides. */
  cut() {
    for (const { client, server } of this.links) {
      client.destroy();
      server.destroy();
    }
    this.links.clear();
  }

  /** Runs `close` when the test is done, while the connections still stand. */
  whenDone(close) {
    this.#cleanups.unshift(close);
  }

  async close() {
    for (const close of this.#cleanups) await close();
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Carries the bytes of a connection, both ways. */
  carry({ client, server }) {
    client.pipe(server);
    server.pipe(client);
  }

  #link(client) {
    client.on('error', () => {});
    if (this.refusing) return client.destroy();

    const server = net.connect(Number(this.target.port), this.target.hostname);
    server.on('error', () => {});
    const link = { client, server };
    this.links.add(link);
    this.carry(link);
    server.on('close', () => client.end());
    // Until then it can be cut, whichever end was the first to go.
    client.on('close', () => {
      server.end();
      this.links.delete(link);
    });
  }
}
