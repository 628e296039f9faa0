/** Bounded waiting: every test waits for something that happens, never for time alone. */

const PATIENCE = 10_000;

/** `promise`, or an error that says what was waited for after `ms`. */
export async function within(promise, what, ms = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What has arrived so far, in order, and a way to wait for more. */
export class Inbox {
  items = [];
  #waiting = new Set();

  push(item) {
    this.items.push(item);
    for (const check of [...this.#waiting]) check();
  }

  /** Resolves with all items as soon as `enough(items)` holds. */
  until(enough, what, ms) {
    let check;
    const met = new Promise((resolve, reject) => {
      check = () => {
        try {
          if (enough(this.items)) resolve(this.items);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(check);
      check();
    });
    return within(met, what, ms).finally(() => this.#waiting.delete(check));
  }

  /** Resolves with all items when there are at least `n`. */
  count(n, what, ms) {
    return this.until((items) => items.length >= n, `${n} of ${what}`, ms);
  }
}
