"""Peer baseline: many small networks relu(E_a[x] + E_b[y]) W_U trained on all pairs of C5 and S3 in PyTorch.

    python benches/peers/torch_seeds.py [--seeds 100] [--steps 1000] [--threads 2]

Prints microseconds a network and step: one network after the other with torch.optim.Adam, and all seeds at once with
torch.func.vmap and Adam written out for the whole batch.
"""
import argparse
import itertools
import time

import torch
from torch.func import grad, vmap

arguments = argparse.ArgumentParser()
for name, default in (("seeds", 100), ("steps", 1000), ("threads", 2)):
    arguments.add_argument("--" + name, type=int, default=default)
arguments = arguments.parse_args()
torch.set_num_threads(arguments.threads)

LR, DECAY, FIRST, SECOND, EPS = 1e-3, 2e-4, 0.9, 0.999, 1e-8


def tables():
    yield "C5", torch.tensor([[(x + y) % 5 for y in range(5)] for x in range(5)])
    elements = list(itertools.permutations(range(3)))
    product = lambda x, y: elements.index(tuple(x[i] for i in y))
    yield "S3", torch.tensor([[product(x, y) for y in elements] for x in elements])


def loss_of(table):
    n = len(table)
    x, y = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    labels = table.reshape(-1)

    def loss(parameters):
        left, right, unembed = parameters
        return torch.nn.functional.cross_entropy(torch.relu(left[x] + right[y]) @ unembed, labels)

    return loss


def one_by_one(loss, shapes):
    parameters = [torch.nn.Parameter(torch.randn(shape) / shape[0] ** 0.5) for shape in shapes]
    optimiser = torch.optim.Adam(parameters, lr=LR, betas=(FIRST, SECOND), eps=EPS, weight_decay=DECAY)

    def step():
        optimiser.zero_grad()
        loss(parameters).backward()
        optimiser.step()

    return step


def all_at_once(loss, shapes, seeds):
    parameters = [torch.randn(seeds, *shape) / shape[0] ** 0.5 for shape in shapes]
    means = [torch.zeros_like(p) for p in parameters]
    squares = [torch.zeros_like(p) for p in parameters]
    gradients = vmap(grad(loss))
    t = 0

    def step():
        nonlocal t
        t += 1
        for p, m, v, g in zip(parameters, means, squares, gradients(parameters)):
            g = g + DECAY * p
            m.lerp_(g, 1 - FIRST)
            v.mul_(SECOND).addcmul_(g, g, value=1 - SECOND)
            p -= LR / (1 - FIRST**t) * m / (v.sqrt() / (1 - SECOND**t) ** 0.5 + EPS)

    return step


def microseconds(step, networks):
    for _ in range(arguments.steps // 5):
        step()
    start = time.perf_counter()
    for _ in range(arguments.steps):
        step()
    return 1e6 * (time.perf_counter() - start) / arguments.steps / networks


for name, table in tables():
    for width in (2, 8):
        loss, n = loss_of(table), len(table)
        shapes = [(n, width), (n, width), (width, n)]
        alone = microseconds(one_by_one(loss, shapes), 1)
        together = microseconds(all_at_once(loss, shapes, arguments.seeds), arguments.seeds)
        print(f"{name}, {width} neurons: one by one {alone:.0f} us, vmap over {arguments.seeds} {together:.2f} us")
