"""Verify an evidence package of the exchange: python3 verify.py PACKAGE.zip [FINGERPRINT]

Needs Python 3.11 and `cryptography` 50, nothing else. FINGERPRINT: the 43 characters that the custodians of
both nations read aloud; without it the package is only held to itself. cover.html says what each step means.
Ends with 0 (it holds), 5 (a step does not), 6 (it holds, unanchored), 2 (wrong use), 3 (no file; not told).
"""
import json, os, re, struct, sys, zlib
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256, sha384, sha512
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils
from cryptography.hazmat.primitives.hashes import SHA384
STEPS = """container manifest inclusion anchor directory checkpoint cosignatures originator receipt
acknowledgements content keys""".split()
SUITES = {"xb1-h": ["Ed25519", "ML-DSA-65"], "xb1-c": ["ML-DSA-87"], "xb1-ch": ["ES384", "ML-DSA-87"]}
TUF = {"ed25519": ("Ed25519", 32), "ecdsa-sha2-nistp384": ("ES384", 97), "ml-dsa-65/1": ("ML-DSA-65", 1952),
       "ml-dsa-87/1": ("ML-DSA-87", 2592)}   # and how many bytes of the key's DER, from its end, are the key
THUMB = {"OKP": ["crv", "kty", "x"], "EC": ["crv", "kty", "x", "y"], "AKP": ["alg", "kty", "pub"]}
HALF = (2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D) // 2   # of the order of P-384
ROLES = ("root", "targets", "pa", "us")
PARTS = "manifest.json cover.html verify.html verify.py header.json salt.bin body.json keys.json".split()
FOLDER = "checkpoint.txt entry.jsonl trust.jsonl acknowledgements.jsonl documents.jsonl receipt.json".split()
SPACES = "\0- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
UNHELD = "cover.html verify.html verify.py"   # to nothing but the manifest
# Forms: of a text its pattern, of a number its most; [form]: or null; [form, least, most, is it a set]: list.
MEMBER, WORD, TIME, COUNT = r"[a-z]{2}\.[a-z0-9]{1,30}", "[a-z0-9][a-z0-9.+-]{0,47}", 253402300799, 2**53 - 1
ENDPOINT, DIGEST, SUITE = MEMBER + "/[a-z0-9][a-z0-9-]{0,30}", "[A-Za-z0-9_-]{43}", "|".join(SUITES)
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
BLOB, SAID = {"digest": DIGEST, "size": COUNT}, {"v": "xb1", "suite": SUITE}
BY, OF = {**SAID, "id": UUID, "origin": MEMBER, "endpoint": ENDPOINT}, {"endpoint": ENDPOINT, "id": UUID}
FORMS = {
    "manifest": {"v": "exchange-evidence@1", **OF, "anchor": DIGEST, "journals": [WORD, 1, 64]},
    "protected": {"alg": ".*", "kid": ".*", "typ": ".*"},
    "xb-receipt+jws": {**SAID, "node": WORD, "epoch": COUNT, "first": COUNT, "count": COUNT, "root": DIGEST},
    "xb-ack+jws": {
        **BY, "of": {**OF, "header_digest": DIGEST}, "at": TIME, "officer": ["[A-Za-z0-9._-]{1,40}"],
        "outcome": "delivered|opened|actioned|schema-invalid|partial|unreadable|purged"},
    "xb-header+jws": {
        **BY, "type": "[a-z]{3}", "schema": r"[1-9][0-9]{0,3}\.[0-9]{1,4}", "feed": WORD,
        "verb": "new|update|correct|cancel|reply", "status": "actual|exercise|test",
        "to": [ENDPOINT, 1, 64, 1], "precedence": "flash|immediate|priority|routine", "marking": {
            "tlp": "red|amber([+]strict)?|green|clear", "releasable_to": ["[A-Z]{3}", 1, 16, 1],
            "handling": ["h[0-3]", 0, 4, 1], "originator_control": True},
        "declares": ["must-purge|persons|protected-person", 0, 3, 1], "observed": [TIME], "issued": TIME,
        "due": [TIME], "expires": TIME, "retain_until": TIME, "regime": [WORD],
        "refs": [{"rel": "supersedes|corrects|cancels|answers", "id": UUID, "header_digest": DIGEST}, 0, 16],
        "commit": DIGEST + "([A-Za-z0-9_-]{21})?", "body": BLOB, "attachments": [BLOB, 0, 16],
        "trust": {"position": COUNT, "head": DIGEST}}}
def must(holds):
    if not holds: raise ValueError
def spell(value): return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
def parse(text): return must(spell(value := json.loads(text)) == text) or value   # JSON in its one spelling
def lines(raw): return [parse(line) for line in must(raw[-1:] in b"\n") or raw.decode().split("\n")[:-1]]
def b64(raw): return urlsafe_b64encode(raw).decode().rstrip("=")
def unb64(text): return must(b64(raw := urlsafe_b64decode(text + "=" * (-len(text) % 4))) == text) or raw
def fits(value, form):
    if type(form) is list and len(form) == 1: return value is None or fits(value, form[0])
    if type(value) is not type(form): return False
    if type(form) is str: return re.fullmatch(form, value)
    if type(form) is int: return 0 <= value <= form
    if type(form) is dict: return set(value) == set(form) and all(fits(value[at], form[at]) for at in form)
    if type(form) is bool: return True
    item, least, most, *is_set = form
    is_whole = least <= len(value) <= most and all(fits(each, item) for each in value)
    return is_whole and (not is_set or value == sorted(set(value)))
def closed(raw, form):   # an object of that form, no member of it twice
    value = json.loads(text := raw.decode())
    must(text[0] + text[-1] == "{}" and not re.search(r"[\\\n]", text))
    return must(fits(value, form) and text.count(":") == spell(value).count(":")) or value
def digest(raw): return b64(sha256(raw).digest())
def unzip(raw):   # stored parts, one after another, then the directory that follows from them
    parts, at, directory = must(len(raw) <= 2**28) or {}, 0, b""
    while raw[at:at + 4] == b"PK\3\4":
        size, length = struct.unpack_from("<18xL4xH", raw, at)
        name, data = raw[at + 30:at + 30 + length], raw[at + 30 + length:][:size]
        told = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, zlib.crc32(data), size, size, length, 0)
        must(raw[at + 4:at + 30] == told and len(data) == size and name.decode() not in parts)
        must(re.fullmatch(rb"([a-z0-9-]+/)?[a-z]+\.[a-z]+", name) and len(parts) < 64)
        directory += struct.pack("<4sH26s3H2L", b"PK\1\2", 788, told, 0, 0, 0, 0o100644 << 16, at) + name
        parts[name.decode()], at = data, at + 30 + length + size
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(parts), len(parts), len(directory), at, 0)
    return must(raw[at:] == directory + end) or parts
def verify(alg, public, signature, data):
    if alg == "ES384":   # only the lower s
        r, s = int.from_bytes(signature[:48]), int.from_bytes(signature[48:])
        must(len(signature) == 96 and s <= HALF)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
        return key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(SHA384()))
    module, name = (ed25519, "Ed25519") if alg == "Ed25519" else (mldsa, alg.replace("-", ""))
    return getattr(module, f"{name}PublicKey").from_public_bytes(public).verify(signature, data)
def must_lead(leaf, index, size, path, root):   # RFC 9162, 2.1.3.2; steps of 32 bytes
    last, at, node = size - 1, index, sha256(b"\0" + leaf.encode()).digest()
    for step in must(0 <= index < size) or path:
        is_right = must(last and len(step) == 32) or at & 1 or at == last
        node = sha256(b"\1" + (step + node if is_right else node + step)).digest()
        while is_right and at and not at & 1: at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    must(last == 0 and node == root)
def public_of(jwk):
    if jwk["kty"] == "EC": return b"\4" + unb64(jwk["x"]) + unb64(jwk["y"])
    return unb64(jwk["pub"] if jwk["kty"] == "AKP" else jwk["x"])
def kid_of(jwk): return digest(spell({name: jwk[name] for name in THUMB[jwk["kty"]]}).encode())
def signed_by(who, jwks, suite, jws, typ, used):   # all signatures of a suite, in order; the payload
    keys, told = {kid_of(jwk): jwk for jwk in jwks}, json.loads(jws)
    signatures = [{name: each[name] for name in ("protected", "signature")} for each in told["signatures"]]
    must(jws == spell({"payload": told["payload"], "signatures": signatures}) and len(jws) <= 2**15)
    must(all(len(each["protected"]) <= 256 for each in signatures))
    heads = [closed(unb64(each["protected"]), FORMS["protected"]) for each in signatures]
    must([head["alg"] for head in heads] == SUITES[suite])
    for head, each in zip(heads, signatures):
        jwk, data = keys[head["kid"]], f"{each['protected']}.{told['payload']}".encode()
        must(head["typ"] == typ and jwk["alg"] == head["alg"])
        verify(head["alg"], public_of(jwk), unb64(each["signature"]), data)
        used[head["kid"]] = [who, jwk]
    return closed(unb64(told["payload"]), FORMS[typ])
class Journal:   # what a package shows of one node's journal: all of it under one root
    def __init__(self, name, parts):
        text, _, signed = parts[f"{name}/checkpoint.txt"].rpartition(b"\n\n")
        _, size, root = text.decode().split("\n")
        self.name, self.text, self.signed, self.known = name, text + b"\n", signed, {}
        self.size, self.root = int(size), b64decode(root)
        must(self.size <= COUNT)
        must(f"exchange/{name}\n{self.size}\n{b64encode(self.root).decode()}" == text.decode())
        what = "entry trust acknowledgements documents".split()
        self.entry, self.trust, self.acks, told = (lines(parts[f"{name}/{each}.jsonl"]) for each in what)
        self.listed = [digest(each.encode()) for each in told]
        self.documents = {digest(each.encode()): each.encode() for each in told}
        files = [line for each in told for line in each.encode().split(b"\n")]
        self.files = {sha256(line).hexdigest(): line for line in files}
        for index, path, entry in must(len(self.entry) == 1) or self.entry + self.trust + self.acks:
            must(type(index) is int and re.fullmatch("[0-9a-f]*", path))
            raw = bytes.fromhex(path)
            must_lead(entry, index, self.size, [raw[at:at + 32] for at in range(0, len(raw), 32)], self.root)
        self.log = [(index, json.loads(entry.split("\n")[0])) for index, _, entry in self.trust]
    def newest_before(self, index): return [at for at, _ in self.log if at < index][-1]
    def directory(self):   # no trust entry is left out: each names the one before; what is here is signed
        before, self.heads = -1, [b64(bytes(32))]
        for place, (index, facts) in enumerate(self.log):
            must([facts["kind"], facts["position"], facts["view"]] == ["trust", place, before])
            before = must(index > before) or index
            self.heads.append(digest(unb64(self.heads[-1]) + unb64(facts["document"]["digest"])))
        roles = [(index, facts) for index, facts in self.log if facts["name"] in ROLES]
        must(self.listed == [facts["document"]["digest"] for _, facts in roles])
        for index, facts in roles: self.role(facts["name"], index + 1)
    def role(self, name, before):   # a role's file in force before an entry, signed as it had to be then
        *earlier, (at, facts) = [each for each in self.log if each[0] < before and each[1]["name"] == name]
        if at in self.known: return self.known[at]
        raw = self.documents[facts["document"]["digest"]].split(b"\n")[0]
        signed, signatures = json.loads(raw)["signed"], json.loads(raw)["signatures"]
        payload = raw[raw.index(b'],"signed":') + 11:-1].replace(b"\\n", b"\n")
        now = datetime.fromtimestamp(facts["taken_ms"] // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        must(signed.get("nation", signed["_type"]) == name)
        must(signed["version"] == facts["version"] == len(earlier) + 1)
        must(name in ("pa", "us") or now < signed["expires"])
        terms = [signed] if name == "root" else [self.role("root", at)]
        if name == "root" and at != self.log[0][0]: terms.insert(0, self.role("root", at))
        if name in ("pa", "us"): terms = [self.role("targets", at)["delegations"]]
        keys, valid = {**terms[0]["keys"], **terms[-1]["keys"]}, set()
        for each in signatures:
            key = keys[each["keyid"]]
            (alg, size), told, made = TUF[key["scheme"]], key["keyval"]["public"], bytes.fromhex(each["sig"])
            der = bytes.fromhex(told) if alg == "Ed25519" else b64decode("".join(told.split("\n")[1:-2]))
            if alg == "ES384": made = b"".join(n.to_bytes(48) for n in utils.decode_dss_signature(made))
            verify(alg, der[-size:], made, b"tuf\1" + sha512(payload).digest() if alg[0] == "M" else payload)
            valid.add(each["keyid"])
        for roles in (each["roles"] for each in terms):
            its = roles[name] if name in roles else next(each for each in roles if each["name"] == name)
            must(sorted(its["custodians"]) == ([name] if name in ("pa", "us") else ["pa", "us"]))
            for circle in its["custodians"].values():   # each nation is counted by itself, by people
                whole = {each["name"] for each in circle["signatories"] if valid.issuperset(each["keyids"])}
                must(len(whole) >= circle["threshold"] >= 2)
        self.known[at] = signed
        return signed
    def document(self, path, before):   # such as members/pa.senan.json, as in force before an entry
        role = "targets" if path == "arrangement.json" else re.match("(members|nodes)/(pa|us)[.-]", path)[2]
        return json.loads(self.files[self.role(role, before)["targets"][path]["hashes"]["sha256"]])
    def by_endpoint(self, jws, typ, before, taken_ms, used):   # an object, signed as its endpoint had to
        said, now = json.loads(unb64(json.loads(jws)["payload"])), taken_ms // 1000
        its = self.document(f"members/{said['origin']}.json", before)["endpoints"]
        its = next(each for each in its if each["id"] == said["endpoint"])
        agreed = self.document("arrangement.json", before)["suites"]
        must(its["status"] == "active" and its["suite"] == said["suite"] and said["suite"] in agreed)
        fit = [each for each in its["keys"] if each["use"] == "sig" and each["since"] <= now < each["until"]]
        return signed_by(said["endpoint"], [each["jwk"] for each in fit], said["suite"], jws, typ, used)
    def line(self, name, kind, public):   # what a key signed under the text: C2SP signed-note
        keyid, found = sha256(name.encode() + b"\n" + kind + public).digest()[:4], set()
        told_by = must(self.signed.endswith(b"\n")) or self.signed.decode().split("\n")[:-1]
        must(len(told_by) <= 32 and len(self.text + self.signed) < 2**18)   # and the feed between them
        for line in told_by:
            told, text = re.fullmatch(f"\u2014 ([^{SPACES}+]+) ([A-Za-z0-9+/]+=*)", line).groups()
            raw = b64decode(text)
            must(b64encode(raw).decode() == text and len(raw) > 4 and len(told.encode()) <= 255)
            if (told, raw[:4]) == (name, keyid): found.add(raw[4:])
        return must(len(found) < 2) or next(iter(found), None)
    def cosigned(self, name, public):   # C2SP tlog-cosignature, with its time
        signature = self.line(name, b"\6", public)
        if signature is None: return False
        origin, its = f"exchange/{self.name}".encode(), name.encode()
        data = b"subtree/v1\n\0" + bytes([len(its)]) + its + signature[:8] + bytes([len(origin)]) + origin
        verify("ML-DSA-44", public, signature[8:], data + struct.pack(">QQ", 0, self.size) + self.root)
        return must(0 < int.from_bytes(signature[:8]) < 2**63) or True
    def checkpoint(self, used):   # both keys that the node had before as many entries
        name = f"exchange/{self.name}"
        first, second = self.document(f"nodes/{self.name}.json", self.size)["log"]
        verify("Ed25519", public_of(first), self.line(name, b"\1", public_of(first)), self.text)
        must(self.cosigned(name, public_of(second)))
        used.update({kid_of(jwk): [f"{self.name} log", jwk] for jwk in (first, second)})
    def witnessed(self):   # C2SP tlog-policy: a group comes after what it is made of
        agreed, met = self.document("arrangement.json", self.size), {}
        if agreed["quorum"] == "none": return False
        for word, name, *rest in map(str.split, agreed["witnesses"]["policy"]):
            if word == "witness":
                who, _, key = rest[0].split("+", 2)
                met[name] = self.cosigned(who, b64decode(key)[1:])
            if word == "group":
                least = {"any": 1, "all": len(rest) - 1}.get(rest[0]) or int(rest[0])
                met[name] = sum(met[each] for each in rest[1:]) >= least
            if word == "quorum": return must(met[name]) or True
        must(False)
    def receipt(self, raw, used):   # the node's signature over the group that it committed the entry with
        if raw is None: return False
        told, (index, _, entry) = json.loads(raw), self.entry[0]
        facts, path = entry.split("\n")[0], list(told["path"])
        shown = {"node": self.name, "index": index, "facts": facts, "path": path, "group": told["group"]}
        must(raw.decode() == spell(shown))
        group = json.loads(unb64(told["group"]["payload"]))
        kids = {json.loads(unb64(each["protected"]))["kid"] for each in told["group"]["signatures"]}
        for before in (group["first"] + group["count"], group["first"]):   # where keys changed, either
            jwks = self.document(f"nodes/{self.name}.json", before)["receipts"]["keys"]
            if kids <= {kid_of(jwk) for jwk in jwks}: break
        must(group["suite"] in self.document("arrangement.json", before)["suites"])
        signed_by(f"{self.name} receipts", jwks, group["suite"], spell(told["group"]), "xb-receipt+jws", used)
        must(group["node"] == self.name)
        path = [unb64(each) for each in path]
        must_lead(entry, index - group["first"], group["count"], path, unb64(group["root"]))
        return True
    def acknowledged(self, said, named, used):   # by recipients, of this bulletin, once each
        [[place, _, _]], places = self.entry, [index for index, _, _ in self.acks]
        must(places == sorted({index for index in places if index > place}))
        for index, _, entry in self.acks:
            *told_by, jws = entry.split("\n")
            facts, taken = json.loads(told_by[0]), json.loads(told_by[-1])["taken_ms"]
            must(facts["kind"] == "acknowledged" and facts["of"] == place)
            must(facts["view"] == self.newest_before(index))
            ack = self.by_endpoint(jws, "xb-ack+jws", index, taken, used)
            must(ack["of"] == {"endpoint": said["endpoint"], "id": said["id"], "header_digest": named})
            must(ack["endpoint"] in said["to"] and facts["digest"] == digest(jws.encode()))
def steps(raw, anchor):   # yields what it found once for each step that holds; what does not hold raises
    yield "ok" if (parts := unzip(raw)) else "ok"
    told, used = parse(parts["manifest.json"].decode()), {}
    listed = [[name, len(data), digest(data)] for name, data in parts.items()]
    must(spell(told) == spell({**{name: told[name] for name in FORMS["manifest"]}, "parts": listed[1:]}))
    must(fits({name: told[name] for name in FORMS["manifest"]}, FORMS["manifest"]))
    known = [*PARTS, *(f"{name}/{each}" for name in told["journals"] for each in FOLDER)]
    must(list(parts) == [name for name in known if name in parts])   # nothing else, and in this order
    must(len(set(told["journals"])) == len(told["journals"]))
    yield f"ok; not checked / sin comprobar: {UNHELD}"
    home, *others = journals = [Journal(name, parts) for name in told["journals"]]
    yield "ok"
    must(all(each.log[0][1]["document"]["digest"] == (anchor or told["anchor"]) for each in journals))
    yield "ok" if anchor else "UNANCHORED / SIN ANCLA"
    for each in journals: each.directory()
    yield "ok"
    for each in journals: each.checkpoint(used)
    yield "ok"
    yield "ok" if [each.witnessed() for each in journals].count(True) else "none agreed / ninguno acordado"
    [[index, _, entry]], header = home.entry, parts["header.json"].decode()
    (*told_by, own), now = entry.split("\n"), digest(header.encode())
    facts, there = json.loads(told_by[0]), json.loads(told_by[-1])   # two where it came from the other node
    said = json.loads(unb64(json.loads(header)["payload"]))
    must(own == header and len(told_by) == 1 + ("home" in facts))
    must(all([each["kind"], each["digest"]] == ["accepted", now] for each in (facts, there)))
    must(facts["view"] == home.newest_before(index))
    must("home" in facts or said["trust"]["head"] == home.heads[said["trust"]["position"]])
    must([said["endpoint"], said["id"]] == [told["endpoint"], told["id"]])
    home.by_endpoint(header, "xb-header+jws", index, there["taken_ms"], used)
    must(len(said["commit"]) == (43 if said["suite"] == "xb1-h" else 64))
    for each in others:   # what crossed is the same entry, whole
        must(each.entry[0][2].split("\n", 1)[1] == entry)
        must(json.loads(each.entry[0][2].split("\n")[0])["home"] == {"node": home.name, "index": index})
    yield "ok"
    yield f"{[each.receipt(parts.get(f'{each.name}/receipt.json'), used) for each in journals].count(True)}"
    for each in journals: each.acknowledged(said, now, used)
    yield f"{sum(len(each.acks) for each in journals)}"
    if is_open := "body.json" in parts or "salt.bin" in parts:
        hashed, salt = sha256 if said["suite"] == "xb1-h" else sha384, parts["salt.bin"]
        hashed = hashed(b"xb1-commit\0" + salt + parts["body.json"])
        must(len(salt) == 32 and b64(hashed.digest()) == said["commit"])
    yield "ok" if is_open else "sealed / sellado"
    must(parts["keys.json"].decode() == spell([[kid, *used[kid]] for kid in sorted(used)]))
    yield f"{len(used)}"
def tell(said):
    try: print(said, flush=True)
    except (OSError, ValueError): os._exit(3)   # a full disk, a closed pipe: nobody was told
def main(path, anchor=None):
    if anchor and not re.fullmatch("[A-Za-z0-9_-]{43}", anchor): return tell(__doc__) or 2
    try: raw = open(path, "rb").read(2**28 + 1)
    except OSError as error: return tell(error) or 3
    found = steps(raw, anchor)
    for number, name in enumerate(STEPS, 1):
        try: held = next(found)
        except Exception: held = None
        tell(f"{number:2} {name}: {held or 'DOES NOT HOLD / NO SE CUMPLE'}")
        if not held: return 5
    return 0 if anchor else 6
if __name__ == "__main__": sys.exit(main(*sys.argv[1:]) if len(sys.argv) in (2, 3) else tell(__doc__) or 2)
