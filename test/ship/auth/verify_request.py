"""Verifies a signed request: the raw bytes of it on stdin, KEYID=SECRET or KEYID=@PUBLIC-KEY.pem as arguments.

Knows RFC 9110, 9421 and 9530 and nothing of this library: standard library only, and `cryptography` for Ed25519.
Prints what it found out as JSON; fails where anything does not fit.
"""

import base64
import gzip
import hashlib
import hmac
import json
import re
import sys

raw = sys.stdin.buffer.read()
head, _, rest = raw.partition(b"\r\n\r\n")
request_line, *lines = head.decode("ascii").split("\r\n")
method, target, _ = request_line.split(" ")
headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}

if headers.get("transfer-encoding") == "chunked":
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            break
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
else:
    body = rest[: int(headers["content-length"])]

digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
assert headers["content-digest"] == f"sha-256=:{digest}:", "content-digest"

label, params = headers["signature-input"].split("=", 1)
components = re.findall(r'"([^"]+)"', params[: params.index(")")])
created = int(re.search(r";created=(\d+)", params)[1])
keyid = re.search(r';keyid="([^"]*)"', params)[1]
algorithm = re.search(r';alg="([^"]*)"', params)[1]
derived = {"@method": method, "@path": target.split("?")[0]}
base = "".join(f'"{name}": {derived.get(name) or headers[name]}\n' for name in components)
base = (base + f'"@signature-params": {params}').encode("ascii")
signature = base64.b64decode(re.fullmatch(label + "=:(.*):", headers["signature"])[1])

key = dict(argument.split("=", 1) for argument in sys.argv[1:])[keyid]
if algorithm == "hmac-sha256":
    assert hmac.compare_digest(hmac.new(key.encode(), base, hashlib.sha256).digest(), signature), "signature"
elif algorithm == "ed25519":
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    with open(key[1:], "rb") as pem:
        load_pem_public_key(pem.read()).verify(signature, base)
else:
    raise AssertionError(algorithm)

text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
print(
    json.dumps(
        {
            "algorithm": algorithm,
            "keyid": keyid,
            "created": created,
            "components": components,
            "lines": len(text.splitlines()),
        }
    )
)
