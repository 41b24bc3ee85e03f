/**
 * Faults made on purpose, to see that a run fails that lost or repeated a single message.
 *
 * SABOTAGE=deaf: the last connection does not join. `lose`: it takes no notice of one message. `repeat`: it hears one twice.
 */
export const SABOTAGES = ["", "deaf", "lose", "repeat"];

/** Prepares a connection; says whether it is to stay out of its room. */
export function sabotage({ SABOTAGE, CONNECTIONS }, connection) {
  if (!SABOTAGE || connection.index !== CONNECTIONS - 1) return false;
  const hear = connection.hearMessage;
  connection.hearMessage = (payload, read) => {
    delete connection.hearMessage;
    if (SABOTAGE === "repeat") for (let times = 0; times < 2; times += 1) hear.call(connection, payload, read);
  };
  return SABOTAGE === "deaf";
}
