/** A room: its messages in a window that keeps its place, who types, and where one writes. */
import { Avatar, Fragment, ICONS, IconButton, html, useEffect, useLayoutEffect, useMemo, useRef, useState, useTopics } from "./parts.js";
import { Composer } from "./composer.js";
import { Members } from "./members.js";
import { JumpDown, Message, NewMarker, Pending } from "./message.js";
import { dayOf, explain, members as membersOf, sameDay, t } from "./words.js";

/** Messages of one person within this time stand together. */
const TOGETHER_MS = 5 * 60_000;
const NEAR_BOTTOM = 60;
const NEAR_TOP = 600;

export function RoomPane({ model, room }) {
  useTopics(model, `room ${room.id}`);
  const [mode, setMode] = useState(null);
  const [members, setMembers] = useState(false);
  const log = useRef();
  const isMember = Boolean(room.membership);
  const isMuted = Boolean(room.membership?.muted);
  const write = isMember && !isMuted && !room.archived_at;

  const act = useMemo(() => ({
    reply: (message) => setMode({ reply: message }),
    edit: (message) => setMode({ edit: message }),
    delete: async (message) => (await model.sure(t("delete_sure"), t("delete"))) && model.delete(room, message),
    toggle: (message, emoji) => model.toggle(room, message, emoji),
    jump: (id) => jumpTo(model, room, id),
  }), [room]);
  const moderate = model.me.role === "admin" || ["owner", "moderator"].includes(room.membership?.role);
  const may = useMemo(() => ({ write, moderate }), [write, moderate]);

  // The browser's button back closes what stands over the room, before it leaves it.
  useEffect(() => {
    const back = () => setMembers(false);
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const showMembers = () => {
    history.pushState({ ...history.state, panel: true }, "");
    setMembers(true);
  };
  const closeMembers = () => (history.state?.panel ? history.back() : setMembers(false));

  return html`
    <${Header} model=${model} room=${room} onMembers=${showMembers} />
    <${Log} model=${model} room=${room} act=${act} may=${may} element=${log} />
    <${Typing} model=${model} room=${room} />
    ${write && html`<${Composer} model=${model} room=${room} mode=${mode} setMode=${setMode} onSent=${() => log.current?.toBottom()} />`}
    ${!write && html`<div class="notice">
      <p>${room.archived_at ? t("archived") : isMuted ? t("muted_you") : t("join_to_write")}</p>
      ${!isMember && !room.archived_at && html`<button type="button" class="primary" onClick=${() => model.enter(room)}>${t("join")}</button>`}
    </div>`}
    ${members && html`<${Members} model=${model} room=${room} onClose=${closeMembers} />`}`;
}

function Header({ model, room, onMembers }) {
  useTopics(model, "presence", "rooms");
  const name = model.nameOf(room);
  const isDirect = room.kind === "direct";
  const presence = isDirect ? (model.presence.get(room.peer?.id) ?? "offline") : undefined;
  const about = isDirect ? t(presence) : [t(room.kind), room.members_count && membersOf(room.members_count)].filter(Boolean).join(" · ");
  return html`<header class="room-header">
    <${IconButton} icon="back" class="only-narrow" label=${t("back")} onClick=${() => model.close({ back: true })} />
    <${Avatar} name=${name} id=${room.peer?.id ?? room.id} icon=${ICONS[room.kind]} presence=${presence} />
    <div class="grow"><h1 dir="auto">${name}</h1><p class="quiet">${about}</p></div>
    <${IconButton} icon="people" label=${t("members")} onClick=${onMembers} />
  </header>`;
}

function Typing({ model, room }) {
  useTopics(model, `typing ${room.id}`, `room ${room.id}`);
  const names = [...room.typing.values()].map(({ name }) => name);
  const [a, b] = names;
  const text = ["", t("typing_1", { a }), t("typing_2", { a, b })][names.length] ?? t("typing_n");
  return html`<p class="typing" role="status">${text}</p>`;
}

/** Shows the message with this id, and loads what is between if need be. */
async function jumpTo(model, room, id) {
  const { timeline } = room;
  while (!timeline.byId(id) && !timeline.complete && timeline.messages.length < 2_000) {
    const before = timeline.messages.length;
    await model.older(room);
    if (timeline.messages.length === before) break;
  }
  const message = timeline.byId(id);
  if (!message) return;
  requestAnimationFrame(() => {
    const element = document.getElementById(`m${message.seq}`);
    element?.scrollIntoView({ block: "center" });
    element?.focus({ preventScroll: true });
    element?.classList.add("flash");
    setTimeout(() => element?.classList.remove("flash"), 1_500);
  });
}

function Log({ model, room, act, may, element }) {
  const { timeline } = room;
  const box = useRef();
  // Where the reader was when this was drawn last. `stays`: at the end, and wants to stay there.
  const place = useRef({ first: null, height: 0, top: 0, stays: true, shown: false });
  const [away, setAway] = useState(false);

  /** The first message that is shown, and how far down: there one comes back to. */
  function keepPlace() {
    const { top } = box.current.getBoundingClientRect();
    const first = [...box.current.querySelectorAll("article[data-seq]")].find((it) => it.getBoundingClientRect().bottom > top);
    room.place = !place.current.stays && first ? { seq: first.dataset.seq, offset: first.getBoundingClientRect().top - top } : null;
  }

  const toBottom = () => {
    place.current.stays = true;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  element.current = { toBottom };

  /** Whether one has scrolled up since the last event said where one is: the next comes with the next frame, and what is drawn before must not undo it. */
  function hasLeft() {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const { top, height } = place.current;
    return scrollTop < top - 1 && scrollHeight >= height && height - scrollTop - clientHeight >= NEAR_BOTTOM;
  }

  function seen() {
    if (!box.current || !timeline.loaded || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const bottom = box.current.getBoundingClientRect().bottom + 8;
    const shown = [...box.current.querySelectorAll("[data-seq]")].findLast((it) => it.getBoundingClientRect().bottom <= bottom);
    if (shown) model.read(room, Number(shown.dataset.seq));
  }

  function scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const now = place.current;
    now.stays = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    Object.assign(now, { top: scrollTop, height: scrollHeight });
    keepPlace();
    stands();
  }

  /** What follows from where one stands now. */
  function stands() {
    setAway(!place.current.stays);
    if (timeline.loaded && place.current.top < NEAR_TOP) model.older(room);
    seen();
  }

  useLayoutEffect(() => {
    const now = place.current;
    const { current } = box;
    const first = timeline.messages[0]?.seq ?? null;
    const isNew = !now.shown && timeline.loaded;
    const marker = isNew && current.querySelector("#new");
    const kept = isNew && room.place && document.getElementById(`m${room.place.seq}`);
    if (hasLeft()) now.stays = false;
    if (kept) {
      current.scrollTop += kept.getBoundingClientRect().top - current.getBoundingClientRect().top - room.place.offset;
      now.stays = false;
    } else if (marker) {
      current.scrollTop = marker.offsetTop - current.clientHeight / 3;
      now.stays = current.scrollHeight - current.scrollTop - current.clientHeight < NEAR_BOTTOM;
    } else if (now.stays) {
      current.scrollTop = current.scrollHeight;
    } else if (first !== now.first && now.first !== null) {
      current.scrollTop = now.top + current.scrollHeight - now.height;
    }
    if (timeline.loaded) now.shown = true;
    Object.assign(now, { first, top: current.scrollTop, height: current.scrollHeight });
    stands();
  });

  useEffect(() => {
    const { current } = box;
    // The keyboard of a telephone, or a picture that has arrived.
    const resized = new ResizeObserver(() => box.current && place.current.stays && !hasLeft() && toBottom());
    resized.observe(current);
    resized.observe(current.firstElementChild);
    document.addEventListener("visibilitychange", seen);
    addEventListener("focus", seen);
    return () => {
      resized.disconnect();
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("focus", seen);
    };
  }, []);

  // With the arrow keys one goes from message to message; Tab then leads to what can be done with it.
  function key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const isHere = event.target === box.current || event.target.matches?.("article");
    if (!step || !isHere) return;
    const all = [...box.current.querySelectorAll("article[data-seq]")];
    const at = all.indexOf(event.target);
    const next = at < 0 ? all.at(-1) : all[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  return html`<div class="log-frame">
    <div ref=${box} class="log" id="messages" role="log" tabindex="0" aria-label=${t("messages_in", { name: model.nameOf(room) })} onScroll=${scrolled} onKeyDown=${key}>
      <div class="log-inner">
        <${Beginning} model=${model} room=${room} />
        ${lines(model, room, act, may)}
        ${timeline.pending.map((it) => html`<${Pending}
          key=${it.client_message_id} pending=${it} me=${model.me} quoted=${it.reply_to_id && timeline.byId(it.reply_to_id)}
          onAgain=${() => model.again(room, it)} onDiscard=${() => model.discard(room, it)}
        />`)}
      </div>
    </div>
    ${away && html`<${JumpDown} count=${room.unread} onClick=${() => (toBottom(), timeline.last && model.read(room, timeline.last.seq, { all: true }))} />`}
  </div>`;
}

function Beginning({ model, room }) {
  const { timeline } = room;
  if (timeline.error) {
    return html`<div class="beginning" role="alert">
      <p>${explain(timeline.error)}</p>
      <button type="button" onClick=${() => model.older(room)}>${t("retry")}</button>
    </div>`;
  }
  if (!timeline.loaded || !timeline.complete) return html`<p class="beginning quiet">${t("loading")}</p>`;
  const isEmpty = !timeline.messages.length && !timeline.pending.length;
  return html`<p class="beginning quiet">${isEmpty ? t("empty_room") : t("all_caught_up")}</p>`;
}

/** Messages with the days and the marker of what is new between them. */
function lines(model, room, act, may) {
  const { timeline } = room;
  let before = null;
  return timeline.messages.map((message) => {
    const newDay = !before || !sameDay(before.created_at, message.created_at);
    const isNew = message.seq === timeline.firstNew;
    const apart = newDay || isNew || before.sender_id !== message.sender_id || Date.parse(message.created_at) - Date.parse(before.created_at) > TOGETHER_MS;
    before = message;
    const mine = message.sender_id === model.me.id;
    return html`<${Fragment} key=${message.seq}>
      ${newDay && html`<div class="day" role="separator"><span>${dayOf(message.created_at)}</span></div>`}
      ${isNew && html`<${NewMarker} more=${timeline.moreNew} />`}
      <${Message}
        message=${message} mine=${mine} first=${apart} status=${mine && (message.waiting ? "sending" : timeline.statusOf(message))} me=${model.me} may=${may} do=${act}
        quoted=${message.reply_to_id && timeline.byId(message.reply_to_id)}
      />
    <//>`;
  });
}
