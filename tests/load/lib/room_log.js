/**
 * What one connection has heard in one room: `seq` counts a room's messages without gaps, so whatever is missing, comes twice
 * or comes too late shows.
 */
import { note } from "./ledger.js";

export class RoomLog {
  /** `next`: the `seq` that has to come first. */
  constructor(next) {
    this.next = next;
    this.missing = new Set();
  }

  /** The highest `seq` seen, to come back with. */
  get last() {
    return this.next - 1;
  }

  /** Whether it is new. */
  hear(seq) {
    if (seq === this.next) {
      this.next += 1;
      return true;
    }
    if (seq > this.next) {
      for (let gap = this.next; gap < seq; gap += 1) this.missing.add(gap);
      this.next = seq + 1;
      return true;
    }
    const isLate = this.missing.delete(seq);
    note(isLate ? "disordered" : "repeated");
    return isLate;
  }

  hasAll(lastSeq) {
    return this.missing.size === 0 && this.next > lastSeq;
  }

  /** At the end: the hub says that the room's last message is this one. */
  settle(lastSeq) {
    note("lost", this.missing.size + Math.max(0, lastSeq + 1 - this.next));
  }
}
