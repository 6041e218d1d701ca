//! The pictures: pure functions from the results of [`analysis`](crate::analysis) to figures, one concept per file.
//!
//! | file | pictures |
//! |---|---|
//! | `basis.rs` | [`basis_rows`]: the functions of a basis |
//! | `embedding.rs` | [`embedding_norms`], [`published_unembedding`], [`unembedding_by_cluster`]: norms by component |
//! | `activation.rs` | [`activation_map`], [`attention_map`]: a channel, and where a head looks, at all pairs |
//! | `spectrum.rs` | [`neuron_regions`], [`mean_squares`]: 2-D coefficients |
//! | `cluster.rs` | [`neuron_fractions`], [`cluster_sizes`]: the neurons' blocks |
//! | `direction.rs` | [`direction_components`], [`product_shares`]: the logits along a block |
//! | `ablation.rs` | [`ablation_losses`] |
//! | `circuit.rs` | [`circuits`]: [`circuit_vectors`], [`circuit_function`], [`coset_matrix`] |
//! | `irrep.rs` | [`irrep_energies`], [`trace_similarities`], [`key_irrep_losses`], [`irrep_against_coset`] |
//! | `training.rs` | [`training_curves`], [`progress_curves`], [`key_block_curves`], [`key_irrep_curves`], [`checkpoint_spectra`] |

mod ablation;
mod activation;
mod basis;
mod circuit;
mod cluster;
mod direction;
mod embedding;
mod irrep;
mod spectrum;
mod training;

pub use ablation::ablation_losses;
pub use activation::{activation_map, attention_map};
pub use basis::basis_rows;
pub use circuit::{circuit_function, circuit_vectors, circuits, coset_matrix};
pub use cluster::{cluster_sizes, neuron_fractions};
pub use direction::{direction_components, product_shares};
pub use embedding::{embedding_norms, published_unembedding, unembedding_by_cluster};
pub use irrep::{irrep_against_coset, irrep_energies, key_irrep_losses, trace_similarities};
pub use spectrum::{mean_squares, neuron_regions};
pub(super) use training::spread;
pub use training::{checkpoint_spectra, key_block_curves, key_irrep_curves, progress_curves, training_curves};

/// Names of the regions (sector of x, sector of y) in order, from those of the sectors.
fn region_names(sectors: &[String]) -> Vec<String> {
    sectors.iter().flat_map(|x| sectors.iter().map(move |y| format!("{x}, {y}"))).collect()
}

/// A block's number where it is a frequency, else its name.
fn short(block: &crate::fourier::Block) -> String {
    block.name.strip_prefix("frequency ").unwrap_or(&block.name).to_owned()
}
