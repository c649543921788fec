// The steps of a verification, over the bytes of a package: what `verify.py` and the exchange's own
// command do, by libraries that neither uses. Nothing here touches a page or a network.
import { ed25519 } from "@noble/curves/ed25519.js";
import { p384 } from "@noble/curves/nist.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa44, ml_dsa65, ml_dsa87 } from "@noble/post-quantum/ml-dsa.js";
import { FORMS, SUITES, fits } from "./forms.mjs";

export const NAMES = ["container", "manifest", "inclusion", "anchor", "directory", "checkpoint",
  "cosignatures", "originator", "receipt", "acknowledgements", "content", "keys"];
const MAX_BYTES = 256 * 1024 * 1024, MAX_PARTS = 64, ROLES = ["root", "targets", "pa", "us"];
const TUF = {   // and how many bytes of a key's DER, from its end, are the key
  ed25519: ["Ed25519", 32], "ecdsa-sha2-nistp384": ["ES384", 97],
  "ml-dsa-65/1": ["ML-DSA-65", 1952], "ml-dsa-87/1": ["ML-DSA-87", 2592],
};
const THUMB = { OKP: ["crv", "kty", "x"], EC: ["crv", "kty", "x", "y"], AKP: ["alg", "kty", "pub"] };
// All that a package may have, in this order; a journal's in its folder.
const FILES = ["manifest.json", "cover.html", "verify.html", "verify.py", "header.json", "salt.bin",
  "body.json", "keys.json"];
const FOLDER = ["checkpoint.txt", "entry.jsonl", "trust.jsonl", "acknowledgements.jsonl",
  "documents.jsonl", "receipt.json"];
const MAX_NOTE_BYTES = 256 * 1024, MAX_LINES = 32, MAX_OBJECT_BYTES = 32 * 1024, MAX_PROTECTED = 256;
const LATTICES = { "ML-DSA-44": ml_dsa44, "ML-DSA-65": ml_dsa65, "ML-DSA-87": ml_dsa87 };

class Refusal extends Error {}
const must = (holds) => { if (!holds) throw new Refusal("does not hold"); return holds; };

// --- bytes and texts, each in one spelling
const bytes = (text) => new TextEncoder().encode(text);
const text = (raw) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
const latin = (raw) => Array.from(raw, (byte) => String.fromCharCode(byte)).join("");
const join = (...parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => { whole.set(part, at); return at + part.length; }, 0);
  return whole;
};
const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
const base64 = (raw) => btoa(latin(raw));
const unbase64 = (told) => {
  const raw = Uint8Array.from(atob(told), (char) => char.charCodeAt(0));
  return must(base64(raw) === told) && raw;
};
const b64 = (raw) => base64(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const unb64 = (told) => {
  const padded = told.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (told.length % 4)) % 4);
  const raw = unbase64(padded);
  return must(b64(raw) === told) && raw;
};
const hex = (raw) => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (told) => {
  must(/^([0-9a-f]{2})*$/.test(told));
  return Uint8Array.from(told.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
};
const digest = (raw) => b64(sha256(raw));
const parse = (told) => {
  const value = JSON.parse(told);
  // Half a pair of code units is written as it was read, and is no text.
  must(JSON.stringify(value) === told && !/(^|[^\\])(\\\\)*\\ud/.test(told));
  return value;
};
const colons = (told) => told.split(":").length;
function closed(raw, form) {   // an object of that form, no member of it twice, and no number as a fraction
  const told = text(raw), value = JSON.parse(told), bare = told.replaceAll(/"[^"]*"/g, "");
  must(told.startsWith("{") && told.endsWith("}") && !/[\\\n]/.test(told) && !/[.E]|[0-9]e/.test(bare));
  must(fits(value, form) && colons(told) === colons(JSON.stringify(value)));
  return value;
}
const lines = (raw) => {
  const told = text(raw).split("\n");
  return must(told.pop() === "") && told.map(parse);
};
const split = (raw) => {   // at line feeds
  const found = [];
  for (let from = 0; from <= raw.length;) {
    const at = raw.indexOf(10, from), end = at < 0 ? raw.length : at;
    found.push(raw.subarray(from, end));
    from = end + 1;
  }
  return found;
};
const number = (value, size) => Uint8Array.from({ length: size },
  (_, at) => Number((BigInt(value) >> BigInt(8 * (size - 1 - at))) & 255n));
const little = (value, size) => number(value, size).reverse();

// --- the file
const CRCS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
function crc32(raw) {
  let sum = 0xffffffff;
  for (const byte of raw) sum = (sum >>> 8) ^ CRCS[(sum ^ byte) & 255];
  return (sum ^ 0xffffffff) >>> 0;
}
export function unzip(raw) {   // stored parts, one after another, then the directory that follows from them
  must(raw.length <= MAX_BYTES);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength), parts = new Map(), listed = [];
  let at = 0;
  while (at + 4 <= raw.length && view.getUint32(at, true) === 0x04034b50) {
    const size = view.getUint32(at + 22, true), length = view.getUint16(at + 26, true);
    const named = raw.subarray(at + 30, at + 30 + length), name = text(named);
    const data = raw.subarray(at + 30 + length, at + 30 + length + size);
    const head = join(little(20, 2), little(0, 6), little(33, 2), little(crc32(data), 4), little(size, 4),
      little(size, 4), little(length, 2), little(0, 2));
    must(same(raw.subarray(at + 4, at + 30), head) && data.length === size && !parts.has(name));
    must(/^([a-z0-9-]+\/)?[a-z]+\.[a-z]+$/.test(name) && parts.size < MAX_PARTS);
    listed.push(bytes("PK\x01\x02"), little(788, 2), head, little(0, 6), little(0o100644 * 65536, 4),
      little(at, 4), named);
    parts.set(name, data);
    at += 30 + length + size;
  }
  const directory = join(...listed), count = little(parts.size, 2);
  const end = join(bytes("PK\x05\x06"), little(0, 4), count, count, little(directory.length, 4),
    little(at, 4), little(0, 2));
  return must(same(raw.subarray(at), join(directory, end))) && parts;
}

// --- signatures and the tree
function verify(alg, key, signature, data) {
  if (alg === "Ed25519") must(ed25519.verify(signature, data, key, { zip215: false }));
  else if (alg === "ES384") must(p384.verify(signature, data, key, { lowS: true }));
  else must(LATTICES[alg].verify(signature, data, key));
}
const plain = (der) => {   // of ES384: r and s, each of 48 bytes
  const r = der.subarray(4, 4 + der[3]), s = der.subarray(6 + der[3], 6 + der[3] + der[5 + der[3]]);
  return join(...[r, s].map((part) => join(new Uint8Array(48), part).subarray(-48)));
};
const leafOf = (entry) => sha256(join(Uint8Array.of(0), bytes(entry)));
function mustLead(entry, index, size, path, root) {   // RFC 9162, 2.1.3.2; sizes beyond 2^53 are none
  must(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size);
  let at = BigInt(index), last = BigInt(size) - 1n, node = leafOf(entry);
  for (const step of path) {
    must(last && step.length === 32);
    const isRight = (at & 1n) === 1n || at === last;
    node = sha256(join(Uint8Array.of(1), ...(isRight ? [step, node] : [node, step])));
    while (isRight && at && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    [at, last] = [at >> 1n, last >> 1n];
  }
  must(last === 0n && same(node, root));
}
const publicOf = ({ kty, x, y, pub }) => (kty === "EC" ? join(Uint8Array.of(4), unb64(x), unb64(y))
  : unb64(kty === "AKP" ? pub : x));
const kidOf = (jwk) =>
  digest(bytes(JSON.stringify(Object.fromEntries(THUMB[jwk.kty].map((name) => [name, jwk[name]])))));
const insideOf = (jws) => JSON.parse(text(unb64(jws.payload)));
function signedBy(who, jwks, suite, told, typ, used) {   // all signatures of a suite, in order; the payload
  const keys = new Map(jwks.map((jwk) => [kidOf(jwk), jwk])), jws = JSON.parse(told), { payload } = jws;
  const signatures = jws.signatures.map((each) => ({ protected: each.protected, signature: each.signature }));
  must(told === JSON.stringify({ payload, signatures }) && told.length <= MAX_OBJECT_BYTES);
  must(signatures.every((each) => each.protected.length <= MAX_PROTECTED));
  const heads = signatures.map((each) => closed(unb64(each.protected), FORMS.protected));
  must(heads.map(({ alg }) => alg).join() === SUITES[suite].join());
  heads.forEach(({ alg, kid, typ: its }, place) => {
    const jwk = must(keys.get(kid)), each = signatures[place];
    must(its === typ && jwk.alg === alg);
    verify(alg, publicOf(jwk), unb64(each.signature), bytes(`${each.protected}.${payload}`));
    used.set(kid, [who, jwk]);
  });
  return closed(unb64(payload), FORMS[typ]);
}

// --- what a package shows of one node's journal: all of it under one root
const only = (several, holds) => must(several.find(holds));

// What is space differs by language: these are named, with the control signs.
const SPACES = "\\0- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LINE = new RegExp(`^\\u2014 ([^${SPACES}+]+) ([A-Za-z0-9+/]+=*)$`);

class Journal {
  constructor(name, parts) {
    const part = (what) => must(parts.get(`${name}/${what}`));
    const note = part("checkpoint.txt"), cut = latin(note).lastIndexOf("\n\n");
    must(cut >= 0);
    Object.assign(this, { name, text: note.subarray(0, cut + 1), signed: note.subarray(cut + 2) });
    this.known = new Map();
    const [, size, root] = text(this.text).split("\n");
    must(/^(0|[1-9][0-9]*)$/.test(size));
    [this.size, this.root] = [Number(size), unbase64(root)];
    must(`exchange/${name}\n${size}\n${root}\n` === text(this.text));
    [this.entry, this.trust, this.acks, this.told] = ["entry", "trust", "acknowledgements", "documents"]
      .map((what) => lines(part(`${what}.jsonl`)));
    must(this.entry.length === 1 && this.told.every((each) => typeof each === "string"));
    for (const line of [...this.entry, ...this.trust, ...this.acks]) {
      must(Array.isArray(line) && line.length === 3);
      const [index, path, entry] = line;
      const raw = unhex(path), steps = Array.from({ length: raw.length / 32 },
        (_, step) => raw.subarray(32 * step, 32 * step + 32));
      must(raw.length % 32 === 0 && typeof path === "string" && typeof entry === "string");
      mustLead(entry, index, this.size, steps, this.root);
    }
    this.log = this.trust.map(([index, , entry]) => [index, JSON.parse(entry.split("\n")[0])]);
    this.receipt = parts.get(`${name}/receipt.json`);
  }

  first() { return must(this.log[0])[1].document.digest; }

  directory() {   // no trust entry is left out: each names the one before; what is here is signed
    const documents = this.told.map(bytes);
    const roles = this.log.filter(([, facts]) => ROLES.includes(facts.name));
    let before = -1;
    this.heads = [b64(new Uint8Array(32))];
    this.log.forEach(([index, { kind, position, view, document }], place) => {
      must(kind === "trust" && position === place && view === before && index > before);
      this.heads.push(digest(join(unb64(this.heads.at(-1)), unb64(document.digest))));
      before = index;
    });
    this.documents = new Map(documents.map((raw) => [digest(raw), raw]));
    this.files = new Map(documents.flatMap(split).map((line) => [hex(sha256(line)), line]));
    must(documents.map(digest).join() === roles.map(([, facts]) => facts.document.digest).join());
    for (const [index, facts] of roles) this.role(facts.name, index + 1);
  }

  role(name, before) {   // a role's file in force before an entry, signed as it had to be then
    const had = this.log.filter(([at, facts]) => at < before && facts.name === name);
    const [at, facts] = must(had.at(-1)), isOwn = ["pa", "us"].includes(name);
    if (this.known.has(at)) return this.known.get(at);
    const raw = latin(split(must(this.documents.get(facts.document.digest)))[0]);
    const { signed, signatures } = JSON.parse(raw);
    const payload = bytes(raw.slice(raw.indexOf('],"signed":') + 11, -1).replaceAll("\\n", "\n"));
    const now = `${new Date(1000 * Math.floor(facts.taken_ms / 1000)).toISOString().slice(0, 19)}Z`;
    must((signed.nation ?? signed._type) === name && signed.version === facts.version);
    must(signed.version === had.length && (isOwn || now < signed.expires));
    // The anchor is the digest of the very first entry: only that one may vouch for itself.
    const own = name === "root" ? [signed] : [], isFirst = name === "root" && at === this.log[0][0];
    const above = isOwn ? this.role("targets", at).delegations : isFirst ? signed : this.role("root", at);
    this.mustBeSigned(name, [above, ...own], signatures, payload);
    this.known.set(at, signed);
    return signed;
  }

  mustBeSigned(name, terms, signatures, payload) {
    const keys = Object.assign({}, ...terms.map((each) => each.keys)), valid = new Set();
    for (const { keyid, sig } of signatures) {
      const { scheme, keyval: { public: told } } = must(keys[keyid]), [alg, size] = TUF[scheme];
      const der = alg === "Ed25519" ? unhex(told) : unbase64(told.split("\n").slice(1, -2).join(""));
      const signature = alg === "ES384" ? plain(unhex(sig)) : unhex(sig);
      const data = alg.startsWith("ML") ? join(bytes("tuf\x01"), sha512(payload)) : payload;
      verify(alg, der.subarray(-size), signature, data);
      valid.add(keyid);
    }
    for (const { roles } of terms) {
      const role = Array.isArray(roles) ? only(roles, (each) => each.name === name) : must(roles[name]);
      const nations = Array.isArray(roles) ? name : "pa,us";
      must(Object.keys(role.custodians).sort().join() === nations);
      for (const { signatories, threshold } of Object.values(role.custodians)) {   // each nation by itself
        const whole = signatories.filter(({ keyids }) => keyids.every((keyid) => valid.has(keyid)));
        must(threshold >= 2 && new Set(whole.map((each) => each.name)).size >= threshold);
      }
    }
  }

  document(path, before) {   // such as members/pa.senan.json, as in force before an entry
    const isAgreed = path === "arrangement.json";
    const role = isAgreed ? "targets" : must(/^(members|nodes)\/(pa|us)[.-]/.exec(path))[2];
    const { hashes } = must(this.role(role, before).targets[path]);
    return JSON.parse(text(must(this.files.get(hashes.sha256))));
  }

  byEndpoint(told, typ, before, takenMs, used) {   // an object, signed as its endpoint had to
    const said = insideOf(JSON.parse(told)), now = Math.floor(takenMs / 1000);
    const { endpoints } = this.document(`members/${said.origin}.json`, before);
    const its = only(endpoints, ({ id }) => id === said.endpoint);
    must(its.status === "active" && its.suite === said.suite);
    must(this.document("arrangement.json", before).suites.includes(said.suite));
    const fit = its.keys.filter(({ use, since, until }) => use === "sig" && since <= now && now < until);
    return signedBy(said.endpoint, fit.map(({ jwk }) => jwk), said.suite, told, typ, used);
  }

  line(name, kind, key) {   // what a key signed under the text: C2SP signed-note
    const id = sha256(join(bytes(`${name}\n`), Uint8Array.of(kind), key)).subarray(0, 4);
    const found = new Map(), told = text(this.signed).split("\n");
    must(told.pop() === "" && told.length <= MAX_LINES);
    must(this.text.length + 1 + this.signed.length <= MAX_NOTE_BYTES);
    for (const each of told) {
      const [, who, spelled] = must(LINE.exec(each)), raw = unbase64(spelled);
      must(raw.length > 4 && bytes(who).length <= 255);
      if (who === name && same(raw.subarray(0, 4), id)) found.set(spelled, raw.subarray(4));
    }
    must(found.size < 2);
    return [...found.values()][0];
  }

  cosigned(name, key) {   // C2SP tlog-cosignature, with its time; as of when, 0 where it did not
    const signature = this.line(name, 6, key);
    if (signature === undefined) return 0n;
    const [its, origin] = [bytes(name), bytes(`exchange/${this.name}`)], time = signature.subarray(0, 8);
    const who = [Uint8Array.of(its.length), its, time, Uint8Array.of(origin.length), origin];
    const data = join(bytes("subtree/v1\n\0"), ...who, number(0, 8), number(this.size, 8), this.root);
    verify("ML-DSA-44", key, signature.subarray(8), data);
    const at = BigInt(`0x${hex(time)}`);
    return must(at > 0n && at < 1n << 63n) && at;
  }

  checkpoint(used) {   // both keys that the node had before as many entries
    const name = `exchange/${this.name}`, { log } = this.document(`nodes/${this.name}.json`, this.size);
    const [first, second] = log.map(publicOf);
    verify("Ed25519", first, must(this.line(name, 1, first)), this.text);
    must(this.cosigned(name, second));
    for (const jwk of log) used.set(kidOf(jwk), [`${this.name} log`, jwk]);
  }

  witnessed() {   // C2SP tlog-policy: a group comes after what it is made of
    const { quorum, witnesses } = this.document("arrangement.json", this.size), met = new Map();
    if (quorum === "none") return false;
    for (const line of witnesses.policy) {
      const [word, name, ...rest] = line.split(/[ \t]+/).filter(Boolean);
      if (word === "witness") {
        const [who, , ...key] = rest[0].split("+");
        met.set(name, Boolean(this.cosigned(who, unbase64(key.join("+")).subarray(1))));
      } else if (word === "group") {
        const [least, ...members] = rest;
        const count = members.filter((each) => must(met.has(each)) && met.get(each)).length;
        met.set(name, count >= ({ any: 1, all: members.length }[least] ?? Number(least)));
      } else if (word === "quorum") return must(met.get(name));
    }
    return must(false);
  }

  checkReceipt(used) {   // the node's signature over the group that it committed the entry with
    const raw = text(this.receipt), { path, group: signed } = JSON.parse(raw);
    const [index, , entry] = this.entry[0];
    const shown = { node: this.name, index, facts: entry.split("\n")[0], path, group: signed };
    must(raw === JSON.stringify(shown));
    const { suite, ...group } = insideOf(signed);
    const kids = signed.signatures.map((each) => JSON.parse(text(unb64(each.protected))).kid);
    let jwks = [], under = 0;
    for (const before of [group.first + group.count, group.first]) {   // where keys changed, either
      jwks = this.document(`nodes/${this.name}.json`, before).receipts.keys;
      const has = new Set(jwks.map(kidOf));
      under = before;
      if (kids.every((kid) => has.has(kid))) break;
    }
    must(this.document("arrangement.json", under).suites.includes(suite));
    signedBy(`${this.name} receipts`, jwks, suite, JSON.stringify(signed), "xb-receipt+jws", used);
    must(group.node === this.name);
    mustLead(entry, index - group.first, group.count, path.map(unb64), unb64(group.root));
  }

  newestBefore(index) { return must(this.log.filter(([at]) => at < index).at(-1))[0]; }

  acknowledged(said, named, used) {   // by recipients, of this bulletin, in this journal, once each
    const places = [...this.entry, ...this.acks].map(([index]) => index);
    must(places.every((index, at) => !at || index > places[at - 1]));
    return this.acks.map(([index, , entry]) => {
      const parts = entry.split("\n"), facts = JSON.parse(parts[0]), object = parts.at(-1);
      const { taken_ms: takenMs } = JSON.parse(parts.at(-2));
      must(facts.kind === "acknowledged" && facts.of === this.entry[0][0]);
      must(facts.view === this.newestBefore(index));
      const ack = this.byEndpoint(object, "xb-ack+jws", index, takenMs, used);
      must(said.to.includes(ack.endpoint));
      must(ack.of.endpoint === said.endpoint && ack.of.id === said.id && ack.of.header_digest === named);
      must(facts.digest === digest(bytes(object)));
      return ack;
    });
  }
}

// --- the steps; each returns for how many things it holds, and throws where it does not
class Run {
  constructor(raw, anchor) { Object.assign(this, { raw, anchor, used: new Map(), found: {} }); }

  container() { return (this.parts = unzip(this.raw)).size; }

  manifest() {
    const [[first, raw], ...rest] = this.parts;
    must(first === "manifest.json");
    this.told = parse(text(raw));
    const listed = rest.map(([name, data]) => [name, data.length, digest(data)]), { journals } = this.told;
    const shown = Object.fromEntries(Object.keys(FORMS.manifest).map((name) => [name, this.told[name]]));
    must(fits(shown, FORMS.manifest) && text(raw) === JSON.stringify({ ...shown, parts: listed }));
    must(new Set(journals).size === journals.length);
    const folders = journals.flatMap((node) => FOLDER.map((name) => `${node}/${name}`));
    const known = [...FILES, ...folders].filter((name) => this.parts.has(name));
    must([...this.parts.keys()].join() === known.join());   // nothing else, and in this order
    return listed.length;
  }

  inclusion() {
    this.journals = this.told.journals.map((name) => new Journal(name, this.parts));
    [this.home] = this.journals;
    return this.journals.reduce((sum, { trust, acks }) => sum + 1 + trust.length + acks.length, 0);
  }

  isAnchored() {
    must(this.journals.every((each) => each.first() === (this.anchor ?? this.told.anchor)));
    return this.anchor ? 1 : 0;
  }

  directory() {
    for (const each of this.journals) each.directory();
    return this.journals.reduce((sum, { told }) => sum + told.length, 0);
  }

  checkpoint() {
    for (const each of this.journals) each.checkpoint(this.used);
    return this.journals.length;
  }

  cosignatures() { return this.journals.map((each) => each.witnessed()).filter(Boolean).length; }

  originator() {
    const header = text(must(this.parts.get("header.json"))), [index, , entry] = this.home.entry[0];
    const told = entry.split("\n"), own = told.pop();   // two of facts where it came from the other node
    const [facts, there] = [told[0], told.at(-1)].map((line) => JSON.parse(line));
    const isHome = !("home" in facts);
    const newest = this.home.newestBefore(index), named = digest(bytes(header));
    must(own === header && told.length === (isHome ? 1 : 2) && facts.view === newest);
    must([facts, there].every((each) => each.kind === "accepted" && each.digest === named));
    const said = this.home.byEndpoint(header, "xb-header+jws", index, there.taken_ms, this.used);
    must(said.commit.length === (said.suite === "xb1-h" ? 43 : 64));
    must(!isHome || said.trust.head === this.home.heads[said.trust.position]);
    must(said.endpoint === this.told.endpoint && said.id === this.told.id);
    for (const each of this.journals.slice(1)) {   // what crossed is the same entry, whole
      const [its, ...there] = each.entry[0][2].split("\n");
      must(there.join("\n") === entry);
      must(JSON.stringify(JSON.parse(its).home) === JSON.stringify({ node: this.home.name, index }));
    }
    const { name: node, size } = this.home;
    Object.assign(this.found, { header: said, node, index, takenMs: facts.taken_ms, size });
    return this.journals.length;
  }

  receipt() {
    const several = this.journals.filter((each) => each.receipt !== undefined);
    for (const each of several) each.checkReceipt(this.used);
    return several.length;
  }

  acknowledgements() {
    const named = digest(this.parts.get("header.json"));
    const found = this.journals.map((each) => each.acknowledged(this.found.header, named, this.used));
    this.found.acknowledgements = found.flat();
    return this.found.acknowledgements.length;
  }

  content() {
    const [salt, body] = ["salt.bin", "body.json"].map((name) => this.parts.get(name));
    const { header } = this.found;
    if (!salt && !body) return 0;
    const hash = header.suite === "xb1-h" ? sha256 : sha384;
    must(salt && body && salt.length === 32);
    must(b64(hash(join(bytes("xb1-commit\0"), salt, body))) === header.commit);
    // What is no text is shown as far as it is one: what was sealed are the bytes.
    this.found.text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body).replace(/ +$/, "");
    return 1;
  }

  keys() {
    const listed = [...this.used.keys()].sort().map((kid) => [kid, ...this.used.get(kid)]);
    must(text(must(this.parts.get("keys.json"))) === JSON.stringify(listed));
    return listed.length;
  }
}

// What became of each step; `told` hears of each as it is done, and may wait.
export async function judge(raw, anchor, told = () => {}) {
  const run = new Run(raw, anchor), steps = [];
  let isOver = false;
  for (const [place, name] of NAMES.entries()) {
    const step = { number: place + 1, name, verdict: "not-reached", count: 0 };
    if (!isOver) {
      try {
        step.count = run[name === "anchor" ? "isAnchored" : name]();
        step.verdict = step.count ? "held" : "absent";
      } catch {   // whatever is thrown: it does not hold
        step.verdict = "failed";
        isOver = true;
      }
    }
    steps.push(step);
    await told(step);
  }
  return { ok: !isOver, isAnchored: Boolean(anchor), steps, found: run.found };
}
