/** A list that outlives the page, in a storage of the browser. Part of `tertulia.js`. */
export class Kept {
  #storage;
  #key;

  /** Without a storage nothing is kept. */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  get all() {
    try {
      const list = JSON.parse(this.#storage?.getItem(this.#key) ?? null);
      return Array.isArray(list) ? list : [];
    } catch {
      return [];
    }
  }

  /** Keeps what `change` makes of the list. */
  change(change) {
    if (!this.#storage) return;
    const list = change(this.all);
    if (list.length) this.#storage.setItem(this.#key, JSON.stringify(list));
    else this.#storage.removeItem(this.#key);
  }
}
