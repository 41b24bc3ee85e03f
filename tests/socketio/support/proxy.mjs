/** A way to the hub that can be cut: what mobile networks, tunnels and pulled plugs do to a connection. */
import { connect, createServer } from "node:net";

export class Proxy {
  #server;
  #pairs = new Set();
  #cut = null;
  /** How many connections were cut in the middle of what the hub said. */
  cuts = 0;
  /** While it is false, whoever comes is turned away. */
  isOpen = true;

  static async to(hub) {
    const proxy = new Proxy();
    proxy.#server = createServer((client) => proxy.#pass(client, hub.port));
    await new Promise((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  #pass(client, port) {
    client.on("error", () => {});
    if (!this.isOpen) return client.destroy();
    const hub = connect(port, "127.0.0.1");
    const pair = { client, hub, isOver: false };
    this.#pairs.add(pair);
    hub.on("error", () => client.destroy());
    client.on("data", (data) => hub.write(data));
    hub.on("data", (data) => {
      if (pair.isOver) return;
      const cut = this.#cut;
      if (cut && data.length > 8) this.#cut = null;
      if (!cut || data.length <= 8 || cut(pair, data)) client.write(data);
    });
    client.on("close", () => pair.isOver || hub.destroy());
    hub.on("close", () => {
      this.#pairs.delete(pair);
      if (!pair.isOver) client.destroy();
    });
  }

  #reset(pair) {
    pair.isOver = true;
    pair.client.resetAndDestroy();
    pair.hub.resetAndDestroy();
  }

  #cutAt(pair, data, end) {
    this.cuts++;
    pair.isOver = true;
    // This much has to arrive, so this side is ended in an orderly way; a reset may overtake it.
    pair.client.end(data.subarray(0, end));
    pair.hub.resetAndDestroy();
    return false;
  }

  #each(how) {
    [...this.#pairs].filter((it) => !it.isOver).forEach(how);
  }

  /** Both sides of every connection are reset. */
  drop() {
    this.#each((pair) => this.#reset(pair));
  }

  /** Only the clients' sides are reset: the hub goes on talking to nobody. */
  abandon() {
    this.#each((pair) => {
      pair.isOver = true;
      pair.client.resetAndDestroy();
    });
  }

  /** The next thing that the hub says gets through by half; then everything ends. */
  dropMidFrame() {
    this.#cut = (pair, data) => this.#cutAt(pair, data, data.length >> 1);
  }

  /** The next thing that the hub says never arrives; then everything ends. */
  swallow() {
    this.#cut = (pair) => {
      this.cuts++;
      this.#reset(pair);
      return false;
    };
  }

  /** So many times, whoever hears this of the hub is cut off with it and turned away for a moment: its answer never arrives. */
  cutBehind(text, times) {
    const cut = (pair, data) => {
      const isIt = data.includes(text);
      if (!isIt || --times > 0) this.#cut = cut;
      if (!isIt) return true;
      this.isOpen = false;
      setTimeout(() => (this.isOpen = true), 200);
      this.#cutAt(pair, data, data.length);
      this.drop();
      return false;
    };
    this.#cut = cut;
  }

  /** Of the next two WebSocket frames that the hub says in one breath, only the first gets through. */
  dropBehindFrame() {
    const cut = (pair, data) => {
      const [header, length] = (data[1] & 127) === 126 ? [4, data.readUInt16BE(2)] : [2, data[1] & 127];
      const end = header + length;
      if (end >= data.length) {
        this.#cut = cut;
        return true;
      }
      return this.#cutAt(pair, data, end);
    };
    this.#cut = cut;
  }

  /** Nothing more is cut. */
  calm() {
    this.#cut = null;
  }

  async close() {
    this.isOpen = false;
    for (const pair of this.#pairs) this.#reset(pair);
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
