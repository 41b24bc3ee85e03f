/** What all views are made of: templates, icons, avatars, dialogs, and the hook that follows the model. */
import { Component, h } from "../vendor/preact.js";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { explain, t } from "./words.js";

export { Fragment, render } from "../vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";

export const html = htm.bind(h);

/** A view that is drawn again only when one of its properties is another one. */
export function memo(view) {
  return class extends Component {
    shouldComponentUpdate(next) {
      return Object.keys(next).some((key) => next[key] !== this.props[key]);
    }

    render(properties) {
      return h(view, properties);
    }
  };
}

/** Draws again whenever the model tells of one of these topics. */
export function useTopics(model, ...topics) {
  const [, again] = useReducer((n) => n + 1, 0);
  useLayoutEffect(() => {
    const ends = topics.map((topic) => model.on(topic, again));
    return () => ends.forEach((end) => end());
  }, [model, ...topics]);
}

const PATHS = {
  add: "M12 5v14M5 12h14",
  ban: "M12 4a8 8 0 100 16 8 8 0 000-16zM6.5 6.5l11 11",
  back: "M15 5l-7 7 7 7",
  check: "M4 12.5l5 5L20 6.5",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20h4L19 9l-4-4L4 16v4zM13.5 6.5l4 4",
  globe: "M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  hash: "M9 4L7 20M17 4l-2 16M4 9h16M3.5 15h16",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3",
  logout: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  moon: "M20 14.5A8.5 8.5 0 119.5 4a7 7 0 0010.5 10.5z",
  mute: "M4 9v6h4l5 4V5L8 9H4zM17 9l4 6M21 9l-4 6",
  people: "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 4.5a3.5 3.5 0 010 6M17.5 14.3c2.5.7 4 2.7 4 5.7",
  person: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20.5c0-4.5 3.5-6.5 7.5-6.5s7.5 2 7.5 6.5",
  leave: "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 10h6",
  reply: "M10 6l-6 6 6 6M4 12h9c4 0 7 2 7 7",
  search: "M10.5 4a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM15.5 15.5L20 20",
  send: "M4 12l16-8-6 16-2.5-6.5L4 12z",
  smile: "M12 3a9 9 0 100 18 9 9 0 000-18zM8 14c1 2 2.5 3 4 3s3-1 4-3M9 9.5v.01M15 9.5v.01",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.8 1.8M17.2 17.2L19 19M19 5l-1.8 1.8M6.8 17.2L5 19",
  talk: "M4 5h16v11H10l-5 4v-4H4z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

/** Of the kinds of rooms; a direct one shows who it is with. */
export const ICONS = { public: "hash", private: "lock", conversation: "talk" };

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** A button that shows an icon only; `label` is what it is called. */
export function IconButton({ icon, label, class: more = "", ...rest }) {
  return html`<button type="button" class="icon-button ${more}" aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${icon} />
  </button>`;
}

/** The same name has the same colour everywhere. */
function hue(key) {
  let sum = 0;
  for (const letter of key ?? "") sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return sum % 8;
}

export function initials(name) {
  const words = (name ?? "").trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0]).join("").toUpperCase() || "?";
}

/** `presence`: online, busy, away, offline; none: no dot. */
export function Avatar({ name, id, icon, presence, small }) {
  const label = presence && t(presence);
  return html`<span class="avatar hue-${hue(id ?? name)} ${small ? "small" : ""}">
    ${icon ? html`<${Icon} name=${icon} />` : html`<span aria-hidden="true">${initials(name)}</span>`}
    ${presence && html`<span class="dot ${presence}" role="img" aria-label=${label} title=${label}></span>`}
  </span>`;
}

/** A modal dialog: the browser keeps the focus in it, and Escape closes it. */
export function Dialog({ title, onClose, children, side }) {
  const element = useRef();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog.open) dialog.showModal();
    return () => dialog.open && dialog.close();
  }, []);
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${side ? "side" : ""} aria-label=${title} onClose=${onClose} onMouseDown=${outside}>
    <div class="dialog-body">
      <header>
        <h2>${title}</h2>
        <${IconButton} icon="close" label=${t("close")} onClick=${onClose} />
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** Fields with a label, and what is wrong with them: the `error` that the hub refused them with. */
export function Field({ label, hint, error, name, ...rest }) {
  const help = error ? `${name}-error` : hint ? `${name}-hint` : undefined;
  return html`<label class="field ${error ? "wrong" : ""}">
    <span>${label}</span>
    <input name=${name} aria-invalid=${error ? "true" : undefined} aria-describedby=${help} ...${rest} />
    ${error ? html`<small id=${help} class="error">${explain(error)}</small>` : hint && html`<small id=${help}>${hint}</small>`}
  </label>`;
}

/**
 * What a form sends, once at a time: a second click while the first is under way does nothing.
 * `act` gets the fields; what it throws is the `problem` until the next try, or until it is to `forget`.
 */
export function useForm(act) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const underWay = useRef(false); // what is drawn comes too late for two clicks at once
  async function onSubmit(event) {
    event.preventDefault();
    if (underWay.current) return;
    const fields = Object.fromEntries(new FormData(event.target));
    underWay.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await act(fields);
    } catch (error) {
      setProblem(error);
    } finally {
      underWay.current = false;
      setBusy(false);
    }
  }
  return { problem, busy, onSubmit, forget: () => setProblem(null) };
}

/** Whether the view is still there, for what goes on when an answer comes. */
export function useIsHere() {
  const here = useRef(true);
  useLayoutEffect(() => () => (here.current = false), []);
  return () => here.current;
}

/** Calls `run` with the last of several values, once they stop coming for `ms`. */
export function useSettled(value, ms, run) {
  useEffect(() => {
    const timer = setTimeout(() => run(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
}
