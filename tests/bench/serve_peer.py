#!/usr/bin/python3
"""What bench_serve compares with: a model of scikit-learn behind FastAPI and uvicorn.

    serve_peer.py TABLE.csv PORT LAYERS WORKERS FORM

The same table, the same network (LAYERS, "256,256"), the same request and a reply with the same content but for the
out-of-distribution score. The classifier is fitted for one pass: how good it is does not matter, how large it is does.
BLAS has no threads of its own, the event loop is uvloop, HTTP is parsed by httptools. FORM is one of

    usual   as FastAPI's own documentation writes it: the body declared, so that each row is checked to be numbers by
            name, a plain function, uvicorn as it comes, with a line in its log for each request; verad checks and logs
            as much
    bare    all of that taken away for speed: an asynchronous handler that takes whatever the body is, and no log
"""
import os
import sys

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import csv
import warnings

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")


class Body(BaseModel):
    rows: list[dict[str, float]]


def make(path, layers, form):
    with open(path, newline="") as f:
        rows = list(csv.reader(f))
    names, rows = rows[0][:-1], [r for r in rows[1:] if r[-1]]
    x = np.array([[float(v) for v in r[:-1]] for r in rows], dtype=np.float32)
    model = MLPClassifier(hidden_layer_sizes=layers, max_iter=1, random_state=1)
    model.fit(x, [r[-1] for r in rows])
    app = FastAPI()

    def answers(rows):
        x = np.array([[row[name] for name in names] for row in rows], dtype=np.float32)
        p = model.predict_proba(x)
        best = p.argmax(axis=1)
        return {"predictions": [{"label": model.classes_[k], "probabilities": dict(zip(model.classes_, row.tolist()))}
                                for k, row in zip(best, p)]}

    if form == "usual":
        @app.post("/predict")
        def predict(body: Body):
            return answers(body.rows)
    else:
        @app.post("/predict")
        async def predict(request: Request):
            body = await request.json()
            return JSONResponse(answers(body["rows"]))

    return app


if __name__ == "__main__":
    os.environ["PEER"] = " ".join(sys.argv[1:])
    uvicorn.run("serve_peer:app", app_dir=os.path.dirname(os.path.abspath(__file__)), host="127.0.0.1",
                port=int(sys.argv[2]), workers=int(sys.argv[4]), log_level="info" if sys.argv[5] == "usual" else "warning",
                access_log=sys.argv[5] == "usual")
else:
    table, _, sizes, _, kind = os.environ["PEER"].split(" ")
    app = make(table, tuple(int(n) for n in sizes.split(",")), kind)
