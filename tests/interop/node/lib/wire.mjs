/** What every frame to a Kurento client must look like, whatever the test is about. */

import assert from 'node:assert/strict';

/** @param {string[]} frames the text frames of one session, over all its connections */
export function assertFitForKurento(frames) {
  const requestIds = new Set();
  for (const frame of frames) {
    assert.notEqual(frame, '', 'an empty frame crashes the client');
    const message = JSON.parse(frame);
    assert.equal(message.jsonrpc, '2.0', `dropped silently by the client: ${frame}`);

    if (message.method === undefined) {
      const parts = ['result', 'error'].filter((part) => part in message);
      assert.equal(parts.length, 1, `a response has either a result or an error: ${frame}`);
      assert.ok(message[parts[0]] !== null, `a null ${parts[0]} breaks the client: ${frame}`);
      assert.ok(message.id !== undefined, `a response without an id: ${frame}`);
      continue;
    }

    assert.equal(message.params?.sessionId, undefined, `the server names the session in a request: ${frame}`);
    if (message.id === undefined) continue;
    assert.ok(Number.isInteger(message.id) && message.id >= 0 && message.id < 2 ** 31, `not a 31-bit id: ${frame}`);
    assert.ok(!requestIds.has(message.id), `an id used twice, the client would answer from its memory: ${frame}`);
    requestIds.add(message.id);
  }
}
