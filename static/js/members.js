/** Who is in a room: roles, adding, silencing, removing, leaving. */
import { Dialog, IconButton, html, useEffect, useState, useTopics } from "./parts.js";
import { PeopleFinder, Person } from "./dialogs.js";
import { t } from "./words.js";

const ROLES = ["owner", "moderator", "member"];

export function Members({ model, room, onClose }) {
  useTopics(model, "presence", `room ${room.id}`);
  const [members, setMembers] = useState(null);
  const [adding, setAdding] = useState(false);
  const load = () => model.members(room).then(setMembers, (error) => model.toast(error));
  useEffect(() => void load(), []);

  const mine = room.membership?.role;
  const isOwner = mine === "owner" || model.me.role === "admin";
  const isModerator = isOwner || mine === "moderator";
  const mayAdd = isModerator || (room.kind === "public" && mine);
  const isDirect = room.kind === "direct";

  async function change(member, change) {
    if (await model.setMember(room, member.user_id, change)) load();
  }
  async function remove(member) {
    if (!confirm(t("remove_sure", { name: member.name }))) return;
    if (await model.removeMember(room, member.user_id)) load();
  }
  async function leave() {
    if (confirm(t("leave_sure")) && (await model.removeMember(room, model.me.id))) onClose();
  }
  async function add(user) {
    try {
      await model.addMember(room, user.id);
      await load();
    } catch (error) {
      model.toast(error);
    }
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
        <${IconButton} icon="close" label="${t("remove")}: ${member.name}" onClick=${() => remove(member)} />`}
    </li>`;
  };

  const present = new Set(members?.map((member) => member.user_id));
  return html`<${Dialog} side title=${adding ? t("add_people") : t("members")} onClose=${onClose}>
    ${adding
      ? html`<${PeopleFinder} model=${model}>
          ${(user) => html`<${Person} user=${user} />
            ${present.has(user.id) ? html`<small class="quiet">${t("added")}</small>` : html`<button type="button" onClick=${() => add(user)}>${t("add_people")}<span class="hidden"> ${user.name}</span></button>`}`}
        <//>
        <div class="buttons"><button type="button" onClick=${() => setAdding(false)}>${t("members")}</button></div>`
      : html`
        ${!members && html`<p class="quiet">${t("loading")}</p>`}
        <ul class="list">${members?.map(row)}</ul>
        <div class="buttons">
          ${mine && !isDirect && html`<button type="button" class="danger" onClick=${leave}>${t("leave")}</button>`}
          ${mayAdd && !isDirect && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>${t("add_people")}</button>`}
        </div>`}
  <//>`;
}
