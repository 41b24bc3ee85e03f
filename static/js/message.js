/** One message: who, what, when, how far it got, and what can be done with it. */
import { Avatar, Icon, IconButton, html, memo, useRef, useState } from "./parts.js";
import { Picker } from "./emoji.js";
import { preview, rich } from "./text.js";
import { exactTime, t, timeOf } from "./words.js";

/** One tick: stored. Two: delivered; coloured: read. A clock: on its way. */
export function Ticks({ status }) {
  const label = t(status);
  const path = {
    sending: "M12 7v5l3 2M12 4a8 8 0 100 16 8 8 0 000-16z",
    failed: "M12 7v6M12 16.5v.01M12 4a8 8 0 100 16 8 8 0 000-16z",
    sent: "M6 12.5l4 4L18.5 8",
  }[status];
  return html`<svg class="ticks ${status}" viewBox="0 0 24 24" role="img" aria-label=${label}>
    <title>${label}</title><path d=${path ?? "M2 12.5l4 4L14.5 8M11 16l.5.5L20 8"} />
  </svg>`;
}

/** `do` is what the room does for a message: reply, edit, delete, toggle, jump. */
export const Message = memo(({ message, mine, first, status, quoted, me, may, do: act }) => {
  const [picking, setPicking] = useState(false);
  const bar = useRef();
  const { seq, content, deleted_at } = message;
  const close = (back) => (setPicking(false), back && bar.current?.querySelector("button")?.focus());
  const pick = (emoji) => {
    setPicking(false);
    if (emoji) act.toggle(message, emoji);
  };
  const who = mine ? t("you") : (message.sender_name ?? "?");
  return html`<article class="message ${mine ? "mine" : ""} ${first ? "first" : ""}" tabindex="-1" id="m${seq}" data-seq=${seq} aria-label="${who}, ${exactTime(message.created_at)}">
    ${!mine && first && html`<${Avatar} small name=${message.sender_name} id=${message.sender_id} />`}
    <div class="bubble ${deleted_at ? "gone" : ""}">
      ${!mine && first && html`<strong class="sender" dir="auto">${message.sender_name}</strong>`}
      ${message.reply_to_id && !deleted_at && html`<${Quote} quoted=${quoted} me=${me} onClick=${() => act.jump(message.reply_to_id)} />`}
      ${deleted_at ? html`<p class="text">${t("deleted")}</p>` : html`<${Content} content=${content} type=${message.message_type} name=${me.name} />`}
      <span class="meta">
        ${message.edited_at && !deleted_at && html`<span title=${exactTime(message.edited_at)}>${t("edited")}</span>`}
        <time datetime=${message.created_at} title=${exactTime(message.created_at)}>${timeOf(message.created_at)}</time>
        ${mine && !deleted_at && html`<${Ticks} status=${status} />`}
        ${!mine && message.waiting && html`<${Ticks} status="sending" />`}
      </span>
    </div>
    ${!deleted_at && may.write && html`<div ref=${bar} class="actions ${picking ? "open" : ""}" role="group" aria-label=${t("message_actions")}>
      <${IconButton} icon="smile" label=${t("react")} onClick=${() => setPicking(!picking)} />
      <${IconButton} icon="reply" label=${t("reply")} onClick=${() => act.reply(message)} />
      ${mine && html`<${IconButton} icon="edit" label=${t("edit")} onClick=${() => act.edit(message)} />`}
      ${(mine || may.moderate) && html`<${IconButton} icon="trash" label=${t("delete")} onClick=${() => act.delete(message)} />`}
      ${picking && html`<${Picker} onPick=${pick} onClose=${close} />`}
    </div>`}
    ${message.reactions.length > 0 && html`<div class="reactions">
      ${message.reactions.map((it) => html`<${Reaction} key=${it.emoji} ...${it} me=${me.id} off=${!may.write} onClick=${() => act.toggle(message, it.emoji)} />`)}
    </div>`}
  </article>`;
});

function Reaction({ emoji, count, user_ids, me, off, onClick }) {
  return html`<button type="button" disabled=${off} aria-pressed=${user_ids.includes(me)} aria-label=${t("reaction_label", { emoji, n: count })} onClick=${onClick}>
    <span aria-hidden="true"><span class="emoji">${emoji}</span> ${count}</span>
  </button>`;
}

/** What is answered; what is older than what is here is told without its words. */
export function Quote({ quoted, me, onClick }) {
  const name = quoted && (quoted.sender_id === me.id ? t("you") : quoted.sender_name);
  return html`<button type="button" class="quote" onClick=${onClick}>
    ${quoted ? html`<strong dir="auto">${name}</strong><span dir="auto">${preview(quoted, t)}</span>` : html`<span>${t("earlier")}</span>`}
  </button>`;
}

const isWeb = (url) => URL.canParse(url, location.origin) && /^https?:$/.test(new URL(url, location.origin).protocol);

function Content({ content, type, name }) {
  const { text, caption, media_url: url, filename } = content;
  return html`
    ${url && isWeb(url) && (type === "image"
      ? html`<a href=${url} target="_blank" rel="noopener noreferrer"><img class="picture" src=${url} alt=${caption ?? filename ?? t("type_image")} loading="lazy" /></a>`
      : html`<p><a href=${url} target="_blank" rel="noopener noreferrer">${filename ?? t(`type_${type}`)}</a></p>`)}
    ${[text, caption].filter(Boolean).map((words) => html`<div class="text" dir="auto">${rich(words, name)}</div>`)}`;
}

/** What was written here and is not stored yet. */
export function Pending({ pending, me, quoted, onAgain, onDiscard }) {
  const { error } = pending;
  return html`<article class="message mine pending" aria-label="${t("you")}, ${t(error ? "failed" : "sending")}">
    <div class="bubble ${error ? "failed" : ""}">
      ${pending.reply_to_id && html`<${Quote} quoted=${quoted} me=${me} />`}
      <div class="text" dir="auto">${rich(pending.content.text, me.name)}</div>
      <span class="meta">
        <time datetime=${pending.created_at}>${timeOf(pending.created_at)}</time>
        <${Ticks} status=${error ? "failed" : "sending"} />
      </span>
      ${error && html`<div class="problem" role="alert">
        <p>${t("failed")}: ${error}</p>
        <button type="button" onClick=${onAgain}>${t("retry")}</button>
        <button type="button" onClick=${onDiscard}>${t("discard")}</button>
      </div>`}
    </div>
  </article>`;
}

/** `more`: the first that is unread stands further up than what is here. */
export function NewMarker({ more }) {
  return html`<div class="new-marker" role="separator" id="new"><span>${t("new_messages")}${more ? ` · ${t("more_new")}` : ""}</span></div>`;
}

export function JumpDown({ count, onClick }) {
  return html`<button type="button" class="jump" aria-label=${t("jump")} title=${t("jump")} onClick=${onClick}>
    ${count > 0 && html`<span>${t("new_n", { n: count })}</span>`}<${Icon} name="down" />
  </button>`;
}
