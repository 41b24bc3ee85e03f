/** Who the connections are: tokens (JWT, HS256) signed with the hub's secret, one user for each connection. */
import { hmac } from "k6/crypto";
import { b64encode } from "k6/encoding";

const LIFETIME_S = 24 * 3600;
const HEADER = b64encode(JSON.stringify({ alg: "HS256", typ: "JWT" }), "rawurl");

/** The same user for the same number in every run, so that runs on one database do not fill it with people. */
export const user = (index) => `10ad0000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;

/** A connection's token. Agents may enter every room that another one has opened. */
export function token({ TOKEN, JWT_SECRET, ORG }, index, role = "agent") {
  if (TOKEN) return TOKEN;
  const exp = Math.floor(Date.now() / 1000) + LIFETIME_S;
  const claims = { sub: user(index), organization_id: ORG, role, name: `Load ${index}`, exp };
  const signed = `${HEADER}.${b64encode(JSON.stringify(claims), "rawurl")}`;
  return `${signed}.${hmac("sha256", JWT_SECRET, signed, "base64rawurl")}`;
}
