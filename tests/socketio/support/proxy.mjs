/** A way to the hub that can be cut: what mobile networks, tunnels and pulled plugs do to a connection. */
import { connect, createServer } from "node:net";

export class Proxy {
  #server;
  #pairs = new Set();
  #cutNext = false;
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
    const pair = { client, hub };
    this.#pairs.add(pair);
    hub.on("error", () => client.destroy());
    client.on("data", (data) => hub.write(data));
    hub.on("data", (data) => {
      if (this.#cutNext && data.length > 8) {
        this.#cutNext = false;
        this.cuts++;
        client.write(data.subarray(0, data.length >> 1), () => this.drop());
      } else {
        client.write(data);
      }
    });
    client.on("close", () => pair.isKept || hub.destroy());
    hub.on("close", () => (client.destroy(), this.#pairs.delete(pair)));
  }

  /** Both sides of every connection are reset. */
  drop() {
    for (const { client, hub } of this.#pairs) client.resetAndDestroy(), hub.resetAndDestroy();
  }

  /** Only the clients' sides are reset: the hub goes on talking to nobody. */
  abandon() {
    for (const pair of this.#pairs) {
      pair.isKept = true;
      pair.client.removeAllListeners("data").resetAndDestroy();
    }
  }

  /** The next thing that the hub says gets through by half; then everything is reset. */
  dropMidFrame() {
    this.#cutNext = true;
  }

  async close() {
    this.isOpen = false;
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
