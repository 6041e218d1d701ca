//! The group of a run, and the names of its family.

use super::{GroupKind, Run};
use crate::error::Result;
use crate::fourier::CyclicSubgroupBasis;
use crate::group::{Alternating, Cyclic, Dihedral, Elem, Group, GroupExt, PermutationGroup, Symmetric};
use crate::irrep::{Irrep, Representation, alternating, cyclic, dihedral, irreps, symmetric};
use std::path::Path;

/// The group of a run, and the coordinates and names that its family has.
impl Run {
    /// The group in the element order of a file, and the permutations that its elements are; without a file,
    /// [`group`](Run::group).
    ///
    /// # Arguments
    /// `order`: a file of permutations, which a symmetric or alternating run needs.
    ///
    /// # Errors
    /// Those of [`PermutationGroup::from_json`] and of [`group`](Run::group).
    ///
    /// ```no_run
    /// use irreplens::{checkpoint::Run, fourier::IrrepBasis};
    /// let run = Run::open("runs/S5")?;
    /// let (group, permutations) = run.group_in_order(Some("orders/S5.json".as_ref()))?;
    /// let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?; // (5), (4,1), ...
    /// let along = run.cyclic_basis(&group); // powers of a permutation of order 6
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn group_in_order(&self, order: Option<&Path>) -> Result<(Box<dyn Group>, Option<PermutationGroup>)> {
        let permutations = order.map(PermutationGroup::from_json).transpose()?;
        let group: Box<dyn Group> = match &permutations {
            Some(permutations) => Box::new(permutations.cayley_table().with_name(permutations.name())),
            None => self.group()?,
        };
        Ok((group, permutations))
    }

    /// Cosines and sines along the powers of an element: r of a cyclic or dihedral run, else an element of the largest order.
    ///
    /// # Arguments
    /// `group`: that of the run.
    #[must_use]
    pub fn cyclic_basis(&self, group: &(impl Group + ?Sized)) -> CyclicSubgroupBasis {
        let along = match self.config.group {
            GroupKind::CyclicGroup | GroupKind::DihedralGroup => group.element(1 % self.config.group_parameter),
            _ => {
                let orders = group.element_orders();
                let longest = group.elements().rev().max_by_key(|e| orders[e.index()]);
                longest.unwrap_or(group.identity())
            }
        };
        CyclicSubgroupBasis::new(group, along)
    }

    /// The irreps under the names that the group's family has for them, where it has any: for a cyclic or dihedral run in
    /// the library's element order, and for a symmetric or alternating one with a file of either rule of composition.
    ///
    /// # Arguments
    /// `group`, `permutations`: what [`group_in_order`](Run::group_in_order) returns.
    ///
    /// # Errors
    /// Those of [`irreps`]; [`Error::NotAnIrrep`](crate::Error::NotAnIrrep) if `permutations` are not `group`'s.
    pub fn irreps(&self, group: &(impl Group + ?Sized), permutations: Option<&PermutationGroup>) -> Result<Vec<Irrep>> {
        let n = self.config.group_parameter;
        let of = |group: &dyn Group, found: Vec<Representation<f64>>| -> Result<Vec<Irrep>> {
            found.iter().map(|rho| rho.irrep(group)).collect()
        };
        let degree = permutations.map_or(0, PermutationGroup::degree);
        match (self.config.group, permutations) {
            (GroupKind::CyclicGroup, None) if same_product(group, &Cyclic::new(n)?) => {
                let group = Cyclic::new(n)?;
                of(&group, cyclic(&group))
            }
            (GroupKind::DihedralGroup, None) if same_product(group, &Dihedral::new(n)?) => {
                let group = Dihedral::new(n)?;
                of(&group, dihedral(&group))
            }
            (GroupKind::SymmetricGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let all = Symmetric::new(degree)?;
                let found = of(&all, symmetric(&all))?;
                pulled_back(group, found, permutations, |p| all.find(p))?.map_or_else(|| irreps(group), Ok)
            }
            (GroupKind::AlternatingGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let even = Alternating::new(degree)?;
                let found = of(&even, alternating(&even, 0)?)?;
                pulled_back(group, found, permutations, |p| even.find(p))?.map_or_else(|| irreps(group), Ok)
            }
            _ => irreps(group),
        }
    }
}

/// Whether two groups are one, element by element.
fn same_product(group: &(impl Group + ?Sized), other: &impl Group) -> bool {
    let same = |s: Elem| group.elements().all(|x| group.compose(x, s) == other.compose(x, s));
    group.order() == other.order() && group.generators().into_iter().all(same)
}

/// The irreps at the permutations in the order of a file, whatever its rule; `None` unless they are all of the family's.
fn pulled_back(
    group: &(impl Group + ?Sized),
    found: Vec<Irrep>,
    permutations: &PermutationGroup,
    find: impl Fn(&[usize]) -> Option<Elem>,
) -> Result<Option<Vec<Irrep>>> {
    let map: Option<Vec<Elem>> = permutations.elements().map(|x| find(permutations.permutation(x))).collect();
    let map = map.filter(|map| map.len() == found[0].character.len());
    map.map(|map| found.iter().map(|irrep| irrep.pulled_back(group, &map)).collect()).transpose()
}
