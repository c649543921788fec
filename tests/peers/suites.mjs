// Which library does what each suite asks for, and public keys as JWK (docs/protocol.md, 2).
import { ed25519 } from "@noble/curves/ed25519.js";
import { p384 } from "@noble/curves/nist.js";
import { ml_dsa65, ml_dsa87 } from "@noble/post-quantum/ml-dsa.js";
import {
  AEAD_AES_256_GCM, KDF_SHAKE256, KEM_MLKEM1024_P384, KEM_MLKEM768_X25519, KEM_ML_KEM_1024,
} from "@panva/hpke-noble";
import { CipherSuite } from "hpke";
import { createHash } from "node:crypto";
import { must } from "./exchange.mjs";

export const hashing = (name) => (...parts) =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();
const sealing = (kem) => new CipherSuite(kem, KDF_SHAKE256, AEAD_AES_256_GCM);
const signing = (library, secretOf, { signs, verifies } = {}) => ({
  sign: (data, seed) => library.sign(data, secretOf(seed), signs),
  verify(signature, data, key) {
    try {
      return library.verify(signature, data, key, verifies);
    } catch { return false; }   // noble throws where a length is wrong
  },
});
const lattice = (library) => signing(library, (seed) => library.keygen(seed).secretKey);
const strict25519 = signing(ed25519, (seed) => seed, { verifies: { zip215: false } });
// One spelling: the lower s.
const lower = { lowS: true }, lower384 = signing(p384, (seed) => seed, { signs: lower, verifies: lower });

// Signatures in the suite's order; `ek` is the length of the KEM's output, in bytes; `hash` makes
// the commitment, and the hash of ctx in HPKE's info.
export const SUITES = {
  "xb1-h": {
    signatures: [["Ed25519", strict25519], ["ML-DSA-65", lattice(ml_dsa65)]],
    wrap: "HPKE-9-KE", ek: 1120, hpke: sealing(KEM_MLKEM768_X25519), hash: hashing("sha256"),
  },
  "xb1-c": {
    signatures: [["ML-DSA-87", lattice(ml_dsa87)]],
    wrap: "HPKE-13-KE", ek: 1568, hpke: sealing(KEM_ML_KEM_1024), hash: hashing("sha384"),
  },
  "xb1-ch": {
    signatures: [["ES384", lower384], ["ML-DSA-87", lattice(ml_dsa87)]],
    wrap: "HPKE-10-KE", ek: 1665, hpke: sealing(KEM_MLKEM1024_P384), hash: hashing("sha384"),
  },
};

// One of each name, whatever the suite.
export const ALGORITHMS = Object.fromEntries(Object.values(SUITES).flatMap(({ signatures }) => signatures));

const bytes = (told) => Buffer.from(must(told, "missing-member"), "base64url");
export const publicOf = ({ kty, x, y, pub }) => (kty === "AKP" ? bytes(pub)
  : kty === "EC" ? Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]) : bytes(x));
// What RFC 7638 hashes: these members, in this order.
export const thumbprintOf = ({ kty, alg, crv, x, y, pub }) =>
  JSON.stringify(kty === "AKP" ? { alg, kty, pub } : kty === "EC" ? { crv, kty, x, y } : { crv, kty, x });
