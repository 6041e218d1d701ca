//! A model that says which group its elements are of.

#[cfg(feature = "cuda")]
use super::OnDevice;
use super::energies::check_order;
use super::{BlockEnergies, Evaluation, Hooks, Interpretable, PairMeans, SiteSpectrum, check_task, forwarded_methods};
use crate::error::{Result, check_shape};
use crate::fourier::FourierBasis;
use crate::group::{Fingerprint, Group, GroupExt};
use crate::task::Task;
use ndarray::Array3;
use std::ops::{Deref, DerefMut};

/// A model that says which group its elements are of, so that analyses refuse bases and tasks of another one.
///
/// [`Run::model`](crate::checkpoint::Run::model) returns one where the run says what its group is. What
/// [`to_device`](Interpretable) makes of it does not know the group any more: wrap it again.
///
/// ```
/// use irreplens::analysis::neurons;
/// use irreplens::group::{Cyclic, Dihedral, DirectProduct};
/// use irreplens::{fourier::IrrepBasis, model::{OfGroup, Network}};
/// use ndarray::Array2;
/// let net = Network::summed(Array2::ones((6, 2)), Array2::ones((6, 2)), Array2::ones((2, 6)))?;
/// let net = OfGroup::new(net, &Cyclic::new(6)?)?;
/// assert!(neurons(&net, &IrrepBasis::new(&Cyclic::new(6)?)?).is_ok());
/// let error = neurons(&net, &IrrepBasis::new(&Dihedral::new(3)?)?).unwrap_err();
/// assert!(matches!(error, irreplens::Error::OtherGroup { .. }));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OfGroup<M> {
    model: M,
    fingerprint: Option<Fingerprint>,
}

impl<M: Interpretable> OfGroup<M> {
    /// A model on this group.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a group of another order.
    pub fn new(model: M, group: &(impl Group + ?Sized)) -> Result<Self> {
        check_shape("group of the model", &[model.order()], &[group.order()])?;
        Ok(Self { model, fingerprint: Some(group.fingerprint()) })
    }

    /// A model on the group with this fingerprint, where it is known: that of another model, say.
    pub fn with_fingerprint(model: M, fingerprint: Option<Fingerprint>) -> Self {
        Self { model, fingerprint }
    }
}

impl<M> Deref for OfGroup<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

impl<M> DerefMut for OfGroup<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.model
    }
}

impl<M: Interpretable> Interpretable for OfGroup<M> {
    fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
    fn without_group(&self) -> Option<&dyn Interpretable> {
        self.model.without_group().or(Some(&self.model))
    }
    #[cfg(feature = "cuda")]
    fn to_device(&self, device: &crate::device::Device) -> Result<OnDevice> {
        self.model.to_device(device)
    }
    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        check_task(self, task)?;
        self.model.evaluate(task, hooks)
    }
    fn pair_means(&self, task: &Task, sets: &[&[bool]]) -> Result<PairMeans> {
        check_task(self, task)?;
        self.model.pair_means(task, sets)
    }
    fn coefficients_along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        check_order(self, basis)?;
        self.model.coefficients_along_y(site, basis, rows)
    }
    fn spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        check_order(self, basis)?;
        self.model.spectrum(site, basis)
    }
    fn block_energies(&self, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
        check_order(self, basis)?;
        self.model.block_energies(site, basis)
    }
    fn neuron_and_logit_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        check_order(self, basis)?;
        self.model.neuron_and_logit_spectra(basis)
    }
    forwarded_methods!();
}
