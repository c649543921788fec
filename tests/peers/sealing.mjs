// When anything is sealed at all, and to whom it is not (docs/protocol.md, 8).
import { all, kidOf } from "./exchange.mjs";
import { latest } from "./trust.mjs";

// The view to seal under: nobody in it whom its nation shut out in another node's journal.
export function strictest({ views, homes }) {
  const view = views.at(-1), documents = { ...view.documents };
  for (const log of Object.values(homes)) {
    for (const theirs of all(log.at(-1), "member")) {
      const name = `member ${theirs.member}`, ours = documents[name];
      if (!ours || theirs.version < ours.version) continue;
      const there = Object.fromEntries(theirs.endpoints.map((each) => [each.id, each]));
      const endpoints = ours.endpoints.map((each) => stricter(each, there[each.id]));
      documents[name] = { ...ours, endpoints };
    }
  }
  return { ...view, documents };
}
function stricter(ours, theirs) {
  if (!theirs) return { ...ours, status: "suspended" };
  const there = Object.fromEntries(theirs.keys.map((key) => [kidOf(key.jwk), key]));
  const keys = ours.keys.flatMap((key, _, __, same = there[kidOf(key.jwk)]) => (same ? [{ ...key,
    since: Math.max(key.since, same.since), until: Math.min(key.until, same.until) }] : []));
  const roles = ours.roles.filter((role) => theirs.roles.includes(role));
  return { ...ours, roles, keys, status: theirs.status === "active" ? ours.status : theirs.status };
}
// Whoever shows no fresh timestamp, or one that is dated ahead of our own clock, may keep back a newer
// view: nothing is sealed under it.
export function isTimely(view, node, now) {
  const until = Date.parse(view.files[`timestamps/${node}`]?.signed.expires ?? 0) / 1000;
  return now < until && until <= latest(view, now);
}
