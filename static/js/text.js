/** What people write, as nodes: code, links, and mentions of oneself. Never as HTML. */
import { html } from "./parts.js";

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;

/** Text with code blocks and inline code; `name` is whose mentions stand out. */
export function rich(text, name) {
  // Odd pieces stand between fences, or between single backquotes.
  return text.split(/```(?:[\w+-]*\n)?([\s\S]*?)```/u).map((piece, i) => {
    if (i % 2) return html`<pre tabindex="0"><code>${piece.replace(/\n$/u, "")}</code></pre>`;
    return piece.split(/`([^`\n]+)`/u).map((part, j) => (j % 2 ? html`<code>${part}</code>` : linked(part, name)));
  });
}

function linked(text, name) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    // Punctuation at the end belongs to the sentence; so does a bracket that was not opened inside.
    let link = match[0].replace(/[.,;:!?]+$/u, "");
    if (link.endsWith(")") && !link.includes("(")) link = link.slice(0, -1);
    if (!URL.canParse(link)) continue;
    nodes.push(...mentions(text.slice(at, match.index), name));
    nodes.push(html`<a href=${link} target="_blank" rel="noopener noreferrer">${link}</a>`);
    at = match.index + link.length;
  }
  nodes.push(...mentions(text.slice(at), name));
  return nodes;
}

function mentions(text, name) {
  if (!name || !text.toLowerCase().includes(`@${name.toLowerCase()}`)) return [text];
  const mark = new RegExp(`(@${name.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&")})`, "giu");
  return text.split(mark).map((part, i) => (i % 2 ? html`<mark>${part}</mark>` : part));
}

/** One line for lists and quotes. */
export function preview(message, t) {
  if (!message) return "";
  if (message.deleted_at) return t("deleted");
  const { text, caption, filename } = message.content ?? {};
  return (text || caption || filename || t(`type_${message.message_type}`)).replace(/\s+/gu, " ").trim().slice(0, 160);
}
