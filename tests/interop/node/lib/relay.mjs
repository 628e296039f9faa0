/** A TCP proxy that can cut, and that reads nothing: for connections with TLS, which a `Tap` cannot read. */

import net from 'node:net';

/** A relay for as long as the test of context `t` runs. It stands where the helpers of `kurento.mjs` want a tap. */
export async function startRelay(t, server) {
  const relay = new Relay(new URL(server.url));
  await relay.listen();
  t.after(() => relay.close());
  return relay;
}

class Relay {
  #sockets = new Set();
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
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
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

  #link(client) {
    const server = net.connect(Number(this.target.port), this.target.hostname);
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
