//! Building the groups of names.

use super::{GroupName, action, files, homomorphism, quotient, wreath};
use crate::error::{Error, Result};
use crate::group::{
    Alternating, CayleyTable, Composition, Cyclic, Dicyclic, Dihedral, DirectProduct, Elem, Group, GroupExt,
    Heisenberg, PermutationGroup, SemidirectProduct, Symmetric,
};
use crate::memory;
use std::sync::Arc;

/// A group built from its [`GroupName`], which is its [`name`](Group::name) too; cheap to clone.
///
/// ```
/// use irreplens::group::{Elem, Group, GroupForm, GroupName};
/// let group = "D3xC2".parse::<GroupName>()?.build()?;
/// assert_eq!((group.order(), group.name()), (12, "D3xC2".into()));
/// let GroupForm::Direct(product) = group.form() else { panic!("a direct product") };
/// assert_eq!(product.split(Elem::new(7)), (Elem::new(3), Elem::new(1)));
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NamedGroup {
    name: GroupName,
    order: usize,
    form: GroupForm,
}

/// How a [`NamedGroup`] is built: by the closed form of its family, where there is one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GroupForm {
    /// C_n.
    Cyclic(Cyclic),
    /// D_n.
    Dihedral(Dihedral),
    /// Dic_n.
    Dicyclic(Dicyclic),
    /// S_n.
    Symmetric(Arc<Symmetric>),
    /// A_n.
    Alternating(Arc<Alternating>),
    /// G x H; G^k is G^(k-1) x G.
    Direct(Arc<DirectProduct<NamedGroup, NamedGroup>>),
    /// N x| H.
    Semidirect(Arc<SemidirectProduct<NamedGroup, NamedGroup>>),
    /// A Heisenberg or extraspecial group.
    Heisenberg(Heisenberg),
    /// A group of permutations.
    Permutations(Arc<PermutationGroup>),
    /// Any other, as its multiplication table.
    Table(Arc<CayleyTable>),
}

impl GroupForm {
    pub(super) fn group(&self) -> &dyn Group {
        match self {
            Self::Cyclic(group) => group,
            Self::Dihedral(group) => group,
            Self::Dicyclic(group) => group,
            Self::Symmetric(group) => group,
            Self::Alternating(group) => group,
            Self::Direct(group) => group,
            Self::Semidirect(group) => group,
            Self::Heisenberg(group) => group,
            Self::Permutations(group) => group,
            Self::Table(group) => group,
        }
    }
}

impl NamedGroup {
    pub(super) fn new(name: GroupName, form: GroupForm) -> Self {
        Self { name, order: form.group().order(), form }
    }

    /// Its name, as [`Group::name`] is in text.
    #[must_use]
    pub fn group_name(&self) -> &GroupName {
        &self.name
    }

    /// How it is built.
    #[must_use]
    pub fn form(&self) -> &GroupForm {
        &self.form
    }
}

impl Group for NamedGroup {
    fn order(&self) -> usize {
        self.order
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        self.form.group().compose(x, y)
    }
    fn identity(&self) -> Elem {
        self.form.group().identity()
    }
    fn inverse(&self, x: Elem) -> Elem {
        self.form.group().inverse(x)
    }
    fn name(&self) -> String {
        self.name.to_string()
    }
}

impl GroupName {
    /// The group of this name.
    ///
    /// # Errors
    /// [`Error::GroupName`] naming the part that is no group's, or whose order is above
    /// [`MAX_ORDER`](GroupName::MAX_ORDER); the errors of reading a file.
    ///
    /// Cost: that of the group's own type; a table of order n takes 4 n^2 bytes, 400 MB and a few seconds at most.
    pub fn build(&self) -> Result<NamedGroup> {
        if let Some(order) = self.order() {
            self.check_order(order)?;
        }
        let form = self.build_form()?;
        self.check_order(form.group().order())?;
        Ok(NamedGroup::new(self.clone(), form))
    }

    /// That an order is not too large.
    pub(super) fn check_order(&self, order: usize) -> Result<()> {
        if order <= Self::MAX_ORDER {
            return Ok(());
        }
        let got = if order == usize::MAX { "more than 2^64".into() } else { order.to_string() };
        Err(Error::no_group(self, format!("an order up to {}", Self::MAX_ORDER), got))
    }

    /// That there is memory for a table.
    pub(super) fn check_table(&self, order: usize) -> Result<()> {
        self.check_order(order)?;
        memory::check("a Cayley table", memory::bytes::<Elem>(&[order, order]))
    }

    /// The table of a group, as that of this name.
    pub(super) fn table(&self, group: &dyn Group) -> Result<GroupForm> {
        self.check_table(group.order())?;
        Ok(GroupForm::Table(group.cayley_table().into()))
    }

    fn build_form(&self) -> Result<GroupForm> {
        Ok(match self {
            Self::Cyclic(n) => GroupForm::Cyclic(Cyclic::new(*n)?),
            Self::Dihedral(n) => GroupForm::Dihedral(Dihedral::new(*n)?),
            Self::Dicyclic(n) => GroupForm::Dicyclic(Dicyclic::new(*n)?),
            Self::Symmetric(n) => GroupForm::Symmetric(Symmetric::new(*n)?.into()),
            Self::Alternating(n) => GroupForm::Alternating(Alternating::new(*n)?.into()),
            Self::Direct(left, right) => {
                let (left, right) = (left.build()?, right.build()?);
                self.check_order(left.order() * right.order())?;
                GroupForm::Direct(DirectProduct::new(left, right)?.into())
            }
            Self::Power(_, 0) => return Err(Error::no_group(self, "an exponent from 1 up", 0)),
            Self::Power(base, k) => {
                let base = base.build()?;
                let mut power = base.clone();
                for k in 2..=*k {
                    let name = Self::Power(base.name.clone().into(), k);
                    let order = power.order() * base.order();
                    if order == 1 {
                        break; // however large the exponent is
                    }
                    self.check_order(order)?;
                    let form = GroupForm::Direct(DirectProduct::new(power, base.clone())?.into());
                    power = NamedGroup::new(name, form);
                }
                power.form
            }
            Self::Semidirect { normal, by, acting } => {
                let (normal, acting) = (normal.build()?, acting.build()?);
                self.check_order(normal.order().saturating_mul(acting.order()))?;
                let action = action::action(self, &normal, by, &acting)?;
                GroupForm::Semidirect(SemidirectProduct::new(normal, acting, action)?.into())
            }
            Self::Central(left, right) => quotient::central(self, &left.build()?, &right.build()?)?,
            Self::Wreath(base, top) => wreath::wreath(self, base.build()?, top.build()?)?,
            Self::Quotient(of, kernel) => quotient::quotient(self, &of.build()?, kernel)?,
            Self::Holomorph(of) => homomorphism::holomorph(self, of.build()?)?,
            Self::Automorphisms(of) => {
                let found = homomorphism::automorphism_group(self, &of.build()?, Self::MAX_ORDER)?;
                self.table(&found)?
            }
            Self::Matrix(family, n, q) => family.build(self, *n, *q)?,
            Self::Heisenberg(m) => GroupForm::Heisenberg(Heisenberg::new(*m)?),
            Self::Extraspecial { p, n, plus } => {
                let found = Heisenberg::extraspecial(*p, *n, *plus);
                GroupForm::Heisenberg(found.map_err(|_| Error::no_group(self, "a prime", p))?)
            }
            Self::Presentation(presentation) => presentation.build(self)?,
            Self::Permutations(generators) => {
                let (rule, limit) = (Composition::ApplyLeftFirst, Self::MAX_ORDER);
                let found = PermutationGroup::from_generators(generators, rule, limit);
                GroupForm::Permutations(found.map_err(|error| self.over_limit(error))?.into())
            }
            Self::File(kind, path) => files::read_group(*kind, path.as_ref())?,
        })
    }

    /// [`Error::OverLimit`] as the error about this name.
    fn over_limit(&self, error: Error) -> Error {
        match error {
            Error::OverLimit { limit, .. } => Error::no_group(self, format!("an order up to {limit}"), "more"),
            error => error,
        }
    }
}
