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
  connection.hearMessage = (payload, read) => {
    delete connection.hearMessage;
    if (SABOTAGE === "repeat") for (let times = 0; times < 2; times += 1) hear.call(connection, payload, read);
  };
  return SABOTAGE === "deaf";
}

/** The same for a page of messages. */
export function tampered({ SABOTAGE }, items) {
  if (SABOTAGE === "lose") return items.slice(1);
  return SABOTAGE === "repeat" ? [items[0], ...items] : items;
}
