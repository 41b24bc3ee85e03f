/** What people read at the end of a run: a few lines that say whether it was good, what was done, and how long it took. */

const whole = (number) => Math.round(number ?? 0).toString().replace(/\B(?=(\d{3})+$)/g, ",");
const short = (number) => (number >= 100 ? whole(number) : Number((number ?? 0).toPrecision(3)).toString());

/** `handleSummary` of a workload. `rows` may add lines of its own, each with a name and a text. */
export function summary(settings, title, rows = () => []) {
  return (data) => {
    const count = (name) => data.metrics[name]?.values.count ?? 0;
    const time = (name) => {
      const values = data.metrics[name]?.values;
      if (!values?.count) return null;
      const [med, p95, p99, max] = ["med", "p(95)", "p(99)", "max"].map((stat) => short(values[stat]));
      return `p50 ${med}   p95 ${p95}   p99 ${p99}   max ${max} ms   (${whole(values.count)})`;
    };
    const failed = Object.entries(data.metrics).flatMap(([name, metric]) =>
      Object.entries(metric.thresholds ?? {})
        .filter(([, { ok }]) => !ok)
        .map(([rule]) => `${name}: ${rule} was expected, and it is ${found(metric, rule)}`),
    );
    const lines = [
      ["settings", settings.own.filter((name) => settings[name] !== "").map((name) => `${name}=${settings[name]}`).join(" ")],
      ["connections", connections(settings, count)],
      ...(count("sent") ? messages(settings, count) : []),
      ...["connect", "join", "ack", "delivery"].map((name) => [name, time(`${name}_ms`)]),
      ...rows({ count, time, metrics: data.metrics, whole, short }),
      ["k6 behind by", time("behind_ms")],
      ...failed.map((text) => ["FAILED", text]),
    ];
    const body = lines.filter(([, text]) => text).map(([name, text]) => `  ${name.padEnd(13)}${text}`);
    return { stdout: `\n${title}: ${failed.length ? "FAILED" : "passed"}\n${body.join("\n")}\n` };
  };
}

/** The figure that a rule is about, such as `p(95)` of `p(95)<50`. */
function found({ values }, rule) {
  const [stat] = /^[a-z]+(\(\d+\))?/.exec(rule) ?? [];
  return values[stat] === undefined ? "not there" : short(values[stat]);
}

function connections({ CONNECTIONS, SLOW = 0 }, count) {
  if (CONNECTIONS === undefined) return null;
  const odd = [
    ["closed_unasked", "closed unasked"],
    ["late", "late"],
  ];
  const parts = odd.filter(([name]) => count(name)).map(([name, text]) => `${whole(count(name))} ${text}`);
  return [`${whole(count("connected"))} of ${whole(CONNECTIONS + SLOW)}`, ...parts].join(", ");
}

function messages({ DURATION }, count) {
  const rate = (name) => `${whole(count(name))} (${short(count(name) / Math.max(DURATION, 1))}/s)`;
  const replayed = count("replayed") ? `, ${whole(count("replayed"))} of them replayed` : "";
  const expected = count("delivered") + count("missing_deliveries");
  return [
    ["messages", `${whole(count("sent"))} sent, ${rate("acked")} acknowledged`],
    ["deliveries", `${rate("delivered")} of ${whole(expected)}${replayed}`],
    ["faults", `${whole(count("lost"))} lost, ${whole(count("repeated"))} repeated, ${whole(count("disordered"))} out of order`],
  ];
}
