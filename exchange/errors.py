"""Every way to say no: refusals the rules require, and faults of the world around us.

A refusal or fault is one stable code, a place and some facts. The words a person reads, in
Spanish and English, are data: ``schemas/v1/codes/refusals.json``. A test holds the two in step.
"""

from __future__ import annotations

from enum import StrEnum

Fact = str | int


class Code(StrEnum):
    """The closed list of codes. A code is a contract: it is never renamed or reused."""

    # What arrived could not be read as what it claims to be.
    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    DUPLICATE_MEMBER = "duplicate-member"
    UNKNOWN_MEMBER = "unknown-member"
    MISSING_MEMBER = "missing-member"
    WRONG_TYPE = "wrong-type"
    WRONG_VALUE = "wrong-value"
    BAD_BASE64 = "bad-base64"
    NOT_UTF8 = "not-utf-8"
    TOO_DEEP = "too-deep"
    LEXICAL_NUMBER = "lexical-number"
    CONTROL_CHARACTER = "control-character"
    UNKNOWN_OBJECT = "unknown-object"
    BAD_FRAMING = "bad-framing"
    NOT_UNDERSTOOD = "not-understood"
    PLACEHOLDER = "placeholder"

    # It could be read, but is not what was signed, or not by whom it says.
    SUITE_NOT_ALLOWED = "suite-not-allowed"
    SIGNATURE_COUNT = "signature-count"
    SIGNATURE_ORDER = "signature-order"
    UNKNOWN_KEY = "unknown-key"
    KEY_NOT_VALID = "key-not-valid"
    BAD_SIGNATURE = "bad-signature"
    WEAK_KEY = "weak-key"
    KEY_KNOWN = "key-known"
    KEY_LIFETIME = "key-lifetime"
    REQUEST_STALE = "request-stale"
    BAD_INVITATION = "bad-invitation"
    INVITATION_USED = "invitation-used"
    INVITATION_OVER = "invitation-over"
    INVITATION_OTHER = "invitation-other"
    OWN_INVITATION = "own-invitation"
    ALREADY_ENROLLED = "already-enrolled"
    ALREADY_DECIDED = "already-decided"
    NOT_APPROVED = "not-approved"
    KEY_IN_USE = "key-in-use"
    KEY_ASKED_FOR = "key-asked-for"
    ROTATION_UNDER_WAY = "rotation-under-way"
    STALE_BACKUP = "stale-backup"
    PASSPHRASE_DIFFERS = "passphrase-differs"
    WORDS_WRONG = "words-wrong"
    SHARE_WRONG = "share-wrong"
    SHARE_MIXED = "share-mixed"
    SHARE_SUPERSEDED = "share-superseded"
    SHARE_TWICE = "share-twice"
    PROPOSAL_STALE = "proposal-stale"
    NOTHING_PROPOSED = "nothing-proposed"
    KEY_UNPROVED = "key-unproved"
    NOT_A_CUSTODIAN = "not-a-custodian"
    CONSENT_OTHER = "consent-other"
    CONSENT_TWICE = "consent-twice"
    CONSENT_MISSING = "consent-missing"
    DIGEST_MISMATCH = "digest-mismatch"
    SIZE_MISMATCH = "size-mismatch"
    WRAPS_MISMATCH = "wraps-mismatch"
    MISSING_BLOB = "missing-blob"

    # It could not be opened, or its content is not what its header says.
    CONTEXT_MISMATCH = "context-mismatch"
    NOT_A_RECIPIENT = "not-a-recipient"
    KEY_DESTROYED = "key-destroyed"
    CANNOT_DECRYPT = "cannot-decrypt"
    COMMIT_MISMATCH = "commit-mismatch"
    HEADER_BODY_MISMATCH = "header-body-mismatch"
    SCHEMA_INVALID = "schema-invalid"
    CONTENT_KEY_GONE = "content-key-gone"
    RETENTION_OVER = "retention-over"
    PURGED = "purged"
    BODY_GONE = "body-gone"

    # The arrangement or the directory does not allow it.
    UNKNOWN_ENDPOINT = "unknown-endpoint"
    ENDPOINT_SUSPENDED = "endpoint-suspended"
    NOT_HOME = "not-home"
    ORIGIN_MISMATCH = "origin-mismatch"
    UNKNOWN_FEED = "unknown-feed"
    TYPE_NOT_ON_FEED = "type-not-on-feed"
    MAY_NOT_POST = "may-not-post"
    MAY_NOT_READ = "may-not-read"
    NOT_RELEASABLE = "not-releasable"
    STATUS_NOT_ON_FEED = "status-not-on-feed"
    MARKING_NOT_ON_FEED = "marking-not-on-feed"
    ORIGINATOR_CONTROL = "originator-control"
    TLP_ONWARD = "tlp-onward"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_OVER = "consent-over"
    CONSENT_UNKNOWN = "consent-unknown"
    CATEGORY_NOT_HELD = "category-not-held"
    NO_CATEGORY_HELD = "no-category-held"
    UNWITNESSED = "unwitnessed"
    UNKNOWN_RECIPIENT = "unknown-recipient"
    NOT_SEPARABLE = "not-separable"
    NO_READERS = "no-readers"
    RECIPIENT_KEY_UNFIT = "recipient-key-unfit"
    RECIPIENT_LACKS_SUITE = "recipient-lacks-suite"
    VERB_TYPE_MISMATCH = "verb-type-mismatch"
    REFERENCE_MISSING = "reference-missing"
    SCHEMA_NOT_KNOWN = "schema-not-known"
    NOT_YET_ISSUED = "not-yet-issued"
    EXPIRED = "expired"
    LIFETIME = "lifetime"
    RETENTION_TOO_LONG = "retention-too-long"
    TARGET_MISMATCH = "target-mismatch"
    TARGET_CANCELLED = "target-cancelled"
    TARGET_UNKNOWN = "target-unknown"
    ALREADY_HELD = "already-held"
    OWN_RELEASE = "own-release"
    ALREADY_RELEASED = "already-released"
    RELEASE_REQUIRED = "release-required"
    RELEASE_LATE = "release-late"
    DRAFT_OVER = "draft-over"
    NO_RELEASER = "no-releaser"
    NOT_OWED = "not-owed"
    OFFICER_REQUIRED = "officer-required"
    ID_REUSED = "id-reused"
    RECORDED_BEFORE = "recorded-before"
    STALE_VERSION = "stale-version"
    TRUST_NOT_SIGNED = "trust-not-signed"
    TRUST_INVALID = "trust-invalid"
    TRUST_EXPIRED = "trust-expired"
    TRUST_STALE = "trust-stale"
    TRUST_MIXED = "trust-mixed"
    PROTECTED_PERSONS = "protected-persons"
    PERSONS_AUDIENCE = "persons-audience"
    ASYLUM_TO_ORIGIN = "asylum-to-origin"
    TEXT_NOT_HERE = "text-not-here"
    CORRECTION_UNCHECKED = "correction-unchecked"

    # The caller at the door.
    NO_TOKEN = "no-token"
    BAD_TOKEN = "bad-token"
    BAD_SESSION = "bad-session"
    NOT_YOURS = "not-yours"
    MISSING_ROLE = "missing-role"
    NOT_FOUND = "not-found"
    BAD_REQUEST = "bad-request"
    TOO_MANY = "too-many"
    OFFSET_MISMATCH = "offset-mismatch"
    QUOTA = "quota"
    KEPT_QUOTA = "kept-quota"

    # The record itself.
    BAD_CHECKPOINT = "bad-checkpoint"
    BAD_PROOF = "bad-proof"
    PURGE_OVERDUE = "purge-overdue"
    NOT_PURGED = "not-purged"
    MIRROR_MISMATCH = "mirror-mismatch"
    MIRRORS_DIFFER = "mirrors-differ"
    PAST_DIFFERS = "past-differs"
    INDEX_LONGER = "index-longer"
    STATE_OTHER = "state-other"
    ENTRY_UNTRUE = "entry-untrue"
    INBOX_GAP = "inbox-gap"
    ITEM_WITHHELD = "item-withheld"
    CHAIN_DIFFERS = "chain-differs"
    STALE_HEAD = "stale-head"
    HEAD_WENT_BACK = "head-went-back"
    HEAD_MISSING = "head-missing"
    HOME_MISMATCH = "home-mismatch"
    BAD_EXPORT = "bad-export"
    EXPORT_OTHER = "export-other"
    EXPORT_MISSING = "export-missing"
    EXPORT_OLDER = "export-older"
    JOURNAL_FORKED = "journal-forked"
    STALE_WITNESS = "stale-witness"
    LOST_UNDECLARED = "lost-undeclared"
    LOSS_NOT_ENTERED = "loss-not-entered"

    # Another system's format cannot carry it, or has nothing for us.
    FORMAT_LACKS_TYPE = "format-lacks-type"
    FORMAT_LACKS_MARKING = "format-lacks-marking"
    NO_PLACE = "no-place"
    NOTHING_TO_IMPORT = "nothing-to-import"

    # Faults: a store, a peer or a clock let us down.
    STORE_FAILED = "store-failed"
    JOURNAL_IN_USE = "journal-in-use"
    EXPORT_IN_USE = "export-in-use"
    JOURNAL_BEHIND = "journal-behind"
    WITNESS_BEHIND = "witness-behind"
    ATTACHMENT_DAMAGED = "attachment-damaged"
    JOURNAL_VERSION = "journal-version"
    BACKUP_DAMAGED = "backup-damaged"
    BACKUP_CUT_SHORT = "backup-cut-short"
    BACKUP_PASSPHRASE = "backup-passphrase"
    BACKUP_BEHIND = "backup-behind"
    BACKUP_DIFFERS = "backup-differs"
    NODE_REPLACED = "node-replaced"
    SECOND_PLACE_LOST = "second-place-lost"
    TAIL_DIFFERS = "tail-differs"
    TAIL_UNPROVED = "tail-unproved"
    OUTCOME_UNKNOWN = "outcome-unknown"
    HEAD_TOO_OLD = "head-too-old"
    CLOCK = "clock"
    CLOCK_AHEAD = "clock-ahead"
    JOURNAL_AHEAD = "journal-ahead"
    UNAVAILABLE = "unavailable"
    CANNOT_LISTEN = "cannot-listen"
    UNWRITTEN = "unwritten"
    NODE_UNREACHABLE = "node-unreachable"
    NO_HEADWAY = "no-headway"
    CHANGED_MEANWHILE = "changed-meanwhile"
    TRUST_MEMORY = "trust-memory"
    HEAD_MEMORY = "head-memory"
    MAIL_FAILED = "mail-failed"
    MAIL_DAMAGED = "mail-damaged"
    MAIL_LOCKED = "mail-locked"
    FILE = "file"
    OTHER_FILE = "other-file"
    OTHER_ANCHOR = "other-anchor"
    MIRROR_UNSAID = "mirror-unsaid"
    KEY_FILE = "key-file"
    KEY_TOKEN = "key-token"
    EXTRA_MISSING = "extra-missing"
    NO_SECRET = "no-secret"
    WEAK_PASSPHRASE = "weak-passphrase"
    NO_CONTEXT = "no-context"
    CONTEXT_UNCHOSEN = "context-unchosen"
    NO_NODE = "no-node"
    TRUST_FILE = "trust-file"
    INTERNAL = "internal"

    # Of the command line alone: no node answers it.
    USAGE = "usage"
    ID_UNCLEAR = "id-unclear"

    # Of the pages on this machine alone: desk and console.
    PAGE_LINK = "page-link"
    PAGE_SESSION = "page-session"
    PAGE_ELSEWHERE = "page-elsewhere"
    FILE_TYPE = "file-type"
    DRAFT_CHANGED = "draft-changed"
    DRAFT_SENT = "draft-sent"
    NO_CHECKPOINT = "no-checkpoint"
    MAIL_ASIDE = "mail-aside"


class ExchangeError(Exception):
    """What, where and with which facts; never content, keys or tokens.

    Args:
        code: the stable code.
        at: JSON pointer to the member at fault; empty for the whole.
        facts: identifiers, digests, limits that fill the code's sentence.

    ``receipt`` is what a node gave with it, if anything; it proves nothing until verified.
    """

    receipt: object | None = None

    def __init__(self, code: Code, at: str = "", **facts: Fact) -> None:
        super().__init__(code, at, facts)
        self.code = code
        self.at = at
        self.facts = facts

    def __str__(self) -> str:
        """Return a line for operators; people are shown the texts of the code."""
        told = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return " ".join(part for part in (self.code.value, self.at, told) if part)


class Refusal(ExchangeError):
    """An answer the rules require: the poster must act; it becomes a 4xx and an entry."""


class Fault(ExchangeError):
    """A store, peer or clock let us down: the operator must act; a 503, never a receipt."""
