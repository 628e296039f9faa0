/**
 * A TCP proxy between a client and the server that reads along, and that can cut.
 *
 * What it has read is in `sent` (by the client) and `received` (by the client), over all its connections. When the test
 * is done, everything the server has sent is held against what Kurento's clients need.
 */

import { FrameReader } from './frames.mjs';
import { Relay, start } from './relay.mjs';
import { Inbox } from './wait.mjs';
import { assertFitForKurento } from './wire.mjs';

/** A tap for one session, for as long as the test of context `t` runs. */
export function startTap(t, server) {
  return start(t, new Tap(new URL(server.url)));
}

class Tap extends Relay {
  /** The HTTP heads of the clients' handshakes. */
  heads = new Inbox();
  /** JSON messages from client to server. */
  sent = new Inbox();
  /** Text frames from server to client, unparsed. */
  received = new Inbox();
  /** Close frames of the server: `{code, reason}`. */
  closes = new Inbox();

  #broken = [];

  /** Holds back whatever the server sends on the connections there are now. They stay open. */
  stall() {
    for (const { server } of this.links) {
      server.removeAllListeners('data');
      server.pause();
    }
  }

  async close() {
    await super.close();
    if (this.#broken.length) throw this.#broken[0];
    assertFitForKurento(this.received.items);
  }

  carry({ client, server }) {
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
