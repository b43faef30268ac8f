"""The container's health check: the server's own API answers."""

import json
import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8888/api", timeout=8) as answer:
    sys.exit("version" not in json.load(answer))
