#[cfg(feature = "cuda")]
use super::OnDevice;
use super::{ActivationCache, BlockEnergies, Evaluation, Hooks, Interpretable, Moments, PairSums, Separable};
use super::{Site, SiteSpectrum, forwarded_methods};
use crate::error::{Result, check_shape};
use crate::fourier::FourierBasis;
use crate::group::{Fingerprint, Group, GroupExt};
use crate::task::{Pair, Task};
use ndarray::{Array2, Array3, ArrayView2};
use std::ops::{Deref, Range};

/// A model that says which group its elements are of, so that analyses refuse bases and tasks of another one.
///
/// [`Run::model`](crate::checkpoint::Run::model) returns one where the run says what its group is.
///
/// ```
/// use irreplens::analysis::{Candidates, neurons};
/// use irreplens::group::{Cyclic, Dihedral, DirectProduct};
/// use irreplens::{fourier::IrrepBasis, model::{OfGroup, SummedMlp}};
/// use ndarray::Array2;
/// let net = SummedMlp::new(Array2::ones((6, 2)), Array2::ones((6, 2)), Array2::ones((2, 6)))?;
/// let net = OfGroup::new(net, &Cyclic::new(6)?)?;
/// assert!(neurons(&net, &IrrepBasis::new(&Cyclic::new(6)?)?, Candidates::AllBlocks).is_ok());
/// let error = neurons(&net, &IrrepBasis::new(&Dihedral::new(3)?)?, Candidates::AllBlocks).unwrap_err();
/// assert!(matches!(error, irreplens::Error::OtherGroup { .. }));
/// # Ok::<(), irreplens::Error>(())
/// ```
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

    /// A model on the group with this fingerprint, if any.
    pub(crate) fn with_fingerprint(model: M, fingerprint: Option<Fingerprint>) -> Self {
        Self { model, fingerprint }
    }

    /// A model on a group that is not known, or is not to be asked about.
    pub fn unknown(model: M) -> Self {
        Self { model, fingerprint: None }
    }
}

impl<M> Deref for OfGroup<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

impl<M: Interpretable> Interpretable for OfGroup<M> {
    fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
    #[cfg(feature = "cuda")]
    fn to_device(&self, device: &crate::device::Device) -> Result<OnDevice> {
        Ok(self.model.to_device(device)?.of_group(self.fingerprint))
    }
    forwarded_methods!();
}
