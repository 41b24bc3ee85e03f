/** Where one writes: drafts, replies, edits, and telling the others that one types. */
import { IconButton, html, useEffect, useLayoutEffect, useRef, useState } from "./parts.js";
import { Picker } from "./emoji.js";
import { preview } from "./text.js";
import { t } from "./words.js";

const MOST_BYTES = 10_240;
const SILENCE_MS = 2_000;
const TYPING_AGAIN_MS = 3_000;

const bytes = new TextEncoder();
/** On a telephone the Enter key makes lines; there is a button to send. */
const hasKeyboard = !matchMedia("(pointer: coarse)").matches;

/** `mode`: what is written beside a plain message: `{reply}` or `{edit}`, each with its message. */
export function Composer({ model, room, mode, setMode, onSent }) {
  const [text, setText] = useState(() => model.draft(room.id));
  const [picking, setPicking] = useState(false);
  const caret = useRef(null); // where it stands after an emoji was put in
  const area = useRef();
  const typing = useRef({ last: 0, timer: null });
  const kept = useRef(null); // the draft, while something is edited

  useEffect(() => {
    if (hasKeyboard) area.current.focus();
    return () => silent(true);
  }, []);

  // The draft gives way to what is edited, and is back before the next key, whatever comes after the edit.
  useLayoutEffect(() => {
    if (mode?.edit) {
      kept.current ??= text;
      setText(mode.edit.content.text ?? "");
    } else if (kept.current !== null) {
      setText(kept.current);
      kept.current = null;
    }
    if (mode) area.current.focus();
  }, [mode]);

  useLayoutEffect(() => {
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight}px`;
    if (caret.current !== null) area.current.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [text]);

  function silent(now) {
    const { current } = typing;
    clearTimeout(current.timer);
    if (now && current.last) {
      current.last = 0;
      model.hub.typing(room.id, false);
    } else if (!now) {
      current.timer = setTimeout(() => silent(true), SILENCE_MS);
    }
  }

  function write(value) {
    setText(value);
    if (mode?.edit) return;
    model.keepDraft(room.id, value);
    if (!value.trim()) return silent(true);
    if (Date.now() - typing.current.last > TYPING_AGAIN_MS) {
      typing.current.last = Date.now();
      model.hub.typing(room.id, true);
    }
    silent(false);
  }

  function end() {
    setMode(null);
    area.current.focus();
  }

  const over = bytes.encode(text).length - MOST_BYTES;
  const isReady = text.trim() !== "" && over <= 0;

  function submit(event) {
    event?.preventDefault();
    if (!isReady) return;
    if (mode?.edit) {
      if (text !== mode.edit.content.text) model.edit(room, mode.edit, text);
      return end();
    }
    silent(true);
    model.send(room, text, mode?.reply?.id);
    model.keepDraft(room.id, "");
    setText("");
    setMode(null);
    area.current.focus();
    onSent();
  }

  function key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && hasKeyboard) submit(event);
    else if (event.key === "Escape" && mode) end();
    else if (event.key === "ArrowUp" && !text && !mode) {
      const last = room.timeline.messages.findLast((it) => it.sender_id === model.me.id && !it.deleted_at);
      if (!last) return;
      event.preventDefault();
      setMode({ edit: last });
    }
  }

  function pick(emoji) {
    setPicking(false);
    const { selectionStart: from, selectionEnd: to } = area.current;
    caret.current = from + emoji.length;
    write(text.slice(0, from) + emoji + text.slice(to));
    area.current.focus();
  }

  const about = mode?.edit ?? mode?.reply;
  const title = mode?.edit ? t("editing") : about && t("replying", { name: about.sender_id === model.me.id ? t("you") : about.sender_name });
  const label = t("message_to", { name: model.nameOf(room) });
  return html`<form class="composer" onSubmit=${submit}>
    ${about && html`<div class="about">
      <p><strong>${title}</strong><span dir="auto">${preview(about, t)}</span></p>
      <${IconButton} icon="close" label=${t("cancel")} onClick=${end} />
    </div>`}
    ${over > 0 && html`<p class="error" role="alert">${t("too_long", { n: over })}</p>`}
    <div class="line">
      <${IconButton} icon="smile" label=${t("emoji")} onClick=${() => setPicking(!picking)} />
      ${picking && html`<${Picker} onPick=${pick} onClose=${(back) => (setPicking(false), back && area.current.focus())} />`}
      <textarea ref=${area} rows="1" dir="auto" aria-label=${label} placeholder=${label} value=${text} enterkeyhint=${hasKeyboard ? "send" : "enter"}
        onInput=${(event) => write(event.target.value)} onKeyDown=${key} onBlur=${() => silent(true)}></textarea>
      <button class="icon-button send" aria-label=${mode?.edit ? t("save") : t("send")} title=${mode?.edit ? t("save") : t("send")} disabled=${!isReady}>
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${mode?.edit ? "M4 12.5l5 5L20 6.5" : "M4 12l16-8-6 16-2.5-6.5L4 12z"} /></svg>
      </button>
    </div>
  </form>`;
}
