/** Calls to the hub's REST API, as an administrator where nobody else is named. */
import { sleep } from "k6";
import http from "k6/http";
import { token } from "./tokens.js";

/** The number of the administrator among the users; connections are numbered from 0 and never reach it. */
const ADMINISTRATOR = 0xadadadad;

export const administrator = (settings) => token(settings, ADMINISTRATOR, "admin");

/** k6's answer. `name` stands for the address in k6's figures, where each id would be a name of its own. */
export function call(settings, method, path, { body, name = path, as = administrator(settings), headers = {}, ...params } = {}) {
  const all = { Authorization: `Bearer ${as}`, ...(body ? { "Content-Type": "application/json" } : {}), ...headers };
  const text = body ? JSON.stringify(body) : null;
  return http.request(method, settings.HUB + path, text, { headers: all, tags: { name: `${method} ${name}` }, ...params });
}

/** The parsed answer; throws with what the hub says where it refuses. */
export function ask(settings, method, path, options) {
  const answer = call(settings, method, path, options);
  if (answer.status >= 200 && answer.status < 300) return answer.body ? answer.json() : null;
  throw new Error(`${method} ${path}: ${answer.status || answer.error} ${answer.body ?? ""}`);
}

/** Whether the hub is there, and takes the tokens: said once, before a thousand connections say it. */
export function greet(settings) {
  const { status, error, body } = call(settings, "GET", "/api/v1/chat/rooms?limit=1", { as: token(settings, 0) });
  if (status === 200) return;
  const known = { 0: error, 401: "it does not take the tokens: is JWT_SECRET (or TOKEN) that of this hub?" };
  const why = known[status] ?? `${status} ${body}`;
  throw new Error(`the hub at ${settings.HUB} cannot be used: ${why}`);
}

/** API keys of the administrator: the hub has to know of this user first, which it hears of by what they make. */
export function makeKeys(settings, count) {
  ask(settings, "POST", "/api/v1/chat/rooms", { body: { kind: "conversation", name: "Load tests" } });
  const key = (attempt = 0) => {
    try {
      return ask(settings, "POST", "/api/v1/auth/api-key", { body: { name: "load test" } });
    } catch (error) {
      if (attempt === 50) throw error;
      sleep(0.1);
      return key(attempt + 1);
    }
  };
  return Array.from({ length: count }, () => key());
}

/** A message into a room, as `http.batch` and `http.request` take it. */
export function sending(settings, room) {
  const body = JSON.stringify({ content: "x".repeat(settings.SIZE), client_message_id: crypto.randomUUID() });
  const headers = { Authorization: `Bearer ${administrator(settings)}`, "Content-Type": "application/json" };
  const params = { headers, tags: { name: "POST /api/v1/chat/rooms/{id}/messages" } };
  return { method: "POST", url: `${settings.HUB}/api/v1/chat/rooms/${room}/messages`, body, params };
}
