/** A hub of its own for each test file, with tokens for whoever is needed. No account is made: a token is enough. */
import { createHmac, randomUUID } from "node:crypto";
import { Hub as Base } from "../../browser/support/hub.mjs";
import { until } from "./journal.mjs";

const SECRET = "a secret for tests, thirty-two bytes and more";
const encoded = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");

/** Signs a token as a back end does that shares its secret with the hub. */
export function sign(claims, secret = SECRET) {
  const text = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export class Person {
  constructor(name, { org = randomUUID(), role = "agent" } = {}) {
    Object.assign(this, { id: randomUUID(), name, org, role });
  }

  /** A token that is good for `seconds`, which may be less than none. */
  token(seconds = 3_600) {
    const exp = Math.floor(Date.now() / 1_000) + seconds;
    return sign({ sub: this.id, organization_id: this.org, role: this.role, name: this.name, exp });
  }
}

/** People of one organization that nobody else is in. */
export function people(...names) {
  const org = randomUUID();
  return names.map((name) => new Person(name, { org }));
}

export class Hub extends Base {
  static start(...flags) {
    return super.start("--jwt-secret", SECRET, ...flags);
  }

  /** As {@link Base.rest}, as this person. */
  as(person, method, path, body) {
    return this.rest(person.token(), method, path, body);
  }

  /** The id of a new room. */
  async room(person, { kind = "public", ...more } = {}) {
    return (await this.as(person, "POST", "/api/v1/chat/rooms", { name: "A room", kind, ...more })).id;
  }

  /** A room that this person may enter, too, which the hub has to know by then. */
  async admit(owner, room, person) {
    await this.room(person);
    await until(`the hub knows ${person.name}`, () => this.as(owner, "GET", `/api/v1/users/${person.id}`).catch(() => null));
    await this.as(owner, "POST", `/api/v1/chat/rooms/${room}/members`, { user_id: person.id });
  }

  /** Sends over HTTP; the stored message. */
  send(person, room, text) {
    return this.as(person, "POST", `/api/v1/chat/rooms/${room}/messages`, { content: { text }, client_message_id: randomUUID() });
  }

  /** All messages of a room, as the store has them, in order. */
  async history(person, room) {
    const found = [];
    let next = "after=0";
    do {
      const page = await this.as(person, "GET", `/api/v1/chat/rooms/${room}/messages?limit=100&${next}`);
      found.push(...page.items);
      next = page.next && `cursor=${encodeURIComponent(page.next)}`;
    } while (next);
    return found.sort((a, b) => a.seq - b.seq);
  }
}
