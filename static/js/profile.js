/** Oneself: one's name, where one is logged in, and for administrators the way in for others. */
import { Dialog, Field, IconButton, html, useEffect, useForm, useState } from "./parts.js";
import { exactTime, t } from "./words.js";

export function Profile({ model, onClose }) {
  const [logins, setLogins] = useState([]);
  const [link, setLink] = useState(null);
  const load = () => model.rest("GET", "/api/v1/auth/sessions").then(({ items }) => setLogins(items), (error) => model.toast(error));
  useEffect(() => void load(), []);

  const { problem, busy, onSubmit } = useForm(async ({ name }) => {
    await model.setProfile({ name: name.trim() });
    onClose();
  });
  const end = async (login) => {
    if (await model.attempt(model.rest("DELETE", `/api/v1/auth/sessions/${login.id}`))) load();
  };
  const invite = async () => setLink(await model.attempt(model.invite()));

  return html`<${Dialog} title=${t("profile")} onClose=${onClose}>
    <form onSubmit=${onSubmit} aria-busy=${busy}>
      <${Field} name="name" label=${t("name")} required maxlength="100" autocomplete="name" autofocus defaultValue=${model.me.name} error=${problem} />
      <div class="buttons">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="primary">${t("save")}</button>
      </div>
    </form>
    ${model.me.role === "admin" && html`<section class="finder">
      ${link
        ? html`<${Field} name="invite" label=${t("invite")} readonly value=${link} hint=${t("invite_hint")} onFocus=${(event) => event.target.select()} />`
        : html`<div class="buttons"><button type="button" onClick=${invite}>${t("invite_make")}</button></div>`}
    </section>`}
    ${logins.length > 0 && html`<section>
      <h3>${t("logins")}</h3>
      <ul class="list">${logins.map((login) => html`<li key=${login.id}>
        <span class="grow"><span>${browserOf(login.user_agent)}${login.current ? ` (${t("this_one")})` : ""}</span><small>${exactTime(login.renewed_at)} · ${login.address}</small></span>
        ${!login.current && html`<${IconButton} icon="logout" label="${t("log_out")}: ${browserOf(login.user_agent)}" onClick=${() => end(login)} />`}
      </li>`)}</ul>
    </section>`}
  <//>`;
}

/** "Firefox, Linux": what people know a browser by. */
function browserOf(agent) {
  const find = (...words) => words.find((word) => agent?.includes(word));
  const browser = find("Firefox", "Edg", "OPR", "Chrome", "Safari");
  const system = find("Android", "iPhone", "iPad", "Windows", "Mac", "Linux");
  const name = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
  return [name, system].filter(Boolean).join(", ") || t("device");
}
