//! A model whose activations are elsewhere: analyses give the host's numbers from its passes alone, and copy no activations.

use crate::compare::{Tolerance, differences};
use crate::models;
use crate::oracle::Case;
use irreplens::analysis::{
    Ablation, cluster_losses, direction_spectra, distance_irrelevance, hidden_centred, interpret, logit_directions,
    neurons, own_block_only,
};
use irreplens::fourier::FourierBasis;
use irreplens::model::{
    ActivationCache, BlockEnergies, Evaluation, Hooks, Interpretable, PairMeans, Readout, Site, SiteSpectrum,
};
use irreplens::task::{Pair, Task};
use irreplens::{Error, Result};
use ndarray::{Array2, Array3, ArrayView2};
use std::ops::Range;

/// Passes are those of the model in it; activations do not come back.
struct Remote<M>(M);

impl<M: Interpretable> Interpretable for Remote<M> {
    fn order(&self) -> usize {
        self.0.order()
    }
    fn sites(&self) -> Vec<Site> {
        self.0.sites()
    }
    fn neuron_site(&self) -> &str {
        self.0.neuron_site()
    }
    fn readout(&self) -> Readout<'_> {
        self.0.readout()
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.0.embeddings()
    }
    fn neuron_path(&self) -> Option<ArrayView2<'_, f32>> {
        self.0.neuron_path()
    }
    fn maps(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        self.0.maps()
    }
    fn run_with_hooks(&self, _: &[Pair], _: &Hooks, _: &[&str]) -> Result<ActivationCache> {
        Err(Error::Unsupported { analysis: "a copy of activations", needs: "a model on the host" })
    }
    fn neuron_columns(&self, _: &str, _: Range<usize>) -> Result<Array3<f32>> {
        Err(Error::Unsupported { analysis: "a copy of activations", needs: "a model on the host" })
    }
    fn is_remote(&self) -> bool {
        true
    }
    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        self.0.evaluate(task, hooks)
    }
    fn pair_means(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        self.0.pair_means(task, sets)
    }
    fn logits_along(&self, pairs: &[Pair], directions: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.0.logits_along(pairs, directions)
    }
    fn coefficients_along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        self.0.coefficients_along_y(site, basis, rows)
    }
    fn spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        self.0.spectrum(site, basis)
    }
    fn block_energies(&self, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
        self.0.block_energies(site, basis)
    }
    fn neuron_and_logit_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        self.0.neuron_and_logit_spectra(basis)
    }
}

/// Every analysis of these models that looks at logits or at neurons, as JSON.
fn all(case: &Case, model: &dyn Interpretable) -> [serde_json::Value; 2] {
    let (basis, task) = (&case.basis, &case.task);
    let neurons = neurons(model, basis).unwrap();
    let clusters = neurons.clusters();
    let blocks: Vec<_> = clusters.keys().copied().collect();
    let kept = cluster_losses(model, task, &clusters, Ablation::Keep).unwrap();
    let apart = (
        logit_directions(model, basis, task, &blocks).unwrap(),
        cluster_losses(model, task, &clusters, Ablation::Drop).unwrap(),
        kept.values().map(|kept| kept.loss).collect::<Vec<_>>(),
        hidden_centred(model, task, &model.block_energies(model.neuron_site(), basis).unwrap().mean).unwrap(),
        own_block_only(model, basis, task, &neurons).unwrap(),
        direction_spectra(model, basis, task, &[(0, 1), (case.sectors.len() - 1, 0)])
            .unwrap()
            .into_raw_vec_and_offset()
            .0,
        distance_irrelevance(model, task).unwrap(),
    );
    let together = interpret(model, basis, task).unwrap();
    [serde_json::to_value(together).unwrap(), serde_json::to_value(apart).unwrap()]
}

#[test]
fn analyses_of_a_remote_model_copy_no_activations() {
    let tolerance = Tolerance { relative: 1e-5, of_largest: 1e-5 };
    for case in [Case::cyclic(7), Case::dihedral(5), Case::not_normal()] {
        let n = case.n;
        let biased = models::one_layer(n, 4, 7, true, 801).with_output_bias(models::row(n, 802)).unwrap();
        for model in [models::summed(n, 9, 800), biased, models::two_layer(n, 4, 6, 803)] {
            for (expected, got) in all(&case, &model).iter().zip(&all(&case, &Remote(&model))) {
                let found = differences(expected, got, tolerance);
                assert!(found.is_empty(), "{}: {found:#?}", case.name);
            }
        }
    }
}
