//! Random models of every kind.
#![allow(dead_code)]

use irreplens::model::{
    ActivationCache, FromFn, Hooks, Interpretable, Network, Precomputed, Readout, Separable, Site, Transformer,
};
use irreplens::task::Pair;
use ndarray::{Array1, Array2};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Weights uniform in [-1, 1).
pub struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
    pub fn number(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
    pub fn matrix(&mut self, rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_simple_fn((rows, columns), || self.number())
    }
}

pub fn one_layer(n: usize, e: usize, d: usize, bias: bool, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    let b = bias.then(|| draw.matrix(1, d).row(0).to_owned());
    Network::one_layer(draw.matrix(n, e), draw.matrix(n, e), draw.matrix(2 * e, d), b, draw.matrix(d, n)).unwrap()
}

pub fn summed(n: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::summed(draw.matrix(n, d), draw.matrix(n, d), draw.matrix(d, n)).unwrap()
}

pub fn two_layer(n: usize, e: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::two_layer(draw.matrix(n, e), draw.matrix(n, e), draw.matrix(e, d), draw.matrix(d, n)).unwrap()
}

pub fn bilinear(n: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::bilinear(draw.matrix(n, d), draw.matrix(n, d), draw.matrix(d, n)).unwrap()
}

/// A transformer of two heads.
pub fn transformer(n: usize, seed: u64) -> Network {
    let small = Transformer { d_model: 8, heads: 2, d_head: 3, d_mlp: Some(10), ..Transformer::default() };
    let (mut network, mut draw) = (Network::zeros(small.architecture(), n).unwrap(), Draw::new(seed));
    network.parameters_mut().iter_mut().for_each(|number| *number = draw.number());
    network
}

/// A random output bias (n).
pub fn row(n: usize, seed: u64) -> Array1<f32> {
    Draw::new(seed).matrix(1, n).row(0).to_owned()
}

/// A recording of a one-layer net, with or without its unembedding.
pub fn recorded(n: usize, with_unembedding: bool, seed: u64) -> Precomputed {
    let net = one_layer(n, 3, 6, true, seed);
    let recorded = Precomputed::record(&net, &["hidden_pre", "hidden", "logits"], "hidden").unwrap();
    if !with_unembedding {
        return recorded;
    }
    recorded.with_unembedding(net.readout().unembedding().unwrap().to_owned()).unwrap()
}

/// A closure whose neurons are its logits.
pub fn closure(n: usize, seed: u64) -> impl Interpretable {
    let net = summed(n, 5, seed);
    FromFn::new(n, vec![Site::new("logits", n)], "logits", move |pairs: &[Pair]| vec![net.forward(pairs).unwrap()])
        .unwrap()
}

/// One of every kind whose neuron site can be changed.
pub fn all(n: usize, seed: u64) -> Vec<(&'static str, Box<dyn Interpretable>)> {
    vec![
        ("one layer", Box::new(one_layer(n, 3, 7, false, seed))),
        ("one layer, biased", Box::new(one_layer(n, 2, 5, true, seed + 1))),
        ("summed", Box::new(summed(n, 6, seed + 2))),
        ("two layers", Box::new(two_layer(n, 4, 6, seed + 3))),
        ("bilinear", Box::new(bilinear(n, 5, seed + 4))),
        ("recorded", Box::new(recorded(n, true, seed + 5))),
        ("summed, output bias", Box::new(summed(n, 6, seed + 7).with_output_bias(row(n, seed)).unwrap())),
        (
            "one layer, both biases",
            Box::new(one_layer(n, 2, 5, true, seed + 8).with_output_bias(row(n, seed)).unwrap()),
        ),
        ("closure", Box::new(closure(n, seed + 6))),
    ]
}

/// A model with its unembedding, embeddings and maps hidden: what is left must do, by the slow paths.
pub struct Opaque<M>(pub M);

impl<M: Interpretable> Interpretable for Opaque<M> {
    fn order(&self) -> usize {
        self.0.order()
    }
    fn sites(&self) -> Vec<Site> {
        self.0.sites()
    }
    fn neuron_site(&self) -> &str {
        self.0.neuron_site()
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> irreplens::Result<ActivationCache> {
        self.0.run_with_hooks(pairs, hooks, keep)
    }
    fn readout(&self) -> Readout<'_> {
        Readout::of_logits(self.0.order())
    }
    fn as_separable(&self) -> Option<&dyn Separable> {
        None
    }
}
