"""Rules of a profile that tell messages apart: which results are quality control, which a named policy leaves out."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import Field, model_validator

from drivers.lab.places import At, Scope, read
from gateway.driver import Options


class RuleKind(StrEnum):
    """The six sorts of rule."""

    FIELD_EQUALS = "FIELD_EQUALS"
    FIELD_CONTAINS = "FIELD_CONTAINS"
    FIELD_REGEX = "FIELD_REGEX"
    FIELD_PRESENT = "FIELD_PRESENT"
    SPECIMEN_ID_PREFIX = "SPECIMEN_ID_PREFIX"
    SPECIMEN_ID_REGEX = "SPECIMEN_ID_REGEX"


class Rule(Options):
    """One rule: FIELD_* looks at `field`, SPECIMEN_ID_* at the id that the profile found; FIELD_PRESENT needs no `value`."""

    rule: RuleKind
    value: str = ""
    field: At | None = None

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if self.rule.startswith("FIELD") and self.field is None:
            raise ValueError(f'{self.rule} needs a field, like "O.16.1"')
        if not self.value and self.rule is not RuleKind.FIELD_PRESENT:
            raise ValueError(f"{self.rule} needs a value to look for")
        if self.rule in (RuleKind.FIELD_REGEX, RuleKind.SPECIMEN_ID_REGEX):
            try:
                re.compile(self.value)
            except re.error as error:
                raise ValueError(f"{self.value!r} is no regular expression: {error}") from None
        return self

    def holds(self, scope: Scope, specimen_id: str) -> bool:
        """Whether the rule holds for the records in force."""
        match self.rule:
            case RuleKind.FIELD_EQUALS:
                return self.field is not None and read(scope, self.field) == self.value
            case RuleKind.FIELD_CONTAINS:
                return self.field is not None and self.value in read(scope, self.field)
            case RuleKind.FIELD_REGEX:
                return self.field is not None and re.search(self.value, read(scope, self.field)) is not None
            case RuleKind.FIELD_PRESENT:
                return self.field is not None and read(scope, self.field) != ""
            case RuleKind.SPECIMEN_ID_PREFIX:
                return specimen_id.startswith(self.value)
            case RuleKind.SPECIMEN_ID_REGEX:
                return re.search(self.value, specimen_id) is not None


class Policy(Rule):
    """A rule with a name: what it holds for is left out of the results, and said to be.

    About a result's own records (R, C, M) it leaves out that result, about anything else the specimen.
    """

    name: str = Field(min_length=1)

    @property
    def of_result(self) -> bool:
        """Whether it looks at a result rather than at the specimen."""
        return self.field is not None and self.field[0] in "RCM"
