// What does the JavaScript client make of this? One question a line, one answer a line, as JSON;
// bytes are base64url. The tests ask (javascript.py).
import { createInterface } from "node:readline";
import {
  b64, digest, headerOf, must, nothing, open, parse, payloadOf, read, seal, sign, verified,
  verifyBy,
} from "./exchange.mjs";
import { isTimely } from "./sealing.mjs";
import { SUITES, publicOf } from "./suites.mjs";
import { fold, isBundle } from "./trust.mjs";

const bytes = (told) => Buffer.from(told, "base64url");
const views = new Map();
const foldAll = (view, documents, ms) => documents.reduce((before, document) =>
  fold(before, Buffer.from(document), before.index + 1, ms), view);
function founded({ anchor, founded: at, documents, heads }) {
  const made = () => foldAll(nothing(anchor), documents, at * 1000);
  const told = heads && { heads, index: heads.length - 2 };   // of the envelopes' own time
  if (!views.has(anchor)) views.set(anchor, { ...made(), ...told });
  return views.get(anchor);
}

const ANSWERS = {
  // An arrival, as a client can judge it: the arrangement's rules are the node's to apply.
  judge({ world, documents, taken_ms: ms, object, body }) {
    const view = foldAll(founded(world), documents, ms), raw = bytes(object), sealed = bytes(body);
    if (isBundle(raw)) return fold(view, raw, view.index + 1, ms) && {};
    const signed = read(raw, 262144), now = Math.floor(ms / 1000);
    if (signed.typ === "xb-ack+jws") verifyBy(signed, payloadOf(signed, signed.typ), view, now);
    else if (signed.typ !== "xb-header+jws") fold(view, raw, view.index + 1, ms);
    else {
      const header = headerOf(read(raw, 32768), view, now);
      parse(must(body, "missing-blob") && sealed, header.suite);
      must(sealed.length === header.body.size, "size-mismatch");
      must(digest(sealed) === header.body.digest, "digest-mismatch");
    }
    return {};
  },
  // Whether anything may be sealed at that second, by a reader's own clock.
  timely: ({ world, documents, taken_ms: ms, now }) =>
    ({ holds: isTimely(foldAll(founded(world), documents, ms), "pa", now) }),
  open: ({ object, body, keys }) =>
    open(payloadOf(read(bytes(object), 32768), "xb-header+jws"), bytes(body), keys),
  async seal({ text, header: unsealed, recipients, keys }) {
    const { header, body } = await seal(Buffer.from(text), unsealed, recipients);
    return { object: b64(sign(header, "xb-header+jws", keys)), body: b64(body) };
  },
  // Without our info, aad and framing: HPKE alone.
  async unwrap({ suite, seed, ek, wrapped, info }) {
    const { hpke } = SUITES[suite], secret = await hpke.DeserializePrivateKey(bytes(seed));
    return { plain: b64(await hpke.Open(secret, bytes(ek), bytes(wrapped), { info: bytes(info) })) };
  },
  async wrap({ suite, jwk, plain, info }) {
    const { hpke } = SUITES[suite], key = await hpke.DeserializePublicKey(publicOf(jwk));
    const { encapsulatedSecret: ek, ciphertext } = await hpke.Seal(key, bytes(plain), {
      info: bytes(info),
    });
    return { wrapped: b64(Buffer.concat([ek, ciphertext])) };
  },
  verify({ suite, place, jwk, over, signature }) {
    const [, scheme] = SUITES[suite].signatures[place];
    return { holds: scheme.verify(bytes(signature), bytes(over), publicOf(jwk)) };
  },
  receipt: ({ world, receipt, object, home }) => verified(receipt, bytes(object), home, [founded(world)]),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...told } = JSON.parse(line);
  const answer = await (async () => ANSWERS[what](told))().catch((error) =>
    (error.isRefusal ? { code: error.code } : { broken: error.stack }));
  console.log(JSON.stringify(answer));
}
