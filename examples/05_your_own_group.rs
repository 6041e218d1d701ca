//! A group of your own: `cargo run --release --example 05_your_own_group`.
//!
//! The Heisenberg group modulo p, order p^3: matrices with ones on the diagonal and entries a, b, c above it. Two methods
//! make it a group; laws, irreps and the analysis of a net trained on it come with them.
//!
//! Its centre is the entries c. The irreps of complex dimension 1 do not see c; so a net must have learnt the others, and
//! without them it knows a product only up to its c. That is tested.
//!
//! The page that goes with it: `docs/adding-a-group.md`. Next: `06_your_own_model.rs`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{RepresentationMeasures, representation};
use irreplens::fourier::IrrepBasis;
use irreplens::group::{Elem, Group, GroupExt};
use irreplens::model::Architecture;
use irreplens::task::{Split, Task};
use irreplens::train::{StopRules, TrainConfig, Trainer};

/// The Heisenberg group modulo p: (a, b, c) at row (a p + b) p + c.
pub struct Heisenberg {
    /// The modulus, at least 1.
    pub p: usize,
}

impl Heisenberg {
    fn entries(&self, x: Elem) -> [usize; 3] {
        [x.index() / self.p / self.p, x.index() / self.p % self.p, x.index() % self.p]
    }
}

impl Group for Heisenberg {
    fn order(&self) -> usize {
        self.p.pow(3)
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let ([a, b, c], [d, e, f]) = (self.entries(x), self.entries(y));
        let [a, b, c] = [a + d, b + e, c + f + a * e].map(|entry| entry % self.p);
        Elem::new((a * self.p + b) * self.p + c)
    }
    fn name(&self) -> String {
        format!("Heisenberg group mod {}", self.p)
    }
}

/// What is known of the group and of a net trained on it.
pub struct Explained {
    /// Order of the centre.
    pub centre: usize,
    /// How the net uses the irreps.
    pub measures: RepresentationMeasures,
    /// The irreps that see the centre.
    pub faithful: Vec<usize>,
    /// Share of the map x -> neuron in those.
    pub share: f64,
}

/// Checks the laws, trains a net of `width` neurons on all pairs of the group modulo `p` and measures it in the irreps.
///
/// # Errors
/// A law that is violated; those of training and of the analysis.
pub fn run(p: usize, width: usize, epochs: u64) -> Result<Explained, Box<dyn std::error::Error>> {
    let group = Heisenberg { p };
    irreplens::laws::group::check(&group)?; // associative, with identity and inverses, ...
    let centre = group.center();

    let basis = IrrepBasis::new(&group)?; // every irrep of the group, found and proved
    let (task, split) = (Task::new(&group), Split::random(group.order(), 1.0, 1)?);
    let stop = StopRules { train_loss_below: Some(1e-4), ..StopRules::default() };
    let config = TrainConfig { epochs, lr: 3e-3, stop, ..TrainConfig::default() };
    let mut trainer = Trainer::new(&group, Architecture::one_layer(width, width), split.clone(), config)?;
    trainer.run()?;
    let measures = representation(&trainer.network(), &group, &basis, &task, &split)?;

    // An irrep does not see the centre where its character is the same there as at the identity.
    let sees = |i: &usize| centre.iter().any(|z| measures.irreps[*i].irrep.character[z.index()] < 0.0);
    let faithful: Vec<usize> = (0..measures.irreps.len()).filter(sees).collect();
    let share = faithful.iter().filter_map(|&i| measures.irreps[i].embed_left).sum();
    Ok(Explained { centre: centre.len(), faithful, share, measures })
}

fn main() -> Result<(), print::Failure> {
    let found = run(3, 64, 20_000)?;
    println!("{}: order 27, centre of order {}\n", Heisenberg { p: 3 }.name(), found.centre);
    println!("{}\n", found.measures);
    for &i in &found.faithful {
        let m = &found.measures.irreps[i];
        println!("{} sees the centre.", m.irrep.label);
        if let Some(without) = m.losses.and_then(|losses| losses.logit_excluded) {
            println!("Without its part of the logits: {without}.");
        }
    }
    Ok(())
}
