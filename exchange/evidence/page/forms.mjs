// The forms of what is signed, member by member: what the exchange's own model has, in a table.
export const SUITES = {
  "xb1-h": ["Ed25519", "ML-DSA-65"], "xb1-c": ["ML-DSA-87"], "xb1-ch": ["ES384", "ML-DSA-87"],
};
// Forms: of a text its pattern; of a number its most; [form]: or null; [form, least, most, is it a
// set]: a list.
const MEMBER = "[a-z]{2}\\.[a-z0-9]{1,30}", WORD = "[a-z0-9][a-z0-9.+-]{0,47}", TIME = 253402300799;
const ENDPOINT = `${MEMBER}/[a-z0-9][a-z0-9-]{0,30}`, DIGEST = "[A-Za-z0-9_-]{43}";
const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const COUNT = Number.MAX_SAFE_INTEGER, BLOB = { digest: DIGEST, size: COUNT };
const SAID = { v: "xb1", suite: Object.keys(SUITES).join("|") };
const BY = { ...SAID, id: UUID, origin: MEMBER, endpoint: ENDPOINT }, OF = { endpoint: ENDPOINT, id: UUID };
export const FORMS = {
  manifest: { v: "exchange-evidence@1", ...OF, anchor: DIGEST, journals: [WORD, 1, 64] },
  protected: { alg: ".*", kid: ".*", typ: ".*" },
  "xb-receipt+jws": { ...SAID, node: WORD, epoch: COUNT, first: COUNT, count: COUNT, root: DIGEST },
  "xb-ack+jws": {
    ...BY, of: { ...OF, header_digest: DIGEST }, at: TIME, officer: ["[A-Za-z0-9._-]{1,40}"],
    outcome: "delivered|opened|actioned|schema-invalid|partial|unreadable|purged",
  },
  "xb-header+jws": {
    ...BY, type: "[a-z]{3}", schema: "[1-9][0-9]{0,3}\\.[0-9]{1,4}", feed: WORD,
    verb: "new|update|correct|cancel|reply", status: "actual|exercise|test", to: [ENDPOINT, 1, 64, true],
    precedence: "flash|immediate|priority|routine",
    marking: {
      tlp: "red|amber([+]strict)?|green|clear", releasable_to: ["[A-Z]{3}", 1, 16, true],
      handling: ["h[0-3]", 0, 4, true], originator_control: true,
    },
    declares: ["must-purge|persons|protected-person", 0, 3, true], observed: [TIME], issued: TIME,
    due: [TIME], expires: TIME, retain_until: TIME, regime: [WORD],
    refs: [{ rel: "supersedes|corrects|cancels|answers", id: UUID, header_digest: DIGEST }, 0, 16],
    commit: `${DIGEST}([A-Za-z0-9_-]{21})?`, body: BLOB, attachments: [BLOB, 0, 16],
    trust: { position: COUNT, head: DIGEST },
  },
};

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export function fits(value, form) {
  if (typeof form === "string") return typeof value === "string" && new RegExp(`^(?:${form})$`).test(value);
  if (form === true) return typeof value === "boolean";
  if (typeof form === "number") return Number.isInteger(value) && value >= 0 && value <= form;
  if (isObject(form)) {
    const names = Object.keys(form), isWhole = isObject(value) && Object.keys(value).length === names.length;
    return isWhole && names.every((name) => Object.hasOwn(value, name) && fits(value[name], form[name]));
  }
  const [item, least, most, isSet] = form;
  if (least === undefined) return value === null || fits(value, item);
  const isSized = Array.isArray(value) && value.length >= least && value.length <= most;
  return isSized && value.every((each, at) => fits(each, item) && !(isSet && at && each <= value[at - 1]));
}
