/** The real `sockjs-client`, unmodified, under Node or in a browser, and JSON-RPC over its objects. */

import { createRequire } from 'node:module';
import { Relay, start } from './relay.mjs';
import { Inbox, within } from './wait.mjs';
import { assertFitForKurento } from './wire.mjs';

const require = createRequire(import.meta.url);
const SockJS = require('sockjs-client');

/** Where the package runs without a browser, with its transports there, in the order in which it tries them, and how their URLs end. */
export const node = {
  name: 'under Node',
  transports: { websocket: 'websocket', 'xhr-streaming': 'xhr_streaming', eventsource: 'eventsource', 'xhr-polling': 'xhr' },
  sockJs: (url, transports, options) => new SockJS(url, null, { transports, ...options }),
};

/** How a client is to get its messages: where it runs, and over which transport, or over any. */
export class Way {
  constructor(place, transport) {
    this.place = place;
    this.transport = transport;
  }

  /** How the URL of each response that brings messages ends. */
  get suffix() {
    return this.place.transports[this.transport];
  }

  toString() {
    return `${this.transport} ${this.place.name}`;
  }
}

/** All that there are in `places`. */
export function ways(...places) {
  return places.flatMap((place) => Object.keys(place.transports).map((transport) => new Way(place, transport)));
}

/** How many messages a speaker that resumes takes before it tells so. */
const UNTOLD = 256;

// Speakers and others take turns in a session, and no id may come twice in it.
let lastId = 0;

/** JSON-RPC by hand, over SockJS objects and WebSockets in turn: they have the same face. */
export class Speaker {
  /** The server's requests and notifications. */
  heard = new Inbox();
  /** Everything the server has said, unparsed. */
  received = [];
  /** Gives the result of a server's request. */
  onRequest = () => null;

  #calls = new Map();
  /** What counts for resumption: what was said, and how much was taken. */
  #said = [];
  #taken = 0;
  #resumes = false;

  /** Makes `socket` the transport once it is open. `socket.closed` tells `{code, reason, wasClean}`. */
  async attach(socket) {
    socket.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
    });
    const opened = new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.closed.then(({ code, reason }) => reject(new Error(`no connection: ${code} ${reason}`)));
    });
    socket.onerror = () => {};
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.#take(data);
    };
    await within(opened, `a connection to ${socket.url}`);
    this.socket = socket;
    return socket;
  }

  call(method, params) {
    const id = `speaker-${++lastId}`;
    const counts = !['connect', 'ping', 'closeSession'].includes(method);
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject, counts }));
    this.#say({ id, method, params }, counts);
    return within(answer, `an answer to ${method}`, 15_000);
  }

  notify(method, params) {
    this.#say({ method, params });
  }

  /** Asks for the session, or a new one, such that nothing of it is lost. Nothing else may be said until it is there. */
  async resume(sessionId) {
    this.#resumes = true;
    const answer = await this.call('connect', { sessionId, resume: { received: this.#taken } });
    for (const text of this.#said.slice(answer.resume.received)) this.socket.send(text);
    return answer;
  }

  close() {
    this.socket?.close();
  }

  #say(message, counts = true) {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message });
    if (counts) this.#said.push(text);
    this.socket.send(text);
  }

  #take(text) {
    this.received.push(text);
    const { id, method, params, result, error } = JSON.parse(text);
    const call = method === undefined ? this.#calls.get(id) : undefined;
    if (call?.counts !== false) this.#took();

    if (method !== undefined) {
      this.heard.push({ id, method, params });
      if (id !== undefined) this.#say({ id, result: this.onRequest({ method, params }) });
    } else if (call) {
      this.#calls.delete(id);
      if (error) call.reject(Object.assign(new Error(error.message), error));
      else call.resolve(result);
    }
  }

  #took() {
    this.#taken += 1;
    // The answer may be lost in a cut: then the next connect tells.
    if (this.#resumes && this.#taken % UNTOLD === 0) this.call('ping', { received: this.#taken }).catch(() => {});
  }
}

/** A proxy for as long as the test of context `t` runs. */
export function startProxy(t, server) {
  return start(t, new HttpProxy(new URL(server.url)));
}

/** A relay that reads the heads of the requests, and that can be as unhelpful as the proxies for which there is SockJS. */
class HttpProxy extends Relay {
  /** The heads of the requests. */
  requests = new Inbox();
  /** A request whose head matches is not passed on, and its connection is dropped. */
  refused = /^$/;
  /** A request whose head matches is passed on, but nothing of its response. */
  withheld = /^$/;

  #speakers = [];

  httpUrl(path) {
    return this.url(path).replace(/^ws/, 'http');
  }

  /** How often the clients have asked for `suffix` of a SockJS session. */
  times(suffix) {
    return this.requests.items.filter((head) => head.split(/[ ?]/, 2)[1].endsWith(`/${suffix}`)).length;
  }

  /** A `Speaker` without a transport. When the test is done it is closed, and what it has received checked. */
  speaker() {
    const speaker = new Speaker();
    this.#speakers.push(speaker);
    this.whenDone(() => speaker.close());
    return speaker;
  }

  carry({ client, server }) {
    client.on('data', (chunk) => {
      const head = /^(?:GET|POST) \S+ HTTP[^]*?\r\n\r\n/.exec(chunk.toString('latin1'))?.[0];
      if (head) {
        this.requests.push(head);
        if (this.refused.test(head)) return client.destroy();
        if (this.withheld.test(head)) server.unpipe(client);
      }
      server.write(chunk);
    });
    server.pipe(client);
  }

  async close() {
    await super.close();
    for (const { received } of this.#speakers) assertFitForKurento(received);
  }
}

/** A SockJS object that gets its messages in the given way, by default as it likes. */
export function sockJs(proxy, path, { place, transport } = new Way(node), options = {}) {
  // By default it gives a transport 600 ms, which a busy machine may need by itself.
  return place.sockJs(proxy.httpUrl(path), transport, { timeout: 5_000, ...options });
}

/** A `Speaker` whose first transport is an open SockJS object. */
export async function openSpeaker(proxy, path, way, options) {
  const speaker = proxy.speaker();
  await speaker.attach(sockJs(proxy, path, way, options));
  return speaker;
}
