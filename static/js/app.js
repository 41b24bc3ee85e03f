/** Where the page begins: who is not logged in stands at the entrance, who is sees the rooms. */
import { Login } from "../sdk/tertulia.js";
import "./early.js";
import { Entrance } from "./entrance.js";
import { Model, roomInAddress } from "./model.js";
import { Dialog, Icon, html, render, useEffect, useState, useTopics } from "./parts.js";
import { RoomPane } from "./room.js";
import { Sidebar } from "./sidebar.js";
import { t } from "./words.js";

const login = new Login();

function App() {
  const [user, setUser] = useState(login.user?.id ?? null);
  const [why, setWhy] = useState(null);
  useEffect(() => {
    const ends = [
      login.on("change", (user) => setUser(user?.id ?? null)),
      login.on("ended", (reason) => setWhy(reason === "logged_out" ? null : t("give_up_session_ended"))),
    ];
    return () => ends.forEach((end) => end());
  }, []);
  return user ? html`<${Chat} key=${user} />` : html`<${Entrance} login=${login} why=${why} />`;
}

function Chat() {
  const [it] = useState(() => new Model(login));
  useTopics(it, "current", "rooms", "connection");
  useEffect(() => {
    it.start();
    const moved = () => (roomInAddress() ? roomInAddress() !== it.wanted && it.open(roomInAddress()) : it.close());
    addEventListener("popstate", moved);
    return () => {
      removeEventListener("popstate", moved);
      it.stop();
    };
  }, []);
  const room = it.rooms.get(it.current);
  useEffect(() => {
    document.title = `${it.unread ? `(${it.unread}) ` : ""}${room ? `${it.nameOf(room)} – ` : ""}Tertulia`;
  });
  const leave = () => {
    it.stop();
    login.logout();
    forget();
  };
  return html`<main class="chat ${room || it.missing ? "in-room" : ""}">
    <a class="skip" href="#content" onClick=${toMessages}>${t("skip")}</a>
    <${Connection} model=${it} />
    <${Sidebar} model=${it} onLogout=${leave} />
    <section class="pane" id="content" aria-label=${room ? it.nameOf(room) : "Tertulia"}>
      ${room ? html`<${RoomPane} key=${room.id} model=${it} room=${room} />` : html`<${Nothing} model=${it} />`}
    </section>
    <${Question} model=${it} />
    <${Toasts} model=${it} />
  </main>`;
}

/** Whoever logs out leaves nothing of theirs behind: no drafts, and nothing that was not sent. */
function forget() {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith("tertulia.") && !["tertulia.theme", "tertulia.language"].includes(key)) localStorage.removeItem(key);
  }
}

function toMessages(event) {
  event.preventDefault(); // the address names a room
  document.querySelector("#messages, .nothing")?.focus();
}

function Nothing({ model }) {
  const { missing, delayed } = model;
  return html`<div class="nothing" tabindex="-1">
    <${Icon} name="talk" />
    <h1>Tertulia</h1>
    <p role="status">${missing ? t(missing === delayed ? "loading" : "room_missing") : t("choose_room")}</p>
    ${missing && html`<button type="button" class="only-narrow" onClick=${() => model.close({ back: true })}>${t("back")}</button>`}
  </div>`;
}

/** Asks before something is done that cannot be undone. */
function Question({ model }) {
  useTopics(model, "question");
  const { question } = model;
  if (!question) return null;
  const { text, yes, resolve } = question;
  return html`<${Dialog} key=${text} title=${yes} onClose=${() => resolve(false)}>
    <p>${text}</p>
    <div class="buttons">
      <button type="button" onClick=${() => resolve(false)}>${t("cancel")}</button>
      <button type="button" class="danger" autofocus onClick=${() => resolve(true)}>${yes}</button>
    </div>
  <//>`;
}

/** Says what is the matter, for as long as there is no connection. */
function Connection({ model }) {
  useTopics(model, "connection");
  const [, again] = useState(0);
  const { state, retryAt } = model.connection;
  useEffect(() => {
    if (state !== "waiting") return undefined;
    const timer = setInterval(() => again((n) => n + 1), 1_000);
    return () => clearInterval(timer);
  }, [state, retryAt]);
  // A moment of connecting is nothing to talk about.
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    const timer = setTimeout(() => setLate(true), 1_500);
    return () => clearTimeout(timer);
  }, [state === "open"]);
  const ended = model.ended;
  let text = ended;
  if (!text && late && state === "waiting") text = t("waiting", { n: Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000)) });
  if (!text && late && state === "connecting") text = t("connecting");
  return html`<div class="connection" role="status">
    ${text && html`<p>${text}</p>`}
    ${ended && html`<button type="button" onClick=${() => location.reload()}>${t("retry_now")}</button>`}
  </div>`;
}

function Toasts({ model }) {
  useTopics(model, "toasts");
  return html`<div class="toasts" role="status">
    ${model.toasts.map(({ id, text }) => html`<p key=${id}>${text}</p>`)}
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
