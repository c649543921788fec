// A client of the exchange, written from docs/protocol.md, whose sections are in parentheses.
// `keys` are {suite, sign: [{alg, kid, seed}], open: [{kid, seed}]}, for tests: in the clear.
import { X509Certificate, randomBytes } from "node:crypto";
import https from "node:https";
import { SUITES, hashing, publicOf, thumbprintOf } from "./suites.mjs";
import { fold } from "./trust.mjs";

// --- bytes (1)
export const refuse = (code) => { throw Object.assign(new Error(code), { code, isRefusal: true }); };
export const must = (holds, code) => holds || refuse(code);
const sha256 = hashing("sha256");
export const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
export const digest = (...parts) => b64(sha256(...parts));
export const unb64 = (told, bytes = Buffer.from(told, "base64url")) =>
  must(b64(bytes) === told, "bad-base64") && bytes;
export function json(raw) {
  must(Buffer.from(raw.toString()).equals(raw), "not-utf-8");
  try { return JSON.parse(raw); } catch { return refuse("malformed"); }
}
function exactly(value, names) {
  must(value !== null && typeof value === "object", "wrong-type");
  const wanted = names.split(" "), there = Object.keys(value);
  must(wanted.every((name) => there.includes(name)), "missing-member");
  return must(there.length === wanted.length, "unknown-member") && value;
}
const membersOf = (value) => (value === null || typeof value !== "object" ? 0 : Object.values(value)
  .reduce((sum, each) => sum + membersOf(each), Array.isArray(value) ? 0 : Object.keys(value).length));
function closed(raw, names) {
  const isFramed = raw.at(0) === 0x7b && raw.at(-1) === 0x7d;
  must(isFramed && !raw.includes("\\") && !raw.includes("\n"), "malformed");
  const value = exactly(json(raw), names), colons = raw.toString().split(":").length - 1;
  return must(colons === membersOf(value), "duplicate-member") && value;
}

// --- suites and signed objects (2, 3, 4)
const MEMBERS = {
  "xb-header+jws": "v suite id origin endpoint type schema verb status feed to marking declares "
    + "precedence observed issued due expires retain_until regime refs commit body attachments trust",
  "xb-ack+jws": "v suite id origin endpoint of outcome at officer",
  "xb-subscription+jws": "v suite origin endpoint version feeds issued",
  "xb-receipt+jws": "v suite node epoch first count root",
};
const algorithmsOf = (suite) => SUITES[suite].signatures.map(([alg]) => alg);
export const kidOf = (jwk) => digest(thumbprintOf(jwk));
export function read(raw, limit) {
  must(raw.length <= limit, "oversized");
  const { payload, signatures } = closed(raw, "payload signatures");
  must(signatures.length >= 1 && signatures.length <= 64, "signature-count");
  const claims = signatures.map((each) => {
    const { protected: head, signature } = exactly(each, "protected signature");
    const told = closed(must(head.length <= 256, "oversized") && unb64(head), "alg kid typ");
    return { ...told, over: Buffer.from(`${head}.${payload}`), signature: unb64(signature) };
  });
  must(claims.every(({ typ }) => typ === claims[0].typ), "unknown-object");
  const told = signatures.map((each) => `{"protected":"${each.protected}","signature":"${each.signature}"}`);
  must(`{"payload":"${payload}","signatures":[${told}]}` === raw.toString(), "malformed");
  return { typ: claims[0].typ, payload: unb64(payload), claims, digest: digest(raw) };
}
export function payloadOf(signed, typ) {
  const payload = closed(must(signed.typ === typ, "unknown-object") && signed.payload, MEMBERS[typ]);
  return must(payload.v === "xb1" && SUITES[payload.suite], "wrong-value") && payload;
}
function verify(claims, suite, keyOf) {
  const { signatures } = SUITES[suite], wanted = algorithmsOf(suite);
  must(claims.length === wanted.length, "signature-count");
  must(claims.every(({ alg }, i) => alg === wanted[i]), "signature-order");
  return claims.map(keyOf).map((key, i) => {
    const { alg, over, signature } = claims[i], [, scheme] = signatures[i];
    must(key.alg === alg, "key-not-valid");   // by the directory, not by what the object says
    return must(scheme.verify(signature, over, publicOf(key)), "bad-signature") && claims[i];
  });
}
export function sign(payload, typ, { suite, sign: seeds }) {
  const told = b64(JSON.stringify(payload)), signatures = seeds.map(({ alg, kid, seed }, i) => {
    const [, scheme] = SUITES[suite].signatures[i], head = b64(JSON.stringify({ alg, kid, typ }));
    const signature = scheme.sign(Buffer.from(`${head}.${told}`), unb64(seed));
    return { protected: head, signature: b64(signature) };
  });
  return Buffer.from(JSON.stringify({ payload: told, signatures }));
}

// --- the sealed body (5)
const JWE = "protected aad iv ciphertext tag recipients";
const PROTECTED = b64('{"enc":"A256GCM","typ":"xb-body+jwe"}');
const context = ({ suite, id, origin, endpoint, commit }) =>
  Buffer.from(`xb1\n${suite}\n${id}\n${origin}\n${endpoint}\n${commit}\n`);
const infoOf = (ctx, { hash }) =>
  Buffer.concat([Buffer.from("JOSE-HPKE rcpt\xffA256GCM\xff", "latin1"), hash(ctx)]);
async function gcm(does, key, iv, aad, data) {
  const secret = await crypto.subtle.importKey("raw", key, "AES-GCM", false, [does]);
  const name = "AES-GCM", additionalData = Buffer.from(`${PROTECTED}.${aad}`);
  return Buffer.from(await crypto.subtle[does]({ name, iv, additionalData }, secret, data));
}
export async function seal(text, unsealed, recipients) {
  const suite = SUITES[unsealed.suite], { hpke, wrap: alg } = suite;
  const [salt, key, iv] = [randomBytes(32), randomBytes(32), randomBytes(12)];
  const size = Math.max(1024, 2 ** Math.ceil(Math.log2(text.length)));
  const plain = Buffer.concat([salt, text, Buffer.alloc(size - text.length, " ")]);
  const header = { ...unsealed, commit: b64(suite.hash("xb1-commit\0", plain)) }, ctx = context(header);
  const aad = b64(ctx), info = infoOf(ctx, suite), sealed = await gcm("encrypt", key, iv, aad, plain);
  const wraps = await Promise.all(recipients.map(async (jwk) => {
    const to = await hpke.DeserializePublicKey(publicOf(jwk));
    const { encapsulatedSecret: ek, ciphertext } = await hpke.Seal(to, key, { info });
    return { header: { alg, kid: kidOf(jwk), ek: b64(ek) }, encrypted_key: b64(ciphertext) };
  }));
  const [ciphertext, tag] = [sealed.subarray(0, -16), sealed.subarray(-16)].map(b64);
  const jwe = { protected: PROTECTED, aad, iv: b64(iv), ciphertext, tag, recipients: wraps };
  const body = Buffer.from(JSON.stringify(jwe));
  return { body, header: { ...header, body: { digest: digest(body), size: body.length } } };
}
export function parse(raw, suite) {
  const jwe = closed(must(raw.length <= 524288, "oversized") && raw, JWE), { recipients } = jwe;
  const wraps = recipients.flatMap(({ header, encrypted_key: key, ...more }) => {
    must(exactly(header, "alg kid ek") && !Object.keys(more).length, "unknown-member");
    must(header.alg === SUITES[suite].wrap, "wrong-value");
    return [[header.kid, 32], [header.ek, SUITES[suite].ek], [key, 48]];
  });
  must(recipients.length >= 1 && recipients.length <= 64, "wraps-mismatch");
  const sizes = [[jwe.iv, 12], [jwe.tag, 16], ...wraps].map(([told, size]) => unb64(told).length - size);
  must(jwe.protected === PROTECTED && unb64(jwe.aad) && !sizes.some(Boolean), "wrong-value");
  must(unb64(jwe.ciphertext).length <= 262144 + 32, "oversized");
  return jwe;
}
export async function open(header, raw, keys) {
  must(raw.length === header.body.size, "size-mismatch");
  must(digest(raw) === header.body.digest, "digest-mismatch");
  const jwe = parse(raw, header.suite), ctx = context(header), suite = SUITES[header.suite];
  must(jwe.aad === b64(ctx), "context-mismatch");
  const mine = (wrap) => keys.find(({ kid }) => kid === wrap.header.kid);
  const wrap = jwe.recipients.find(mine) ?? refuse("not-a-recipient");
  const [ek, wrapped, iv] = [wrap.header.ek, wrap.encrypted_key, jwe.iv].map((each) => unb64(each));
  let plain;
  try {
    const secret = await suite.hpke.DeserializePrivateKey(unb64(mine(wrap).seed));
    const key = await suite.hpke.Open(secret, ek, wrapped, { info: infoOf(ctx, suite) });
    const sealed = Buffer.concat([unb64(jwe.ciphertext), unb64(jwe.tag)]);
    plain = await gcm("decrypt", key, iv, jwe.aad, sealed);
  } catch { refuse("cannot-decrypt"); }
  must(b64(suite.hash("xb1-commit\0", plain)) === header.commit, "commit-mismatch");
  return { salt: b64(plain.subarray(0, 32)), text: plain.toString("utf8", 32).replace(/ +$/, "") };
}

// --- trust (8)
const NO_HEADS = ["A".repeat(43)];
export const nothing = (anchor) =>
  ({ index: -1, taken: 0, heads: NO_HEADS, documents: {}, files: {}, anchor });
export const all = (view, kind) => Object.values(view.documents).filter((each) => each.kind === kind);
export const endpointsOf = (view) => all(view, "member").flatMap(({ endpoints, member }) =>
  endpoints.map((each) => ({ ...each, member })));
export function verifyBy(signed, { endpoint, origin, suite }, view, now) {
  const one = endpointsOf(view).find(({ id }) => id === endpoint) ?? refuse("unknown-endpoint");
  must(one.status === "active", "endpoint-suspended");
  must(one.member === origin, "origin-mismatch");
  must(one.suite === suite && view.documents.arrangement.suites.includes(suite), "suite-not-allowed");
  verify(signed.claims, suite, ({ kid }) => {
    const key = one.keys.find(({ jwk }) => kidOf(jwk) === kid) ?? refuse("unknown-key");
    return must(key.use === "sig" && key.since <= now && now < key.until, "key-not-valid") && key.jwk;
  });
}
export function headerOf(signed, view, now) {
  const header = payloadOf(signed, "xb-header+jws"), { marking, body, to, declares, trust: at } = header;
  exactly(marking, "tlp releasable_to handling originator_control");
  must(exactly(body, "digest size") && exactly(at, "position head") && to.length, "wrong-value");
  const isSet = (each) => each.every((value, i) => i === 0 || each[i - 1] < value);
  must([to, declares, marking.releasable_to, marking.handling].every(isSet), "wrong-value");
  verifyBy(signed, header, view, now);
  return must(at.position >= 1 && view.heads[at.position] === at.head, "trust-invalid") && header;
}
// --- the node (6, 7)
function ask({ url, agent, token }, method, path, data, decode = JSON.parse) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return new Promise((done, failed) => {
    https.request(url + path, { method, headers, agent }, async (answer) => {
      const body = Buffer.concat(await answer.toArray());
      if (answer.statusCode < 300) return done(decode(body));
      return failed(Object.assign(new Error("problem"), JSON.parse(body), { isRefusal: true }));
    }).on("error", failed).end(data);
  });
}
export async function connect(profile, keys, now) {
  const pin = digest(new X509Certificate(profile.certificate).raw), minVersion = "TLSv1.3";
  const checkServerIdentity = (_, { raw }) => (digest(raw) === pin ? undefined : Error("not pinned"));
  const agent = new https.Agent({ ca: profile.certificate, minVersion, checkServerIdentity });
  const { endpoint, node, anchor } = profile, origin = endpoint.split("/")[0];
  const here = { ...profile, keys, pin, agent, by: { v: "xb1", suite: keys.suite, origin, endpoint } };
  const challenge = await ask(here, "GET", "/v1/nonce"); must(challenge.node === node, "bad-session");
  const request = sign({ ...here.by, ...challenge, issued: now }, "xb-session+jws", keys);
  const { token } = await ask(here, "POST", "/v1/session", request);
  return { ...here, token, views: [nothing(anchor)], homes: {} };
}
export async function trust(here) {
  const { views, node, pin, homes, anchor } = here;
  await follow(here, views);
  for (const { node: other } of all(views.at(-1), "node").filter((each) => each.node !== node)) {
    await follow(here, homes[other] ??= [nothing(anchor)], other);
  }
  return must(views.at(-1).documents[`node ${node}`]?.tls === pin, "trust-invalid") && views.at(-1);
}
// One log, our node's or another's: `entry` is where a document stands in our node's journal.
async function follow(here, views, other) {
  const { entry: after = -1 } = views.at(-1), whose = other ? `&node=${other}` : "";
  const { items, total } = await ask(here, "GET", `/v1/trust?after=${after}${whose}`);
  for (const { position, index: entry, taken_ms, document, entry: raw } of items) {
    const view = views.at(-1), { entry: last = -1 } = view;
    must(position === views.length - 1 && entry > last, "trust-invalid");
    const { index, taken } = other ? received(raw, other, { position, document }, view)
      : { index: entry, taken: taken_ms };
    must(taken >= view.taken, "trust-invalid");
    views.push({ ...fold(view, Buffer.from(document), index, taken), entry });
  }
  if (views.length <= total) return must(items.length, "trust-invalid") && follow(here, views, other);
}
function received(raw, other, { position, document }, view) {
  const [facts, there] = raw.split("\n").slice(0, 2).map((line) => JSON.parse(line)), { home } = facts;
  must(facts.kind === "trust-received" && there.kind === "trust" && home.node === other, "trust-invalid");
  must(there.position === position && there.view === view.index && home.index > view.index, "trust-invalid");
  must(there.document.digest === digest(Buffer.from(document)), "trust-invalid");
  return { index: home.index, taken: there.taken_ms };
}
export async function post(here, object, body = "") {
  const told = await ask(here, "POST", "/v1/objects", `${object}\n${body}\n`);
  return { index: told.index, facts: verified(told, object, here.node, await trust(here) && here.views) };
}
export function verified({ node, index, facts: line, path, group }, object, home, views) {
  const signed = read(Buffer.from(JSON.stringify(group)), 32768), facts = JSON.parse(line);
  const told = payloadOf(signed, "xb-receipt+jws"), leaf = sha256("\0", line, "\n", object);
  const then = [0, told.count].map((more) => views.findLast(({ index: at }) => at < told.first + more));
  const fit = then.map((view) => view?.documents.arrangement?.suites.includes(told.suite) && view.documents)
    .map((its) => its?.[`node ${home}`])
    .filter((its) => its?.receipts.keys.map(({ alg }) => alg).join() === algorithmsOf(told.suite).join());
  const has = (its) => ({ kid }) => its.receipts.keys.find((jwk) => kidOf(jwk) === kid);
  const by = fit.find((its) => signed.claims.every(has(its))) ?? fit.at(-1) ?? refuse("suite-not-allowed");
  verify(signed.claims, told.suite, (claim) => has(by)(claim) ?? refuse("unknown-key"));
  must(node === home && told.node === home && /^(accepted|acknowledged)$/.test(facts.kind), "bad-proof");
  const top = b64(rootOf(leaf, index - told.first, told.count, path.map((each) => unb64(each))));
  return must(top === told.root && facts.digest === digest(object) && !/\n/.test(line), "bad-proof") && facts;
}
function rootOf(leaf, index, size, path) {   // RFC 9162, 2.1.3.2, from the top down
  if (size === 1) return must(index === 0 && path.length === 0, "bad-proof") && leaf;
  const left = 2 ** Math.ceil(Math.log2(size) - 1), other = path.at(-1) ?? refuse("bad-proof");
  return index < left ? sha256("\x01", rootOf(leaf, index, left, path.slice(0, -1)), other)
    : sha256("\x01", other, rootOf(leaf, index - left, size - left, path.slice(0, -1)));
}

// --- the inbox (9)
export async function inbox(here) {
  for (let items = [], after = -1, since = 0; ;) {
    const page = await ask(here, "GET", `/v1/inbox?after=${after}`);
    must(page.items.length || page.total === items.length, "item-withheld");
    if (!page.items.length || !await trust(here)) return items;
    for (const each of page.items) {
      must(each.position === items.length && each.index > after, "inbox-gap");
      const item = await itemOf(here, each, since).catch((error) =>
        (error.isRefusal ? { locked: error.code } : Promise.reject(error)));
      [since, after] = [item.taken ?? since, each.index];
      items.push({ index: each.index, ...item });
    }
  }
}
export const seconds = (time) => time && Date.parse(time) / 1000;
async function itemOf(here, { position, index, entry }, since) {
  const lines = entry.split("\n"), facts = JSON.parse(lines[0]), { home, taken_ms: taken } = facts;
  must(lines.length === (home ? 3 : 2), "malformed");
  const signed = read(Buffer.from(lines.at(-1)), 32768);
  const ours = here.views.findLast((each) => each.index < index);
  must(facts.view === ours.index && taken >= ours.taken && taken >= since, "trust-invalid");
  const { view, now } = home ? underHome(here, index, facts, JSON.parse(lines[1]))
    : { view: ours, now: Math.floor(taken / 1000) };
  must(signed.digest === facts.digest, "digest-mismatch");
  must(facts.owed.some(([who, at]) => who === here.endpoint && at === position), "not-a-recipient");
  const { serves } = view.documents[`node ${home?.node ?? here.node}`];
  const mustBeHome = ({ endpoint }) => must(serves.includes(endpoint.slice(0, 2)), "not-home");
  if (facts.kind === "acknowledged") {
    const ack = payloadOf(signed, "xb-ack+jws");
    verifyBy(signed, ack, view, now);
    must(ack.of.endpoint === here.endpoint, "not-yours") && mustBeHome(ack);
    return { taken, ack, home };
  }
  const header = headerOf(signed, view, now);
  mustBeHome(header);
  const path = `/v1/blobs/${header.body.digest}?index=${index}`;
  const body = await ask(here, "GET", path, undefined, (bytes) => bytes);
  const bulletin = JSON.parse((await open(header, body, here.keys.open)).text);
  const { observed, due } = bulletin, told = (of, name) => JSON.stringify(of[name]);
  const said = { ...bulletin, observed: seconds(observed), due: seconds(due) };
  const repeated = ["id", "origin", "type", "observed", "due", "regime", "declares"];
  must(repeated.every((each) => told(said, each) === told(header, each)), "header-body-mismatch");
  return { taken, header, digest: signed.digest, bulletin, home };
}
// What came from another node is judged as it was there; both nodes say the same of it.
function underHome(here, index, { kind, digest: named, blobs, wraps, home }, there) {
  const log = here.homes[home.node] ?? refuse("trust-invalid");
  const at = log.findLastIndex((each) => each.index < home.index), view = log[at], later = log[at + 1];
  must(there.view === view.index && view.entry < index, "trust-invalid");
  must(there.taken_ms >= view.taken && !(later && there.taken_ms > later.taken), "trust-invalid");
  const told = (each) => JSON.stringify([each.kind, each.digest, each.blobs, each.wraps]);
  must(told({ kind, digest: named, blobs, wraps }) === told(there), "home-mismatch");
  return { view, now: Math.floor(there.taken_ms / 1000) };
}
