// Which library does what each suite asks for, and public keys as JWK (docs/protocol.md, 2).
import { ed25519 } from "@noble/curves/ed25519.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { AEAD_AES_256_GCM, KDF_SHAKE256, KEM_MLKEM768_X25519 } from "@panva/hpke-noble";
import { CipherSuite } from "hpke";

const signing = (library, strictly = {}) => ({
  sign: (data, seed) => library.sign(data, library.keygen(seed).secretKey),
  verify(signature, data, key) {
    try {
      return library.verify(signature, data, key, strictly);
    } catch { return false; }   // noble throws where a length is wrong
  },
});

// Signatures in the suite's order; `ek` is the length of the KEM's output, in bytes.
export const SUITES = {
  "xb1-h": {
    signatures: [["Ed25519", signing(ed25519, { zip215: false })], ["ML-DSA-65", signing(ml_dsa65)]],
    hpke: new CipherSuite(KEM_MLKEM768_X25519, KDF_SHAKE256, AEAD_AES_256_GCM),
    wrap: "HPKE-9-KE", ek: 1120,
  },
};

export const publicOf = ({ kty, x, pub }) => Buffer.from(kty === "OKP" ? x : pub, "base64url");
// What RFC 7638 hashes: these members, in this order.
export const thumbprintOf = ({ kty, alg, crv, x, pub }) =>
  JSON.stringify(kty === "OKP" ? { crv, kty, x } : { alg, kty, pub });
