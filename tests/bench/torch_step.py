#!/usr/bin/python3
"""One VERA-JEM training step in PyTorch, as bench_train's yardstick.

Written for this project from the formulas of the method (Grathwohl et al., "No MCMC for me", ICLR 2021): the same step,
the same shapes and the same number of random draws as the C program makes, in the way a PyTorch user would write them
who minds the time: no pass whose result is not used, no gradient that no optimiser wants, foreach optimisers.

    torch_step.py                  answers lines on standard input, see serve()
    torch_step.py --check FILE     makes the step of a file of golden numbers in float64 and compares every result
"""
import json
import math
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

MIN_SIGMA, MAX_SIGMA, START_SIGMA, START_ETA = 0.01, 0.3, 0.1, 0.1
ADAM = {"betas": (0.0, 0.9), "eps": 1e-8, "foreach": True}
EMA_DECAY = 0.999


class Step:
    def __init__(self, shape, weights, rates, dtype=torch.float32):
        self.batch, self.labelled, self.samples = shape["batch"], shape["labelled"], shape["samples"]
        self.d, self.k, self.z = shape["d"], shape["k"], shape["z"]
        self.alpha, self.beta, self.gamma, self.lambda_ = weights

        sizes = [self.d, *shape["hidden"]]
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2, inplace=True)]
        self.energy = nn.Sequential(*layers, nn.Linear(sizes[-1], self.k)).to(dtype)

        sizes = [self.z, *shape["generator"]]
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [
                nn.Linear(n_in, n_out, bias=False),
                nn.BatchNorm1d(n_out, track_running_stats=False),
                nn.Softplus(),
            ]
        self.generator = nn.Sequential(*layers, nn.Linear(sizes[-1], self.d)).to(dtype)
        self.log_sigma = torch.full((1,), math.log(START_SIGMA), dtype=dtype, requires_grad=True)
        self.log_eta = torch.full((self.z,), math.log(START_ETA), dtype=dtype, requires_grad=True)

        self.energy_params = list(self.energy.parameters())
        self.generator_params = [*self.generator.parameters(), self.log_sigma]
        self.average = [p.detach().clone() for p in self.energy_params]
        self.energy_adam = torch.optim.Adam(self.energy_params, lr=rates[0], **ADAM)
        self.generator_adam = torch.optim.Adam(self.generator_params, lr=rates[1], **ADAM)
        self.eta_adam = torch.optim.Adam([self.log_eta], lr=rates[2], **ADAM)

    def noise(self):
        """h, eps_x, eps_importance, eps_posterior"""
        return (
            torch.randn(self.batch, self.z),
            torch.randn(self.batch, self.d),
            torch.randn(self.samples, self.batch, self.z),
            torch.randn(self.batch, self.z),
        )

    def energy_step(self, x_data, x_generated, x_labelled, y):
        x_data.requires_grad_()
        logits = self.energy(x_data)
        log_p = logits.logsumexp(1)
        (gradient,) = torch.autograd.grad(log_p.sum(), x_data, create_graph=True)
        penalty = gradient.square().sum(1).mean() / 2
        log_softmax = logits.log_softmax(1)
        entropy = -(log_softmax.exp() * log_softmax).sum(1).mean()

        others = self.energy(torch.cat([x_generated, x_labelled]))
        log_p_generated = others[: len(x_generated)].logsumexp(1)
        cross_entropy = F.cross_entropy(others[len(x_generated) :], y)

        loss = log_p_generated.mean() - log_p.mean()
        loss = loss + self.gamma * penalty + self.beta * entropy + self.alpha * cross_entropy
        self.energy_adam.zero_grad(set_to_none=True)
        loss.backward(inputs=self.energy_params)
        self.energy_adam.step()
        with torch.no_grad():
            torch._foreach_mul_(self.average, EMA_DECAY)
            torch._foreach_add_(self.average, self.energy_params, alpha=1 - EMA_DECAY)
        return loss

    def score(self, x, h, eps):
        """The self-normalised importance-weighted estimate of -grad_x log q(x) around the noise that made x."""
        with torch.no_grad():
            eta, sigma = self.log_eta.exp(), self.log_sigma.exp()
            near = h + eta * eps
            difference = x - self.generator(near.view(-1, self.z)).view(self.samples, self.batch, self.d)
            log_w = difference.square().sum(2) / (-2 * sigma**2)
            log_w = log_w + (eps.square().sum(2) - near.square().sum(2)) / 2
            return (log_w.softmax(0).unsqueeze(2) * difference).sum(0) / sigma**2

    def posterior_step(self, x, h, eps):
        near = h + self.log_eta.exp() * eps
        sigma = self.log_sigma.detach().exp()
        fit = (x - self.generator(near)).square().sum(1) / (-2 * sigma**2)
        elbo = (fit - near.square().sum(1) / 2).mean() + self.log_eta.sum()
        (self.log_eta.grad,) = torch.autograd.grad(-elbo, self.log_eta)

    def generator_step(self, x, h, eps_importance, eps_posterior):
        held = x.detach()
        score = self.score(held, h, eps_importance)
        entropy = (score * x).sum(1).mean()
        loss = -(self.energy(x).logsumexp(1).mean() + self.lambda_ * entropy)
        self.posterior_step(held, h, eps_posterior)
        self.generator_adam.zero_grad(set_to_none=True)
        loss.backward(inputs=self.generator_params)
        self.generator_adam.step()
        self.eta_adam.step()
        with torch.no_grad():
            self.log_sigma.clamp_(math.log(MIN_SIGMA), math.log(MAX_SIGMA))
        return loss, score

    def step(self, x_data, x_labelled, y, noise):
        h, eps_x, eps_importance, eps_posterior = noise
        x = self.generator(h) + self.log_sigma.exp() * eps_x
        energy_loss = self.energy_step(x_data, x.detach(), x_labelled, y)
        generator_loss, score = self.generator_step(x, h, eps_importance, eps_posterior)
        return energy_loss, generator_loss, score


def serve():
    """A line {"shape": ...} makes networks and a table; {"steps": n} makes n steps and answers with their seconds, of
    the clock and of the processors; {"steps": 0} with the peak resident memory in bytes. Threads are the environment's.
    """
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        if "shape" in ask:
            shape = ask["shape"]
            torch.manual_seed(1)
            step = Step(shape, (1.0, 0.3, 0.1, 0.01), (1e-4, 1e-4, 0.02))
            rows = torch.rand(shape["rows"], shape["d"]) * 2 - 1
            label = torch.randint(shape["k"], (shape["rows"],))
            answer = {}
        elif ask["steps"]:
            clock, processor = time.perf_counter(), time.process_time()
            for _ in range(ask["steps"]):
                data = rows[torch.randint(len(rows), (step.batch,))]
                at = torch.randint(len(rows), (step.labelled,))
                loss = step.step(data, rows[at], label[at], step.noise())[0]
            if not math.isfinite(loss.item()):
                sys.exit("torch_step: the loss is not finite any more")
            answer = {"wall": time.perf_counter() - clock, "cpu": time.process_time() - processor}
        else:
            answer = {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        print(json.dumps(answer), flush=True)


def check(path):
    """Is this the step that the golden numbers are of?"""
    with open(path, encoding="utf-8") as file:
        golden = json.load(file)
    torch.set_default_dtype(torch.float64)
    size, weight, before = golden["shape"], golden["weights"], golden["before"]
    tensor = {k: torch.tensor(v) for k, v in golden.items() if isinstance(v, list)}
    shape = {
        "d": size["D"],
        "k": size["K"],
        "z": size["Z"],
        "batch": size["B"],
        "labelled": size["B_labelled"],
        "samples": size["S"],
        "hidden": [len(before["energy"]["0.weight"]), len(before["energy"]["2.weight"])],
        "generator": [len(before["generator"]["0.weight"]), len(before["generator"]["3.weight"])],
    }
    loss_weights = [weight[n] for n in ("alpha_cross_entropy", "beta_cond_entropy", "gamma_grad_penalty", "lambda_entropy")]
    step = Step(shape, loss_weights, (1e-3, 2e-3, 0.02), torch.float64)
    step.energy.load_state_dict({k: torch.tensor(v) for k, v in before["energy"].items()})
    step.generator.load_state_dict({k: torch.tensor(v) for k, v in before["generator"].items()})
    with torch.no_grad():
        step.log_sigma.copy_(torch.tensor(before["logsigma"]))
        step.log_eta.copy_(torch.tensor(before["post_logsigma"]))

    noise = [tensor[n] for n in ("h_g", "eps_x", "eps_importance", "eps_posterior")]
    energy_loss, generator_loss, score = step.step(tensor["x_d"], tensor["x_l"], tensor["y_l"], noise)

    results = [("energy_loss", energy_loss, golden["energy_loss"]), ("gen_loss", generator_loss, golden["gen_loss"])]
    results += [("score", score, golden["score"]), ("logsigma_grad", step.log_sigma.grad, golden["logsigma_grad"])]
    results += [("post_logsigma_grad", step.log_eta.grad, golden["post_logsigma_grad"])]
    results += [("energy_grads " + k, p.grad, golden["energy_grads"][k]) for k, p in step.energy.named_parameters()]
    results += [("generator_grads " + k, p.grad, golden["generator_grads"][k]) for k, p in step.generator.named_parameters()]
    n_wrong = 0
    for name, value, wanted in results:
        wanted = torch.tensor(wanted)
        error = ((value.detach() - wanted).abs().max() / wanted.abs().max()).item()
        if not error < 1e-9:
            print(f"{name}: relative error {error:.1e}")
            n_wrong += 1
    print(f"{len(results) - n_wrong} of {len(results)} results agree with {path}")
    return n_wrong > 0


if __name__ == "__main__":
    sys.exit(check(sys.argv[2]) if sys.argv[1] == "--check" else serve())
