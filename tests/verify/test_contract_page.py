"""The page on the contract says what the code checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbmirror.verify.rules.contract import RULES
from dbmirror.verify.rules.rule import Rule

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()


def test_the_table_lists_each_rule_with_its_title_and_weight() -> None:
    listed = re.findall(r"^\| \[(L\d\d)\]\(#(l\d\d)\) \| (.+) \| (\w+) \|$", PAGE, flags=re.MULTILINE)
    assert listed == [(rule.number, rule.number.lower(), rule.title, rule.severity.value) for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.number)
def test_each_rule_has_what_it_demands_why_its_source_and_a_fix(rule: Rule) -> None:
    section = PAGE.partition(f"\n## {rule.number}\n")[2].partition("\n## ")[0]
    assert section.strip().startswith("**")
    for part in ("*Source:* ", "*Fix:* "):
        assert part in section
    assert rule.number == "L29" or "*Why:* " in section
