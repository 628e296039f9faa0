/** The real packages, unmodified, with promises around their callbacks. */

import { createRequire } from 'node:module';
import { Inbox, within } from './wait.mjs';

const require = createRequire(import.meta.url);

// The packages log every message they see.
for (const level of ['debug', 'log', 'info', 'warn', 'error', 'trace']) console[level] = () => {};

export const WebSocket = require('ws');
export const RpcBuilder = require('kurento-jsonrpc');
export const kurento = require('kurento-client');

const { JsonRpcClient } = RpcBuilder.clients;
const { JsonRPC } = RpcBuilder.packers;

/** An `RpcBuilder` whose transports the test opens itself, one after the other. */
export class Peer {
  /** Notifications from the server: `{method, params}`. */
  notifications = new Inbox();
  /** Answers the server's requests: `(request) => request.reply(error, result)`. */
  onRequest = (request) => request.reply({ code: -32601, message: `no ${request.method} here` });

  constructor(options = {}) {
    const patience = { request_timeout: 10_000, ...options };
    this.rpc = new RpcBuilder(JsonRPC, patience, (message) => {
      if (message.reply) this.onRequest(message);
      else this.notifications.push({ method: message.method, params: message.params });
    });
  }

  /** Opens a WebSocket and makes it the transport. Resolves with the socket; `socket.closed` tells `{code, reason}`. */
  async attach(url) {
    const socket = new WebSocket(url);
    const opened = new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    await within(opened, `a connection to ${url}`);
    socket.on('error', () => {});
    this.rpc.transport = socket;
    return socket;
  }

  call(method, params) {
    return answer((callback) => this.rpc.encode(method, params, callback), method);
  }

  notify(method, params) {
    this.rpc.encode(method, params);
  }

  close() {
    this.rpc.close();
  }
}

/** A `Peer` whose first transport to `path` is open, closed when the tap's test is done. */
export async function openPeer(tap, path, options) {
  const peer = new Peer(options);
  tap.whenDone(() => peer.close());
  peer.socket = await peer.attach(tap.url(path));
  return peer;
}

/**
 * A `JsonRpcClient`, which reconnects by itself but leaves the `connect` request to the application.
 *
 * `changes` collects its callbacks by name; `handlers` are its methods `(params, request)`.
 */
export async function openClient(tap, path, { handlers, rpc, ...configuration } = {}) {
  const changes = new Inbox();
  const client = new JsonRpcClient({
    ...configuration,
    ws: {
      uri: tap.url(path),
      onconnected: () => changes.push('connected'),
      onreconnecting: () => changes.push('reconnecting'),
      onreconnected: () => changes.push('reconnected'),
    },
    rpc: { requestTimeout: 10_000, ...rpc, ...handlers },
  });
  tap.whenDone(() => client.close());
  await changes.count(1, 'connected');
  return {
    client,
    changes,
    call: (method, params) => answer((callback) => client.send(method, params, callback), method),
  };
}

/** A `KurentoClient` of the media server at `path`; `reconnections` collects whether each found the same session. */
export async function openKurento(tap, path, options = {}) {
  let client;
  const ready = new Promise((resolve, reject) => {
    client = kurento(tap.url(path), options, (error) => (error ? reject(error) : resolve()));
  });
  // The fork that kurento-client asks for swallows this event, the registry's package throws it.
  client._re.on('error', () => {});
  tap.whenDone(() => client.close());

  const reconnections = new Inbox();
  client.on('reconnected', (sameSession) => reconnections.push({ sameSession }));
  await within(ready, 'the media client to be ready');
  return { client, reconnections };
}

function answer(send, method) {
  const result = new Promise((resolve, reject) => {
    send((error, value) => (error ? reject(Object.assign(new Error(error.message), error)) : resolve(value)));
  });
  return within(result, `an answer to ${method}`, 15_000);
}
