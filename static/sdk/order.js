/** What of all that is asked has to wait for what was asked before it. Part of `tertulia.js`. */

/** What others see in a room, in the order in which it came. */
const SAID = new Set(["send_message", "edit_message", "delete_message", "react", "unreact"]);
/** Whether one is in a room. */
export const PLACES = new Set(["join_session", "leave_session"]);

/** For one look at the jobs, from the oldest to the newest. */
export class Order {
  #rooms = new Set(); // of which something said is not sent
  #subjects = new Set(); // of which something is not answered

  /** Whether something before this one, of which `passed` was told, must not be overtaken. */
  holds(job) {
    return this.#subjects.has(subjectOf(job)) || (SAID.has(job.type) && this.#rooms.has(job.room));
  }

  passed(job) {
    // With `internal` the fault may be the message's own, and stay for good: nothing else in the room waits for that.
    if (SAID.has(job.type) && !job.sent && job.refusal !== "internal") this.#rooms.add(job.room);
    const subject = subjectOf(job);
    if (subject) this.#subjects.add(subject);
  }
}

/** What it changes: a message, or whether one is in a room. Whatever was asked first must not come to count last. */
function subjectOf({ type, room, payload }) {
  return PLACES.has(type) ? room : payload?.message_id;
}
