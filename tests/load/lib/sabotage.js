/**
 * Faults made on purpose, to see that a run fails that lost or repeated a single message.
 *
 * SABOTAGE=deaf: the last connection does not join. `lose`: it takes no notice of one message. `repeat`: it hears one twice.
 */
export const SABOTAGES = ["", "deaf", "lose", "repeat"];

/** Prepares the connection of this number; says whether it is to stay out of its room. */
export function sabotage({ SABOTAGE, CONNECTIONS }, connection, chosen = CONNECTIONS - 1) {
  if (!SABOTAGE || connection.index !== chosen) return false;
  const hear = connection.hearMessage;
  let lost;
  let repeated = false;
  connection.hearMessage = (payload, read) => {
    const name = `${payload.session_id ?? payload.conversation_id} ${payload.seq}`;
    lost ??= name;
    // Who comes back is told again what it has not noted, so each copy has to be lost.
    if (SABOTAGE === "lose" && name === lost) return;
    hear.call(connection, payload, read);
    if (SABOTAGE === "repeat" && !repeated) hear.call(connection, payload, read);
    repeated = true;
  };
  return SABOTAGE === "deaf";
}

/** The same for a page of messages. */
export function tampered({ SABOTAGE }, items) {
  if (SABOTAGE === "lose") return items.slice(1);
  return SABOTAGE === "repeat" ? [items[0], ...items] : items;
}
