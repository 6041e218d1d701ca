//! A model of your own: `cargo run --release --example 06_your_own_model`.
//!
//! A net with squares in place of ReLUs, logits = (E\[x\] + E\[y\])^2 W_U, which this library does not have. Five methods say
//! what it computes; two more say what its other weights are and get it further analyses. Its weights are made by hand,
//! so that what the analyses must find is known:
//! (cos a + cos b)^2 = 1 + (cos 2a + cos 2b) / 2 + cos(a + b) + cos(a - b), and W_U reads the first three cosines.
//!
//! The page that goes with it: `docs/adding-a-model.md`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{Interpretation, interpret};
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::Cyclic;
use irreplens::model::{
    Activation, ActivationCache, Combiner, ForwardPass, Hook, Hooks, Interpretable, NeuronFunction, Readout, Separable,
    Site,
};
use irreplens::task::{Pair, Task};
use ndarray::{Array2, ArrayView2};
use std::f32::consts::TAU;

/// logits = (E\[x\] + E\[y\])^2 W_U, the square of every neuron.
pub struct Squares {
    embed: Array2<f32>,
    unembed: Array2<f32>,
}

impl Squares {
    /// Eight neurons for each of some frequencies of the cyclic group of order n.
    pub fn by_hand(n: usize, frequencies: &[usize]) -> Self {
        let width = 8 * frequencies.len();
        let angle = |t: usize, k: usize| TAU * (frequencies[k / 8] * t) as f32 / n as f32;
        let phase = |k: usize| TAU * (k % 8) as f32 / 8.0;
        Self {
            embed: Array2::from_shape_fn((n, width), |(t, k)| (angle(t, k) + phase(k)).cos()),
            unembed: Array2::from_shape_fn((width, n), |(k, z)| 4.0 * (angle(z, k) + 2.0 * phase(k)).cos()),
        }
    }
}

impl Interpretable for Squares {
    fn order(&self) -> usize {
        self.embed.nrows()
    }
    fn sites(&self) -> Vec<Site> {
        let width = self.embed.ncols();
        vec![Site::new("sum", width), Site::new("hidden", width), Site::new("logits", self.order())]
    }
    fn neuron_site(&self) -> &str {
        "hidden"
    }
    // `visit` applies the hooks on a site and keeps its activations if asked to; go on with what it returns.
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> irreplens::Result<ActivationCache> {
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let sum = |(i, k): (usize, usize)| self.embed[[pairs[i].0.index(), k]] + self.embed[[pairs[i].1.index(), k]];
        let sum = pass.visit("sum", Array2::from_shape_fn((pairs.len(), self.embed.ncols()), sum))?;
        let hidden = pass.visit("hidden", sum.mapv(|value| value * value))?;
        pass.visit("logits", self.readout().logits(hidden.view())?)?;
        Ok(pass.finish())
    }
    fn readout(&self) -> Readout<'_> {
        Readout::new("hidden", self.unembed.view())
    }
    // From here on nothing is required.
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        Some((self.embed.view(), self.embed.view()))
    }
    fn as_separable(&self) -> Option<&dyn Separable> {
        Some(self)
    }
}

impl Separable for Squares {
    fn left(&self) -> ArrayView2<'_, f32> {
        self.embed.view()
    }
    fn right(&self) -> ArrayView2<'_, f32> {
        self.embed.view()
    }
    fn combiner(&self) -> Combiner {
        Combiner::Sum
    }
    fn separable_site(&self) -> &str {
        "sum"
    }
    // For analyses that take the model apart: `explain`.
    fn neuron_function(&self) -> Option<NeuronFunction<'_>> {
        Some(NeuronFunction { function: Activation::Square, bias: None })
    }
}

/// Checks the laws, explains the net, and returns its loss with all neurons off too.
///
/// # Errors
/// A law that is violated; those of the analysis.
pub fn run(n: usize, frequencies: &[usize]) -> Result<(Interpretation, f64), Box<dyn std::error::Error>> {
    let net = Squares::by_hand(n, frequencies);
    irreplens::laws::model::check(&net)?; // hooks, cache, readout, streams, maps: the first violation with its witness
    let group = Cyclic::new(n)?;
    let task = Task::new(&group);
    let found = interpret(&net, &CyclicSubgroupBasis::cyclic(&group), &task)?;
    let off = net.evaluate(&task, &Hooks::none().with(Hook::zero("hidden")))?;
    Ok((found, off.loss))
}

fn main() -> Result<(), print::Failure> {
    let (found, off) = run(23, &[2, 3, 5])?;
    println!("The laws hold.\n\n{found}");
    let share = found.directions.product_share.as_ref().expect("a cyclic group");
    println!(
        "Of the logits along frequency 2, {:.4} is a function of x + y: two thirds, as by hand.",
        share[[0, 0, 0, 0]].expect("logits along it")
    );
    println!("With all neurons off the loss is {off:.4}; a guess has {:.4}.", 23f64.ln());
    Ok(())
}
