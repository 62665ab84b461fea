"""A document as its objects and fields; and the documents that a host sends.

The standard's elements are of two sorts: objects (`PT`, `OBS`) that hold others, and fields (`OBS.value`) that carry their value
in the attribute `V`, its unit in `U`, its coding system in `SN`, its display name in `DN`; makers put values in the text too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

DEPTH_MAX: Final = 32
"""Objects within objects: the standard needs five."""
NODES_MAX: Final = 20_000
"""Elements of a document: an observation message of a hundred analytes has some two thousand."""

_MESSAGE: Final = re.compile(r"[A-Z]{3}\.R\d\d\Z")
_HOST_VERSION: Final = "POCT1"
_ENCODING: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]{1,40})")
_EAST_ASIAN: Final = frozenset({"gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "ks_c_5601-1987"})
"""Encodings of several bytes a character, which expat does not know; markup is ASCII in each, so that the splitter holds."""
_BARE_AMPERSAND: Final = re.compile(rb"&(?!#?\w{1,64};)")
"""One that begins no entity: some devices write names into attributes as they are."""
_VALUE: Final = re.compile(rb"""=\s*(?:"[^"]*"|'[^']*')""")
"""An attribute's value, in which some devices write "<5" as it is."""


@dataclass(frozen=True, slots=True)
class Field:
    """A leaf: the value `v` (attribute V, else the element's text), unit, coding system, display name, and the text beside V."""

    name: str
    v: str
    unit: str = ""
    system: str = ""
    display: str = ""
    text: str = ""
    null: str = ""
    """Why there is no value, as the device says it (NI, NA, UNK …)."""
    translations: tuple[Field, ...] = ()
    """The same in other coding systems (TRANSLTN)."""
    parts: tuple[Field, ...] = ()
    """What it is made of: a person's name has FAM and GIV."""

    def part(self, name: str) -> str:
        """The value of the part of that name, or an empty text."""
        return next((one.v for one in self.parts if one.name == name), "")


@dataclass(frozen=True, slots=True)
class Object:
    """An object: its fields by name in order of appearance, and the objects in it."""

    name: str
    fields: tuple[Field, ...] = ()
    objects: tuple[Object, ...] = ()

    def field(self, *names: str) -> Field | None:
        """The first field that has one of the names (spelling variants of one field, best first)."""
        return next((one for name in names for one in self.fields if one.name == name), None)

    def value(self, *names: str) -> str:
        """That field's value, or an empty text."""
        found = self.field(*names)
        return found.v if found is not None else ""

    def all(self, name: str) -> Iterator[Field]:
        """Every field of that name."""
        return (one for one in self.fields if one.name == name)

    def find(self, name: str) -> Object | None:
        """The first object of that name below this one, at any depth."""
        return next(self.walk(name), None)

    def walk(self, name: str) -> Iterator[Object]:
        """Every object of that name below this one, in order."""
        for one in self.objects:
            if one.name == name:
                yield one
            yield from one.walk(name)


NOTHING: Final = Object("")


@dataclass(frozen=True, slots=True)
class Poct1aMessage:
    """One document of a device. `type` is its root ("OBS.R01"); `hello` is the HEL of the conversation it came in."""

    type: str
    control_id: str
    root: Object
    hello: Object = NOTHING
    problems: tuple[str, ...] = field(default=())


class NotAMessage(ValueError):  # noqa: N818 - named for what it says
    """The document is none of the protocol; the text is a short fixed phrase."""


def parse(raw: bytes) -> Poct1aMessage:
    """The message in one document. Raises NotAMessage: "not well-formed", "too deep", "no message"."""
    element, problems = _element(raw)
    if _depth_and_size(element) is None:
        raise NotAMessage("too deep")
    root = _object(element)
    header = root.find("HDR")
    if header is None and not _MESSAGE.match(root.name):
        raise NotAMessage("no message")
    return Poct1aMessage(root.name, (header or NOTHING).value("HDR.control_id"), root, problems=problems)


def _element(raw: bytes) -> tuple[ET.Element, tuple[str, ...]]:
    """The root; what the device wrote otherwise than it says, or than XML is written, is read all the same and told."""
    # The splitter lets no document type through, and without one XML has no entities to expand.
    try:
        return ET.fromstring(raw), ()  # noqa: S314
    except (ET.ParseError, LookupError, ValueError):
        pass
    mended = _VALUE.sub(lambda value: value[0].replace(b"<", b"&lt;"), _BARE_AMPERSAND.sub(b"&amp;", raw))
    problems = () if mended == raw else ("an & or < that XML wants written otherwise, read as such",)
    for encoding, problem in _readings(raw):
        try:
            parser = ET.XMLParser(encoding="utf-8")  # noqa: S314
            return ET.fromstring(mended.decode(encoding).encode(), parser), (*problems, *problem)  # noqa: S314
        except (ET.ParseError, ValueError):
            continue
    raise NotAMessage("not well-formed")


def _readings(raw: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """How the bytes may be meant where the parser refuses them, best first."""
    if 0 in raw[:2]:
        yield ("utf-16-be" if raw[0] == 0 else "utf-16-le"), ()
    declared = _ENCODING.match(raw)
    if declared is not None and (name := declared[1].decode().lower()) in _EAST_ASIAN:
        yield name, ()
    yield "utf-8", ()
    yield "iso-8859-1", ("text in no encoding it could claim, read as ISO 8859-1",)


def _depth_and_size(root: ET.Element) -> int | None:
    """How many elements there are; None when they are too many or too deep."""
    level, count = [root], 1
    for _ in range(DEPTH_MAX):
        level = [child for parent in level for child in parent]
        count += len(level)
        if not level:
            return count if count <= NODES_MAX else None
    return None


def _object(element: ET.Element) -> Object:
    fields, objects = [], []
    for child in element:
        if _is_field(child):
            fields.append(_field(child))
        else:
            objects.append(_object(child))
    return Object(_name(element), tuple(fields), tuple(objects))


def _is_field(element: ET.Element) -> bool:
    """`OBS.value` is a field; `OBS` an object; anything with V is a field however it is called; a root has no business inside."""
    if "V" in element.attrib or "NULL" in element.attrib:
        return True
    return "." in _name(element) and not any("." in _name(child) for child in element)


def _name(element: ET.Element) -> str:
    """Without a namespace: some devices declare one."""
    return element.tag.rpartition("}")[2]


def _field(element: ET.Element) -> Field:
    text = " ".join((element.text or "").split())
    v = element.get("V", "").strip()
    return Field(
        _name(element),
        v or text,
        unit=element.get("U", "").strip(),
        system=element.get("SN", "").strip(),
        display=element.get("DN", "").strip(),
        text=text if v else "",
        null=element.get("NULL", "").strip(),
        translations=tuple(_field(child) for child in element if _name(child) == "TRANSLTN"),
        parts=tuple(_field(child) for child in element if _name(child) != "TRANSLTN"),
    )


HEADER_MAX: Final = 200
"""Bytes that the header adds to a message of ours: with a type of forty characters, a number of ten digits, in a frame, 187."""


def document(type_: str, control_id: str, created: str, body: str = "") -> bytes:
    """A host's message: `created` ISO 8601 with offset; `body` is XML made with `leaf`."""
    return (
        f"<{type_}><HDR>{leaf('HDR.message_type', type_)}{leaf('HDR.control_id', control_id)}"
        f"{leaf('HDR.version_id', _HOST_VERSION)}{leaf('HDR.creation_dttm', created)}</HDR>{body}</{type_}>"
    ).encode()


def leaf(name: str, v: str, **attributes: str) -> str:
    """`<name V="v"/>`, escaped, with more attributes behind V where there are some."""
    more = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
    return f"<{name} V={quoteattr(v)}{more}/>"
