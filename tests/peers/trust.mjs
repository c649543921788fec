// Trust documents: TUF metadata with its files, folded into a view (docs/protocol.md, 8).
import {
  all, b64, digest, endpointsOf, json, must, payloadOf, read, refuse, unb64, verifyBy,
} from "./exchange.mjs";
import { ALGORITHMS, hashing, publicOf } from "./suites.mjs";

const [sha256, sha512] = ["sha256", "sha512"].map(hashing), hex = (bytes) => sha256(bytes).toString("hex");
const AGREED = "targets categories budgets sizes retention witnesses officers four_eyes clocks".split(" ");
const MEMBERS = {
  arrangement: "name suites schemas feeds regimes limits quorum",
  member: "member nation title endpoints", node: "node nation serves url tls receipts log",
};
const SIGNED = {
  root: "_type consistent_snapshot expires keys roles spec_version version",
  targets: "_type delegations expires nation spec_version targets version",
  snapshot: "_type expires meta spec_version version", timestamp: "_type expires meta spec_version version",
};
const SCHEMES = {   // and how many bytes of a public key's DER, from its end, are the key
  ed25519: ["Ed25519", 32], "ecdsa-sha2-nistp384": ["ES384", 97],
  "ml-dsa-65/1": ["ML-DSA-65", 1952], "ml-dsa-87/1": ["ML-DSA-87", 2592],
};
const BEGINS = '{"signatures":[{"keyid":';

const sorted = (value) => (Array.isArray(value) ? value.map(sorted) : value && typeof value === "object"
  ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])])) : value);
function fileOf(raw) {
  must(raw.length <= 262144, "oversized");
  const file = json(raw), told = raw.toString(), { signatures, signed } = file;
  must(Object.keys(file).join() === "signatures,signed", "unknown-member");
  const strange = Object.keys(signed).filter((name) => !SIGNED[signed._type]?.split(" ").includes(name));
  must(SIGNED[signed._type] && signatures.length, "wrong-value") && must(!strange.length, "unknown-member");
  must(JSON.stringify(sorted(file)) === told, "malformed");
  must(/^[ -~]*$/.test(told) && !/\\[^n]/.test(told), "control-character");
  const payload = Buffer.from(told.slice(told.indexOf('],"signed":') + 11, -1).replaceAll("\\n", "\n"));
  return { ...file, payload, hash: hex(raw), length: raw.length };
}
function plain(der) {   // of ES384: r and s, each of 48 bytes
  const r = der.subarray(4, 4 + der[3]), s = der.subarray(6 + der[3]), zeros = Buffer.alloc(48);
  return Buffer.concat([r, s].map((part) => Buffer.concat([zeros, part]).subarray(-48)));
}
function holds({ scheme, keyval: { public: told } }, sig, payload) {
  const [alg, size] = SCHEMES[scheme], signature = Buffer.from(sig, "hex"), isLattice = /^ML/.test(alg);
  const isRaw = scheme === "ed25519";
  const der = isRaw ? Buffer.from(told, "hex") : Buffer.from(told.replace(/-.*-/g, ""), "base64");
  const over = isLattice ? Buffer.concat([Buffer.from("tuf\x01"), sha512(payload)]) : payload;
  return ALGORITHMS[alg].verify(alg === "ES384" ? plain(signature) : signature, over, der.subarray(-size));
}
// Each of the terms is {keys, circles: [{signatories: [{name, keyids}], threshold}]}.
function signedBy({ signatures, payload }, terms) {
  const kids = signatures.map(({ keyid }) => keyid);
  const keys = Object.assign({}, ...terms.map((each) => each.keys));
  const people = terms.flatMap(({ circles }) => circles.flatMap(({ signatories }) => signatories));
  const due = [...new Map(people.map((each) => [each.keyids.join(), each])).values()];
  const has = (keyid) => kids.includes(keyid), there = due.filter(({ keyids }) => keyids.every(has));
  must(due.every(({ keyids }) => !has(keyids[0]) || keyids.every(has)), "signature-count");
  must(there.flatMap(({ keyids }) => keyids).join() === kids.join(), "trust-not-signed");   // in order
  const enough = ({ signatories, threshold }) => threshold <= new Set(signatories
    .filter(({ keyids }) => keyids.every(has)).map(({ name }) => name)).size;
  must(terms.every(({ circles }) => circles.every(enough)), "trust-not-signed");
  must(signatures.every(({ keyid, sig }) => holds(keys[keyid], sig, payload)), "bad-signature");
}
const circlesOf = ({ custodians }) => Object.values(custodians);
function documentOf(raw, path, nation, version) {
  const document = json(raw), { kind, exercise } = document, told = raw.toString();
  const agreed = AGREED.filter((each) => document[each]);
  const extra = kind === "arrangement" ? [exercise === true && "exercise", ...agreed] : [];
  const names = ["kind v version issued", MEMBERS[kind] ?? refuse("wrong-value"), ...extra].filter(Boolean);
  must(Object.keys(document).join(" ") === names.join(" ") && JSON.stringify(document) === told, "malformed");
  must(!/\\[^"\\]/.test(told.replaceAll("\\\\", "")), "control-character");
  const named = { arrangement: kind, member: `members/${document.member}`, node: `nodes/${document.node}` };
  must(`${named[kind]}.json` === path && (document.nation ?? null) === nation, "trust-invalid");
  return must(document.version === version, "stale-version") && document;
}
function follows(view, name, { signed }) {
  must(signed.version === (view.files[name]?.signed.version ?? 0) + 1, "stale-version");
}
function root(view, file, lines) {
  const { keys, roles } = file.signed, own = { keys, circles: circlesOf(roles.root) };
  must(!lines.length, "trust-invalid") || follows(view, "root", file);
  const { root: before } = view.files, { keys: old, roles: then } = before?.signed ?? {};
  signedBy(file, [...(before ? [{ keys: old, circles: circlesOf(then.root) }] : []), own]);
  const files = { ...view.files, root: file };
  for (const { name, keyids } of then?.timestamp.nodes ?? []) {   // new keys begin anew
    const now = roles.timestamp.nodes.find((each) => each.name === name);
    const theirs = [`snapshots/${name}`, `timestamps/${name}`];
    if (`${now?.keyids}` !== `${keyids}`) theirs.forEach((each) => delete files[each]);
  }
  return { ...view, files };
}
function targets(view, file, lines) {
  const { nation, delegations, targets: listed } = file.signed, name = nation ?? "targets";
  const above = nation ? view.files.targets?.signed.delegations : view.files.root.signed;
  const { keys, roles } = above ?? refuse("trust-invalid");
  must(Boolean(nation) !== Boolean(delegations), "trust-invalid") && follows(view, name, file);
  const role = nation ? roles.find((each) => each.name === nation) : roles.targets;
  signedBy(file, [{ keys, circles: circlesOf(role) }]);
  const theirs = `(members/${nation}\\.[a-z0-9]+|nodes/${nation}(-.*)?)`;
  const own = RegExp(`^${nation ? theirs : "arrangement"}\\.json$`);
  const before = view.files[name]?.signed.targets ?? {}, paths = Object.keys(listed);
  must(paths.every((path) => own.test(path)), "trust-invalid");
  must(Object.keys(before).every((path) => listed[path]), "trust-invalid");
  const fresh = paths.filter((path) => before[path]?.hashes.sha256 !== listed[path].hashes.sha256);
  must(fresh.length === lines.length, "trust-mixed");
  const documents = Object.fromEntries(fresh.map((path, i) => {
    const { hashes, length } = listed[path];
    must(hex(lines[i]) === hashes.sha256 && lines[i].length === length, "trust-mixed");
    const key = path.slice(0, -5).replace(/^(member|node)s\//, "$1 ");
    return [key, documentOf(lines[i], path, nation ?? null, (view.documents[key]?.version ?? 0) + 1)];
  }));
  return { ...view, files: { ...view.files, [name]: file }, documents: { ...view.documents, ...documents } };
}
export const latest = ({ documents }, now) => now + 3 * 86400 + documents.arrangement.limits.skew_s;
function timestamp(view, file, lines, now) {
  must(lines.length === 1, "trust-mixed");
  const snapshot = fileOf(lines[0]), { keys, roles } = view.files.root.signed, kids = file.signatures;
  const isIts = ({ keyids }) => keyids[0] === kids[0].keyid;
  const node = roles.timestamp.nodes.find(isIts) ?? refuse("trust-not-signed");
  must(snapshot.signed._type === "snapshot", "trust-invalid");
  must(now < Date.parse(snapshot.signed.expires) / 1000, "trust-expired");
  const terms = [{ keys, circles: [{ signatories: [node], threshold: 1 }] }];
  [file, snapshot].forEach((each) => signedBy(each, terms));
  const [stamps, shots] = [`timestamps/${node.name}`, `snapshots/${node.name}`];
  follows(view, stamps, file) || follows(view, shots, snapshot);
  const told = ({ hash, length, signed }) => ({ hashes: { sha256: hash }, length, version: signed.version });
  const spelled = (value) => JSON.stringify(sorted(value));
  const same = (one, other) => must(spelled(one) === spelled(other), "trust-mixed");
  same(file.signed.meta, { "snapshot.json": told(snapshot) });
  same(snapshot.signed.meta, Object.fromEntries(["targets", "pa", "us"].filter((name) => view.files[name])
    .map((name) => [`${name}.json`, told(view.files[name])])));
  const isSoon = ({ signed }) => Date.parse(signed.expires) / 1000 <= latest(view, now);
  must([file, snapshot].every(isSoon), "wrong-value");
  return { ...view, files: { ...view.files, [stamps]: file, [shots]: snapshot } };
}
// A key is one endpoint's, custodian's or node's for good: in all files, of all that there ever were.
const bare = ({ scheme, keyval: { public: told } }) => b64(scheme === "ed25519" ? Buffer.from(told, "hex")
  : Buffer.from(told.replace(/-.*-/g, ""), "base64").subarray(-SCHEMES[scheme][1]));
function apart(view, { signed: { keys = {}, delegations } }) {
  const nodes = all(view, "node").flatMap(({ receipts, log }) => [...receipts.keys, ...log]);
  const named = Object.values({ ...keys, ...delegations?.keys }).map(bare);
  const kept = new Set([...view.kept ?? [], ...named, ...nodes.map((key) => b64(publicOf(key)))]);
  const theirs = endpointsOf(view).flatMap(({ keys: its }) => its.map(({ jwk }) => b64(publicOf(jwk))));
  must(new Set(theirs).size === theirs.length && !theirs.some((key) => kept.has(key)), "trust-invalid");
  return { ...view, kept };
}
function bundle(view, raw, now) {
  const lines = raw.toString("latin1").split("\n").map((line) => Buffer.from(line, "latin1"));
  const file = fileOf(lines.shift()), { _type: type, expires } = file.signed;
  must(view.files.root || (type === "root" && digest(raw) === view.anchor), "trust-invalid");
  must(now < Date.parse(expires) / 1000, "trust-expired");
  return apart(({ root, targets, timestamp }[type] ?? refuse("trust-invalid"))(view, file, lines, now), file);
}
export const isBundle = (raw) => raw.subarray(0, BEGINS.length).toString() === BEGINS;
export function fold(view, raw, index, taken) {
  const now = Math.floor(taken / 1000);
  let after;
  if (isBundle(raw)) after = bundle(view, raw, now);
  else {
    const signed = read(raw, 32768), chosen = payloadOf(signed, "xb-subscription+jws");
    verifyBy(signed, chosen, view, now);
    const name = `subscription ${chosen.endpoint}`, before = view.documents[name]?.version ?? 0;
    must(chosen.version === before + 1, "stale-version");
    after = { ...view, documents: { ...view.documents, [name]: { kind: "subscription", ...chosen } } };
  }
  const heads = [...view.heads, digest(unb64(view.heads.at(-1)), unb64(digest(raw)))];
  return { ...after, index, taken, heads };
}
