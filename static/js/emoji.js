/** A few emoji to choose from; the keyboard of every system has the rest. */
import { html, useEffect, useRef } from "./parts.js";
import { t } from "./words.js";

const EMOJI = "👍 ❤️ 😂 😮 😢 🙏 🎉 🔥 👏 👀 ✅ ❌ 🙂 😉 😍 🤔 😅 😎 🤝 💪 🚀 ☕ 🌱 💡".split(" ");

/** `onClose` hears whether it was closed on purpose: then the focus goes back. */
export function Picker({ onPick, onClose }) {
  const element = useRef();
  useEffect(() => element.current.querySelector("button").focus(), []);
  const left = (event) => !element.current?.contains(event.relatedTarget) && onClose();
  const key = (event) => {
    const buttons = [...element.current.querySelectorAll("button")];
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
    if (event.key === "Escape") onClose(true);
    else if (step) buttons[buttons.indexOf(document.activeElement) + step]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div ref=${element} class="picker" role="group" aria-label=${t("picker")} onFocusOut=${left} onKeyDown=${key}>
    ${EMOJI.map((it) => html`<button type="button" class="emoji" key=${it} onClick=${() => onPick(it)}>${it}</button>`)}
  </div>`;
}
