"""The forms of well-known tokens and keys, which are secret wherever they stand."""

from __future__ import annotations

import re
from typing import Final

TOKENS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"dapi[0-9a-f]{32}(?:-[0-9]+)?|dose[0-9a-f]{32}"  # Databricks: personal access token, OAuth secret
    r"|gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_\w{20,}+"  # GitHub
    r"|gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat)-[\w-]{20,}+"  # GitLab
    r"|dckr_[po]at_[\w-]{20,}+|pypi-AgE[\w-]{16,}+|npm_[A-Za-z0-9]{36,}+"  # Docker Hub, PyPI, npm
    # AWS: the id of a key, and the key where it stands behind it
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?:[\s:,;|\"']{1,9}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
    r"|ya29\.[\w-]{20,}+|AIza[\w-]{35}"  # Google
    r"|[\w~.-]{3}[78]Q~[\w~.-]{31,40}+"  # Entra ID: a client secret
    # OpenAI and its like: what is no name of a package, which has no capital beside a digit in it
    r"|sk-(?:[a-z0-9]{1,12}-){0,3}+[0-9a-f]{32,}+|sk-(?=[\w-]{0,60}[0-9])(?=[\w-]{0,60}[A-Z])[\w-]{20,}+"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}+|hf_[A-Za-z0-9]{30,}+"  # Stripe, Hugging Face
    r"|xox[a-z]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+|(?<=hooks\.slack\.com/services/)[\w/]{20,}+"  # Slack
    r"|hv[bs]\.[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|do[opr]_v1_[0-9a-f]{64}"  # Vault, SendGrid, DigitalOcean
    r"|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"  # a JSON web token
    r")"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{40,}+"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}+"
)
"""Linear in the text: every repetition is bounded or possessive."""
