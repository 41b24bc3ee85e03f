/** Logging in and registering. */
import { Field, html, useEffect, useForm, useRef, useState } from "./parts.js";
import { explain, t } from "./words.js";

/** An administrator's link carries `?invite=`, the one that the hub prints at its first start `?setup=`. */
const query = new URLSearchParams(location.search);
const invite = query.get("invite");
const setup = query.get("setup");

export function Entrance({ login, why }) {
  const [isNew, setNew] = useState(Boolean(invite || setup));
  const [rules, setRules] = useState({ registration: "open", first: Boolean(setup) });
  const form = useRef();
  useEffect(() => form.current.querySelector("input").focus(), [isNew]);

  useEffect(() => {
    // Without an answer everything is offered, and the hub says what it will not have.
    login.registration().then((rules) => (setRules(rules), rules.first && setNew(true)), () => {});
  }, []);
  const mayRegister = rules.first || rules.registration === "open" || (rules.registration === "invite" && invite);

  const { problem, busy, onSubmit, forget } = useForm(async ({ email, password, name, organization }) => {
    if (isNew) {
      const person = { email, password, name };
      if (organization?.trim()) person.organization = organization.trim();
      if (invite) person.invite = invite;
      if (setup) person.setup_token = setup;
      await login.register(person);
    } else {
      await login.login(email, password);
    }
    if (invite || setup) history.replaceState(null, "", location.pathname + location.hash);
  });

  const at = (field) => (problem?.field === field ? problem : undefined);
  const general = problem && !["email", "password", "name", "organization"].includes(problem.field) && explain(problem);
  const greeting = (isNew && rules.first && t("setup")) || (isNew && invite && t("invited")) || t("about_hub");
  return html`<main class="entrance">
    <form ref=${form} onSubmit=${onSubmit} aria-busy=${busy}>
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>Tertulia</h1>
      <p class="quiet">${greeting}</p>
      <div class="problem" role="alert">${general || why ? html`<p>${general || why}</p>` : null}</div>
      ${isNew && html`<${Field} name="name" label=${t("name")} autocomplete="name" required maxlength="100" error=${at("name")} />`}
      <${Field} name="email" type="email" label=${t("email")} autocomplete="username" required autofocus error=${at("email")} />
      <${Field}
        name="password" type="password" label=${t("password")} required minlength=${isNew ? 8 : undefined} maxlength="256"
        autocomplete=${isNew ? "new-password" : "current-password"} hint=${isNew && t("password_hint")} error=${at("password")}
      />
      ${isNew && rules.first && html`<${Field} name="organization" label=${t("organization")} autocomplete="organization" hint=${t("organization_hint")} error=${at("organization")} />`}
      <button class="primary">${isNew ? t("register") : t("log_in")}</button>
      ${!rules.first && (isNew || mayRegister) && html`<p class="quiet">
        ${isNew ? t("with_account") : t("no_account")}${" "}
        <button type="button" class="link" onClick=${() => (setNew(!isNew), forget())}>${isNew ? t("log_in") : t("register")}</button>
      </p>`}
    </form>
  </main>`;
}
