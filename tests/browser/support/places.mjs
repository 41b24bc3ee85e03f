/** Where the hub, the browser and the pictures are. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
export const hubPath = process.env.TERTULIA_BIN ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/tertulia`;
export const browserPath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
export const screenshots = `${root}docs/screenshots/`;
