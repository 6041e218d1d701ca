//! Reverse-engineers neural networks trained to compose elements of a finite group.
//!
//! A model takes two elements x and y and returns logits over the elements z; trained well, the largest is at z = x y.
//! This crate looks at its embeddings, activations and logits in the group's own Fourier coordinates, says which
//! frequencies each neuron computes with and along which functions of x and y the logits are written, and tests what
//! it says by ablation. Any group, any basis and any model that implement the three traits [`Group`](group::Group),
//! [`FourierBasis`](fourier::FourierBasis) and [`Interpretable`](model::Interpretable) get every analysis.
//!
//! # Example
//! ```
//! use irreplens::analysis::neurons;
//! use irreplens::fourier::CyclicSubgroupBasis;
//! use irreplens::group::Cyclic;
//! use irreplens::model::{Hook, Hooks, Interpretable, Network};
//! use irreplens::task::Task;
//! use ndarray::Array2;
//!
//! // relu(E[x] + E[y]) E^T on C11; neuron k reads cos(2 pi 3 x / 11 + k), so it computes with frequency 3.
//! let angle = |x: usize, k: usize| std::f32::consts::TAU * 3.0 * x as f32 / 11.0 + k as f32;
//! let embed = Array2::from_shape_fn((11, 6), |(x, k)| angle(x, k).cos());
//! let unembed = Array2::from_shape_fn((6, 11), |(k, z)| (angle(z, k) + k as f32).cos());
//! let net = Network::summed(embed.clone(), embed, unembed)?;
//!
//! let group = Cyclic::new(11)?;
//! let found = neurons(&net, &CyclicSubgroupBasis::cyclic(&group))?;
//! assert_eq!(found.clusters()[&3], [0, 1, 2, 3, 4, 5]);
//!
//! // Without those neurons every logit is 0, and the loss is that of a guess.
//! let off = Hooks::none().with(Hook::zero("hidden").on_channels(found.clusters()[&3].clone()));
//! let loss = net.evaluate(&Task::new(&group), &off)?.loss;
//! assert!((loss - 11f64.ln()).abs() < 1e-6);
//! # Ok::<(), irreplens::Error>(())
//! ```
//!
//! # In a debug build
//!
//! cargo does not optimise dependencies there, and an analysis then takes 90 times as long. These lines in the `Cargo.toml`
//! of your workspace's root mend it:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 3
//! ```
//!
//! # Modules, in reading order
//!
//! | module | question | start at |
//! |---|---|---|
//! | [`error`] | what can go wrong? | [`Error`] |
//! | [`memory`] | how much may be asked for? | [`memory::check`], [`memory::set_budget`] |
//! | [`linalg`] | which arithmetic does it stand on? | [`linalg::matmul`], [`linalg::map_blocks`] |
//! | [`group`] | what is learnt? | [`group::Group`], [`group::GroupExt`] |
//! | [`irrep`] | how is it represented? | [`irrep::irreps`], [`irrep::CharacterTable`] |
//! | [`fourier`] | in which coordinates? | [`fourier::FourierBasis`], [`fourier::CyclicSubgroupBasis`] |
//! | [`task`] | on which inputs, with which labels? | [`task::Task`], [`task::Split`] |
//! | `device` | where else does it run? | `Device`; feature `cuda`, [`guide::gpu`] |
//! | [`model`] | what computes? | [`model::Interpretable`], [`model::Hooks`] |
//! | [`checkpoint`] | where do its weights come from? | [`checkpoint::Run`] |
//! | [`train`] | how does a network come to them? | [`train::Trainer`]; feature `train`, on by default |
//! | [`analysis`] | how does it do it? | [`analysis::interpret`]; [`analysis::notebook`] for what only the published notebook did |
//! | [`report`] | what does that look like? | [`report::of_run`]; feature `report`, on by default |
//! | [`laws`] | does an implementation keep the traits' contracts? | [`laws::group::check`] |
//! | [`guide`] | how do I ...? | [`guide::conventions`], [`guide::notebook`] |
//!
//! A module uses only modules above it.
//!
//! # Conventions in short
//! - An element is the row it occupies ([`group::Elem`]); the identity may be any row.
//! - Entry \[x, y\] of a Cayley table is x y. D_n is r^0, ..., r^(n-1), then r^0 s, ..., r^(n-1) s.
//! - Pairs are row-major: pair `x n + y`. Arrays over pairs are \[x, y, channel\].
//! - Bases are orthonormal: squares of coefficients are energies and add up.
//! - Parameters and activations are `f32`; losses, norms and statistics are `f64`.
//! - Same input, same bits, whatever the number of threads.
//!
//! [`guide::conventions`] has all of them, and is binding.

// On docs.rs, what a feature brings says so.
#![cfg_attr(docsrs, feature(doc_cfg))]

// In reading order. Plain comments: with outer documentation the links in a module's own would be resolved from here.

// 1. What can go wrong: one error type, every variant with what was expected and what was got.
mod arithmetic;
mod quoted;

pub mod error;

// How much memory may be asked for.
pub mod memory;

// Which processes work together.
pub mod ranks;

// 2. Matrix product, vectorised loops and reductions in a fixed order.
pub mod linalg;

// 3. What is learnt: finite groups on row indices, and everything derived from a product.
pub mod group;

// 4. How it is represented: characters and irreps of any finite group.
pub mod irrep;

// 5. The coordinates: real orthonormal bases of the functions on a group, in sectors and blocks.
pub mod fourier;

// 6. The inputs: all ordered pairs with their labels, and seeded splits.
pub mod task;

// 7. Where else arithmetic runs: a CUDA device and the kernels for it.
#[cfg(feature = "cuda")]
pub mod device;

// 8. What computes: models with named sites to read and to intervene on.
pub mod model;

// 9. Weights and settings on disk, read from files that may be damaged or hostile.
pub mod checkpoint;

// 10. How a network comes to its weights: full batches, resumable, the same bits every time.
#[cfg(feature = "train")]
pub mod train;

// 11. What a network does, one question per file.
pub mod analysis;

// 12. What many networks have learnt: a row each, and how often which irreps are learnt.
#[cfg(feature = "train")]
pub mod atlas;

// 13. Many networks by one plan, each computed once by whoever is at it.
#[cfg(feature = "train")]
pub mod sweep;

// 14. Pictures of what was found: a page for a run, figures for programs and papers.
#[cfg(feature = "report")]
pub mod report;

// 15. The law-test kit for those who implement the traits.
pub mod laws;

// 16. The pages of `docs/`, every code block of which is a test.
pub mod guide;

pub use error::{Error, Result};

// What the interface shows of other crates, for programs that hand arrays and pictures in and out.
pub use ndarray;
#[cfg(feature = "report")]
pub use plotly;
