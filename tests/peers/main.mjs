// Drive the client from a test: node main.mjs PROFILE KEYS post DRAFT | inbox | ack ID OUTCOME.
// Prints JSON; a refusal is its code, and ends with 1. Where KEYS hold `ms`, that is the time.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  all, connect, endpointsOf, inbox, must, post, refuse, seal, seconds, sign, trust,
} from "./exchange.mjs";
import { isTimely, strictest } from "./sealing.mjs";
import { SUITES } from "./suites.mjs";

const uuid7 = (ms) =>
  `${ms.toString(16).padStart(12, "0").replace(/^.{8}/, "$&-")}-7${randomUUID().slice(15)}`;

// A draft is {header, bulletin}: what a person decides. The rest follows.
async function send(here, { header: chosen, bulletin }, ms) {
  const { heads } = await trust(here), view = strictest(here), now = Math.floor(ms / 1000), id = uuid7(ms);
  must(isTimely(view, here.node, now), "trust-stale");
  const { feeds } = view.documents.arrangement, { type, schema, regime, declares } = bulletin;
  const feed = feeds.find(({ name }) => name === chosen.feed) ?? refuse("unknown-feed");
  const choices = all(view, "subscription").filter((each) => each.feeds.includes(feed.name));
  const named = [...chosen.to, ...choices.map(({ endpoint }) => endpoint)];
  const to = endpointsOf(view).filter((each) => named.includes(each.id) && each.id !== here.endpoint
    && each.status === "active" && each.roles.includes("reader") && feed.read.includes(each.member));
  const isShut = ({ id: name, status }) => chosen.to.includes(name) && status !== "active";
  must(!endpointsOf(view).some(isShut), "endpoint-suspended");
  to.sort((one, other) => (one.id < other.id ? -1 : 1));
  const isFit = ({ use, jwk, since, until }) => use === "enc" && since <= now && now < until
    && jwk.alg === SUITES[here.by.suite].wrap;
  const newest = (one, other) => other.since - one.since;
  const keys = to.map((each) => each.keys.filter(isFit).sort(newest)[0]);
  must(keys.every(Boolean), "recipient-key-unfit");
  const text = Buffer.from(JSON.stringify({ ...bulletin, id, origin: here.by.origin }));
  const { body, header } = await seal(text, {
    ...here.by, id, type, schema, regime, declares, ...chosen, to: to.map((each) => each.id),
    observed: seconds(bulletin.observed), due: seconds(bulletin.due), issued: now,
    expires: now + 86400, retain_until: now + 172800, refs: [], attachments: [],
    trust: { position: heads.length - 1, head: heads.at(-1) },
  }, keys.map(({ jwk }) => jwk));
  return { id, ...await post(here, sign(header, "xb-header+jws", here.keys), body) };
}

async function acknowledge(here, id, outcome, ms) {
  const item = (await inbox(here)).find(({ header }) => header?.id === id) ?? refuse("not-found");
  const of = { endpoint: item.header.endpoint, id, header_digest: item.digest };
  const at = Math.floor(ms / 1000), officer = "watch-js";
  const ack = { ...here.by, id: uuid7(ms), of, outcome, at, officer };
  return post(here, sign(ack, "xb-ack+jws", here.keys));
}

async function main([profile, keys, verb, ...rest]) {
  const file = (path) => JSON.parse(readFileSync(path)), { ms = Date.now() } = file(keys);
  const here = await connect(file(profile), file(keys), Math.floor(ms / 1000));
  return verb === "post" ? send(here, file(rest[0]), ms)
    : verb === "ack" ? acknowledge(here, ...rest, ms) : inbox(here);
}

const refused = (error) => (error.isRefusal ? { code: error.code } : Promise.reject(error));
const done = await main(process.argv.slice(2)).catch(refused);
process.exitCode = done.code ? 1 : 0;
console.log(JSON.stringify(done));
