"""Asking and answering: for information (RFI, RPY), for leave to pass something on (CON)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Grading, Target, Text


class Question(Block, frozen=True):
    """One question under its number, counted from 1."""

    n: w.Ordinal
    question: Text


class InformationRequest(Block, frozen=True):
    """Numbered questions, what the answers are for, and on what legal basis they are asked."""

    questions: Annotated[list[Question], Meta(min_length=1, max_length=50)]
    purpose: Text
    legal_basis: Text
    reply_by: w.Time


class Answer(Block, frozen=True):
    """What became of one question: an answer, no trace, or a refusal with its ground."""

    n: w.Ordinal
    outcome: w.AnswerOutcome
    answer: Text | None = None
    ground: w.Ground | None = None
    grading: Grading | None = None


class InformationReply(Block, frozen=True):
    """The answers to a request, by the numbers of its questions."""

    target: Target
    answers: Annotated[list[Answer], Meta(min_length=1, max_length=50)]


class ReleaseConsent(Block, frozen=True):
    """Whether something may be passed on to somebody it was not sent to: asked, or answered."""

    consent_step: w.ConsentStep
    target: Target
    proposed_to: Annotated[list[w.ThirdParty], Meta(min_length=1, max_length=20)]
    purpose: Text
    reply_by: w.Time | None = None
    consent: w.Consent | None = None
    conditions: Text | None = None
