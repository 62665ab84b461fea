"""The pages cannot rot: links lead somewhere, commands and keys exist, examples are what really happens."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from gateway import cli, config, driver
from gateway.errors import ConfigError
from gateway.readings import Reading
from gateway.settings import Settings, TlsSettings
from gateway.settings.destinations import DestinationConfig
from gateway.settings.disk import DiskSettings
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.metrics import MetricsSettings
from gateway.settings.orders import OrderSettings
from gateway.settings.unknown import UnknownSettings
from gateway.verify import verify

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, indented ones too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def prose(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


# ---- links


def broken_links(page: Path, text: str) -> list[str]:
    """Links of `page` that lead nowhere: to a file that is not there, to a heading that is not in it."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(target)
    return found


def anchors(page: Path) -> set[str]:
    """The names of its headings, as a Markdown viewer makes them."""
    titles = re.findall(r"^#+ +(.+?) *$", prose(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text("utf-8")) == []


def test_a_broken_link_would_be_found() -> None:
    text = "[a](README.md) [b](nothing.md) [c](README.md#two-commands) [d](README.md#nothing) [e](https://x.example) `[f](g)`\n"
    assert broken_links(ROOT / "CHANGELOG.md", text) == ["nothing.md", "README.md#nothing", "g"]


@pytest.mark.parametrize("folder", ["docs", "docs/drivers", "docs/messages", "docs/destinations"])
def test_every_page_can_be_reached_from_the_first_one(folder: str) -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        for target in re.findall(r"\]\(([^)\s#]+)", page.read_text("utf-8")):
            path = (page.parent / target).resolve()
            found = sorted(path.glob("*.md")) if path.is_dir() else [path] if path.suffix == ".md" and path.exists() else []
            todo += [one for one in found if one not in reached]
            reached |= set(found)
    assert set((ROOT / folder).glob("*.md")) - reached == set()


# ---- commands


def command_lines(text: str) -> Iterator[list[str]]:
    """The calls of `wardlink` and `./dev` that a page shows: in sh and console blocks, and in code spans."""
    lines = []
    for block in [
        *blocks(text, "sh"),
        *(re.sub(r"^(?!\$ ).*\n", "", one, flags=re.MULTILINE) for one in blocks(text, "console")),
    ]:
        lines += block.replace("\\\n", " ").splitlines()
    lines += re.findall(r"`((?:wardlink|\./dev)\s[^`]+)`", prose(text).replace("\n", " "))
    for line in lines:
        for part in re.split(r"\s[|>]\s?|&&|;", re.sub(r"\s#.*", "", line.removeprefix("$ "))):
            words = shlex.split(part)
            if words and re.fullmatch(r"(?:\.venv/bin/)?wardlink|\./dev", words[0]):
                yield words


def command_faults(words: list[str]) -> list[str]:
    """What in a call does not exist: verb, subcommand or option."""
    if words[0] == "./dev":
        verbs = re.findall(r"^([a-z]+)\)", text_of("dev"), re.MULTILINE)
        return [f"no verb {word}" for word in words[1:2] if word not in verbs]
    if len(words) < 2 or words[1].startswith("-"):
        return []
    if words[1] not in cli.COMMANDS:
        return [f"no command {words[1]}"]
    command, rest = cli._load(words[1]), words[2:]
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return [f"no command {words[1]} {rest[0]}"]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return [f"no option {word}" for word in rest if word.startswith("-") and word != "-" and word.split("=")[0] not in known]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    assert [(words, fault) for words in command_lines(page.read_text("utf-8")) for fault in command_faults(words)] == []


def test_the_first_pages_show_commands_at_all() -> None:
    shown = [
        words[1]
        for name in ("README.md", "docs/decode.md", "docs/patients.md")
        for words in command_lines(text_of(name))
        if len(words) > 1
    ]
    assert {"demo", "test", "decode", "lint", "drivers", "trace", "associate", "release"} <= set(shown)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("wardlink decod x", "no command decod"),
        ("wardlink decode --drivr nonin x", "no option --drivr"),
        ("wardlink trace play x", "no command trace play"),
        ("wardlink config check --strict", "no option --strict"),
        ("./dev deploy", "no verb deploy"),
    ],
)
def test_a_command_that_does_not_exist_would_be_found(line: str, fault: str) -> None:
    (words,) = command_lines(f"```sh\n{line}   # why\n```\n")
    assert command_faults(words) == [fault]


def every_command() -> Iterator[tuple[str, Any]]:
    for name in cli.COMMANDS:
        command = cli._load(name)
        yield name, command
        for sub, one in getattr(command, "commands", {}).items():
            yield f"{name} {sub}", one


COMMANDS = dict(every_command())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [one.name for one in command.params if one.name != "help" and not getattr(one, "help", None)] == []


# ---- configuration


def toml_examples() -> Iterator[Any]:
    for page, name in zip(PAGES, IDS, strict=True):
        for number, block in enumerate(blocks(page.read_text("utf-8"), "toml"), 1):
            if re.search(r"^\[\[?(gateway|device|destination|association)\b", block, re.MULTILINE) and "adress" not in block:
                yield pytest.param(block, id=f"{name}-{number}")


@pytest.mark.parametrize("block", list(toml_examples()))
def test_every_configuration_that_a_page_shows_can_be_used(block: str) -> None:
    verify(config.parse(block))


def test_the_mistakes_of_the_page_are_told_as_the_page_says() -> None:
    page = text_of("docs/configuration.md")
    (wrong,) = [block for block in blocks(page, "toml") if "adress" in block]
    (told,) = blocks(page, "text")
    with pytest.raises(ConfigError) as caught:
        config.parse(wrong)
    assert str(caught.value) == told.strip()


def table_under(page: str, heading: str) -> dict[str, str]:
    """Key to default of the first table under a heading."""
    section = page.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\| key \| (?:default|type) \|[^\n]*\n\|[-|]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table[1], re.MULTILINE))


def toml(value: Any) -> str:
    """A default as the page writes it."""
    if value is PydanticUndefined:
        return "must be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str | Path) and value is not None:
        return f'`"{value}"`'
    if isinstance(value, int | float):
        return f"`{value}`"
    if isinstance(value, frozenset) and value:
        return "`[" + ", ".join(f'"{one}"' for one in sorted(value)) + "]`"
    return "\N{EN DASH}"


SECTIONS: dict[str, type[Settings]] = {
    "## [gateway]": config.GatewayConfig,
    "### disk": DiskSettings,
    "### metrics": MetricsSettings,
    "### orders": OrderSettings,
    "### unknown": UnknownSettings,
    "## [[device]]": config.DeviceConfig,
    "### location": config.LocationConfig,
    "## [[association]]": config.AssociationConfig,
    "### patient": config.PatientConfig,
    "### Order, retries, parking": DispatchSettings,
    "### tls": TlsSettings,
}


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items(), ids=SECTIONS.keys())
def test_every_key_is_on_the_page_with_its_default(heading: str, model: type[Settings]) -> None:
    fields = {key: toml(field.get_default(call_default_factory=True)) for key, field in model.model_fields.items()}
    assert table_under(text_of("docs/configuration.md"), heading) == fields


def test_the_keys_that_all_destinations_have_are_on_the_page() -> None:
    own = set(DestinationConfig.model_fields) - set(DispatchSettings.model_fields)
    assert set(table_under(text_of("docs/configuration.md"), "## [[destination]]")) == own


def test_every_key_of_the_schema_is_explained() -> None:
    schema = config.schema()
    models = {"Config": schema, **schema["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, one in models.items()
        for key, about in one.get("properties", {}).items()
        if not about.get("description")
    ]
    assert silent == []


def test_the_example_names_every_table() -> None:
    example = (ROOT / "gateway" / "example.toml").read_text("utf-8")
    verify(config.parse(example))
    tables = {*tomllib.loads(example), *re.findall(r"^# \[\[(\w+)\]\]", example, re.MULTILINE)}
    assert tables == set(config.Config.model_fields)


# ---- readings


def test_every_key_of_a_reading_is_on_the_page_in_its_order() -> None:
    listed = table_under(text_of("docs/decode.md"), "## The keys of a reading")
    types = {
        "str": "string",
        "str | None": "string or null",
        "int | None": "number or null",
        "list[str]": "list of strings",
        "bool": "boolean",
    }
    assert list(listed.items()) == [(key, types[str(kind.__forward_arg__)]) for key, kind in Reading.__annotations__.items()]


# ---- code


def test_the_driver_in_ten_minutes_is_one() -> None:
    (code,) = blocks(text_of("CONTRIBUTING.md"), "python")
    names: dict[str, Any] = dict(vars(driver))
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)  # the page's own example
    assert names["TREE"].observe("SPO2", "97").refid == "MDC_PULS_OXIM_SAT_O2"
    assert callable(names["interpret"])
