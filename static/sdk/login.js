/** Who one is: the pair of tokens of a login, and the calls that need no socket. Part of `tertulia.js`. */

import { Kept } from "./kept.js";

/** What only reads is asked again this often where the hub says when, if it is not longer than that. */
const READ_AGAIN = 2;
const READ_AGAIN_WITHIN_MS = 10_000;

/** While a login could not be ended, it is tried again after this time. */
const END_AGAIN_MS = 15_000;

/** A token is renewed when it has less than this left. */
const EARLY_MS = 90_000;

export class TertuliaError extends Error {
  constructor(code, message, more = {}) {
    super(message);
    this.name = "TertuliaError";
    this.code = code;
    Object.assign(this, more);
  }
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Something that tells of events. */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` with each event of this type; returns what ends that. */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        console.error(error); // one listener's fault is not another's
      }
    }
  }
}

/** Asks the REST API; what is refused, or no answer at all, is a `TertuliaError`. Reads are patient with a busy hub. */
export async function request(url, method, path, body, token) {
  for (let tries = 0; ; tries++) {
    try {
      return await once(url, method, path, body, token);
    } catch (error) {
      const { status, retry_after_ms: ms } = error;
      const patient = method === "GET" && tries < READ_AGAIN && (status === 429 || status === 503) && ms <= READ_AGAIN_WITHIN_MS;
      if (!patient) throw error;
      await wait(ms * (1 + Math.random() / 4)); // not all who were refused at the same time
    }
  }
}

async function once(url, method, path, body, token) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    // Small writes are finished even if the page is closed meanwhile.
    const keepalive = method !== "GET" && (content?.length ?? 0) < 10_000;
    response = await fetch(new URL(path, url), { method, headers, body: content, credentials: "omit", cache: "no-store", keepalive });
  } catch (error) {
    throw new TertuliaError("offline", "The hub cannot be reached", { cause: error });
  }
  const text = await response.text().catch(() => "");
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    if (response.ok) throw new TertuliaError("internal", "The hub's answer is no JSON", { status: response.status });
  }
  if (response.ok) return answer;
  const { code = "internal", detail = answer?.title ?? response.statusText, field } = answer ?? {};
  const after = Number(response.headers.get("Retry-After"));
  throw new TertuliaError(code, detail, { status: response.status, field, retry_after_ms: after ? after * 1000 : undefined });
}

/**
 * When the pair of tokens was renewed last, by any tab. What one tab writes to the storage the others see a moment later;
 * this they see at once, so they know that they have to wait for it.
 */
const ledger = {
  async run(mode, act) {
    if (!globalThis.indexedDB) return undefined;
    const answer = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    try {
      const opening = indexedDB.open("tertulia", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("renewed");
      const database = await answer(opening);
      try {
        return await answer(act(database.transaction("renewed", mode).objectStore("renewed")));
      } finally {
        database.close();
      }
    } catch {
      return undefined; // a browser that keeps nothing has no other tabs that share the storage
    }
  },
  last: (key) => ledger.run("readonly", (store) => store.get(key)),
  note: (key, time) => ledger.run("readwrite", (store) => store.put(time, key)),
};

/**
 * A person's login: keeps the pair of tokens in `storage`, for all tabs, and renews it in time. A refresh token counts
 * once, so only one tab renews at a time, and the others take what it got.
 */
export class Login extends Emitter {
  #url;
  #storage;
  #key;
  #renewing = null;
  #ended; // refresh tokens of logins that are to end, for the next time
  #ending = new Set(); // the same, as long as this page lives, also where the storage is cleared
  #endingAgain;

  constructor({ url = globalThis.location?.origin, storage = globalThis.localStorage, key = "tertulia.login" } = {}) {
    super();
    this.#url = url;
    this.#storage = storage;
    this.#key = key;
    globalThis.addEventListener?.("storage", (event) => {
      if (event.key === key || event.key === null) this.emit("change", this.user);
    });
    this.#ended = new Kept(storage, `${key}.ended`);
    globalThis.addEventListener?.("online", () => this.#endAll());
    this.#endAll();
  }

  get #pair() {
    try {
      return JSON.parse(this.#storage.getItem(this.#key));
    } catch {
      return null;
    }
  }

  /** Who is logged in, as of the last answer. */
  get user() {
    return this.#pair?.user ?? null;
  }

  set user(user) {
    const pair = this.#pair;
    if (pair) this.#storage.setItem(this.#key, JSON.stringify({ ...pair, user }));
  }

  #keep(answer) {
    const { access_token, refresh_token, expires_in } = answer;
    const renewed_at = Math.max(Date.now(), (this.#pair?.renewed_at ?? 0) + 1);
    const expires_at = Date.now() + expires_in * 1000;
    const pair = { access_token, refresh_token, expires_at, renewed_at, user: answer.user ?? this.user };
    this.#storage.setItem(this.#key, JSON.stringify(pair));
    this.emit("change", pair.user);
    return pair;
  }

  #forget(reason) {
    this.#storage.removeItem(this.#key);
    this.emit("ended", reason);
    this.emit("change", null);
  }

  async login(email, password) {
    await this.#endAll();
    return this.#keep(await request(this.#url, "POST", "/api/v1/auth/login", { email, password })).user;
  }

  /** Who may register here, and whether anyone has yet. */
  registration() {
    return request(this.#url, "GET", "/api/v1/auth/registration");
  }

  async register(person) {
    await this.#endAll();
    return this.#keep(await request(this.#url, "POST", "/api/v1/auth/register", person)).user;
  }

  /** Ends the login here at once and, as soon as the hub can be reached, there, too. */
  async logout() {
    const pair = this.#pair;
    this.#forget("logged_out");
    if (pair) await this.#end(pair.refresh_token);
  }

  #end(refresh_token) {
    this.#ending.add(refresh_token);
    this.#ended.change((list) => [...list, refresh_token]);
    return this.#endAll();
  }

  /** Ends at the hub what was ended here. The refresh token says which login it is, however old the access token is. */
  async #endAll() {
    clearTimeout(this.#endingAgain);
    for (const refresh_token of new Set([...this.#ended.all, ...this.#ending])) {
      const error = await request(this.#url, "POST", "/api/v1/auth/logout", { refresh_token }).catch((error) => error);
      const { status = 0 } = error ?? {};
      if (error && (status < 400 || status === 408 || status === 429 || status >= 500)) {
        this.#ending.add(refresh_token);
        this.#ended.change((list) => [...new Set([...list, refresh_token])]);
      } else {
        this.#ending.delete(refresh_token); // it has ended, now or before
        this.#ended.change((list) => list.filter((it) => it !== refresh_token));
      }
    }
    clearTimeout(this.#endingAgain);
    if (this.#ending.size) this.#endingAgain = setTimeout(() => this.#endAll(), END_AGAIN_MS);
    this.#endingAgain?.unref?.(); // Node.js need not stay for it
  }

  /** A good access token. `refused`: one that the hub did not take, so another is needed. */
  async token({ refused } = {}) {
    const good = (pair) => pair && pair.access_token !== refused && pair.expires_at - Date.now() > EARLY_MS;
    const pair = this.#pair;
    if (good(pair)) return pair.access_token;
    if (!pair) throw new TertuliaError("authentication_required", "Nobody is logged in", { status: 401 });
    this.#renewing ??= this.#alone(async () => {
      const last = (await ledger.last(this.#key)) ?? 0;
      for (let i = 0; i < 100 && this.#pair?.renewed_at < last; i++) await wait(20);
      const present = this.#pair; // another tab may have been quicker
      if (!present || good(present)) return present;
      const { refresh_token } = present;
      const isOver = () => this.#pair?.refresh_token !== refresh_token; // logged out meanwhile; another may have come
      try {
        const answer = await request(this.#url, "POST", "/api/v1/auth/refresh", { refresh_token });
        if (isOver()) {
          this.#end(answer.refresh_token);
          return this.#pair;
        }
        const renewed = this.#keep(answer);
        await ledger.note(this.#key, renewed.renewed_at);
        return renewed;
      } catch (error) {
        if (isOver()) return this.#pair;
        if (error.status === 400 || error.status === 401 || error.status === 403) this.#forget(error.code);
        else if (present.expires_at > Date.now() && present.access_token !== refused) return present;
        throw error;
      }
    }).finally(() => (this.#renewing = null));
    const renewed = await this.#renewing;
    if (!renewed) throw new TertuliaError("authentication_required", "Nobody is logged in", { status: 401 });
    return renewed.access_token;
  }

  /** One tab at a time. Where the browser has no locks (pages without TLS), a note in the storage does, nearly as well. */
  async #alone(task) {
    if (globalThis.navigator?.locks) return navigator.locks.request(this.#key, task);
    const note = `${this.#key}.busy`;
    for (let i = 0; i < 50 && Number(this.#storage.getItem(note)) > Date.now(); i++) await wait(100 + Math.random() * 100);
    this.#storage.setItem(note, String(Date.now() + 5_000));
    try {
      return await task();
    } finally {
      this.#storage.removeItem(note);
    }
  }
}
