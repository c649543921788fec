// Which library does what each suite asks for, and public keys as JWK (docs/protocol.md, 2).
import { ed25519 } from "@noble/curves/ed25519.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { AEAD_AES_256_GCM, KDF_SHAKE256, KEM_MLKEM768_X25519 } from "@panva/hpke-noble";
import { CipherSuite } from "hpke";
import { createHash } from "node:crypto";

export const hashing = (name) => (...parts) =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();
const sealing = (kem) => new CipherSuite(kem, KDF_SHAKE256, AEAD_AES_256_GCM);
const signing = (library, secretOf, strictly = {}) => ({
  sign: (data, seed) => library.sign(data, secretOf(seed)),
  verify(signature, data, key) {
    try {
      return library.verify(signature, data, key, strictly);
    } catch { return false; }   // noble throws where a length is wrong
  },
});
const lattice = (library) => signing(library, (seed) => library.keygen(seed).secretKey);

// Signatures in the suite's order; `ek` is the length of the KEM's output, in bytes; `hash` makes
// the commitment, and the hash of ctx in HPKE's info.
export const SUITES = {
  "xb1-h": {
    signatures: [
      ["Ed25519", signing(ed25519, (seed) => seed, { zip215: false })],
      ["ML-DSA-65", lattice(ml_dsa65)],
    ],
    wrap: "HPKE-9-KE", ek: 1120, hpke: sealing(KEM_MLKEM768_X25519), hash: hashing("sha256"),
  },
};

export const publicOf = ({ kty, x, pub }) => Buffer.from(kty === "OKP" ? x : pub, "base64url");
// What RFC 7638 hashes: these members, in this order.
export const thumbprintOf = ({ kty, alg, crv, x, pub }) =>
  JSON.stringify(kty === "OKP" ? { crv, kty, x } : { alg, kty, pub });
