// A fingerprint as the custodians read it aloud: 24 words in either language (BIP-39), or 43 characters.
import { sha256 } from "@noble/hashes/sha2.js";

// The first four letters of a word, without accents, tell it from all others of its list.
const plain = (word) => word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().slice(0, 4);
const base64url = (raw) =>
  btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

// `lists` are two, each of 2048 such beginnings. Returns what gives the 43 characters for what was
// typed, and null where it is neither.
export function hearing(lists) {
  const places = lists.map((list) => new Map(list.split(" ").map((word, place) => [word, place])));
  return (told) => {
    if (/^[A-Za-z0-9_-]{43}$/.test(told)) return told;
    const words = told.split(/\s+/).filter((word) => !/^\d+\.?$/.test(word)).map(plain);
    const own = places.find((each) => words.every((word) => each.has(word)));
    if (words.length !== 24 || !own) return null;
    const bits = words.map((word) => own.get(word).toString(2).padStart(11, "0")).join("");
    const byte = (_, at) => Number.parseInt(bits.slice(8 * at, 8 * at + 8), 2);
    const raw = Uint8Array.from({ length: 33 }, byte), digest = raw.subarray(0, 32);
    return sha256(digest)[0] === raw[32] ? base64url(digest) : null;   // the last word checks the others
  };
}
