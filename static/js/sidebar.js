/** The list of rooms, and who one is. */
import { Avatar, ICONS, Icon, IconButton, html, useEffect, useRef, useState, useTopics } from "./parts.js";
import { BrowseRooms, NewDirect, NewRoom } from "./dialogs.js";
import { Profile } from "./profile.js";
import { explain, fullDate, language, members, shortTime, t } from "./words.js";

const STATUSES = ["online", "busy", "away", "offline"];
const DIALOGS = { create: NewRoom, browse: BrowseRooms, direct: NewDirect, profile: Profile };

export function Sidebar({ model, onLogout }) {
  useTopics(model, "rooms", "current", "presence");
  const [q, setQ] = useState("");
  const [dialog, setDialog] = useState(null);
  const show = (name) => setDialog({ name });
  // What comes late closes the one that it was asked from, and no other.
  const close = () => setDialog((now) => (now === dialog ? null : now));
  const search = useRef();

  const rooms = model.sorted;
  const shown = q ? rooms.filter((room) => model.nameOf(room).toLowerCase().includes(q.toLowerCase())) : rooms;

  useEffect(() => {
    const key = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        search.current.focus();
      } else if (event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key)) {
        event.preventDefault();
        const list = model.sorted;
        const at = list.findIndex((room) => room.id === model.current) + (event.key === "ArrowDown" ? 1 : -1);
        if (list[at]) model.open(list[at].id);
      }
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);

  const enter = (event) => {
    if (event.key === "Enter" && shown[0]) (model.open(shown[0].id), setQ(""));
    if (event.key === "Escape") setQ("");
  };

  const Chosen = DIALOGS[dialog?.name];
  return html`<nav class="sidebar" aria-label=${t("rooms")}>
    <header>
      <h1>Tertulia</h1>
      <${IconButton} icon="person" label=${t("new_direct")} onClick=${() => show("direct")} />
      <${IconButton} icon="globe" label=${t("browse")} onClick=${() => show("browse")} />
      <${IconButton} icon="add" label=${t("create_room")} onClick=${() => show("create")} />
    </header>
    <div class="search">
      <${Icon} name="search" />
      <input ref=${search} type="search" value=${q} placeholder=${t("search_rooms")} aria-label=${t("search_rooms")}
        onInput=${(event) => setQ(event.target.value)} onKeyDown=${enter} />
    </div>
    <ul class="rooms">
      ${shown.map((room) => html`<${RoomItem} key=${room.id} model=${model} room=${room} />`)}
    </ul>
    ${model.problem && html`<div class="empty" role="alert">
      <p>${explain(model.problem)}</p>
      <button type="button" onClick=${() => model.loadRooms()}>${t("retry")}</button>
    </div>`}
    ${q && !shown.length && html`<p class="empty quiet">${t("no_match", { q })}</p>`}
    ${model.ready && !rooms.length && html`<div class="empty">
      <p><strong>${t("no_rooms")}</strong></p>
      <p class="quiet">${t("no_rooms_hint")}</p>
      <button type="button" class="primary" onClick=${() => show("create")}>${t("create_room")}</button>
      <button type="button" onClick=${() => show("browse")}>${t("browse")}</button>
      <button type="button" onClick=${() => show("direct")}>${t("new_direct")}</button>
    </div>`}
    <${Me} model=${model} onLogout=${onLogout} onProfile=${() => show("profile")} />
    ${Chosen && html`<${Chosen} model=${model} onClose=${close} />`}
  </nav>`;
}

function RoomItem({ model, room }) {
  const name = model.nameOf(room);
  const isCurrent = room.id === model.current;
  const { last_message: last } = room;
  const who = last && (last.sender_id === model.me.id ? t("you") : room.kind !== "direct" && last.sender_name);
  const about = room.kind === "direct" ? undefined : [members(room.members_count), t("created_on", { date: fullDate(room.created_at) })].join(" · ");
  const presence = room.kind === "direct" ? (model.presence.get(room.peer?.id) ?? "offline") : undefined;
  return html`<li>
    <button type="button" class="room-item ${room.unread ? "unread" : ""}" title=${about} aria-current=${isCurrent ? "true" : undefined} onClick=${() => model.open(room.id)}>
      <${Avatar} name=${name} id=${room.peer?.id ?? room.id} icon=${ICONS[room.kind]} presence=${presence} />
      <span class="room-name" dir="auto">${name}</span>
      <time>${shortTime(last?.created_at)}</time>
      <span class="room-last" dir="auto">${who && `${who}: `}${model.preview(last)}</span>
      ${room.unread > 0 && html`<span class="badge ${room.mentions ? "mention" : ""}">
        <span aria-hidden="true">${room.mentions ? "@ " : ""}${room.unread > 99 ? "99+" : room.unread}</span>
        <span class="hidden">${t("unread_n", { n: room.unread })}</span>
      </span>`}
    </button>
  </li>`;
}

function setTheme() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const { dataset } = document.documentElement;
  const next = (dataset.theme ?? (isDark ? "dark" : "light")) === "dark" ? "light" : "dark";
  dataset.theme = next;
  localStorage.setItem("tertulia.theme", next);
}

function setLanguage() {
  localStorage.setItem("tertulia.language", language === "pt" ? "en" : "pt");
  location.reload();
}

function Me({ model, onLogout, onProfile }) {
  useTopics(model, "me", "connection");
  const { me, connection } = model;
  const status = connection.state === "open" ? (me.status ?? "online") : "offline";
  return html`<footer class="me">
    <${Avatar} name=${me.name} id=${me.id} presence=${status} />
    <div class="me-name">
      <button type="button" class="link" title=${t("profile")} onClick=${onProfile}><strong dir="auto">${me.name}</strong></button>
      <select aria-label=${t("status")} value=${me.status ?? "online"} onChange=${(event) => model.setStatus(event.target.value)}>
        ${STATUSES.map((it) => html`<option key=${it} value=${it}>${t(it)}</option>`)}
      </select>
    </div>
    <button type="button" class="icon-button" lang=${language === "pt" ? "en" : "pt"} title=${t("language")} onClick=${setLanguage}>
      <span aria-hidden="true">${language === "pt" ? "EN" : "PT"}</span>
      <span class="hidden">${language === "pt" ? "English" : "Português"}</span>
    </button>
    <${IconButton} icon="moon" label=${t("theme")} onClick=${setTheme} />
    <${IconButton} icon="logout" label=${t("log_out")} onClick=${onLogout} />
  </footer>`;
}
