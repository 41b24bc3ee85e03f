/** What a person does on the page besides talking: to rooms, to places in them, and to oneself. The model adds the talk. */
import { uuid } from "../sdk/tertulia.js";
import { Emitter } from "../sdk/login.js";
import { explain, t } from "./words.js";

const LONGEST_WAIT_MS = 30_000;
/** Several that come or go at once are looked up at once. */
const SETTLED_MS = 300;

export const api = (path) => `/api/v1/chat${path}`;

/** Whether the same may work later: the hub was not reached, is busy, or was asked too often. */
export const isPassing = (error) => !error.status || error.status === 429 || error.status >= 500;

export class Verbs extends Emitter {
  rooms = new Map();
  current = null;
  /** The room that was asked for last: `current` as soon as it is here. */
  wanted = null;
  /** What is known of who is there: user id -> online, busy, away or offline. */
  presence = new Map();
  toasts = [];
  /** The room whose members are shown. */
  showsMembers = null;
  question = null;
  #tries = new Map(); // what failed and is tried again -> {n, timer}
  #busy = 0; // rooms that are being made or entered from here
  #added = new Set(); // rooms that were told of meanwhile

  rest(method, path, body) {
    return this.hub.rest(method, path, body);
  }

  /** Tries `act` again by itself: when the hub says, or else later each time. Without an error there is nothing to try. */
  later(key, error, act) {
    const { n = 0, timer } = this.#tries.get(key) ?? {};
    clearTimeout(timer);
    this.#tries.delete(key);
    if (!error || !isPassing(error)) return;
    const ms = error.retry_after_ms ?? Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** n);
    this.#tries.set(key, { n: n + 1, timer: setTimeout(act, ms) });
  }

  stop() {
    for (const { timer } of this.#tries.values()) clearTimeout(timer);
    this.#tries.clear();
  }

  /** Asks before something is done that cannot be undone. `yes`: what is written on the button. */
  sure(text, yes) {
    this.question?.resolve(false);
    return new Promise((resolve) => {
      const answer = (is) => {
        this.question = null;
        this.emit("question");
        resolve(is);
      };
      this.question = { text, yes, resolve: answer };
      this.emit("question");
    });
  }

  async attempt(promise) {
    try {
      return (await promise) ?? true;
    } catch (error) {
      this.toast(error);
      return null;
    }
  }

  /** Says something for a few seconds. */
  toast(what) {
    const text = typeof what === "string" ? what : explain(what);
    const toast = { id: uuid(), text };
    this.toasts = [...this.toasts.filter((it) => it.text !== text), toast].slice(-3);
    this.emit("toasts");
    setTimeout(() => {
      this.toasts = this.toasts.filter((it) => it !== toast);
      this.emit("toasts");
    }, 6_000);
  }

  // --- people

  seen(user, status) {
    this.presence.set(user, status);
    this.emit("presence");
  }

  async loadPresence(users) {
    for (let at = 0; at < users.length; at += 100) {
      const ids = users.slice(at, at + 100).join(",");
      const { items } = await this.rest("GET", `/api/v1/users/presence?ids=${ids}`).catch(() => ({ items: [] }));
      for (const { user_id, online, status } of items) this.presence.set(user_id, online ? status : "offline");
    }
    if (users.length) this.emit("presence");
  }

  people(q = "") {
    return this.rest("GET", `/api/v1/users?limit=50&q=${encodeURIComponent(q)}`);
  }

  async members(room) {
    const page = await this.rest("GET", api(`/rooms/${room.id}/members?limit=200`));
    if (!page.next) this.patch(room.id, { members_count: page.items.length });
    return page.items;
  }

  async banned(room) {
    return (await this.rest("GET", api(`/rooms/${room.id}/members?banned=true&limit=200`))).items;
  }

  /** Somebody came into the room, or went: perhaps they have got a place in it, or lost it. */
  moved(id, user) {
    const room = this.rooms.get(id);
    if (!room || id !== this.current || room.kind === "direct") return;
    if (!this.presence.has(user)) this.loadPresence([user]);
    clearTimeout(room.settling);
    room.settling = setTimeout(() => this.recount(room), SETTLED_MS);
  }

  /** Who shows the members loads them anew; otherwise they are only counted. */
  async recount(room) {
    if (this.showsMembers === room.id) this.emit(`members ${room.id}`);
    else await this.members(room).catch(() => {});
  }

  /** What one is called and how one wants to be seen, as of now; also from another window. */
  known(user) {
    if (user.id !== this.me.id || (user.name === this.me.name && user.status === this.me.status)) return;
    this.me = { ...this.me, ...user };
    this.emit("me");
    this.emit("rooms");
  }

  async setProfile(change) {
    const user = await this.rest("PUT", "/api/v1/auth/profile", change);
    this.known({ ...this.me, ...change, ...user });
    this.login.user = this.me;
    return true;
  }

  setStatus(status) {
    return this.attempt(this.setProfile({ status }));
  }

  /** An address with which one person may register. */
  async invite() {
    const { invite } = await this.rest("POST", "/api/v1/auth/invites", {});
    return `${location.origin}/?invite=${encodeURIComponent(invite)}`;
  }

  // --- what is done to rooms; each resolves with something true if it worked

  /** Rooms that one may join and is not in: open ones, and for those who serve customers their conversations. */
  async findRooms(q) {
    const kinds = ["admin", "agent"].includes(this.me.role) ? ["filter=public", "kind=conversation"] : ["filter=public"];
    const find = (kind) => this.rest("GET", api(`/rooms?${kind}&limit=50&q=${encodeURIComponent(q)}`));
    const pages = await Promise.all(kinds.map(find));
    return pages.flatMap((page) => page.items).filter((room) => !room.membership && !room.archived_at);
  }

  /**
   * Enters what `act` makes or finds; what was said there comes by itself. That one was added is no news then, but it is
   * where it is not `isWanted` any more, or another room is: that one stays.
   */
  async #enter(act, isWanted = () => true) {
    const { wanted } = this;
    this.#busy++;
    try {
      const room = await act();
      if (isWanted() && this.wanted === wanted) this.open(room.id);
      else this.#tell(room);
      return room;
    } finally {
      this.#busy--;
      if (!this.#busy) for (const id of this.#added) this.added(id);
    }
  }

  /** One has got a place in a room. */
  async added(id) {
    if (this.#busy) return this.#added.add(id);
    this.#added.delete(id);
    if (this.rooms.get(id)?.membership) return undefined;
    const room = await this.loadRoom(id);
    if (room?.membership) this.#tell(room);
    return room;
  }

  /** One is in this room now, and does not see it. */
  #tell(room) {
    this.emit("rooms");
    if (room.kind !== "direct") this.toast(t("added_to", { name: this.nameOf(room) }));
  }

  /** `isWanted`: whether the room is to be shown once it is there. */
  create(draft, isWanted) {
    return this.#enter(async () => this.take(await this.rest("POST", api("/rooms"), draft)), isWanted);
  }

  direct(user) {
    return this.attempt(this.#enter(async () => this.take(await this.rest("POST", api(`/direct/${user.id}`)))));
  }

  enter(room) {
    const come = async () => {
      await this.addMember(room, this.me.id);
      return this.take(await this.rest("GET", api(`/rooms/${room.id}`)));
    };
    return this.attempt(this.#enter(come));
  }

  addMember(room, user_id) {
    return this.rest("POST", api(`/rooms/${room.id}/members`), { user_id });
  }

  setMember(room, user_id, change) {
    return this.attempt(this.rest("PUT", api(`/rooms/${room.id}/members/${user_id}`), change));
  }

  removeMember(room, user_id) {
    return this.attempt(this.rest("DELETE", api(`/rooms/${room.id}/members/${user_id}`)).then(() => true));
  }

  async leave(room) {
    room.leaving = true;
    const done = await this.removeMember(room, this.me.id);
    if (done) this.lost(room.id);
    else room.leaving = false;
    return done;
  }

  /** Another name, or into the archive and out of it. */
  async changeRoom(room, change) {
    const now = await this.rest("PUT", api(`/rooms/${room.id}`), change);
    this.patch(room.id, { name: now.name, archived_at: now.archived_at });
    return true;
  }

  // --- what is not said yet

  draft(id) {
    return localStorage.getItem(`${this.keys.draft}.${id}`) ?? "";
  }

  keepDraft(id, text) {
    const key = `${this.keys.draft}.${id}`;
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  }
}
