/** Making rooms, finding them, and finding people. */
import { Avatar, Dialog, Field, ICONS, html, useForm, useIsHere, useRef, useSettled, useState } from "./parts.js";
import { preview } from "./text.js";
import { explain, fullDate, members, t } from "./words.js";

/** The dialog gives the focus back to what opened it; then it goes to where one writes. */
async function closing(onClose, act) {
  onClose();
  if (await act()) setTimeout(() => matchMedia("(pointer: coarse)").matches || document.querySelector(".composer textarea")?.focus(), 50);
}

export function NewRoom({ model, onClose }) {
  const isHere = useIsHere();
  const { problem, busy, onSubmit } = useForm(async ({ name, kind }) => {
    const room = await model.create({ name: name.trim(), kind }, isHere);
    if (isHere()) closing(onClose, () => room);
  });
  const choice = (kind) => html`<label class="choice">
    <input type="radio" name="kind" value=${kind} defaultChecked=${kind === "public"} />
    <span><strong>${t(kind)}</strong><small>${t(`${kind}_hint`)}</small></span>
  </label>`;
  return html`<${Dialog} title=${t("create_room")} onClose=${onClose}>
    <form onSubmit=${onSubmit} aria-busy=${busy}>
      <${Field} name="name" label=${t("name")} required maxlength="100" autocomplete="off" autofocus error=${problem} />
      <div class="choices">${choice("public")}${choice("private")}</div>
      <div class="buttons">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="primary">${t("create")}</button>
      </div>
    </form>
  <//>`;
}

/** A list that is searched on the hub. `find` gets the words; `children` draws one of what it found. */
function Finder({ label, find, empty, children }) {
  const [q, setQ] = useState("");
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const present = useRef();
  present.current = q;
  useSettled(q, q ? 200 : 0, async (words) => {
    const { items, problem = null } = await find(words.trim()).then((items) => ({ items }), (error) => ({ problem: explain(error) }));
    if (present.current !== words) return; // something else is looked for by now
    if (items) setFound({ q: words, items });
    setProblem(problem);
  });
  return html`<div class="finder">
    <input type="search" aria-label=${label} placeholder=${label} autofocus value=${q} onInput=${(event) => setQ(event.target.value)} />
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    ${!found && !problem && html`<p class="quiet">${t("loading")}</p>`}
    ${found && !found.items.length && html`<p class="quiet">${found.q ? t("no_match", { q: found.q }) : empty}</p>`}
    <ul class="list">${found?.items.map((item) => html`<li key=${item.id}>${children(item)}</li>`)}</ul>
  </div>`;
}

export function BrowseRooms({ model, onClose }) {
  const enter = (room) => closing(onClose, () => model.enter(room));
  return html`<${Dialog} title=${t("browse")} onClose=${onClose}>
    <${Finder} label=${t("search_rooms")} empty=${t("no_public_rooms")} find=${(q) => model.findRooms(q)}>
      ${(room) => html`
        <${Avatar} name=${model.nameOf(room)} id=${room.id} icon=${ICONS[room.kind]} />
        <span class="grow" title=${t("created_on", { date: fullDate(room.created_at) })}>
          <strong dir="auto">${model.nameOf(room)}</strong>
          <small dir="auto">${room.members_count ? `${members(room.members_count)} · ` : ""}${preview(room.last_message, t)}</small>
        </span>
        <button type="button" onClick=${() => enter(room)}>${t("join")}<span class="hidden"> ${model.nameOf(room)}</span></button>`}
    <//>
  <//>`;
}

/** People of the organization, without oneself and those for whom `without` is true. */
export function PeopleFinder({ model, without = () => false, children }) {
  const find = async (q) => {
    const { items } = await model.people(q);
    return items.filter((user) => user.id !== model.me.id && !without(user));
  };
  return html`<${Finder} label=${t("search_people")} empty=${t("no_people")} find=${find}>${children}<//>`;
}

export function Person({ user, children }) {
  const presence = user.online ? (user.status ?? "online") : "offline";
  return html`
    <${Avatar} name=${user.name} id=${user.id ?? user.user_id} presence=${presence} />
    <span class="grow"><strong dir="auto">${user.name}</strong>${children}</span>`;
}

export function NewDirect({ model, onClose }) {
  const write = (user) => closing(onClose, () => model.direct(user));
  return html`<${Dialog} title=${t("new_direct")} onClose=${onClose}>
    <${PeopleFinder} model=${model}>
      ${(user) => html`<button type="button" class="person" onClick=${() => write(user)}><${Person} user=${user} /></button>`}
    <//>
  <//>`;
}
