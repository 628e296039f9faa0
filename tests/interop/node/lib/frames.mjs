/** Just enough of RFC 6455 to read along: one direction of one connection. */

const TEXT = 1;
const CLOSE = 8;

export class FrameReader {
  #pending = Buffer.alloc(0);
  #fragments = [];
  #opened = false;
  #refused = false;

  /** @param {{onHead: (head: string) => void, onText: (text: string) => void, onClose: (code: number, reason: string) => void}} events */
  constructor(events) {
    this.events = events;
  }

  push(chunk) {
    this.#pending = this.#pending.length ? Buffer.concat([this.#pending, chunk]) : chunk;
    if (!this.#opened) {
      const end = this.#pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#pending.toString('latin1', 0, end);
      this.#opened = true;
      this.#refused = /^HTTP\S* (?!101)/.test(head);
      this.events.onHead(head);
      this.#pending = this.#pending.subarray(end + 4);
    }
    while (!this.#refused && this.#frame());
  }

  #frame() {
    const bytes = this.#pending;
    if (bytes.length < 2) return false;
    const [first, second] = bytes;
    let length = second & 0x7f;
    let at = 2;
    if (length === 126) {
      if (bytes.length < 4) return false;
      length = bytes.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return false;
      length = Number(bytes.readBigUInt64BE(2));
      at = 10;
    }
    const masked = (second & 0x80) !== 0;
    const start = at + (masked ? 4 : 0);
    if (bytes.length < start + length) return false;

    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (masked) for (let i = 0; i < length; i++) payload[i] ^= bytes[at + (i & 3)];
    this.#pending = bytes.subarray(start + length);
    this.#take({ final: (first & 0x80) !== 0, extended: (first & 0x70) !== 0, opcode: first & 0x0f, payload });
    return true;
  }

  #take({ final, extended, opcode, payload }) {
    if (extended) throw new Error('a frame uses an extension that this reader does not know');
    if (opcode === CLOSE) {
      this.events.onClose(payload.length ? payload.readUInt16BE(0) : 1005, payload.toString('utf8', 2));
    } else if (opcode <= TEXT) {
      this.#fragments.push(payload);
      if (final) this.events.onText(Buffer.concat(this.#fragments.splice(0)).toString('utf8'));
    }
  }
}
