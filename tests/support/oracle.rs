//! The slow, obvious reading of a description: one pair at a time, in f64, step by step.

use irreplens::model::{Activation, Architecture, Interpretable, Network, Operation, Token};
use ndarray::Array2;
use std::collections::BTreeMap;

/// Parameters by name, each (in, out).
pub type Parameters = BTreeMap<String, Array2<f64>>;

/// A network's parameters in double precision.
pub fn parameters(network: &Network) -> Parameters {
    let of = |p: &irreplens::model::Parameter| {
        let matrix = network.parameter(&p.name).expect("one of its own").mapv(f64::from);
        (p.name.clone(), matrix)
    };
    network.weights().iter().map(of).collect()
}

/// The value of every step, by position, at one pair.
pub fn values(
    net: &Architecture,
    n: usize,
    numbers: &Parameters,
    x: usize,
    y: usize,
) -> BTreeMap<String, Vec<Vec<f64>>> {
    let mut all: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    let row = |name: &str, i: usize| numbers[name].row(i).to_vec();
    for step in &net.steps {
        let plus = |mut v: Vec<f64>, bias: &Option<String>| {
            if let Some(bias) = bias {
                v.iter_mut().zip(row(bias, 0)).for_each(|(v, b)| *v += b);
            }
            v
        };
        let times = |v: &[f64], weight: &str| -> Vec<f64> {
            let w = &numbers[weight];
            (0..w.ncols()).map(|j| v.iter().enumerate().map(|(i, v)| v * w[[i, j]]).sum()).collect()
        };
        let value: Vec<Vec<f64>> = match &step.operation {
            Operation::Embed { tokens, table, .. } => {
                let at = |token: &Token| match token {
                    Token::Left => x,
                    Token::Right => y,
                    Token::Constant(i) => n + i,
                };
                tokens.iter().map(|token| row(table, at(token))).collect()
            }
            Operation::Positions { table, positions, .. } => (0..*positions).map(|p| row(table, p)).collect(),
            Operation::Linear { input, weight, bias, .. } => {
                all[input].iter().map(|v| plus(times(v, weight), bias)).collect()
            }
            Operation::Sum { inputs } => fold(&all, inputs, |a, b| a + b),
            Operation::Product { inputs } => fold(&all, inputs, |a, b| a * b),
            Operation::Concatenate { inputs } => {
                let positions = all[&inputs[0]].len();
                (0..positions).map(|p| inputs.iter().flat_map(|name| all[name][p].clone()).collect()).collect()
            }
            Operation::Activate { input, function, bias } => {
                let f = |v: &Vec<f64>| plus(v.iter().map(|&v| apply(*function, v)).collect(), bias);
                all[input].iter().map(f).collect()
            }
            Operation::Scores { query, key, heads } => {
                let (query, key) = (&all[query], &all[key]);
                let of_head = query[0].len() / heads;
                let score = |q: usize, k: usize, h: usize| {
                    let at = h * of_head..(h + 1) * of_head;
                    let dot: f64 = at.map(|j| query[q][j] * key[k][j]).sum();
                    if k <= q { dot / (of_head as f64).sqrt() } else { -1e5 }
                };
                let keys = |q: usize| (0..key.len()).flat_map(move |k| (0..*heads).map(move |h| (q, k, h)));
                (0..query.len()).map(|q| keys(q).map(|(q, k, h)| score(q, k, h)).collect()).collect()
            }
            Operation::Softmax { scores } => {
                let positions = all[scores].len();
                let softmax = |v: &Vec<f64>| {
                    let heads = v.len() / positions;
                    let sum = |h: usize| (0..positions).map(|k| v[k * heads + h].exp()).sum::<f64>();
                    let sums: Vec<f64> = (0..heads).map(sum).collect();
                    v.iter().enumerate().map(|(i, v)| v.exp() / sums[i % heads]).collect()
                };
                all[scores].iter().map(softmax).collect()
            }
            Operation::Mix { pattern, value } => {
                let (pattern, value) = (&all[pattern], &all[value]);
                let heads = pattern[0].len() / pattern.len();
                let of_head = value[0].len() / heads;
                let mixed = |q: usize, j: usize| {
                    (0..=q).map(|k| pattern[q][k * heads + j / of_head] * value[k][j]).sum::<f64>()
                };
                (0..value.len()).map(|q| (0..value[0].len()).map(|j| mixed(q, j)).collect()).collect()
            }
            Operation::Deviation { input, eps } => {
                let deviation = |v: &Vec<f64>| vec![(variance(v) + eps).sqrt()];
                all[input].iter().map(deviation).collect()
            }
            Operation::Normalise { input, deviation, weight, bias } => {
                let one = |(v, d): (&Vec<f64>, &Vec<f64>)| {
                    let mean = v.iter().sum::<f64>() / v.len() as f64;
                    let mut out: Vec<f64> = v.iter().map(|v| (v - mean) / d[0]).collect();
                    if let Some(weight) = weight {
                        out.iter_mut().zip(row(weight, 0)).for_each(|(v, w)| *v *= w);
                    }
                    plus(out, bias)
                };
                all[input].iter().zip(&all[deviation]).map(one).collect()
            }
            Operation::Select { input, position } => vec![all[input][*position].clone()],
            Operation::Unembed { input, weight, bias, .. } => {
                let last = all[input].last().expect("a position");
                vec![plus(times(last, weight), bias)[..n].to_vec()]
            }
            other => panic!("the oracle does not know {other:?}"),
        };
        all.insert(step.name.clone(), value);
    }
    all
}

fn fold(all: &BTreeMap<String, Vec<Vec<f64>>>, inputs: &[String], f: impl Fn(f64, f64) -> f64) -> Vec<Vec<f64>> {
    let mut out = all[&inputs[0]].clone();
    for name in &inputs[1..] {
        for (out, v) in out.iter_mut().flatten().zip(all[name].iter().flatten()) {
            *out = f(*out, *v);
        }
    }
    out
}

fn variance(v: &[f64]) -> f64 {
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / v.len() as f64
}

fn apply(f: Activation, v: f64) -> f64 {
    match f {
        Activation::Identity => v,
        Activation::Relu => v.max(0.0),
        Activation::Square => v * v,
        Activation::Gelu => v * normal_distribution(v),
        Activation::GeluNew => {
            0.5 * v * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh())
        }
        Activation::Tanh => v.tanh(),
        Activation::Silu => v / (1.0 + (-v).exp()),
        other => panic!("the oracle does not know {other}"),
    }
}

/// Phi(v) by its series, 1/2 + phi(v) (v + v^3/3 + v^5/15 + ...).
fn normal_distribution(v: f64) -> f64 {
    if v.abs() > 8.0 {
        return if v > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut k) = (v, v, 1.0);
    while term.abs() > 1e-18 {
        k += 2.0;
        term *= v * v / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * v * v).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Mean loss over pairs, for labels (n^2).
pub fn loss(net: &Architecture, n: usize, numbers: &Parameters, labels: &[u32], pairs: &[usize]) -> f64 {
    let of = |&pair: &usize| {
        let logits = &values(net, n, numbers, pair / n, pair % n)["logits"][0];
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|l| (l - most).exp()).sum();
        most + sum.ln() - logits[labels[pair] as usize]
    };
    pairs.iter().map(of).sum::<f64>() / pairs.len() as f64
}

/// The activations of a site at one pair: of all positions one after the other, or of the one in brackets.
pub fn at_site(net: &Network, numbers: &Parameters, site: &str, x: usize, y: usize) -> Vec<f64> {
    let all = values(net.architecture(), net.order(), numbers, x, y);
    match site.strip_suffix(']').and_then(|site| site.rsplit_once('[')) {
        Some((step, position)) => all[step][position.parse::<usize>().expect("a number")].clone(),
        None => all[site].concat(),
    }
}
