import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openKurento, openPeer } from './lib/kurento.mjs';
import { startServer } from './lib/server.mjs';
import { startTap } from './lib/tap.mjs';
import { Inbox, within } from './lib/wait.mjs';

const server = await startServer('--fake-media-server');

/** A client of the media server with a pipeline and an endpoint in it. */
async function openPipeline(t) {
  const tap = await startTap(t, server);
  const { client, reconnections } = await openKurento(tap, '/kurento');
  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint');
  return { tap, client, reconnections, pipeline, endpoint };
}

/** Subscribes to an event and resolves with its inbox when the subscription stands. */
async function subscribe(object, type) {
  const events = new Inbox();
  object.on(type, (event) => events.push(event));
  await object.getName(); // answered after the subscription, which is sent before it
  return events;
}

test('the client finds the server manager and the modules that it needs', async (t) => {
  const tap = await startTap(t, server);
  const { client } = await openKurento(tap, '/kurento');
  const manager = await client.getServerManager();
  const { type, modules } = await manager.getInfo();
  assert.equal(type, 'KMS');
  assert.deepEqual(modules.map(({ name }) => name).sort(), ['core', 'elements', 'filters']);
});

test('the client is let in although its Origin has no scheme', async (t) => {
  const tap = await startTap(t, server);
  await openKurento(tap, '/kurento');
  const [, origin] = /^origin: (.*)$/im.exec(tap.heads.items[0]);
  assert.equal(origin, new URL(tap.url('/')).host);
});

test('a pipeline and an endpoint are created, used and released', async (t) => {
  const { client, pipeline, endpoint } = await openPipeline(t);
  assert.match(pipeline.id, /_kurento\.MediaPipeline$/);
  assert.ok(endpoint.id.startsWith(`${pipeline.id}/`) && endpoint.id.endsWith('_kurento.WebRtcEndpoint'));

  const manager = await client.getServerManager();
  const pipelines = await manager.getPipelines();
  assert.deepEqual(pipelines.map(({ id }) => id), [pipeline.id]);
  assert.equal((await endpoint.getMediaPipeline()).id, pipeline.id);

  await endpoint.setName('camera');
  assert.equal(await endpoint.getName(), 'camera');
  assert.match(await endpoint.processOffer('v=0\r\n'), /^v=0\r\n/);

  await pipeline.release();
  assert.deepEqual(await manager.getPipelines(), []);
});

test('every request after the first names the one session', async (t) => {
  const { tap, client, endpoint } = await openPipeline(t);
  await endpoint.getName();
  assert.ok(client.sessionId);
  const named = tap.sent.items.filter(({ params }) => params?.sessionId);
  assert.ok(named.length >= 3);
  for (const { params } of named) assert.equal(params.sessionId, client.sessionId);
});

test('connecting two endpoints raises the event that was subscribed to', async (t) => {
  const { pipeline, endpoint } = await openPipeline(t);
  const sink = await pipeline.create('PassThrough');
  const connected = await subscribe(endpoint, 'ElementConnected');
  await endpoint.connect(sink);
  const events = await connected.count(3, 'ElementConnected events');
  assert.deepEqual(events.map(({ mediaType }) => mediaType), ['AUDIO', 'VIDEO', 'DATA']);
  for (const event of events) assert.deepEqual([event.source, event.sink], [endpoint.id, sink.id]);
});

test('no events come after the last listener is gone', async (t) => {
  const { tap, pipeline, endpoint } = await openPipeline(t);
  const sink = await pipeline.create('PassThrough');
  const connected = await subscribe(endpoint, 'ElementConnected');
  endpoint.removeAllListeners('ElementConnected');
  await tap.sent.until((all) => all.some(({ method }) => method === 'unsubscribe'), 'the end of the subscription');
  await endpoint.connect(sink);
  await endpoint.getName();
  assert.equal(connected.items.length, 0);
  assert.ok(!tap.received.items.some((frame) => JSON.parse(frame).method === 'onEvent'));
});

test('unknown types and methods fail with the errors of a media server', async (t) => {
  const { pipeline, endpoint } = await openPipeline(t);
  const invoked = await new Promise((resolve) => endpoint._invoke(undefined, 'noSuchOperation', resolve));
  assert.equal(invoked.code, 40105);
  assert.equal(invoked.data.type, 'MEDIA_OBJECT_METHOD_NOT_FOUND');
  assert.equal(invoked.type, 'MEDIA_OBJECT_METHOD_NOT_FOUND');
  const created = await new Promise((resolve) => pipeline.create('FaceOverlayFilter', resolve));
  assert.equal(created.code, 40100);
  assert.ok(await endpoint.getName());
});

test('calls made in one turn of the event loop travel as one transaction', async (t) => {
  const tap = await startTap(t, server);
  const { client } = await openKurento(tap, '/kurento', { useImplicitTransactions: true });
  const pipelines = await Promise.all([client.create('MediaPipeline'), client.create('MediaPipeline')]);
  const [{ params }] = tap.sent.items.filter(({ method }) => method === 'transaction');
  assert.deepEqual(params.operations.map(({ method, id }) => [method, id]), [['create', 0], ['create', 1]]);

  const manager = await client.getServerManager();
  const known = (await manager.getPipelines()).map(({ id }) => id);
  assert.deepEqual(known, pipelines.map(({ id }) => id));
});

test('objects, subscriptions and the session live on over a cut', async (t) => {
  const { tap, client, reconnections, pipeline, endpoint } = await openPipeline(t);
  const { sessionId } = client;
  const sink = await pipeline.create('PassThrough');
  const connected = await subscribe(endpoint, 'ElementConnected');

  tap.cut();
  const [{ sameSession }] = await reconnections.count(1, 'reconnections');
  assert.equal(sameSession, true);
  await endpoint.connect(sink);
  await connected.count(3, 'ElementConnected events');
  assert.equal(client.sessionId, sessionId);
  await endpoint.release();
  assert.equal((await client.getMediaobjectById(pipeline.id)).id, pipeline.id);
});

test('events raised while the client is away arrive when it is back', async (t) => {
  const { tap, reconnections, endpoint } = await openPipeline(t);
  const found = await subscribe(endpoint, 'IceCandidateFound');
  const done = await subscribe(endpoint, 'IceGatheringDone');
  await endpoint.gatherCandidates();
  await found.count(1, 'candidates');
  tap.refusing = true;
  tap.cut();
  const clock = await openPeer(await startTap(t, server), '/demo');
  await clock.call('sleep', { ms: 600 });
  assert.equal(found.items.length, 1);

  tap.refusing = false;
  await reconnections.count(1, 'reconnections');
  await done.count(1, 'ends of the gathering');
  assert.deepEqual(found.items.map(({ candidate }) => candidate.candidate), ['candidate:0', 'candidate:1', 'candidate:2']);
});

test('a call in flight at a cut is repeated by the client and executed once', async (t) => {
  const tap = await startTap(t, server);
  const { client, reconnections } = await openKurento(tap, '/kurento', { request_timeout: 500, max_retries: 4 });
  const manager = await client.getServerManager();
  await client.create('MediaPipeline');
  const before = tap.sent.items.length;
  tap.stall();
  const second = client.create('MediaPipeline');
  await tap.sent.count(before + 1, 'requests');
  const clock = await openPeer(await startTap(t, server), '/demo');
  await clock.call('sleep', { ms: 50 });
  tap.cut();
  await reconnections.count(1, 'reconnections');
  const { id } = await within(second, 'the second pipeline');

  const creations = tap.sent.items.filter(({ method }) => method === 'create').map((request) => request.id);
  assert.ok(creations.length >= 3 && creations.at(-1) === creations[1], 'the client has repeated its request');
  const pipelines = await manager.getPipelines();
  assert.equal(pipelines.length, 2);
  assert.equal(pipelines[1].id, id);
});
