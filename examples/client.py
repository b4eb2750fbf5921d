#!/usr/bin/env python3
"""From a CSV file to answers, with Python's standard library alone.

    examples/client.py http://127.0.0.1:8080 table.csv label

VERAD_KEY is the API key, where the daemon asks for one.
"""
import csv
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Problem(Exception):
    """What the daemon refused: problem details, RFC 9457. `code` is stable; `errors` has lines and columns."""

    def __init__(self, body):
        super().__init__(body["detail"])
        self.code, self.status, self.errors = body["code"], body["status"], body.get("errors", [])


class Verad:
    def __init__(self, url, key=None):
        self.url, self.key = url.rstrip("/"), key

    def call(self, method, path, body=None, content_type="application/json"):
        headers = {"Authorization": "Bearer " + self.key} if self.key else {}
        if body is not None:
            headers["Content-Type"] = content_type
            if content_type == "application/json":
                body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as refused:
            raise Problem(json.loads(refused.read())) from None

    def upload(self, file, name, label_column):
        query = urllib.parse.urlencode({"name": name, "label_column": label_column})
        return self.call("POST", "/v1/datasets?" + query, file.read(), "text/csv")

    def train(self, dataset, **params):
        """Queues a run and waits for its end."""
        job = self.call("POST", "/v1/jobs", {"type": "train", "dataset": dataset, "params": params})
        while job["state"] not in ("succeeded", "failed", "cancelled"):
            time.sleep(0.2)
            job = self.call("GET", "/v1/jobs/" + job["id"])
        if job["state"] != "succeeded":
            raise RuntimeError(f"the job {job['state']}: {(job['error'] or {}).get('message')}")
        return job

    def predict(self, model, rows):
        return self.call("POST", f"/v1/models/{model}/predict", {"rows": rows})


def main(url, table, label):
    verad = Verad(url, os.environ.get("VERAD_KEY"))
    with open(table, "rb") as file:
        dataset = verad.upload(file, "example", label)
    print(f"uploaded {dataset['rows']} rows, {dataset['labelled']} of them labelled")
    job = verad.train(dataset["id"], seed=1, steps=150, evaluation_folds=2)
    print(f"trained; accuracy on labels it had not seen: {job['metrics']['accuracy']:.3f}")

    # An empty cell is null; the label may stay away.
    with open(table, newline="", encoding="utf-8") as file:
        rows = [{name: cell or None for name, cell in row.items() if name != label}
                for _, row in zip(range(3), csv.DictReader(file))]
    for answer in verad.predict(job["model"], rows)["predictions"]:
        ood = answer["ood"]
        print(f"{answer['label']}  p {answer['probabilities'][answer['label']]:.3f}"
              f"  {'unlike the training rows' if ood['is_ood'] else 'as trained on'} (p-value {ood['p_value']:.3f})")

    # What is wrong with a table is said with its line and column.
    try:
        verad.call("POST", "/v1/datasets", b"x,y\n1,2\n3\n", "text/csv")
    except Problem as problem:
        print(f"refused: {problem.code} in line {problem.errors[0]['line']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
