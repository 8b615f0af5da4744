"""Scripts: what leads to what. Each is a cause and an effect about X and perhaps another person Y and a thing O.

A step is (subject, verb, object, place): `X`, `Y` persons, `O` the thing shared by both steps, a noun class or noun for
a fresh one; the verb `was` takes a state as its object, and the object `to` says that a place follows.
"""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """One clause of a script; see the top of this file."""

    subject: str
    verb: str
    object: str = ""
    place: str = ""


class Script(NamedTuple):
    """`thing` is the class, or the nouns, that O is drawn from; empty where there is no O."""

    topic: str
    cause: Step
    effect: Step
    thing: str = ""


def _script(topic: str, cause: str, effect: str, thing: str = "") -> Script:
    return Script(topic, Step(*cause.split()), Step(*effect.split()), thing)


SCRIPTS = (
    _script("food", "X was hungry", "X eat food"),
    _script("food", "X eat O", "X was full", "food"),
    _script("food", "X bake O", "Y taste O", "cake pie egg"),
    _script("food", "X slice O", "X serve O", "food"),
    _script("farm", "X catch O", "X feed O", "animal"),
    _script("farm", "X chase O", "X was tired", "animal"),
    _script("farm", "X feed O", "X milk O", "cow goat"),
    _script("farm", "O was dirty", "X brush O", "animal"),
    _script("travel", "X pack O", "X go to station", "bag basket"),
    _script("travel", "X go to harbour", "X board O", "boat"),
    _script("travel", "X repair O", "X drive O", "vehicle"),
    _script("travel", "X drive O", "X reach LOC", "vehicle"),
    _script("health", "X was sick", "X go to hospital"),
    _script("health", "X bring O", "Y was healthy", "pill bandage"),
    _script("health", "X heal Y", "Y thank X"),
    _script("health", "X examine Y", "X bring O", "pill bandage"),
    _script("school", "X write O", "Y read O", "letter book"),
    _script("school", "X borrow O", "X copy O", "book map"),
    _script("school", "X teach Y", "Y write O", "letter book"),
    _script("market", "X sell O", "X count coin", "garment tool"),
    _script("market", "X count coin", "X was rich"),
    _script("market", "X go to market", "X buy O", "food garment tool"),
    _script("market", "X was poor", "X steal O", "coin ring bag"),
    _script("market", "X sew O", "X sell O", "garment"),
    _script("sport", "X win prize", "X was happy"),
    _script("sport", "X defeat Y", "Y was sad"),
    _script("sport", "X throw O", "Y catch O", "ball"),
    _script("sport", "X join ORG", "X kick ball"),
    _script("any", "X lose O", "X seek O", "item tool garment"),
    _script("any", "X seek O", "X find O", "item tool garment"),
    _script("any", "Y steal O", "X was angry", "coin ring bag basket"),
    _script("any", "X was tired", "X sleep"),
    _script("any", "X was sad", "X cry"),
    _script("any", "X was happy", "X laugh"),
)
