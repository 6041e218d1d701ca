//! What a network does, one question per file. Every analysis is a free function of a model (any
//! [`Interpretable`](crate::model::Interpretable)) and a basis (any
//! [`FourierBasis`](crate::fourier::FourierBasis)); it returns a plain struct that serialises and prints itself.
//!
//! | question | function | result |
//! |---|---|---|
//! | which components do embeddings and unembedding use? | [`embedding`], [`component_norms`] | [`EmbeddingSpectra`] |
//! | which 2-D terms does a neuron, a site contain? | [`neuron_spectrum`], [`Interpretable::spectrum`](crate::model::Interpretable::spectrum) | [`SiteSpectrum`](crate::model::SiteSpectrum) |
//! | which block does each neuron compute with, and what are those without one? | [`neurons`] | [`NeuronClusters`] |
//! | along which functions of x and y are logits written? | [`logit_directions`], [`direction_spectra`] | [`LogitDirections`] |
//! | what does the loss need? | [`cluster_losses`], [`own_block_only`], [`hidden_centred`], [`keep_terms`] | [`Evaluation`](crate::model::Evaluation) |
//! | is each key block's part of the product xy needed, and is it enough? | [`progress_measures`] | [`ProgressMeasures`] |
//! | which irreps does it compute with, and what is each worth? | [`representation`] | [`RepresentationMeasures`] |
//! | is each neuron constant on the cosets of some subgroup? | [`cosets`] | [`CosetMeasures`] |
//! | what would these measures say of an untrained model, or of another group? | [`with_controls`], [`untrained`] | [`Controls`] |
//! | where do the heads of a transformer look, and what does that depend on? | [`attention_patterns`] | [`AttentionPatterns`] |
//! | what does each head carry, in which blocks, and what does the loss need of it? | [`heads`], [`head_map`] | [`LayerHeads`] |
//! | clock or pizza: do logits depend on the distance of x and y, and on both alike? | [`distance_irrelevance`], [`gradient_symmetricity`] | [`DistanceIrrelevance`], [`GradientSymmetricity`] |
//! | on a cyclic group: how circular is the embedding, and how does each frequency's amplitude depend on x - y? | [`circularity`], [`clock_profile`] | [`Circularity`], [`FrequencyProfile`] |
//! | which algorithm does it compute with, circuit by circuit, and how faithful is that? | [`explain`](explain()), [`Explanation::compare`] | [`Explanation`], [`Comparison`] |
//! | of how many pairs does that prove that the answer is right? | [`certify`](certify()) | [`Certificate`] |
//! | which group has it learnt, if nobody says? | [`identify`](identify()), [`identify_weights`], [`open_run`] | [`LearntGroup`] |
//! | how sparse are the spectra of its maps? | [`sparsity`](sparsity()), [`gini`], [`inverse_participation_ratio`] | [`MapSparsity`] |
//! | are neurons matrix coefficients, and do their maps share vectors? | [`rank_one`](rank_one()) | [`RankOne`] |
//! | does each neuron read and write one irrep? | [`purity`](purity()) | [`Purity`] |
//! | is the phase of what a neuron writes the sum of those that it reads? | [`phases`](phases()) | [`Phases`] |
//! | how far is the right logit above the others? | [`margin`](margin()) | [`Margin`] |
//! | how did all that come about in training? | [`progress`] | [`Progress`] |
//! | all of these but the last fifteen | [`interpret`](interpret()) | [`Interpretation`] |
//! | what did the published notebook do in its own way? | [`notebook`] | [`notebook::Published`] |
//!
//! A result gives its tables ([`Table`]) once: they print as text, and a page of a report renders them.

mod ablation;
mod attention;
mod certify;
mod clock;
mod controls;
mod coset;
mod digest;
mod embedding;
mod explain;
mod head_tables;
mod heads;
mod identify;
mod interpret;
mod irrep_parts;
mod logits;
mod margin;
mod measures;
mod neurons;
pub mod notebook;
mod parts;
mod phases;
mod progress;
mod purity;
mod rank_one;
mod representation;
mod sparsity;
mod spectrum;
mod table;
pub(crate) mod terms;

pub use ablation::{Ablation, cluster_losses, hidden_centred, keep_terms, own_block_only};
pub use attention::{Attended, AttentionPatterns, attention, attention_patterns};
pub use certify::{Along, Certificate, Method, OnClasses, ProvenBy, certify};
pub use clock::{
    Circularity, DistanceIrrelevance, FrequencyProfile, GradientSymmetricity, circularity, clock_profile,
    distance_irrelevance, gradient_symmetricity, published_triples,
};
pub use controls::{Controls, untrained, with_controls};
pub use coset::{CONCENTRATED, CosetMeasures, CosetNeuron, CosetShares, cosets};
#[cfg(feature = "train")]
pub(crate) use digest::digest;
pub use embedding::{EmbeddingSpectra, component_norms, embedding};
pub use explain::{
    Circuit, CircuitKind, CircuitLosses, Coefficient, Comparison, CosetMap, ExplainedNeuron, Explanation, Fixed, HOLDS,
    NeuronOutput, Shape, Shares, Side, explain,
};
pub use heads::{CARRIES, Carried, Head, HeadLosses, HeadMap, LayerHeads, Written, head_map, heads};
pub use identify::{Learnt, LearntGroup, identify, identify_weights, open_run};
pub use interpret::{Ablated, Interpretation, interpret};
pub use logits::{LogitDirections, logit_directions, output_sectors};
pub use margin::{Margin, margin};
pub use measures::{KeyBlock, ProgressMeasures, progress_measures};
pub use neurons::{DIM, LEAD, Neuron, NeuronClusters, NeuronKind, label_neurons, neurons};
pub use phases::{NeuronPhases, Phases, phases};
pub use progress::{IrrepRow, Progress, ProgressRow, TheoryRow, progress};
#[cfg(feature = "report")]
pub(crate) use progress::{OF_BLOCK, OF_IRREP, Quantity, Unit};
pub use purity::{Purity, purity};
pub use rank_one::{RankOne, RankOneNeuron, rank_one};
#[cfg(feature = "report")]
pub(crate) use representation::NOT_OF_NEURONS;
pub use representation::{IrrepMeasures, KEY_SIMILARITY, KeyLosses, RepresentationMeasures, representation};
pub use sparsity::{MapSparsity, Sparsity, gini, inverse_participation_ratio, sparsity};
pub use spectrum::{direction_spectra, neuron_spectrum};
#[cfg(feature = "report")]
pub(crate) use table::superscript;
pub use table::{Cell, Table, Term};
