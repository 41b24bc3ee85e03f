/** Who is in a room: roles, adding, silencing, removing, banning, leaving; and what is done to the room itself. */
import { Dialog, Field, IconButton, html, useEffect, useForm, useState, useTopics } from "./parts.js";
import { PeopleFinder, Person } from "./dialogs.js";
import { t } from "./words.js";

const ROLES = ["owner", "moderator", "member"];

export function Members({ model, room, onClose }) {
  useTopics(model, "presence", `room ${room.id}`);
  const [members, setMembers] = useState(null);
  const [banned, setBanned] = useState([]);
  const [adding, setAdding] = useState(false);

  const mine = room.membership?.role;
  const isOwner = mine === "owner" || model.me.role === "admin";
  const isModerator = isOwner || mine === "moderator";
  const mayAdd = isModerator || (room.kind === "public" && mine);
  const isDirect = room.kind === "direct";
  const seesBanned = isModerator && !isDirect; // one may become a moderator while this is open

  const load = async () => {
    const failed = (error) => model.toast(error);
    await model.members(room).then(setMembers, failed);
    if (seesBanned) await model.banned(room).then(setBanned, failed);
  };
  useEffect(() => {
    load();
    model.showsMembers = room.id;
    const end = model.on(`members ${room.id}`, load);
    return () => {
      model.showsMembers = null;
      end();
    };
  }, [seesBanned]);

  async function change(member, change) {
    if (await model.setMember(room, member.user_id, change)) load();
  }
  async function remove(member) {
    if (!(await model.sure(t("remove_sure", { name: member.name }), t("remove")))) return;
    if (await model.removeMember(room, member.user_id)) load();
  }
  async function ban(member) {
    if (await model.sure(t("ban_sure", { name: member.name }), t("ban"))) change(member, { banned: true });
  }
  async function leave() {
    if ((await model.sure(t("leave_sure"), t("leave"))) && (await model.leave(room))) onClose();
  }
  async function add(user) {
    if (await model.attempt(model.addMember(room, user.id))) await load();
  }

  const row = (member) => {
    const now = model.presence.get(member.user_id);
    const user = now ? { ...member, online: now !== "offline", status: now } : member;
    const isMe = member.user_id === model.me.id;
    const mayChange = !isMe && !isDirect && (isOwner || (isModerator && member.role === "member"));
    const mayRole = isOwner && !isMe && !isDirect;
    return html`<li key=${member.user_id}>
      <${Person} user=${{ ...user, id: member.user_id }}>
        ${mayRole
          ? html`<select aria-label="${t("role")}: ${member.name}" value=${member.role} onChange=${(event) => change(member, { role: event.target.value })}>
              ${ROLES.map((role) => html`<option key=${role} value=${role}>${t(role)}</option>`)}
            </select>`
          : html`<small>${[isMe && t("you"), t(member.role), member.muted && t("muted")].filter(Boolean).join(" · ")}</small>`}
      <//>
      ${mayChange && html`
        <${IconButton} icon="mute" class=${member.muted ? "on" : ""} label="${member.muted ? t("unmute") : t("mute")}: ${member.name}" onClick=${() => change(member, { muted: !member.muted })} />
        <${IconButton} icon="leave" label="${t("remove")}: ${member.name}" onClick=${() => remove(member)} />
        <${IconButton} icon="ban" label="${t("ban")}: ${member.name}" onClick=${() => ban(member)} />`}
    </li>`;
  };
  const out = (member) => html`<li key=${member.user_id}>
    <${Person} user=${{ ...member, id: member.user_id }} />
    <button type="button" onClick=${() => change(member, { banned: false })}>${t("unban")}<span class="hidden"> ${member.name}</span></button>
  </li>`;

  const present = new Set(members?.map((member) => member.user_id));
  return html`<${Dialog} side title=${adding ? t("add_people") : t("members")} onClose=${onClose}>
    ${adding
      ? html`<${PeopleFinder} model=${model}>
          ${(user) => html`<${Person} user=${user} />
            ${present.has(user.id) ? html`<small class="quiet">${t("added")}</small>` : html`<button type="button" onClick=${() => add(user)}>${t("add_people")}<span class="hidden"> ${user.name}</span></button>`}`}
        <//>
        <div class="buttons"><button type="button" onClick=${() => setAdding(false)}>${t("members")}</button></div>`
      : html`
        ${isOwner && !isDirect && html`<${TheRoom} model=${model} room=${room} />`}
        ${!members && html`<p class="quiet">${t("loading")}</p>`}
        <ul class="list">${members?.map(row)}</ul>
        ${seesBanned && banned.length > 0 && html`<h3>${t("banned")}</h3><ul class="list">${banned.map(out)}</ul>`}
        <div class="buttons">
          ${mine && !isDirect && html`<button type="button" class="danger" onClick=${leave}>${t("leave")}</button>`}
          ${mayAdd && !isDirect && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>${t("add_people")}</button>`}
        </div>`}
  <//>`;
}

/** Its name, and the archive. */
function TheRoom({ model, room }) {
  const [renaming, setRenaming] = useState(false);
  const { problem, busy, onSubmit } = useForm(async ({ name }) => {
    await model.changeRoom(room, { name: name.trim() });
    setRenaming(false);
  });
  async function archive() {
    const isArchived = Boolean(room.archived_at);
    if (!isArchived && !(await model.sure(t("archive_sure"), t("archive")))) return;
    await model.attempt(model.changeRoom(room, { archived: !isArchived }));
  }
  if (renaming) {
    return html`<form onSubmit=${onSubmit} aria-busy=${busy}>
      <${Field} name="name" label=${t("name")} required maxlength="100" autocomplete="off" autofocus defaultValue=${room.name} error=${problem} />
      <div class="buttons">
        <button type="button" onClick=${() => setRenaming(false)}>${t("cancel")}</button>
        <button class="primary">${t("save")}</button>
      </div>
    </form>`;
  }
  return html`<div class="buttons">
    ${!room.archived_at && html`<button type="button" onClick=${() => setRenaming(true)}>${t("rename")}</button>`}
    <button type="button" onClick=${archive}>${t(room.archived_at ? "unarchive" : "archive")}</button>
  </div>`;
}
