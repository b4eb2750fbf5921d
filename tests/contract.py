#!/usr/bin/env python3
"""schema/openapi.json against a live daemon, both ways, and a fuzzer that the document drives.

    tests/contract.py URL [--requests N] [--seed S]

Every route answers what the document says: a status that its operation names itself (`default` is no excuse), of a
content type that it names, with a body that fits the schema, and a member that nobody declared does not fit. What the
document does not have is a 404 or a 405 whose Allow is the document's. Then N requests made of the document with
mistakes thrown in: the same holds for their answers, and none of them is a 500. Python's standard library alone.
"""
import argparse
import http.client
import json
import random
import re
import sys
import time
import urllib.parse


class Wrong(Exception):
    pass


# The document ----------------------------------------------------------------------------------------------------------


class Document:
    def __init__(self, text):
        self.root = json.loads(text)

    def resolve(self, node):
        while "$ref" in node:
            at = self.root
            for step in node["$ref"].lstrip("#/").split("/"):
                at = at[step]
            node = at
        return node

    def operations(self):
        for path, item in self.root["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield method.upper(), path, operation

    def parameters(self, path, operation, where):
        both = self.root["paths"][path].get("parameters", []) + operation.get("parameters", [])
        return [p for p in map(self.resolve, both) if p["in"] == where]


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in TYPES:
        return isinstance(value, TYPES[name])
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (name == "number" or float(value).is_integer())


def check(document, schema, value, where="$"):
    """Raises Wrong where the value does not fit. A member of an object with properties must be one of them."""
    s = document.resolve(schema)
    types = s.get("type")
    if types and not any(is_type(value, t) for t in ([types] if isinstance(types, str) else types)):
        raise Wrong(f"{where}: {value!r:.60} is not of type {types}")
    if "const" in s and value != s["const"]:
        raise Wrong(f"{where}: {value!r:.60} is not {s['const']!r}")
    if "enum" in s and value not in s["enum"]:
        raise Wrong(f"{where}: {value!r:.60} is not in the enum")
    for part in s.get("allOf", []):
        check(document, part, value, where)
    alternatives = s.get("anyOf", s.get("oneOf"))
    if alternatives:
        why = None
        for one in alternatives:
            try:
                check(document, one, value, where)
                break
            except Wrong as wrong:
                why = wrong
        else:
            raise why
    if is_type(value, "number") and not s.get("minimum", value) <= value <= s.get("maximum", value):
        raise Wrong(f"{where}: {value} is out of bounds")
    if isinstance(value, str) and "pattern" in s and not re.search(s["pattern"], value):
        raise Wrong(f"{where}: {value!r:.60} does not match {s['pattern']}")
    if isinstance(value, list):
        if not s.get("minItems", 0) <= len(value) <= s.get("maxItems", len(value)):
            raise Wrong(f"{where}: {len(value)} items")
        for i, item in enumerate(value):
            check(document, s.get("items", {}), item, f"{where}[{i}]")
    if isinstance(value, dict):
        for name in s.get("required", []):
            if name not in value:
                raise Wrong(f"{where}: there is no {name}")
        others = s.get("additionalProperties", "properties" not in s)
        for name, member in value.items():
            if name in s.get("properties", {}):
                check(document, s["properties"][name], member, f"{where}.{name}")
            elif isinstance(others, dict):
                check(document, others, member, f"{where}.{name}")
            elif not others:
                raise Wrong(f"{where}: nobody declared {name}")


# The daemon ------------------------------------------------------------------------------------------------------------


class Daemon:
    def __init__(self, url, document=None):
        self.host = urllib.parse.urlsplit(url).netloc
        self.document = document

    def send(self, method, target, body=None, content_type=None, headers=()):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if content_type is not None:
                connection.putheader("Content-Type", content_type)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Connection", "close")
            connection.endheaders(body)
            reply = connection.getresponse()
            type_ = (reply.headers.get("Content-Type") or "").split(";")[0]
            # a stream of events ends when its job does, which is later than we care for
            got = reply.read1(4096) if type_ == "text/event-stream" else reply.read()
            return reply.status, reply.headers, type_, got
        finally:
            connection.close()

    def judge(self, method, path, operation, answer):
        """Is this an answer that the operation may give?"""
        status, headers, type_, body = answer
        if status == 500:
            raise Wrong(f"status 500: {body!r:.300}")
        described = operation["responses"].get(str(status))
        if not described:
            raise Wrong(f"status {status} is not described: {body!r:.300}")
        if not headers.get("X-Request-Id"):
            raise Wrong("there is no X-Request-Id")
        content = self.document.resolve(described).get("content", {})
        if not body:
            if content and method != "HEAD" and status not in (204, 304):
                raise Wrong(f"status {status} has no body")
            return None
        if type_ not in content:
            raise Wrong(f"status {status}: the content type {type_} is not described")
        if not type_.endswith("json"):
            return None
        value = json.loads(body, parse_constant=lambda name: (_ for _ in ()).throw(Wrong(f"{name} in JSON")))
        check(self.document, content[type_].get("schema", {}), value)
        if type_ == "application/problem+json":
            if value["status"] != status or value["request_id"] != headers["X-Request-Id"]:
                raise Wrong(f"the problem tells another status or request id: {body!r:.300}")
        return value

    def must(self, method, target, body=None, content_type="application/json"):
        """A call of our own that has to succeed."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        status, _, type_, got = self.send(method, target, raw, content_type if raw is not None else None)
        if not 200 <= status < 300:
            sys.exit(f"contract: {method} {target}: {status} {got!r:.300}")
        return json.loads(got) if type_ == "application/json" else got


# Requests made of the document -----------------------------------------------------------------------------------------

CSV = "x,y,colour,label\n" + "".join(
    f"{i % 7},{(i * 5) % 11 + (6 if i % 2 else 0)},{'red' if i % 2 else 'blue'},{'ab'[i % 2] if i < 40 else ''}\n"
    for i in range(120))
ODD = ["", " ", "0", "-1", "1e999", "NaN", "null", "%", "a" * 300, "\u0000", "ü", "💧", "../..", "'--", "{}", "[", "true",
       "99999999999999999999", "0.5", "\t", "\r\n", "@", "x@", "x@1", "x@production", "ds_", "job_aaaaaaaaaaaaaaaaaaaa"]


def those_of(known, path, name):
    """What the parameter of this path may be: an id of a job is another than that of a data set."""
    return known.get("/".join(path.split("/")[2:3]) + "." + name, known.get(name, []))


class Maker:
    def __init__(self, document, rng, known):
        self.document, self.rng, self.known = document, rng, known

    def odd(self):
        r = self.rng
        return r.choice([None, True, False, 0, -1, 1.5, 1e300, 2 ** 63, 2 ** 64, [], {}, [[]], [None] * 5, {"": None},
                         r.choice(ODD), r.choice(ODD)])

    def value(self, schema, name="", depth=0):
        r, s = self.rng, self.document.resolve(schema)
        if r.random() < 0.06 or depth > 6:
            return self.odd()
        if name in self.known and r.random() < 0.8:
            return r.choice(self.known[name])
        if s.get("examples") and r.random() < 0.4:
            return r.choice(s["examples"])
        if "const" in s:
            return s["const"]
        if "enum" in s:
            return r.choice(s["enum"])
        if "anyOf" in s or "oneOf" in s:
            return self.value(r.choice(s.get("anyOf", s.get("oneOf"))), name, depth + 1)
        kind = s.get("type", "string")
        kind = r.choice(kind) if isinstance(kind, list) else kind
        low, high = s.get("minimum", -10), s.get("maximum", 10 ** 6)
        if kind == "integer":
            return r.choice([low, high, r.randint(int(low), int(min(high, low + 50))), int(high) + 1, int(low) - 1])
        if kind == "number":
            return r.choice([low, high, r.uniform(low, min(high, low + 10)), high * 2 + 1])
        if kind == "boolean":
            return r.random() < 0.5
        if kind == "null":
            return None
        if kind == "array":
            return [self.value(s.get("items", {}), name, depth + 1) for _ in range(r.choice([0, 1, 2, 3]))]
        if kind == "object":
            out = {}
            for member, its in s.get("properties", {}).items():
                if member in s.get("required", []) and r.random() < 0.95 or r.random() < 0.3:
                    out[member] = self.value(its, member, depth + 1)
            if isinstance(s.get("additionalProperties"), dict) or r.random() < 0.04:
                extra = s.get("additionalProperties")
                out[r.choice(ODD)] = self.value(extra if isinstance(extra, dict) else {}, "", depth + 1)
            return out
        return r.choice(ODD) if r.random() < 0.3 else "text"

    def spoil(self, body):
        """Bytes that are not what they were."""
        r = self.rng
        body = bytearray(body)
        for _ in range(r.randint(1, 3)):
            at = r.randrange(len(body) + 1)
            match r.randrange(4):
                case 0:
                    del body[at:at + r.randint(1, 8)]
                case 1:
                    body[at:at] = bytes(r.randrange(256) for _ in range(r.randint(1, 4)))
                case 2:
                    body[at:at] = r.choice([b'"', b",", b"\n", b"{", b"]", b"\xff\xfe", b"\x00", b"1e999", b"nan"])
                case 3:
                    body = body[:at]
        return bytes(body)

    def csv(self):
        r = self.rng
        lines = CSV.splitlines(keepends=True)
        return "".join(lines[:r.choice([0, 1, 2, 5, 40, 121])]).encode()

    def body(self, content):
        r = self.rng
        type_ = r.choice(list(content))
        if type_ == "application/json":
            raw = json.dumps(self.value(content[type_].get("schema", {}))).encode()
        elif type_ == "multipart/form-data":
            raw = (b'--sep\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: text/csv\r\n\r\n' + self.csv() +
                   b"\r\n--sep--\r\n")
            type_ += "; boundary=sep"
        elif type_.startswith("text/csv"):
            raw = self.csv()
        else:
            raw = self.known.get("bytes", [b""])[0]
        if r.random() < 0.25:
            raw = self.spoil(raw)
        if r.random() < 0.04:
            type_ = r.choice(["text/plain", "", "application/xml", "text/csv; charset=latin1", "application/json"])
        return raw, type_

    def target(self, path, operation, gone):
        """gone: no id that is there, because the operation would remove it."""
        r = self.rng

        def fill(match):
            name = match.group(1)
            choices = those_of(self.known, path, name)
            if choices and not gone and r.random() < 0.8:
                return urllib.parse.quote(r.choice(choices), safe="@")
            return urllib.parse.quote(r.choice(ODD) or "-", safe="") if r.random() < 0.5 else "none"

        target = re.sub(r"\{(\w+)\}", fill, path)
        query = []
        for p in self.document.parameters(path, operation, "query"):
            if r.random() < 0.3:
                v = self.value(p.get("schema", {"type": "string"}), p["name"])
                query.append((p["name"], v if isinstance(v, str) else json.dumps(v)))
        if r.random() < 0.05:
            query.append((r.choice(["", "unknown", "limit", "a b"]), r.choice(ODD)))
        encoded = urllib.parse.urlencode(query, errors="replace")
        return target + ("?" + encoded if encoded else "")

    def headers(self):
        r = self.rng
        some = [("X-Request-Id", r.choice(["abc", "x" * 60, "a b"])), ("traceparent", r.choice(["00-x", "00-" + "a" * 32])),
                ("Prefer", r.choice(["wait=0", "wait=x", "respond-async"])), ("Idempotency-Key", r.choice(["k1", '"k2"', ""])),
                ("Range", r.choice(["bytes=0-3", "bytes=9-", "lines=1"])), ("If-None-Match", r.choice(["*", '"x"'])),
                ("Accept", r.choice(["text/csv", "text/event-stream", "application/json", "*/*"])),
                ("Last-Event-ID", r.choice(["1", "x"]))]
        return r.sample(some, r.randint(1, 2)) if r.random() < 0.15 else []


# The three parts -------------------------------------------------------------------------------------------------------


def wait_for(daemon, body):
    """The job of this body, once it has succeeded."""
    job = daemon.must("POST", "/v1/jobs", body)["id"]
    while True:
        state = daemon.must("GET", "/v1/jobs/" + job)
        if state["state"] == "succeeded":
            return state
        if state["state"] in ("failed", "cancelled"):
            sys.exit(f"contract: the job {state['state']}: {state['error']}")
        time.sleep(0.02)


def prepare(daemon):
    """A data set, a model, finished jobs, and their ids: what requests can be about."""
    dataset = daemon.must("POST", "/v1/datasets?label_column=label", CSV.encode(), "text/csv")["id"]
    trained = wait_for(daemon, {"type": "train", "dataset": dataset, "model": "contract", "params": {
        "steps": 60, "hidden_layers": [8], "generator_layers": [8], "evaluation_folds": 2}})
    answered = wait_for(daemon, {"type": "batch_predict", "dataset": dataset, "model": "contract"})
    artefact = daemon.must("GET", "/v1/models/contract/artifact")
    return {"dataset": [dataset], "datasets.id": [dataset], "jobs.id": [answered["id"], trained["id"]], "version": ["1"],
            "model": ["contract", "contract@1", trained["model"]], "label_column": ["label", "colour"],
            "bytes": [artefact]}


def only_what_is_described_is_served(daemon, document):
    n = 0
    for path, item in document.root["paths"].items():
        target = re.sub(r"\{\w+\}", "x", path)
        have = {m.upper() for m in item if m != "parameters"}
        have |= {"HEAD"} if "GET" in have else set()
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"} - have:
            status, headers, _, body = daemon.send(method, target)
            allow = set(re.findall(r"[A-Z]+", headers.get("Allow", "")))
            if status != 405 or allow != have:
                raise Wrong(f"{method} {path}: status {status}, Allow {sorted(allow)}, not 405 and {sorted(have)}: {body!r:.200}")
            n += 1
        status = daemon.send("GET", target + "/and/more")[0]
        if status != 404:
            raise Wrong(f"GET {target}/and/more: {status}")
    return n


def everything_described_is_served(daemon, document, known):
    """Each operation once, without mistakes as far as the document tells how, on things that are there where it reads."""
    succeeded = set()
    for method, path, operation in document.operations():
        maker = Maker(document, random.Random(1), known)
        maker.odd = lambda: None
        fill = lambda m: (those_of(known, path, m.group(1)) or ["x"])[0]
        target = re.sub(r"\{(\w+)\}", fill if method in ("GET", "POST") else "x", path)
        for p in document.parameters(path, operation, "query"):
            if p.get("required"):
                target += ("&" if "?" in target else "?") + p["name"] + "=" + urllib.parse.quote(str(p.get("example", "x")))
        content = document.resolve(operation.get("requestBody", {})).get("content", {})
        body = type_ = None
        if content:
            type_ = next(iter(content))
            body = maker.csv() if type_ == "text/csv" else json.dumps(maker.value(content[type_].get("schema", {}))).encode()
        answer = daemon.send(method, target, body, type_)
        try:
            daemon.judge(method, path, operation, answer)
        except Wrong as wrong:
            raise Wrong(f"{method} {target}: {wrong}") from None
        if answer[0] == 405 or (answer[0] == 404 and json.loads(answer[3]).get("code") == "unknown_path"):
            raise Wrong(f"{method} {path} is described and not served")
        if answer[0] < 300:
            succeeded.add((method, path))
        if method == "GET":
            head = daemon.send("HEAD", target)
            if head[0] != answer[0] or head[3]:
                raise Wrong(f"HEAD {target}: {head[0]} with {len(head[3])} bytes, where GET is {answer[0]}")
            if answer[0] != 200:
                raise Wrong(f"GET {target} of what is there: {answer[0]} {answer[3]!r:.200}")
    return succeeded


def fuzz(daemon, document, known, n, seed):
    operations = list(document.operations())
    seen = {}
    for i in range(n):
        rng = random.Random(seed * 1000003 + i)
        maker = Maker(document, rng, known)
        method, path, operation = rng.choice(operations)
        content = document.resolve(operation.get("requestBody", {})).get("content", {})
        body = type_ = None
        if content and rng.random() < 0.97:
            body, type_ = maker.body(content)
        elif rng.random() < 0.02:
            body, type_ = b"{}", "application/json"
        elif method in ("POST", "PUT", "PATCH") and rng.random() < 0.9:
            body = b""
        target = maker.target(path, operation, gone=method == "DELETE")
        headers = maker.headers()
        story = f"{method} {target} {headers} {type_} {body!r:.400}"
        try:
            answer = daemon.send(method, target, body, type_, headers)
        except (OSError, http.client.HTTPException) as failure:
            raise Wrong(f"request {i} of seed {seed}: {failure!r}: {story}") from None
        status = answer[0]
        # an id may hide a slash or end the path, and then another route answers, or none
        elsewhere = status in (404, 405) or "%2F" in target or "%00" in target
        try:
            if str(status) in operation["responses"] or not elsewhere:
                daemon.judge(method, path, operation, answer)
        except Wrong as wrong:
            raise Wrong(f"request {i} of seed {seed}: {wrong}: {story}") from None
        seen[status] = seen.get(status, 0) + 1
        if status in (201, 202) and path == "/v1/jobs" and len(known["jobs.id"]) < 30:
            known["jobs.id"].append(json.loads(answer[3])["id"])
    return seen


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("url")
    arguments.add_argument("--requests", type=int, default=1500)
    arguments.add_argument("--seed", type=int, default=1)
    o = arguments.parse_args()
    daemon = Daemon(o.url)
    document = Document(daemon.send("GET", "/openapi.json")[3])
    daemon.document = document
    known = prepare(daemon)
    try:
        n = only_what_is_described_is_served(daemon, document)
        print(f"{n} methods that are not described are refused")
        succeeded = everything_described_is_served(daemon, document, known)
        print(f"{len(succeeded)} of {len(list(document.operations()))} operations succeed as the document alone tells")
        seen = fuzz(daemon, document, known, o.requests, o.seed)
        print("fuzzed:", ", ".join(f"{n} times {status}" for status, n in sorted(seen.items())))
        daemon.must("GET", "/readyz")
    except Wrong as wrong:
        sys.exit(f"contract: {wrong}")


main()
